package reference

import (
	"context"
	"sync"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
)

// besideMutants do something else to others than to cancel them, with a cancel.
func besideMutants() []Mutant {
	return []Mutant{
		{Name: "cancel-starves-succeeding", Doc: "Takes the workers of all that is about to succeed away for a cancel: it never ends.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: endsSucceeding(func(op *longrunningpb.Operation) {
				op.Done, op.Result = false, nil
				setState(op, running)
			})}},
		{Name: "cancel-fails-succeeding", Doc: "Takes the results of all that is about to succeed away for a cancel: it fails when it ends.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: endsSucceeding(func(op *longrunningpb.Operation) {
				if op.GetDone() {
					end(op, codes.Aborted, "the results are gone")
				}
			})}},
	}
}

// endsSucceeding is the hook of a service by which edit changes what is about to
// succeed when something that runs is cancelled.
func endsSucceeding(edit func(op *longrunningpb.Operation)) func(Service) Service {
	return func(next Service) Service {
		started := newLedger(next)
		var changed sync.Map // names
		started.edit = func(_ history, op *longrunningpb.Operation) error {
			if _, ok := changed.Load(op.GetName()); ok {
				edit(op)
			}
			return nil
		}
		return canceller{started, func(ctx context.Context, _ Service, r *longrunningpb.CancelOperationRequest) error {
			err := started.Cancel(ctx, r)
			if h, _ := started.of(r.GetName()); err != nil || h.kind != Running {
				return err
			}
			for _, name := range started.idle(Succeeding) {
				if !peek(ctx, next, name).GetDone() {
					changed.Store(name, true)
				}
			}
			return nil
		}}
	}
}
