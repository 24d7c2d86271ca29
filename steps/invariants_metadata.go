package steps

import (
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/lro-tools/conform/targets"
)

// flagGrace is what is added to settle before a request that does not show is
// a finding: the answer that showed it may have been under way.
const flagGrace = 500 * time.Millisecond

// checkRequestedFlag judges a member of the metadata that tells that the
// cancellation was requested. False until settle is legal, and after another form
// of the cancel, which may have no effect; unset after it was set is not. A server
// may accept the cancel of an operation that has ended, and has nothing to show
// then: the flag is missed only where the operation is still in progress, or was
// cancelled by that cancel.
func (w *world) checkRequestedFlag(op *operation, s snapshot) {
	const id = "cancel.effect.requested-flag"
	set, present := requestedFlag(w.metadata(s))
	switch {
	case present && set:
		op.flagSet = true
		if !op.accepted.IsZero() {
			w.hold(id)
		}
	case op.flagSet && w.afterFlag(op, s):
		w.aside(id, s.exchange, "/metadata", "once set, it stays set", "not set", "the metadata no longer shows that the cancellation was requested")
	case present && !op.accepted.IsZero() && !op.formed && s.sent.Sub(op.accepted) > w.settleFor()+flagGrace && (!s.done || s.cancelled() && !op.endedBefore(op.accepted)):
		w.aside(id, s.exchange, "/metadata", "set within settle after the accepted cancel", "not set", "the metadata does not show that the cancellation was requested")
	}
}

// endedBefore tells whether the operation was seen done before a time.
func (op *operation) endedBefore(t time.Time) bool {
	return slices.ContainsFunc(op.snapshots, func(s snapshot) bool { return s.done && s.received.Before(t) })
}

// afterFlag tells whether an answer that showed the flag had arrived before
// this one was asked for. Metadata that is gone, or of another type, is the
// business of cancel.state.metadata-kept; that done is taken back, and all else
// with it, that of operation.terminal.done-monotonic.
func (w *world) afterFlag(op *operation, s snapshot) bool {
	if !s.done && op.endedBefore(s.sent) {
		return false
	}
	for _, e := range op.snapshots {
		if set, _ := requestedFlag(w.metadata(e)); set && e.received.Before(s.sent) {
			return metadataType(e) == metadataType(s)
		}
	}
	return false
}

// metadataType is the type of an operation's metadata; "" where there is none.
func metadataType(s snapshot) string {
	t, _ := object(s.doc["metadata"])["@type"].(string)
	return t
}

// metadata is an operation's metadata in its JSON form, over gRPC too where its
// type is known; nil where there is none.
func (w *world) metadata(s snapshot) any {
	doc := s.doc["metadata"]
	if s.transport != targets.GRPC || doc == nil {
		return doc
	}
	decoded, ok := w.decodeAny(doc)
	if !ok {
		return doc
	}
	return decoded
}

// metadataState reads the state that the target file points to; "" where there
// is none, or where it is no string.
func (w *world) metadataState(s snapshot) string {
	p := w.run.target.MetadataState
	if p == "" {
		return ""
	}
	v, _ := pointer(w.metadata(s), p)
	text, _ := v.(string)
	return text
}

// decodeAny renders an Any that came over gRPC as JSON shows it, where its
// type is linked in or known to the target by reflection or protoset.
func (w *world) decodeAny(v any) (any, bool) {
	typeURL, value, ok := targets.WireAny(v)
	if !ok {
		return nil, false
	}
	return w.run.decoded.of(typeURL+"\x00"+string(value), func() (any, bool) { return w.renderAny(typeURL, value) })
}

// A decodings remembers decoded values: polls bring the same metadata again and
// again, and lists that of all operations. It may be used from many goroutines.
type decodings struct {
	mu   sync.Mutex
	docs map[string]any // nil: what cannot be decoded
	size int            // bytes, of the keys
}

// decodedMost bounds the bytes that decodings are remembered of. What takes
// more than a share of it is decoded anew each time.
const decodedMost = 1 << 20

func (d *decodings) of(key string, decode func() (any, bool)) (any, bool) {
	d.mu.Lock()
	doc, known := d.docs[key]
	d.mu.Unlock()
	if known {
		return doc, doc != nil
	}
	doc, ok := decode()
	if !ok {
		doc = nil
	}
	if len(key) > decodedMost/64 {
		return doc, ok
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.docs == nil || d.size+len(key) > decodedMost {
		d.docs, d.size = map[string]any{}, 0
	}
	d.docs[key] = doc
	d.size += len(key)
	return doc, ok
}

// renderAny is decodeAny without memory; nil where the type is not known.
func (w *world) renderAny(typeURL string, value []byte) (any, bool) {
	if text, err := protojson.Marshal(&anypb.Any{TypeUrl: typeURL, Value: value}); err == nil {
		doc, err := targets.DecodeJSON(text)
		return doc, err == nil
	}
	if w.ep == nil || w.ep.Types == nil {
		return nil, false
	}
	doc, ok := w.ep.Types.Decode(typeURL, value)
	if m, isMap := doc.(map[string]any); ok && isMap {
		m["@type"] = typeURL
	}
	return doc, ok
}

// metadataState is the requirement that a state in the metadata agrees with the result.
const metadataState = "cancel.state.metadata-state"

// checkMetadataState judges a state in the metadata against the result in the
// same answer.
func (w *world) checkMetadataState(op *operation, s snapshot) {
	const id = metadataState
	state := w.metadataState(s)
	switch {
	case state == "", s.hasError && (!s.codeRead || s.code <= 0 || s.code > 16), s.hasError && s.hasResponse, !s.done && (s.hasError || s.hasResponse):
		return // a code that is none, both results and a result before done have requirements of their own
	}
	wrong := ""
	switch state {
	case "CANCELLED":
		if !s.cancelled() {
			if s.done && w.oughtToBeCancelled(op, s) {
				return
			}
			wrong = "CANCELLED goes with done and error code 1"
		}
	case "PENDING", "RUNNING", "CANCELLING":
		if s.done {
			wrong = state + " goes with done false"
		}
	default:
		if s.cancelled() && (state == "SUCCEEDED" || state == "FAILED") {
			wrong = "error code 1 goes with CANCELLED"
		}
	}
	if wrong != "" {
		w.aside(id, s.exchange, "/metadata"+w.run.target.MetadataState, wrong, state+" while "+s.state(), "the metadata's state contradicts the operation's result")
		return
	}
	w.hold(id)
}

// oughtToBeCancelled tells whether it is the result of a done operation that is
// wrong where its metadata says CANCELLED: there is none, it was the right one
// before, or the target promised that the cancel takes effect. That is the
// business of operation.result.present, operation.terminal.result-immutable and
// cancel.state.code-1; the results that List shows, that of list.consistent-with-get.
func (w *world) oughtToBeCancelled(op *operation, s snapshot) bool {
	if !s.hasError && !s.hasResponse || op == nil {
		return true
	}
	op.looking.Lock()
	defer op.looking.Unlock()
	asked := op.attempted
	if asked.IsZero() {
		asked = op.accepted
	}
	promised := w.run.target.Guaranteed && !asked.IsZero() && !op.endedBefore(asked)
	return promised || slices.ContainsFunc(op.snapshots, snapshot.cancelled)
}
