package reference

import (
	"context"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
)

func repeatMutants() []Mutant {
	answers := func(name, doc string, err error, breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: Fault{Options: longEnough,
			Service: eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
				if during {
					return err
				}
				return plainCancel(ctx, next, name)
			})}}
	}
	const legal = "cancel.repeat.code-legal"
	return []Mutant{
		{Name: "repeat-waits", Doc: "Keeps a second cancel waiting until the first has stopped the work, longer than clients wait.",
			Breaks: []string{"cancel.response.returns-promptly"},
			Fault: Fault{Options: func(o *Options) { o.SlowStop = 2500 * time.Millisecond },
				Service: eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
					if during {
						return untilDone(ctx, next, name)
					}
					return plainCancel(ctx, next, name)
				})}},
		answers("repeat-invalid-argument", "Takes a second cancel for a malformed request.",
			invalid("ALREADY_CANCELLING", "the operation is being cancelled"), legal, "cancel.repeat.accepted"),
		answers("repeat-500", "Fails on a second cancel: the job has been taken out of the queue.",
			refuse(codes.Internal, "JOB_MISSING", "job is nil"), legal),
		answers("repeat-not-found", "Looks for what is being cancelled among the running operations only.",
			refuse(codes.NotFound, "OPERATION_NOT_FOUND", "operation not found"), legal),
		answers("repeat-already-exists", "Inserts each request to cancel into a table, whose key is the operation.",
			refuse(codes.AlreadyExists, "REQUEST_EXISTS", "duplicate key"), legal),
		answers("repeat-cancelled", "Answers a second cancel with the end of the first.",
			refuse(codes.Canceled, "OPERATION_CANCELLED", "the operation is cancelled"), legal),
		{Name: "repeat-never-answered", Doc: "Queues a second cancel behind the first, which never leaves the queue.",
			Breaks: []string{"cancel.repeat.accepted"},
			Fault:  Fault{Options: longEnough, Service: eachCancel(neverAgain)}},
		{Name: "quick-repeat-hangs", Doc: "Never answers a second cancel; but what is not slow to stop has stopped before the first is answered.",
			Breaks: []string{"cancel.repeat.accepted"},
			Fault:  Fault{Options: func(o *Options) { o.CancelDelay = -1 }, Service: eachCancel(neverAgain)}},
		{Name: "repeat-times-out", Doc: "Never answers a second cancel. Its library says so when the deadline comes, but for those that come at once.",
			Breaks: []string{"cancel.repeat.accepted"},
			Fault: Fault{Options: longEnough, Service: eachCancel(func(ctx context.Context, next Service, name string, many int, during bool) error {
				if deadline, ok := ctx.Deadline(); ok && during && many == 1 {
					_ = pass(ctx, time.Until(deadline)-30*time.Millisecond)
					return refuse(codes.DeadlineExceeded, "TOO_LATE", "deadline exceeded")
				}
				return neverAgain(ctx, next, name, many, during)
			})}},
		{Name: "fifth-cancel-never-answered", Doc: "Queues the cancels of an operation for its worker, in a queue with room for four.", Breaks: []string{legal},
			Fault: Fault{Options: longEnough, Service: fullQueue(func(h history) bool { return h.cancels > 4 })}},
		{Name: "nested-repeat-never-answered", Doc: "Takes the lock of a parent for the cancel of a child, and waits for it in the next.", Breaks: []string{legal},
			Fault: Fault{Options: longEnough, Service: fullQueue(func(h history) bool { return h.kind == Nested && h.cancels > 1 })}},
		{Name: "repeat-fails-later", Doc: "Fails on a cancel that comes when the worker has taken note of the first.", Breaks: []string{legal},
			Fault: Fault{Service: func(next Service) Service {
				known := newLedger(next)
				return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					h, _ := known.of(r.GetName())
					if op := peek(ctx, next, r.GetName()); !h.accepted.IsZero() && op != nil && !op.GetDone() && time.Since(h.accepted) > 400*time.Millisecond {
						return refuse(codes.Internal, "WORKER_BUSY", "the worker does not take messages")
					}
					return next.Cancel(ctx, r)
				}}
			}}},
		{Name: "slow-eighth-cancel-500", Doc: "Keeps the cancels of an operation that is slow to stop in a list that has room for seven.", Breaks: []string{legal},
			Fault: Fault{Service: func(next Service) Service {
				known := newLedger(next)
				return canceller{known, func(ctx context.Context, ledger Service, r *longrunningpb.CancelOperationRequest) error {
					h, _ := known.of(r.GetName())
					if op := peek(ctx, next, r.GetName()); h.kind == Slow && h.cancels >= 7 && op != nil && !op.GetDone() {
						return refuse(codes.Internal, "LIST_FULL", "index out of range")
					}
					return ledger.Cancel(ctx, r)
				}}
			}}},
		{Name: "slow-ninth-cancel-aborts", Doc: "Aborts an operation that is slow to stop when it is cancelled too often.",
			Breaks: []string{"cancel.repeat.single-outcome"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if h.kind == Slow && h.cancels >= 9 && isCancelled(op) {
					end(op, codes.Aborted, "cancelled too often")
				}
				return nil
			})}},
		{Name: "repeat-hangs-get", Doc: "Never gives a lock back that a second cancel takes while the first has an effect, and that Get needs.",
			Breaks: []string{"cancel.repeat.single-outcome"},
			Fault: Fault{Options: longEnough, Service: func(next Service) Service {
				again := newNameSet()
				locked := getter{next, func(ctx context.Context, op *longrunningpb.Operation) error {
					if again.has(op.GetName()) > 0 {
						return pass(ctx, forever)
					}
					return nil
				}}
				return eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
					if during {
						again.add(name)
					}
					return plainCancel(ctx, next, name)
				})(locked)
			}}},
		{Name: "repeat-deletes", Doc: "Takes an operation that is cancelled again while it stops for one that is to be purged.",
			Breaks: []string{"cancel.repeat.single-outcome"},
			Fault: Fault{Options: longEnough, Service: func(next Service) Service {
				again := newNameSet()
				return eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
					if during {
						again.add(name)
					}
					return plainCancel(ctx, next, name)
				})(purged(again)(next))
			}}},
		{Name: "repeat-restarts", Doc: "Starts an operation afresh that is cancelled again and again after its end.",
			Breaks: []string{"cancel.repeat.single-outcome", "operation.terminal.done-monotonic"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if isCancelled(op) && h.again > 2 {
					op.Done, op.Result = false, nil
					setState(op, running)
				}
				return nil
			})}},
		{Name: "repeat-resumes", Doc: "Toggles: a second cancel takes the first back.",
			Breaks: []string{"cancel.repeat.single-outcome"},
			Fault:  Fault{Options: func(o *Options) { o.CancelDelay = 800 * time.Millisecond }, Service: toggles}},
		{Name: "repeat-resumes-until-heard", Doc: "Toggles a mark that the worker looks at 50 ms after the first cancel: a second before takes it back.",
			Breaks: []string{"cancel.repeat.single-outcome"}, Fault: Fault{Service: togglesUntilHeard(50 * time.Millisecond)}},
		{Name: "second-cancel-uncancels", Doc: "Takes a second cancel for one that takes back the first, and the next for a new one.",
			Breaks: []string{"cancel.repeat.single-outcome"},
			Fault: Fault{Options: func(o *Options) { o.CancelDelay = 800 * time.Millisecond },
				Service: takesBack(func(n int) bool { return n == 2 })}},
		{Name: "repeat-aborts", Doc: "Ends an operation that is cancelled again while it stops as aborted.",
			Breaks: []string{"cancel.repeat.single-outcome"},
			Fault: Fault{Options: longEnough, Service: func(next Service) Service {
				again := newNameSet()
				shown := seen(func(op *longrunningpb.Operation) {
					if isCancelled(op) && again.has(op.GetName()) > 0 {
						end(op, codes.Aborted, "stopped twice")
					}
				})(next)
				return eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
					if during {
						again.add(name)
					}
					return plainCancel(ctx, next, name)
				})(shown)
			}}},
	}
}

// neverAgain never answers a cancel that comes while another is in effect.
func neverAgain(ctx context.Context, next Service, name string, _ int, during bool) error {
	if during {
		return pass(ctx, forever)
	}
	return plainCancel(ctx, next, name)
}

// fullQueue never answers the cancel of an operation in progress where its history is so.
func fullQueue(full func(h history) bool) func(Service) Service {
	return func(next Service) Service {
		known := newLedger(next)
		return canceller{known, func(ctx context.Context, ledger Service, r *longrunningpb.CancelOperationRequest) error {
			err := ledger.Cancel(ctx, r)
			h, _ := known.of(r.GetName())
			if op := peek(ctx, next, r.GetName()); full(h) && op != nil && !op.GetDone() {
				return pass(ctx, forever)
			}
			return err
		}}
	}
}

// purged returns the hook of a service that finds cancelled operations no more
// that are in the set.
func purged(names *nameSet) func(Service) Service {
	return remembering(func(_ history, op *longrunningpb.Operation) error {
		if isCancelled(op) && names.has(op.GetName()) > 0 {
			return notFound(op.GetName())
		}
		return nil
	})
}

// takesBack is a hook by which the n-th cancel of an operation takes back the one before
// it, where so says so: the operation is shown as running until the next.
func takesBack(so func(n int) bool) func(Service) Service {
	return func(next Service) Service {
		taken := newNameSet()
		shown := seen(func(op *longrunningpb.Operation) {
			if n := taken.has(op.GetName()); n > 0 && so(n) {
				op.Done, op.Result = false, nil
				setState(op, running)
			}
		})(next)
		return eachCancel(func(ctx context.Context, next Service, name string, _ int, _ bool) error {
			if op := peek(ctx, next, name); op != nil && !op.GetDone() {
				taken.add(name)
				_ = plainCancel(ctx, next, name)
				return nil
			}
			return plainCancel(ctx, next, name)
		})(shown)
	}
}

// toggles is a hook by which every second cancel of an operation in progress
// takes the one before it back.
func toggles(next Service) Service { return takesBack(func(n int) bool { return n%2 == 0 })(next) }

// togglesUntilHeard is the hook of a service whose second cancel takes the first back,
// and so on, until the worker looks whether it was cancelled, some time after the first.
func togglesUntilHeard(after time.Duration) func(Service) Service {
	return func(next Service) Service {
		type mark struct {
			first time.Time
			times int
		}
		var mu sync.Mutex
		marks := map[string]mark{}
		shown := seen(func(op *longrunningpb.Operation) {
			mu.Lock()
			defer mu.Unlock()
			m, cancelled := marks[op.GetName()]
			if !cancelled || m.times%2 == 1 && time.Since(m.first) >= after {
				return
			}
			op.Done, op.Result = false, nil
			setState(op, cancelling)
			if m.times%2 == 0 {
				setState(op, running)
			}
		})(next)
		return eachCancel(func(ctx context.Context, next Service, name string, _ int, _ bool) error {
			if op := peek(ctx, next, name); op == nil || op.GetDone() {
				return plainCancel(ctx, next, name)
			}
			mu.Lock()
			m := marks[name]
			switch heard := time.Since(m.first) >= after; {
			case !heard:
				m.times++
			case m.times%2 == 0:
				m = mark{time.Now(), 1}
			}
			marks[name] = m
			mu.Unlock()
			_ = plainCancel(ctx, next, name)
			return nil
		})(shown)
	}
}
