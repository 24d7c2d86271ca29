package reference

import (
	"context"
	"strings"
	"sync"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/lro-tools/conform/targets"
)

// getsStuck is a hook by which some first cancels of operations that run are noted,
// and shown, and reach no worker.
func getsStuck(some func(ctx context.Context, name string) bool) func(Service) Service {
	return func(next Service) Service {
		var noted sync.Map // by name
		shown := seen(func(op *longrunningpb.Operation) {
			if _, stuck := noted.Load(op.GetName()); !stuck || op.GetDone() {
				return
			}
			setState(op, cancelling)
			editMetadata(op, func(fields map[string]*structpb.Value) {
				fields["requestedCancellation"] = structpb.NewBoolValue(true)
			})
		})
		return canceller{shown(next), func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			op := peek(ctx, next, r.GetName())
			if op == nil || op.GetDone() || stateOf(op) == cancelling || !some(ctx, r.GetName()) {
				return next.Cancel(ctx, r)
			}
			noted.Store(r.GetName(), true)
			return nil
		}}
	}
}

// stuckMutants show that a cancel was asked for and never act on it, where it comes
// in one form, or is of one kind of operation.
func stuckMutants() []Mutant {
	withoutBody := func(typed bool) Fault {
		return Fault{REST: marksWithoutBody(typed), Service: getsStuck(func(ctx context.Context, _ string) bool {
			return ctx.Value(withoutBodyKey{}) != nil
		})}
	}
	return []Mutant{
		{Name: "cancel-without-body-stuck", Doc: "Notes a cancel that is sent without a body and a Content-Type, and loses the message to the worker, which has no payload.",
			Breaks: []string{"cancel.request.zero-bytes-no-content-type"}, Fault: withoutBody(false)},
		{Name: "cancel-of-zero-bytes-stuck", Doc: "Notes a cancel that sends zero bytes and calls them JSON, and loses the message to the worker, which does not parse.",
			Breaks: []string{"cancel.request.zero-bytes-json-content-type"}, Fault: withoutBody(true)},
		{Name: "nested-cancel-stuck", Doc: "Notes the cancel of a child, and sends it to a worker that is called by another name.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.route.multi-segment-name"}, targets.GRPC: {"cancel.effect.best-effort"}},
			Fault: Fault{Service: getsStuck(func(_ context.Context, name string) bool {
				return strings.Contains(idOf(name), "/")
			})}},
	}
}
