package steps

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lro-tools/conform/targets"
)

// An operation is one that the case started, and all that was seen of it.
type operation struct {
	name      string
	role      targets.Role
	started   targets.Started
	begun     time.Time   // when its start was asked for
	snapshots []snapshot  // in the order in which they were received
	accepted  time.Time   // when the first accepted cancel was answered; zero before
	attempted time.Time   // when the first cancel was sent, whatever came of it
	cancels   int         // how many were sent
	alias     bool        // Get shows it under an alias (project number for id)
	flagSet   bool        // its metadata has shown a cancellation as requested
	over      atomic.Bool // it needs no cancel at the end of the case
	unseen    bool        // its scenario cancels it before anybody has looked at it
	formed    bool        // it was cancelled in another form than the plain one
	ended     bool        // it was brought about as one that has ended
	deleting  bool        // a Delete was sent
	deleted   time.Time   // when one was sent that was accepted; zero before
	gap       *call       // a Get that has not found it, after one that had

	// looking guards what is above where several clients look at one operation
	// at a time.
	looking sync.Mutex
}

// verbLike tells whether the last segment of the name has a colon. A router may
// take what follows it for a custom verb and answer for itself, so errors about
// such a name need not be in the form of the service's.
func (op *operation) verbLike() bool {
	return strings.Contains(op.name[strings.LastIndexByte(op.name, '/')+1:], ":")
}

// routerSpeaks tells whether an error about an operation may be the words of a
// router that takes it for no request of the service's: of a name with a verb,
// and, where it is no JSON, of one with a percent sign, or with more segments than
// others have.
func (w *world) routerSpeaks(op *operation, c call) bool {
	if op.verbLike() {
		return true
	}
	if strings.Contains(op.name, "%") && c.Transport == targets.REST && mediaType(c.Header) != "application/json" {
		return true
	}
	if op.role != targets.Nested && op.role != targets.Chosen || c.Transport != targets.REST || !notFound(c.Exchange) || mediaType(c.Header) == "application/json" {
		return false
	}
	p, err := w.pathOf(op.name)
	return err == nil && strings.Contains(p.id(), "/")
}

// seen tells whether an answer has shown the operation under a name, or its
// scenario begins without a look at it: one that shows nothing of an operation is
// none, then.
func (op *operation) seen() bool {
	if op.unseen {
		return true
	}
	op.looking.Lock()
	defer op.looking.Unlock()
	return slices.ContainsFunc(op.snapshots, func(s snapshot) bool { return s.name != "" })
}

// inProgressAfter tells whether a look that was sent after a time has shown the
// operation in progress.
func (op *operation) inProgressAfter(t time.Time) bool {
	return slices.ContainsFunc(op.snapshots, func(s snapshot) bool { return !s.done && t.Before(s.sent) })
}

// foundAfter tells whether a look that was sent after a time has found the
// operation.
func (op *operation) foundAfter(t time.Time) bool {
	return slices.ContainsFunc(op.snapshots, func(s snapshot) bool { return t.Before(s.sent) })
}

// end is the first snapshot that shows the operation done.
func (op *operation) end() (snapshot, bool) {
	for _, s := range op.snapshots {
		if s.done {
			return s, true
		}
	}
	return snapshot{}, false
}

// A snapshot is one answer that shows an operation.
type snapshot struct {
	exchange       int // index into the case's exchanges
	transport      targets.Transport
	sent, received time.Time
	doc            map[string]any
	name           string
	done           bool
	hasError       bool // a non-null error
	hasResponse    bool // a non-null response
	code           int64
	codeRead       bool // code is an integer, or a string that spells one
	message        string
	partial        bool // from List: checks of one snapshot only
	waited         bool // from Wait: wait.* compare it with what Get shows
}

// readOperation reads the members of an operation, leniently: a wrong form is
// the business of the invariants, and must not look like another fault.
func readOperation(ex targets.Exchange, index int, doc map[string]any) snapshot {
	s := snapshot{exchange: index, transport: ex.Transport, sent: ex.Start, received: ex.End(), doc: doc, waited: ex.Method == targets.Wait}
	s.name, _ = doc["name"].(string)
	if v, ok := doc["error"]; ok && v != nil {
		s.hasError = true
		if m, ok := v.(map[string]any); ok {
			s.code, s.codeRead = readInt(m["code"])
			s.message, _ = m["message"].(string)
			if _, present := m["code"]; !present && m["error"] == nil && m["status"] == nil {
				s.codeRead = true // absent is 0 (ProtoJSON, default values)
			}
		}
	}
	if v, ok := doc["response"]; ok && v != nil {
		s.hasResponse = true
	}
	s.done = readDone(doc["done"], s.hasError || s.hasResponse)
	return s
}

// readDone reads done, also where it is no boolean; what cannot be read is
// taken to agree with whether there is a result.
func readDone(v any, result bool) bool {
	switch d := v.(type) {
	case nil:
		return false
	case bool:
		return d
	case string:
		if b, err := strconv.ParseBool(strings.ToLower(d)); err == nil {
			return b
		}
	case json.Number:
		if n := d.String(); n == "0" || n == "1" {
			return n == "1"
		}
	}
	return result
}

// readInt reads a ProtoJSON int32: a number without fraction, or a string that
// spells one.
func readInt(v any) (int64, bool) {
	var text string
	switch n := v.(type) {
	case json.Number:
		text = n.String()
	case string:
		text = n
	default:
		return 0, false
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, true
	}
	if r, ok := new(big.Rat).SetString(text); ok && len(text) < 24 && r.IsInt() && r.Num().IsInt64() {
		return r.Num().Int64(), true
	}
	return 0, false
}

// cancelled tells whether the snapshot is of a cancelled operation: done, with
// error code 1.
func (s snapshot) cancelled() bool { return s.done && s.hasError && s.codeRead && s.code == 1 }

// withoutResult tells whether the snapshot is of an operation that is done, and has
// neither result.
func (s snapshot) withoutResult() bool { return s.done && !s.hasError && !s.hasResponse }

// unreadable is a ruling on a done operation whose result is not in a form that
// can be compared with that of another answer: the invariants own the form.
func (s snapshot) unreadable() error {
	switch {
	case s.hasError && s.hasResponse:
		return inconclusive("the answer shows both error and response (see operation.result.exclusive)")
	case s.hasError && !s.codeRead:
		return inconclusive("the answer shows an error that cannot be read (see operation.json.error-is-status)")
	}
	return nil
}

// untyped tells whether the snapshot shows a response that is no Any: its payload
// is like that of no other.
func (s snapshot) untyped() bool {
	return s.hasResponse && s.transport == targets.REST && !isAny(s.doc["response"])
}

// result tells the result in words.
func (s snapshot) result() string {
	switch {
	case s.hasError && s.hasResponse:
		return "both error and response"
	case s.hasError && s.codeRead:
		return fmt.Sprintf("error code %d", s.code)
	case s.hasError:
		return "an error without a readable code"
	case s.hasResponse:
		return "a response"
	default:
		return "neither error nor response"
	}
}

// state tells done and result in words.
func (s snapshot) state() string {
	if !s.done {
		if s.hasError || s.hasResponse {
			return "not done, with " + s.result()
		}
		return "in progress"
	}
	return "done with " + s.result()
}

// sameResult tells whether two snapshots of one operation, both done, show the
// same result: which member, the code, the response's payload. The wording of
// error.message may differ. Payloads are compared on one transport only.
func sameResult(a, b snapshot) bool {
	if a.hasError != b.hasError || a.hasResponse != b.hasResponse {
		return false
	}
	if a.hasError && (a.codeRead != b.codeRead || a.code != b.code) {
		return false
	}
	if !a.hasResponse || a.transport != b.transport {
		return true
	}
	return targets.SameAny(a.transport, a.doc["response"], b.doc["response"])
}

// pointer follows a JSON pointer (RFC 6901) into a document.
func pointer(doc any, p string) (any, bool) {
	if p == "" {
		return doc, true
	}
	if !strings.HasPrefix(p, "/") {
		return nil, false
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for _, part := range strings.Split(p[1:], "/") {
		part = unescape.Replace(part)
		switch x := doc.(type) {
		case map[string]any:
			v, ok := x[part]
			if !ok {
				return nil, false
			}
			doc = v
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			doc = x[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// requestedNames are the members by which services tell in an operation's
// metadata that its cancellation was requested, in lowerCamelCase and
// snake_case.
var requestedNames = [...]string{"requestedCancellation", "requested_cancellation", "cancelRequested", "cancel_requested", "cancelTime", "cancel_time"}

// requestedFlag looks for such a member in metadata, at its top and one level
// below "value" (a Struct in an Any). present tells whether there is one.
func requestedFlag(metadata any) (set, present bool) {
	m, ok := metadata.(map[string]any)
	if !ok {
		return false, false
	}
	if inner, ok := m["value"].(map[string]any); ok {
		if set, present := requestedFlag(inner); present {
			return set, true
		}
	}
	for _, n := range requestedNames {
		v, ok := m[n]
		if !ok {
			continue
		}
		switch x := v.(type) {
		case bool:
			return x, true
		case string:
			return x != "", true
		}
	}
	return false, false
}
