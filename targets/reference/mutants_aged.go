package reference

import (
	"context"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// agedAfter is how old an operation is when mutants have forgotten how to cancel it:
// older than those that are let go on for a while, and younger than those that were
// started before all others.
const agedAfter = 9 * observeTimeout / 2

// agedMutants are wrong about what began, or ended, a while or long ago.
func agedMutants() []Mutant {
	forgotten := func(h history, op *longrunningpb.Operation) bool {
		return op.GetResponse() != nil && !h.ended.IsZero() && time.Since(h.ended) > agedAfter
	}
	return []Mutant{
		{Name: "old-cancel-refused", Doc: "Refuses the cancel of what was started long ago: the registration of its worker has expired.",
			Breaks: []string{"cancel.accept.in-progress"},
			Fault: Fault{Service: olderThan(agedAfter, func(_ context.Context, r *longrunningpb.CancelOperationRequest) error {
				return refuse(codes.FailedPrecondition, "WORKER_UNKNOWN", "operation %q has no worker", r.GetName())
			})}},
		{Name: "old-cancel-hangs", Doc: "Waits for ever for the worker of what was started long ago, whose registration has expired.",
			Breaks: []string{"cancel.accept.in-progress"},
			Fault: Fault{Service: olderThan(agedAfter*2/3, func(ctx context.Context, _ *longrunningpb.CancelOperationRequest) error {
				return pass(ctx, forever)
			})}},
		{Name: "cancel-hangs-after-a-while", Doc: "Waits for ever for a worker that has run for a while, and listens no more.",
			Breaks: []string{"cancel.accept.in-progress"},
			Fault: Fault{Service: whenOld(func(ctx context.Context, _ *longrunningpb.CancelOperationRequest) error {
				return pass(ctx, forever)
			})}},
		{Name: "old-cancel-lost", Doc: "Accepts the cancel of what was started long ago, and loses it: the registration of its worker has expired.",
			Breaks: []string{"cancel.effect.best-effort"},
			Fault: Fault{Service: func(next Service) Service {
				return olderThan(agedAfter, func(context.Context, *longrunningpb.CancelOperationRequest) error { return nil })(seen(dropFlag)(next))
			}}},
		{Name: "listing-cancels-old", Doc: "Cleans up while it lists: what has run for 300 ms is cancelled.",
			Breaks: []string{"cancel.isolation.get-no-effect"},
			Fault: Fault{Target: func(t *targets.Target) { t.Timeouts.Observe = 400 * time.Millisecond },
				Options: lastsLonger, Service: listCancels(300 * time.Millisecond)}},
		{Name: "old-success-flips", Doc: "Cancels what has succeeded long ago: the cache that says so has expired.",
			Breaks: []string{"cancel.finished.preserves-success", "operation.terminal.result-immutable"},
			Fault:  Fault{Service: overwrites(forgotten, func(op *longrunningpb.Operation) { end(op, codes.Canceled, cancelMessage) })}},
		{Name: "old-success-lost", Doc: "Does not find what has succeeded long ago to cancel it, while Get finds it in the archive.",
			Breaks: []string{"cancel.finished.status-legal"},
			Fault: Fault{Service: func(next Service) Service {
				known := newLedger(next)
				return canceller{known, func(ctx context.Context, ledger Service, r *longrunningpb.CancelOperationRequest) error {
					err := ledger.Cancel(ctx, r)
					if h, _ := known.of(r.GetName()); forgotten(h, peek(ctx, next, r.GetName())) && !denies(err) {
						return notFound(r.GetName())
					}
					return err
				}}
			}}},
	}
}

// listCancels is the hook of a service whose List cancels what has run for so long.
func listCancels(age time.Duration) func(Service) Service {
	return func(next Service) Service {
		started := newLedger(next)
		return lister{started, func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
			for _, name := range started.running() {
				if h, _ := started.of(name); time.Since(h.begun) > age {
					_ = plainCancel(asOwner(ctx), next, name)
				}
			}
			return next.List(ctx, r)
		}}
	}
}
