package reference

import (
	"context"
	"net/http"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/lro-tools/conform/targets"
)

type formedKey struct{}

// ofFinishedInForm is a fault by which a cancel over REST to which applies says yes has
// what has ended as wanted says, and is asked to stop, be aborted. A cancel over gRPC
// has, to which routed does.
func ofFinishedInForm(applies func(r *http.Request, body []byte) bool, routed func(ctx context.Context) bool, wanted func(op *longrunningpb.Operation) bool) Fault {
	return Fault{
		REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
			if applies(r, body) {
				r = r.WithContext(context.WithValue(r.Context(), formedKey{}, true))
			}
			next.ServeHTTP(w, r)
		}),
		Service: func(next Service) Service {
			asked := newNameSet()
			return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if (ctx.Value(formedKey{}) != nil || routed(ctx)) && peek(ctx, next, r.GetName()).GetDone() {
					asked.add(r.GetName())
				}
				return next.Cancel(ctx, r)
			})(overwrites(func(_ history, op *longrunningpb.Operation) bool {
				return asked.has(op.GetName()) > 0 && wanted(op)
			}, func(op *longrunningpb.Operation) { end(op, codes.Aborted, "cancelled after its end") })(next))
		},
	}
}

// finishedFormMutants abort what has ended when they are asked to cancel it in a form
// that they read apart from others.
func finishedFormMutants() []Mutant {
	const success, failure, cancelled = "cancel.finished.preserves-success", "cancel.finished.preserves-failure", "cancel.finished.preserves-cancelled"
	const immutable, routing = "operation.terminal.result-immutable", "x-goog-request-params"
	hasSucceeded := func(op *longrunningpb.Operation) bool { return op.GetResponse() != nil }
	overREST := func(name, doc, breaks string, applies func(r *http.Request, body []byte) bool, wanted func(op *longrunningpb.Operation) bool) Mutant {
		return Mutant{Name: name, Doc: doc, BreaksOn: map[targets.Transport][]string{targets.REST: {breaks, immutable}},
			Fault: ofFinishedInForm(applies, func(context.Context) bool { return false }, wanted)}
	}
	routed := func(name, doc, breaks string, wanted func(op *longrunningpb.Operation) bool) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks, immutable},
			Fault: ofFinishedInForm(func(r *http.Request, _ []byte) bool { return r.Header.Get(routing) != "" },
				func(ctx context.Context) bool { return len(metadata.ValueFromIncomingContext(ctx, routing)) > 0 }, wanted)}
	}
	empty := func(typed bool) func(r *http.Request, body []byte) bool {
		return func(r *http.Request, body []byte) bool {
			return len(body) == 0 && (r.Header.Get("Content-Type") != "") == typed
		}
	}
	second := func(applies func(r *http.Request, body []byte) bool) func(r *http.Request, body []byte) bool {
		paths := newNameSet()
		return func(r *http.Request, body []byte) bool { return applies(r, body) && paths.add(rawPath(r.URL)) > 1 }
	}
	named := func(_ *http.Request, body []byte) bool { return nameIn(body) != "" }
	queried := func(r *http.Request, _ []byte) bool { return r.URL.RawQuery != "" }
	return []Mutant{
		overREST("untyped-cancel-overwrites-success", "Aborts what has succeeded, on a cancel without a body and a type of it.", success, empty(false), hasSucceeded),
		overREST("queried-cancel-overwrites-success", "Aborts what has succeeded, on a cancel with a query.", success, queried, hasSucceeded),
		overREST("empty-cancel-overwrites-failure", "Aborts what has failed, on a cancel of zero bytes that are called JSON.", failure, empty(true), hasFailed),
		overREST("second-empty-cancel-overwrites-success", "Aborts what has succeeded, on the second cancel of zero bytes.", success, second(empty(false)), hasSucceeded),
		overREST("named-cancel-revives-cancelled", "Aborts what is cancelled, on a cancel whose body names it.", cancelled, named, isCancelled),
		routed("routed-cancel-overwrites-success", "Aborts what has succeeded, on a cancel that is routed by its header.", success, hasSucceeded),
		routed("routed-cancel-overwrites-failure", "Aborts what has failed, on a cancel that is routed by its header.", failure, hasFailed),
		routed("routed-cancel-revives-cancelled", "Aborts what is cancelled, on a cancel that is routed by its header.", cancelled, isCancelled),
	}
}
