package reference

import (
	"context"
	"net/http"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
)

type otherEndKey struct{}

// otherEnd is a hook by which edit makes another end of that of the operations whose
// first cancel is one that some tells.
func otherEnd(some func(ctx context.Context, r *longrunningpb.CancelOperationRequest) bool, edit func(op *longrunningpb.Operation)) func(Service) Service {
	return func(next Service) Service {
		known := newNameSet()
		shown := seen(func(op *longrunningpb.Operation) {
			if isCancelled(op) && known.has(op.GetName()) > 0 {
				edit(op)
			}
		})(next)
		return canceller{shown, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			first := stateOf(peek(ctx, next, r.GetName())) != cancelling
			err := next.Cancel(ctx, r)
			if err == nil && first && some(ctx, r) {
				known.add(r.GetName())
			}
			return err
		}}
	}
}

// formEndsMutants stop an operation whose cancel comes in one form, but not as one that
// was cancelled.
func formEndsMutants() []Mutant {
	marked := func(applies func(r *http.Request, body []byte) bool, edit func(op *longrunningpb.Operation)) Fault {
		return Fault{
			REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
				if applies(r, body) {
					r = r.WithContext(context.WithValue(r.Context(), otherEndKey{}, true))
				}
				next.ServeHTTP(w, r)
			}),
			Service: otherEnd(func(ctx context.Context, _ *longrunningpb.CancelOperationRequest) bool {
				return ctx.Value(otherEndKey{}) != nil
			}, edit),
		}
	}
	zero := func(typed bool) func(r *http.Request, _ []byte) bool {
		return func(r *http.Request, _ []byte) bool {
			return r.ContentLength == 0 && (r.Header.Get("Content-Type") != "") == typed
		}
	}
	aborted := func(op *longrunningpb.Operation) { end(op, codes.Aborted, "the worker was stopped") }
	return []Mutant{
		{Name: "cancel-without-body-aborts", Doc: "Takes a cancel without a body and a Content-Type for the loss of its client, and ends the work with ABORTED.",
			Breaks: []string{"cancel.request.zero-bytes-no-content-type"}, Fault: marked(zero(false), aborted)},
		{Name: "cancel-of-zero-bytes-completes", Doc: "Ends an operation with what there is of its response where the cancel sends zero bytes and calls them JSON.",
			Breaks: []string{"cancel.request.zero-bytes-json-content-type"}, Fault: marked(zero(true), func(op *longrunningpb.Operation) {
				op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
				setState(op, succeeded)
			})},
		{Name: "zero-bytes-abort-the-nested", Doc: "Ends a child with ABORTED where its cancel sends zero bytes and calls them JSON.",
			Breaks: []string{"cancel.request.zero-bytes-json-content-type"}, Fault: marked(zero(true), func(op *longrunningpb.Operation) {
				if strings.Contains(idOf(op.GetName()), "/") {
					aborted(op)
				}
			})},
		{Name: "cancel-by-name-aborts", Doc: "Ends an operation with ABORTED where the body of its cancel names it.",
			Breaks: []string{"cancel.request.body-name-same"}, Fault: marked(func(r *http.Request, body []byte) bool {
				return nameIn(body) != "" && strings.HasSuffix(rawPath(r.URL), nameIn(body)+":cancel")
			}, aborted)},
		{Name: "unknown-fields-abort", Doc: "Ends an operation with ABORTED where its cancel has a field that is not known.",
			Breaks: []string{"grpc.unknown-fields"}, Fault: Fault{Service: otherEnd(func(_ context.Context, r *longrunningpb.CancelOperationRequest) bool {
				return len(r.ProtoReflect().GetUnknown()) > 0
			}, aborted)}},
	}
}
