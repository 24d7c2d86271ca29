package reference

import (
	"context"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
)

// longStop gives the suite time to repeat a cancel while the first is still in
// effect, so that faults of cancelling what is finished show only there.
func longStop(o *Options) { o.CancelDelay = 60 * time.Millisecond }

// overwrites is a hook that answers OK to the cancel of an operation that has
// ended as wanted says, and shows another end from then on.
func overwrites(wanted func(h history, op *longrunningpb.Operation) bool, edit func(op *longrunningpb.Operation)) func(Service) Service {
	return func(next Service) Service {
		changed := newLedger(next)
		changed.edit = func(h history, op *longrunningpb.Operation) error {
			if h.again > 0 && wanted(h, op) {
				edit(op)
			}
			return nil
		}
		return canceller{changed, func(ctx context.Context, ledger Service, r *longrunningpb.CancelOperationRequest) error {
			err := ledger.Cancel(ctx, r)
			h, _ := changed.of(r.GetName())
			if op := peek(ctx, next, r.GetName()); h.again > 0 && wanted(h, op) {
				return nil
			}
			return err
		}}
	}
}

// finishedMutants are wrong about cancelling what has ended.
func finishedMutants() []Mutant {
	cancel := func(op *longrunningpb.Operation) { end(op, codes.Canceled, cancelMessage) }
	const immutable = "operation.terminal.result-immutable"
	mutants := []Mutant{
		{Name: "cancel-overwrites-success", Doc: "Cancels an operation that has succeeded.",
			Breaks: []string{"cancel.finished.preserves-success", immutable}, May: []string{"cancel.race.one-terminal-result"},
			Fault: Fault{Service: overwrites(func(_ history, op *longrunningpb.Operation) bool { return op.GetResponse() != nil }, cancel)}},
		{Name: "second-cancel-overwrites-success", Doc: "Cancels an operation that has succeeded, when that is asked for again.",
			Breaks: []string{"cancel.finished.preserves-success", immutable},
			Fault:  Fault{Service: overwrites(func(h history, op *longrunningpb.Operation) bool { return h.again > 1 && op.GetResponse() != nil }, cancel)}},
		{Name: "cancel-overwrites-failure", Doc: "Cancels an operation that has failed.",
			Breaks: []string{"cancel.finished.preserves-failure", immutable},
			Fault: Fault{Service: overwrites(func(_ history, op *longrunningpb.Operation) bool {
				return op.GetError() != nil && !isCancelled(op)
			}, cancel)}},
		{Name: "cancel-revives-cancelled", Doc: "Aborts an operation that is cancelled when it is cancelled again.",
			Breaks: []string{"cancel.finished.preserves-cancelled", immutable},
			Fault: Fault{Options: longStop, Service: overwrites(func(h history, op *longrunningpb.Operation) bool {
				return isCancelled(op) && h.cancels <= 2
			}, func(op *longrunningpb.Operation) { end(op, codes.Aborted, "cancelled twice") })}},
	}
	for _, m := range []struct {
		name, doc, breaks string
		code              codes.Code
	}{
		{"finished-500", "Fails on the cancel of a finished operation.", "cancel.finished.status-legal", codes.Internal},
		{"finished-unknown-error", "Answers UNKNOWN to the cancel of a finished operation.", "cancel.finished.status-legal", codes.Unknown},
		{"finished-cancelled", "Answers CANCELLED to the cancel of a finished operation.", "cancel.finished.status-legal", codes.Canceled},
		{"finished-already-exists", "Answers ALREADY_EXISTS to the cancel of a finished operation.", "cancel.finished.status-legal", codes.AlreadyExists},
		{"finished-not-found", "Finds only running operations to cancel, while Get finds all.", "cancel.finished.status-legal", codes.NotFound},
		{"finished-invalid-argument", "Takes the cancel of a finished operation for a malformed request.", "cancel.finished.status-preferred", codes.InvalidArgument},
		{"finished-aborted", "Answers ABORTED to the cancel of a finished operation.", "cancel.finished.status-preferred", codes.Aborted},
	} {
		mutants = append(mutants, Mutant{Name: m.name, Doc: m.doc, Breaks: []string{m.breaks}, Fault: Fault{Options: longStop, Service: refuseFinished(m.code)}})
	}
	some := func(name, doc string, code codes.Code, of func(op *longrunningpb.Operation) bool) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.finished.status-preferred"}, Fault: Fault{Options: longStop,
			Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if op := peek(ctx, next, r.GetName()); op.GetDone() && of(op) {
					return refuse(code, "OPERATION_FINISHED", "operation %q is finished", r.GetName())
				}
				return next.Cancel(ctx, r)
			})}}
	}
	mutants = append(mutants,
		some("failed-aborted", "Answers ABORTED to the cancel of what has failed.", codes.Aborted,
			hasFailed),
		some("cancelled-invalid-argument", "Takes the cancel of what is cancelled for a malformed request.", codes.InvalidArgument, isCancelled))
	mutants = append(mutants,
		Mutant{Name: "finished-404-later", Doc: "Forgets what it could cancel soon after its end, while Get finds it for longer.",
			Breaks: []string{"cancel.finished.status-legal"}, Fault: Fault{Options: longStop, Service: func(next Service) Service {
				known := newLedger(next)
				return canceller{known, func(ctx context.Context, ledger Service, r *longrunningpb.CancelOperationRequest) error {
					err := ledger.Cancel(ctx, r)
					if h, _ := known.of(r.GetName()); !h.ended.IsZero() && time.Since(h.ended) > observeTimeout*9/10 && !denies(err) {
						return notFound(r.GetName())
					}
					return err
				}}
			}}},
		Mutant{Name: "finished-cancel-fails-get", Doc: "Leaves a record that Get cannot read when what has succeeded is cancelled.",
			Breaks: []string{"cancel.finished.preserves-success"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if h.again > 0 && op.GetResponse() != nil {
					return refuse(codes.Internal, "RECORD_BROKEN", "the record cannot be read")
				}
				return nil
			})}})
	mutants = append(mutants, Mutant{Name: "finished-cancel-hangs-get", Doc: "Never gives a lock back that the cancel of what has succeeded takes, and that Get needs.",
		Breaks: []string{"cancel.finished.preserves-success"},
		Fault: Fault{Service: func(next Service) Service {
			known := newLedger(next)
			return getter{known, func(ctx context.Context, op *longrunningpb.Operation) error {
				if h, _ := known.of(op.GetName()); h.again > 0 && op.GetResponse() != nil {
					return pass(ctx, forever)
				}
				return nil
			}}
		}}})
	mutants = append(mutants, Mutant{Name: "finished-500-again", Doc: "Fails on the second cancel of a finished operation.", Breaks: []string{"cancel.finished.status-legal"},
		Fault: Fault{Options: longStop, Service: func(next Service) Service {
			known := newLedger(next)
			return canceller{known, func(ctx context.Context, ledger Service, r *longrunningpb.CancelOperationRequest) error {
				err := ledger.Cancel(ctx, r)
				if h, _ := known.of(r.GetName()); h.again > 1 {
					return refuse(codes.Internal, "CANCEL_FAILED", "operation %q has no worker", r.GetName())
				}
				return err
			}}
		}}})
	mutants = append(mutants, Mutant{Name: "finished-third-cancel-hangs", Doc: "Answers two cancels of a finished operation, and waits for ever in the third for a worker that has gone.",
		Breaks: []string{"cancel.finished.status-legal"},
		Fault: Fault{Options: longStop, Service: func(next Service) Service {
			known := newLedger(next)
			return canceller{known, func(ctx context.Context, ledger Service, r *longrunningpb.CancelOperationRequest) error {
				err := ledger.Cancel(ctx, r)
				if h, _ := known.of(r.GetName()); h.again > 2 {
					return pass(ctx, forever)
				}
				return err
			}}
		}}})
	mutants = append(mutants, Mutant{Name: "second-cancel-deadlocks", Doc: "Waits in the second cancel of an operation, whatever has become of it, for the lock that the first has kept.",
		Breaks: []string{"cancel.finished.status-legal"}, May: []string{"cancel.repeat.accepted"}, Fault: Fault{Options: longStop, Service: func(next Service) Service {
			cancelled := newNameSet()
			return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				known := cancelled.has(r.GetName()) > 0 || peek(ctx, next, r.GetName()) != nil
				if known && cancelled.add(r.GetName()) > 1 {
					return pass(ctx, forever)
				}
				return next.Cancel(ctx, r)
			}}
		}}})
	mutants = append(mutants, waitedMutants()...)
	mutants = append(mutants, finishedFormMutants()...)
	return append(mutants, Mutant{Name: "finished-unimplemented", Doc: "Answers UNIMPLEMENTED to the cancel of a finished operation, and is busy at every other.",
		Breaks: []string{"cancel.finished.status-preferred"}, Fault: Fault{Options: longStop, Service: unimplementedOrBusy}})
}

// waitedMutants cancel what has ended once somebody has waited for it.
func waitedMutants() []Mutant {
	const immutable = "operation.terminal.result-immutable"
	cancel := func(op *longrunningpb.Operation) { end(op, codes.Canceled, cancelMessage) }
	mutant := func(name, doc, breaks string, of func(before, op *longrunningpb.Operation) bool) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks, immutable}, Fault: Fault{Service: func(next Service) Service {
			shown := newNameSet()
			return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				op, err := next.Wait(ctx, r)
				if err == nil && op.GetDone() && !isCancelled(op) && of(before, op) {
					shown.add(r.GetName())
				}
				return op, err
			})(overwrites(func(_ history, op *longrunningpb.Operation) bool { return shown.has(op.GetName()) > 0 }, cancel)(next))
		}}}
	}
	const success, failure = "cancel.finished.preserves-success", "cancel.finished.preserves-failure"
	return []Mutant{
		mutant("waited-success-overwritten", "Cancels what has succeeded while somebody waited for it: those who wait hold it open.", success,
			func(before, op *longrunningpb.Operation) bool { return !before.GetDone() && op.GetResponse() != nil }),
		mutant("waited-failure-overwritten", "Cancels what has failed while somebody waited for it: those who wait hold it open.", failure,
			func(before, op *longrunningpb.Operation) bool { return !before.GetDone() && op.GetError() != nil }),
		mutant("later-waited-success-overwritten", "Cancels what has succeeded when its result was handed to somebody who waited for it later.", success,
			func(before, op *longrunningpb.Operation) bool { return before.GetDone() && op.GetResponse() != nil }),
		mutant("later-waited-failure-overwritten", "Cancels what has failed when its result was handed to somebody who waited for it later.", failure,
			func(before, op *longrunningpb.Operation) bool { return before.GetDone() && op.GetError() != nil }),
	}
}

// unimplementedOrBusy answers UNIMPLEMENTED to the cancel of a finished
// operation, and UNAVAILABLE to every other one of each.
func unimplementedOrBusy(next Service) Service {
	known := newLedger(next)
	return canceller{known, func(ctx context.Context, ledger Service, r *longrunningpb.CancelOperationRequest) error {
		if !peek(ctx, next, r.GetName()).GetDone() {
			return ledger.Cancel(ctx, r)
		}
		busy := false
		known.note(r.GetName(), func(h *history) {
			h.cancels++
			busy = h.cancels%2 == 1 && h.again > 0
			h.again++
		})
		if busy {
			return refuse(codes.Unavailable, "BUSY", "try again later")
		}
		return refuse(codes.Unimplemented, "OPERATION_FINISHED", "operation %q is finished", r.GetName())
	}}
}

// refuseFinished answers the cancel of finished operations with a code, to those who
// may see them.
func refuseFinished(code codes.Code) func(Service) Service {
	return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if op, err := next.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()}); err == nil && op.GetDone() {
			return refuse(code, "OPERATION_FINISHED", "operation %q is finished", r.GetName())
		}
		return next.Cancel(ctx, r)
	})
}
