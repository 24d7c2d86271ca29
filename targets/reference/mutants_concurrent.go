package reference

import (
	"context"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
)

// An inFlight is a Service that knows how many cancels of an operation are
// under way, and lets a fault deal with each.
type inFlight struct {
	Service
	// cancel answers a cancel; many is how many of the operation are under way
	// with it, during whether it was being cancelled before.
	cancel func(ctx context.Context, next Service, name string, many int, during bool) error

	mu    sync.Mutex
	count map[string]int
}

// Cancel implements Service.
func (f *inFlight) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	name := r.GetName()
	during := stateOf(peek(ctx, f.Service, name)) == cancelling
	f.mu.Lock()
	f.count[name]++
	many := f.count[name]
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.count[name]--; f.count[name] == 0 {
			delete(f.count, name)
		}
	}()
	return f.cancel(ctx, f.Service, name, many, during)
}

// eachCancel returns the hook of an inFlight.
func eachCancel(cancel func(ctx context.Context, next Service, name string, many int, during bool) error) func(Service) Service {
	return func(next Service) Service {
		return &inFlight{Service: next, cancel: cancel, count: map[string]int{}}
	}
}

// crowd is how many cancels of one operation at a time some mutants do not
// bear: more than a client that gave up one and sent it again makes.
const crowd = 3

// crowded deals with cancels that come in a crowd.
func crowded(fault func(ctx context.Context, next Service, name string) error) func(Service) Service {
	return eachCancel(func(ctx context.Context, next Service, name string, many int, _ bool) error {
		if many >= crowd {
			return fault(ctx, next, name)
		}
		err := plainCancel(ctx, next, name)
		time.Sleep(10 * time.Millisecond) // holds its transaction, so that others meet it
		return err
	})
}

func concurrentMutants() []Mutant {
	const outcome = "cancel.concurrent.single-outcome"
	answers := func(name, doc, breaks string, err error) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks},
			Fault: Fault{Service: crowded(func(context.Context, Service, string) error { return err })}}
	}
	// slowly leaves the operation in progress until all cancels at once are
	// answered, so that none of them met its end.
	slowly := func(name, doc string, err error) Mutant {
		m := answers(name, doc, outcome, err)
		m.Options = func(o *Options) { o.CancelDelay = 600 * time.Millisecond }
		return m
	}
	return []Mutant{
		slowly("concurrent-invalid-argument", "Takes cancels that come at once for malformed ones.",
			invalid("REQUEST_REPEATED", "the operation is being cancelled")),
		slowly("concurrent-permission-denied", "Answers the losers of cancels at once that they may not cancel.",
			refuse(codes.PermissionDenied, "PERMISSION_DENIED", "another request holds the operation")),
		slowly("concurrent-unimplemented", "Answers the losers of cancels at once that they cannot be served.",
			refuse(codes.Unimplemented, "CONFLICT", "cancels are not merged")),
		{Name: "concurrent-pair-exists", Doc: "Answers one of two cancels at once that their request exists already, also when the client of the other has gone.",
			Breaks: []string{outcome},
			Fault: Fault{Service: eachCancel(func(ctx context.Context, next Service, name string, many int, _ bool) error {
				if many > 1 {
					return refuse(codes.AlreadyExists, "REQUEST_EXISTS", "duplicate key")
				}
				err := plainCancel(ctx, next, name)
				time.Sleep(15 * time.Millisecond)
				return err
			})}},
		{Name: "concurrent-deletes", Doc: "Purges an operation that many cancel at once.", Breaks: []string{outcome},
			Fault: Fault{Service: func(next Service) Service {
				many := newNameSet()
				return crowded(func(ctx context.Context, next Service, name string) error {
					many.add(name)
					return plainCancel(ctx, next, name)
				})(purged(many)(next))
			}}},
		answers("concurrent-500", "Fails on cancels that come at once: a lost transaction is not tried again.",
			"cancel.concurrent.no-server-error", refuse(codes.Internal, "TRANSACTION_LOST", "deadlock found")),
		answers("concurrent-unknown", "Fails on cancels that come at once, with an error that nobody mapped.",
			"cancel.concurrent.no-server-error", refuse(codes.Unknown, "CONFLICT", "version mismatch")),
		answers("concurrent-already-exists", "Answers the losers of cancels at once that their request exists already.",
			outcome, refuse(codes.AlreadyExists, "REQUEST_EXISTS", "duplicate key")),
		answers("concurrent-not-found", "Does not find an operation that another cancel has locked.",
			outcome, refuse(codes.NotFound, "OPERATION_NOT_FOUND", "operation not found")),
		{Name: "concurrent-deadlock", Doc: "Never answers when cancels of one operation come at once: two locks are taken in two orders.",
			Breaks: []string{outcome},
			Fault: Fault{Service: crowded(func(ctx context.Context, _ Service, _ string) error {
				<-ctx.Done()
				return ctx.Err()
			})}},
		{Name: "concurrent-two-results", Doc: "Lets each of the cancels that come at once write a result of its own, and shows now one, now the other.",
			Breaks: []string{outcome, "operation.terminal.result-immutable"},
			Fault: Fault{Service: func(next Service) Service {
				torn, looks := newNameSet(), newNameSet()
				shown := seen(func(op *longrunningpb.Operation) {
					if isCancelled(op) && torn.has(op.GetName()) > 0 && looks.add(op.GetName())%3 == 0 {
						end(op, codes.Aborted, "stopped by another request")
					}
				})(next)
				return crowded(func(ctx context.Context, next Service, name string) error {
					torn.add(name)
					return plainCancel(ctx, next, name)
				})(shown)
			}}},
		abandoned("abandoned-cancel-sticks", "Rolls half of a cancel back when the client has gone: the operation never ends.",
			func(op *longrunningpb.Operation) {
				op.Done, op.Result = false, nil
				setState(op, running)
			}, nil),
		{Name: "abandoned-cancel-deletes", Doc: "Purges an operation whose cancel was given up by its client, once it is cancelled.",
			Breaks: []string{"cancel.deadline.safe"},
			Fault: Fault{Service: func(next Service) Service {
				left := newNameSet()
				return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if pass(ctx, 20*time.Millisecond) != nil {
						left.add(r.GetName())
						return ctx.Err()
					}
					return next.Cancel(ctx, r)
				})(purged(left)(next))
			}}},
		abandoned("abandoned-cancel-500", "Fails on a cancel after one whose client has gone: its lock is still there.",
			nil, refuse(codes.Internal, "LOCKED", "row is locked")),
	}
}

// abandoned takes 20 ms for a cancel, and does wrong by an operation when the
// client has gone by then: edit shows it changed, and err answers what follows.
func abandoned(name, doc string, edit func(op *longrunningpb.Operation), err error) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.deadline.safe"}, Fault: Fault{Service: func(next Service) Service {
		left := newNameSet()
		shown := seen(func(op *longrunningpb.Operation) {
			if edit != nil && left.has(op.GetName()) > 0 {
				edit(op)
			}
		})(next)
		return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if err != nil && left.has(r.GetName()) > 0 {
				return err
			}
			select {
			case <-ctx.Done():
				left.add(r.GetName())
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
				return next.Cancel(ctx, r)
			}
		})(shown)
	}}}
}
