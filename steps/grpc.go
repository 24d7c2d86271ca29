package steps

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lro-tools/conform/targets"
)

// cancelMethod is the :path of the method (google/longrunning/operations.proto).
const cancelMethod = "/google.longrunning.Operations/CancelOperation"

// noSuchMethod is the :path of a method that the service does not have.
const noSuchMethod = "/google.longrunning.Operations/CancleOperation"

func grpcSteps() []definition {
	return []definition{
		step(`the client calls (the method of a cancel|an unknown method|an unknown service)`, whenCallsMethod),
		step(`the method is there`, thenMethodThere),
		step(`the answer is that there is no such method`, thenNoSuchMethod),
		step(`the answer is an Empty`, thenEmptyMessage),
		step(`the answer is one message`, thenOneMessage),
		step(`each answer is an Empty`, thenEach(emptyMessage)),
		step(`each answer is one message`, thenEach(oneMessage)),
		step(`the client sends a cancel of (.+)`, whenSendsOdd),
		step(`the empty name is rejected`, thenEmptyNameRejected),
		step(`the name is taken to the letter`, thenNameLiteral),
		step(`what cannot be decoded is refused`, thenUndecodableRefused),
	}
}

// oddConnection is the connection of requests at which a server may close it:
// none of the other cases' calls shares it.
const oddConnection = 1000

// payload is the binary CancelOperationRequest of a name, which may hold what
// no library would encode, and more after it.
func payload(name string, more ...byte) []byte {
	out := protowire.AppendTag(nil, 1, protowire.BytesType)
	return append(protowire.AppendString(out, name), more...)
}

// futureFields are the fields that a request may get in a later version.
func futureFields(form, name string) ([]byte, bool) {
	const number = 999
	varint := protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), 1)
	switch form {
	case "an unknown field after its name":
		return payload(name, varint...), true
	case "an unknown field before its name":
		return append(varint, payload(name)...), true
	case "an unknown message beside its name":
		return payload(name, protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), varint)...), true
	}
	return nil, false
}

// whenCallsMethod calls a method by its full name, with the request of a cancel.
func whenCallsMethod(ctx context.Context, which string) error {
	w := of(ctx)
	r := targets.RawRequest{FullMethod: cancelMethod, Method: targets.Cancel, Payload: payload(w.it.name)}
	switch which {
	case "an unknown method":
		r.FullMethod, r.Method = noSuchMethod, ""
	case "an unknown service":
		r.FullMethod, r.Method = "/google.longrunning.NoSuchOperations/CancelOperation", ""
	}
	w.it.attempt()
	w.it.formed = r.Method == ""
	if r.Method == "" {
		r.Connection = oddConnection
	}
	c, err := w.repeatTransient(ctx, func() call { return w.raw(ctx, r, which) })
	if c.err != nil && ctx.Err() == nil && r.Method == "" {
		w.facts["call"] = c
		return w.silent(ctx, c, func() (call, error) { return w.raw(ctx, r, which), nil }, w.plainCancel(ctx, targets.Running))
	}
	if r.Method != "" {
		w.it.acceptedBy(c)
	}
	w.facts["call"] = c
	return err
}

// noMethod tells whether an answer says that there is no such method. Plain
// HTTP 404 in place of gRPC says the same (gRPC, HTTP to gRPC status mapping).
func noMethod(ex targets.Exchange) bool { return unimplemented(ex) }

// thenMethodThere judges that the method has its path. UNIMPLEMENTED there
// means no cancel over gRPC where a handler says so, in words of its own; where
// it is what any unknown method is told, the method is missing, if the same
// service cancels over REST.
func thenMethodThere(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	switch {
	case !noMethod(c.Exchange) && !c.Accepted() && !c.GRPC.HasStatus:
		return inconclusive("the answer has no grpc-status (see grpc.status-in-trailers)")
	case !noMethod(c.Exchange):
		return nil
	case w.run.target.Cancel == targets.CancelSupported:
		return inconclusive("the method answers UNIMPLEMENTED (see cancel.accept.in-progress)")
	case w.run.target.Cancel == targets.CancelUnsupported:
		return inapplicable("the target declares that it does not support cancel")
	}
	for range probes - 1 {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return err
		}
		again := w.cancel(ctx, op)
		if again.err == nil && transient(again.Exchange) {
			continue
		}
		if again.err != nil || !noMethod(again.Exchange) {
			return inconclusive("the method is answered UNIMPLEMENTED, but not always (see cancel.unimplemented.consistent)")
		}
	}
	other, err := w.otherEnd()
	if err != nil {
		return inapplicable("the server does not support cancel over gRPC, and there is no REST to compare with")
	}
	_, control, err := w.cancelAcross(ctx, other, targets.Running)
	if err != nil {
		return err
	}
	if !control.Accepted() {
		return inapplicable("the server does not support cancel: over REST it answers %s", control.Status())
	}
	if !c.GRPC.HasStatus {
		return w.fail(c, "the method is served at "+cancelMethod, "there is no route to the method, while the same service cancels over REST")
	}
	missing, err := w.repeatTransient(ctx, func() call {
		return w.raw(ctx, targets.RawRequest{FullMethod: noSuchMethod, Payload: payload(w.it.name), Connection: oddConnection}, "an unknown method")
	})
	switch {
	case err != nil:
		return err
	case missing.err == nil && noMethod(missing.Exchange) && toldOfMethod(missing) != toldOfMethod(c):
		return inapplicable("the server does not support cancel over gRPC: the method is there, and says so")
	}
	return w.fail(c, "the method is served at "+cancelMethod, "the method is not found, while the same service cancels over REST")
}

// toldOfMethod is what an answer says of the method that was called, whatever
// the method's name.
func toldOfMethod(c call) string {
	_, called, _ := strings.Cut(cancelMethod[1:], "/")
	_, missing, _ := strings.Cut(noSuchMethod[1:], "/")
	return strings.NewReplacer(called, "", missing, "").Replace(c.GRPC.StatusDetail)
}

// thenNoSuchMethod judges the answer to a method or service that is not there.
func thenNoSuchMethod(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	const want = "UNIMPLEMENTED (12)"
	switch {
	case c.err != nil:
		return w.fail(c, want, "a method that does not exist brings no answer, again and again, while the plain cancel is answered")
	case !c.GRPC.HasStatus && (c.HTTP == 401 || c.HTTP == 403):
		w.note("an unknown method is answered with plain HTTP %d, before the method is looked for", c.HTTP)
	case !c.GRPC.HasStatus && c.HTTP == 404:
		w.note("an unknown method is answered with plain HTTP 404, which clients read as UNIMPLEMENTED")
	case noMethod(c.Exchange):
	case isCode(c.Exchange, codes.Unauthenticated, codes.PermissionDenied):
		w.note("an unknown method is answered %s, before the method is looked for", c.Status())
	case !c.GRPC.HasStatus && c.HTTP != 200 && frontEnd(c.HTTP):
		return inconclusive("plain HTTP %d came in place of gRPC", c.HTTP)
	case !c.GRPC.HasStatus && spokeGRPC(c):
		return inconclusive("the answer has no grpc-status (see grpc.status-in-trailers)")
	default:
		return w.fail(c, want, "a method that does not exist is not answered UNIMPLEMENTED")
	}
	return nil
}

// thenEmptyMessage judges the message of success: exactly one, that is an
// Empty. A second one has a requirement of its own.
func thenEmptyMessage(ctx context.Context) error {
	w := of(ctx)
	c, err := w.success()
	if err != nil {
		return err
	}
	return emptyMessage(w, c)
}

// thenEach judges the answers to a cancel that was repeated, as far as they
// are success.
func thenEach(judge func(*world, call) error) func(context.Context) error {
	return func(ctx context.Context) error {
		w := of(ctx)
		c, err := w.success()
		if err != nil {
			return err
		}
		errs := []error{judge(w, c)}
		for _, r := range w.repetitions() {
			if r.err == nil && r.Accepted() {
				errs = append(errs, judge(w, r.call))
			}
		}
		return gravest(errs)
	}
}

func emptyMessage(w *world, c call) error {
	const want = "one message, a google.protobuf.Empty"
	switch {
	case c.Truncated:
		return inconclusive("the message is longer than what is read of an answer")
	case c.GRPC.Messages == 0:
		return w.accuse(w.plan.requirement.ID, c.index, want, "the status OK, and no message", "a successful cancel returns no message")
	case c.DocErr != nil:
		return w.accuse(w.plan.requirement.ID, c.index, want, c.DocErr.Error(), "a successful cancel returns a message that is none")
	case showsName(c.Body, w.it.name):
		return w.accuse(w.plan.requirement.ID, c.index, want, "a message with the operation's name in its first field", "a successful cancel returns an operation")
	case len(c.Body) > 0:
		w.note("the Empty has %d bytes of unknown fields: clients skip them", len(c.Body))
	}
	return nil
}

// showsName tells whether a message has an operation's name as its field 1, as
// an Operation has (google/longrunning/operations.proto).
func showsName(message []byte, name string) bool {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return false
		}
		size := protowire.ConsumeFieldValue(number, kind, message[n:])
		if size < 0 {
			return false
		}
		if number == 1 && kind == protowire.BytesType {
			if text, _ := protowire.ConsumeBytes(message[n:]); string(text) == name {
				return true
			}
		}
		message = message[n+size:]
	}
	return false
}

func thenOneMessage(ctx context.Context) error {
	w := of(ctx)
	c, err := w.success()
	if err != nil {
		return err
	}
	return oneMessage(w, c)
}

// manyMessages tells whether a success of a unary call came in several messages,
// which clients take for an error of their own making (gRPC, status codes and their
// use: a violation of the cardinality of responses).
func manyMessages(c call) bool {
	return c.Transport == targets.GRPC && c.GRPC != nil && c.Accepted() && c.GRPC.Messages > 1
}

// failMany is the finding that an answer with an operation came in several
// messages.
func (w *world) failMany(c call, want, format string, args ...any) error {
	return w.accuse(w.plan.requirement.ID, c.index, want+", in one message", fmt.Sprintf("%d messages", c.GRPC.Messages), format, args...)
}

func oneMessage(w *world, c call) error {
	if !manyMessages(c) {
		return nil
	}
	return w.accuse(w.plan.requirement.ID, c.index, "one message and the trailers", fmt.Sprintf("%d messages", c.GRPC.Messages),
		"a successful cancel returns more than one message")
}
