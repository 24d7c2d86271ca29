package reference

import (
	"context"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lro-tools/conform/targets"
)

// A waitService is a Service whose Wait is another one.
type waitService struct {
	Service
	wait waitFunc
}

// A waitFunc answers a Wait. before is the operation as it was when the call
// came; it is nil where there is none, or where the caller may not see it.
type waitFunc func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error)

// Wait implements Service.
func (w waitService) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	before, err := w.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()})
	if err != nil {
		before = nil
	}
	return w.wait(ctx, w.Service, r, before)
}

// waits returns the hook of a waitService.
func waits(wait waitFunc) func(Service) Service {
	return func(next Service) Service { return waitService{next, wait} }
}

// waited returns the hook of a service whose Wait shows operations changed.
func waited(edit func(before, op *longrunningpb.Operation)) func(Service) Service {
	return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		op, err := next.Wait(ctx, r)
		if err == nil {
			edit(before, op)
		}
		return op, err
	})
}

// pass lets time go by, unless the caller goes first.
func pass(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// A waitCount counts the Waits that are pending, by name.
type waitCount struct {
	mu    sync.Mutex
	count map[string]int
}

func newWaitCount() *waitCount { return &waitCount{count: map[string]int{}} }

// add changes a count and returns it.
func (c *waitCount) add(name string, n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[name] += n
	return c.count[name]
}

// cancelsWaited answers the cancel of an operation that a Wait is pending for.
func cancelsWaited(answer error) func(Service) Service {
	return knowingWaits(func(ctx context.Context, waited func() bool, next Service, r *longrunningpb.CancelOperationRequest) error {
		if waited() {
			return answer
		}
		return next.Cancel(ctx, r)
	})
}

// knowingWaits is a cancel that can find out whether a Wait is pending for what it
// cancels.
func knowingWaits(cancel func(ctx context.Context, waited func() bool, next Service, r *longrunningpb.CancelOperationRequest) error) func(Service) Service {
	return func(next Service) Service {
		waiting := newWaitCount()
		counted := waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
			if !before.GetDone() {
				waiting.add(r.GetName(), 1)
				defer waiting.add(r.GetName(), -1)
			}
			return next.Wait(ctx, r)
		})(next)
		return canceller{counted, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			return cancel(ctx, func() bool { return waiting.add(r.GetName(), 0) > 0 }, next, r)
		}}
	}
}

// forever is longer than any caller waits.
const forever = time.Minute

// Requirements about Wait.
const (
	waitReleased  = "wait.released-on-cancel"
	waitBounded   = "wait.timeout-bound"
	waitImmediate = "wait.done-immediate"
	waitExpiry    = "wait.expiry-no-effect"
	waitEqualsGet = "wait.equals-get"
)

// waitMutants are wrong about Wait.
func waitMutants() []Mutant {
	return append(append(waitTimeMutants(), waitAnswerMutants()...), waitExpiryMutants()...)
}

// waitTimeMutants wait too long.
func waitTimeMutants() []Mutant {
	return []Mutant{
		{Name: "wait-ignores-timeout", Doc: "Waits until the operation is done, whatever the request asks for.", Breaks: []string{waitBounded},
			Fault: Fault{Service: waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				return next.Wait(ctx, &longrunningpb.WaitOperationRequest{Name: r.GetName()})
			})}},
		{Name: "wait-takes-seconds-for-minutes", Doc: "Takes the timeout for a number of minutes.", Breaks: []string{waitBounded},
			Fault: Fault{Service: waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				return next.Wait(ctx, &longrunningpb.WaitOperationRequest{Name: r.GetName(), Timeout: durationpb.New(60 * r.GetTimeout().AsDuration())})
			})}},
		{Name: "wait-hangs", Doc: "Never answers a Wait.", Breaks: []string{waitBounded, waitImmediate, waitReleased},
			Fault: Fault{Service: waits(func(ctx context.Context, _ Service, _ *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				return nil, pass(ctx, forever)
			})}},
		{Name: "wait-sleeps", Doc: "Sleeps for the timeout before it looks at the operation.", Breaks: []string{waitImmediate, waitReleased},
			Fault: Fault{Service: waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				if err := pass(ctx, r.GetTimeout().AsDuration()); err != nil {
					return nil, err
				}
				return next.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()})
			})}},
		{Name: "wait-sleeps-when-done", Doc: "Waits for a change, which an operation that has ended never sees.", Breaks: []string{waitImmediate},
			Fault: Fault{Service: sleepsWhenDone()}},
		{Name: "wait-by-query-sleeps-when-done", Doc: "Does so as well, and reads the timeout from the query alone over REST.", Breaks: []string{waitImmediate},
			Fault: Fault{Service: sleepsWhenDone(), REST: requests(restMethod, targets.Wait, byQuery)}},
		{Name: "wait-wakes-one", Doc: "Wakes one of those who wait for an operation that is cancelled, and leaves the others to their timeouts.",
			Breaks: []string{waitReleased}, Fault: Fault{Service: func(next Service) Service {
				woken := newNameSet()
				return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
					began := time.Now()
					op, err := next.Wait(ctx, r)
					if err == nil && isCancelled(op) && !before.GetDone() && woken.add(r.GetName()) > 1 {
						err = pass(ctx, r.GetTimeout().AsDuration()-time.Since(began))
					}
					return op, err
				})(next)
			}}},
		{Name: "wait-refuses-cancel", Doc: "Refuses to cancel an operation while a Wait for it is pending.", Breaks: []string{"cancel.accept.in-progress"},
			Fault: Fault{Service: cancelsWaited(refuse(codes.FailedPrecondition, "OPERATION_WATCHED", "the operation is being waited for"))}},
		{Name: "wait-loses-cancel", Doc: "Sends a cancel to the one who waits for the operation, instead of to the worker.", Breaks: []string{"cancel.effect.best-effort"},
			Fault: Fault{Service: func(next Service) Service { return cancelsWaited(nil)(seen(dropFlag)(next)) }}},
		{Name: "wait-shows-both", Doc: "Answers a Wait for a cancelled operation with its error and with the response so far.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"operation.result.exclusive"}, targets.GRPC: nil},
			Fault: Fault{REST: answers(restMethod, targets.Wait, func(d *draft) {
				if doc := d.doc(); doc["error"] != nil && doc["name"] != nil {
					doc["response"] = map[string]any{"@type": "type.googleapis.com/google.protobuf.Empty", "value": map[string]any{}}
					d.setDoc(doc)
				}
			})}},
		{Name: "wait-blocks-cancel", Doc: "Keeps a lock while a Wait is pending, which a cancel needs.", Breaks: []string{waitReleased},
			Fault: Fault{Service: knowingWaits(func(ctx context.Context, waited func() bool, next Service, r *longrunningpb.CancelOperationRequest) error {
				for waited() {
					if err := pass(ctx, 5*time.Millisecond); err != nil {
						return err
					}
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "wait-not-woken", Doc: "Wakes those who wait when the work ends by itself, but not when it is cancelled.", Breaks: []string{waitReleased},
			Fault: Fault{Service: waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				began := time.Now()
				op, err := next.Wait(ctx, r)
				if err == nil && isCancelled(op) && !before.GetDone() {
					err = pass(ctx, r.GetTimeout().AsDuration()-time.Since(began))
				}
				return op, err
			})}},
	}
}

// sleepsWhenDone is the hook of a service that waits for a change of what has ended.
func sleepsWhenDone() func(Service) Service {
	return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		if before.GetDone() {
			if err := pass(ctx, r.GetTimeout().AsDuration()); err != nil {
				return nil, err
			}
		}
		return next.Wait(ctx, r)
	})
}

// waitAnswerMutants answer something else than the operation as it is.
func waitAnswerMutants() []Mutant {
	refusing := func(refusal error, when func(before, op *longrunningpb.Operation) bool) func(Service) Service {
		return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
			op, err := next.Wait(ctx, r)
			if err == nil && when(before, op) {
				return nil, refusal
			}
			return op, err
		})
	}
	asCancelled := refuse(codes.Canceled, "OPERATION_CANCELLED", cancelMessage)
	return []Mutant{
		{Name: "wait-fails-when-cancelled", Doc: "Makes the error of a cancelled operation the error of every Wait for it.", Breaks: []string{waitReleased, waitImmediate},
			Fault: Fault{Service: refusing(asCancelled, func(_, op *longrunningpb.Operation) bool { return isCancelled(op) })}},
		{Name: "wait-aborted-by-cancel", Doc: "Ends a pending Wait with an error when the operation is cancelled.", Breaks: []string{waitReleased},
			Fault: Fault{Service: refusing(refuse(codes.Aborted, "WAIT_ABORTED", "the operation was cancelled while waiting"),
				func(before, op *longrunningpb.Operation) bool { return isCancelled(op) && !before.GetDone() })}},
		{Name: "wait-loses-finished", Doc: "Knows only operations in progress: a Wait for one that has ended is NOT_FOUND.", Breaks: []string{waitImmediate},
			Fault: Fault{Service: refusing(refuse(codes.NotFound, "OPERATION_NOT_RUNNING", "no such operation is running"),
				func(before, _ *longrunningpb.Operation) bool { return before.GetDone() })}},
		{Name: "wait-fails-when-failed", Doc: "Makes the error of a failed operation the error of a Wait for it.", Breaks: []string{waitImmediate},
			Fault: Fault{Service: refusing(refuse(codes.Aborted, "OPERATION_FAILED", "the operation has failed"),
				func(before, _ *longrunningpb.Operation) bool {
					return before.GetDone() && before.GetError() != nil && !isCancelled(before)
				})}},
		{Name: "wait-refuses-timeouts", Doc: "Refuses a Wait that says how long, as it asks whether the check is there and not what it says (malonaz/core).",
			BreaksOn: map[targets.Transport][]string{targets.GRPC: {waitImmediate}, targets.REST: nil}, // over REST 400 may be that of a route that is not there
			Breaks:   []string{waitImmediate},
			Fault: Fault{Service: waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				if r.GetTimeout() != nil {
					return nil, invalid("TIMEOUT_INVALID", "the timeout is no duration")
				}
				return next.Wait(ctx, r)
			})}},
		{Name: "wait-ahead-of-get", Doc: "Gets from a cache that is up to 300 ms old, and waits for what is so.", Breaks: []string{"operation.terminal.done-monotonic"},
			Fault: Fault{Service: func(next Service) Service {
				cached := remembering(func(h history, op *longrunningpb.Operation) error {
					if op.GetDone() && time.Since(h.ended) < 300*time.Millisecond {
						op.Done, op.Result = false, nil
						setState(op, running)
					}
					return nil
				})(next)
				return waitService{cached, func(ctx context.Context, _ Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
					return next.Wait(ctx, r)
				}}
			}}},
		{Name: "wait-shows-stale", Doc: "Answers a Wait for an operation that has ended from a cache of those in progress.", Breaks: []string{waitImmediate},
			Fault: Fault{Service: waited(func(before, op *longrunningpb.Operation) {
				if before.GetDone() {
					op.Done, op.Result = false, nil
					setState(op, cancelling)
				}
			})}},
		{Name: "wait-shows-internal", Doc: "Shows a cancelled operation with INTERNAL, the error that the worker left.", Breaks: []string{waitEqualsGet},
			Fault: Fault{Service: waited(func(_, op *longrunningpb.Operation) {
				if isCancelled(op) {
					end(op, codes.Internal, "signal: killed")
				}
			})}},
		{Name: "wait-shows-response", Doc: "Answers a pending Wait with what the work had done when it was cancelled.", Breaks: []string{waitEqualsGet},
			Fault: Fault{Service: waited(func(before, op *longrunningpb.Operation) {
				if isCancelled(op) && !before.GetDone() {
					op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
					setState(op, succeeded)
				}
			})}},
		{Name: "wait-empties-responses", Doc: "Leaves the payload out of the response.", Breaks: []string{waitEqualsGet},
			Fault: Fault{Service: waited(func(_, op *longrunningpb.Operation) {
				if op.GetResponse() != nil {
					op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
				}
			})}},
		{Name: "wait-shows-unknown-error", Doc: "Shows every error as UNKNOWN.", Breaks: []string{waitEqualsGet},
			Fault: Fault{Service: waited(func(_, op *longrunningpb.Operation) {
				if op.GetError() != nil {
					end(op, codes.Unknown, op.GetError().GetMessage())
				}
			})}},
	}
}

// waitExpiryMutants take the expiry of a Wait for more than it is.
func waitExpiryMutants() []Mutant {
	expiring := func(expired func(ctx context.Context, next Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error)) func(Service) Service {
		return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
			op, err := next.Wait(ctx, r)
			if err != nil || op.GetDone() {
				return op, err
			}
			return expired(ctx, next, op)
		})
	}
	failing := func(refusal error) func(Service) Service {
		return expiring(func(context.Context, Service, *longrunningpb.Operation) (*longrunningpb.Operation, error) {
			return nil, refusal
		})
	}
	return []Mutant{
		{Name: "expiry-deadline-exceeded", Doc: "Fails with DEADLINE_EXCEEDED when a Wait expires.", Breaks: []string{waitExpiry},
			Fault: Fault{Service: failing(refuse(codes.DeadlineExceeded, "WAIT_EXPIRED", "the operation is not done yet"))}},
		{Name: "expiry-failed-precondition", Doc: "Fails with FAILED_PRECONDITION when a Wait expires.", Breaks: []string{waitExpiry},
			Fault: Fault{Service: failing(refuse(codes.FailedPrecondition, "OPERATION_NOT_DONE", "the operation is not done yet"))}},
		{Name: "expiry-shows-end", Doc: "Answers a Wait that expires with an operation that has ended, which it has not.",
			Breaks: []string{waitExpiry, "operation.terminal.done-monotonic"},
			Fault: Fault{Service: expiring(func(_ context.Context, _ Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				op.Done = true
				end(op, codes.DeadlineExceeded, "the deadline has passed")
				return op, nil
			})}},
		{Name: "expiry-cancels", Doc: "Cancels the operation when a Wait expires: the caller's context was the worker's.", Breaks: []string{waitExpiry},
			Fault: Fault{Service: expiring(func(ctx context.Context, next Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				return op, next.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: op.GetName()})
			})}},
		{Name: "wait-starts-timer", Doc: "Sets a timer for every Wait, which cancels the operation, and is never stopped.", Breaks: []string{waitExpiry},
			Fault: Fault{Service: waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				time.AfterFunc(observeTimeout/2, func() { _ = plainCancel(context.WithoutCancel(ctx), next, r.GetName()) })
				return next.Wait(ctx, r)
			})}},
		{Name: "expiry-fails-operation", Doc: "Ends the operation with DEADLINE_EXCEEDED when a Wait expires.", Breaks: []string{waitExpiry},
			Fault: Fault{Service: expiryEnds}},
	}
}

// expiryEnds is the hook of a service whose operations end when a Wait for
// them expires.
func expiryEnds(next Service) Service {
	var expired sync.Map // names
	return waitService{failing(&expired, codes.DeadlineExceeded)(next), func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		op, err := next.Wait(ctx, r)
		if err == nil && !op.GetDone() {
			expired.Store(op.GetName(), true)
		}
		return op, err
	}}
}
