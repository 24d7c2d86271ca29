package reference

import (
	"context"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// stageMutants have faults that show at one stage of an operation only: while it
// stops, when it has failed, at its start after the cancel of another, or in a
// call over the other transport than that of its cancel.
func stageMutants() []Mutant {
	out := append(stoppingMutants(), crossingMutants()...)
	return append(out, failedMutants()...)
}

// stoppingMutants are wrong about what is being cancelled and has not stopped yet.
func stoppingMutants() []Mutant {
	stopping := func(op *longrunningpb.Operation) bool { return stateOf(op) == cancelling }
	waiting := func(wait waitFunc) func(Service) Service {
		return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
			if stopping(before) {
				return wait(ctx, next, r, before)
			}
			return next.Wait(ctx, r)
		})
	}
	return []Mutant{
		{Name: "stopping-wait-not-woken", Doc: "Has those wait for their timeouts who come when the operation is being cancelled: it has left the table of those to be woken.",
			Breaks: []string{waitReleased}, Fault: Fault{Service: waiting(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				if err := pass(ctx, r.GetTimeout().AsDuration()); err != nil {
					return nil, err
				}
				return next.Wait(ctx, r)
			})}},
		{Name: "stopping-wait-unbounded", Doc: "Takes a timeout of less than two seconds for none where the operation is being cancelled, and misses its end.",
			Breaks: []string{waitBounded}, Fault: Fault{Service: waiting(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				if r.GetTimeout().AsDuration() < 2*time.Second {
					return nil, pass(ctx, forever)
				}
				return next.Wait(ctx, r)
			})}},
		{Name: "stopping-comes-back", Doc: "Writes the record of an operation again when it has stopped, which was deleted meanwhile.",
			Breaks: []string{"cancel.deleted.not-found"}, Fault: Fault{Service: ofKind(Slow, writtenAgain)}},
		{Name: "ended-comes-back", Doc: "Writes the record of an operation again when it succeeds, which was deleted while it ran.",
			Breaks: []string{"cancel.deleted.not-found"}, Fault: Fault{Service: ofKind(Succeeding, writtenAgain)}},
		{Name: "stopping-listed-cancelled", Doc: "Lists as cancelled what is being cancelled, from a flag of its own.",
			Breaks: []string{"list.consistent-with-get"}, Fault: Fault{Service: listed(func(op *longrunningpb.Operation) bool {
				if stopping(op) {
					op.Done = true
					end(op, codes.Canceled, cancelMessage)
				}
				return true
			})}},
		{Name: "filter-takes-stopping", Doc: "Takes what is being cancelled for done where it filters a list.",
			Breaks: []string{"list.filter-consistent"}, Fault: Fault{Service: stoppingFiltered(stopping)}},
		{Name: "next-inherits-cancel", Doc: "Does not reset the flag of a worker that was stopped: the next operation that it takes up stops as well.",
			Breaks: []string{"cancel.isolation.siblings"}, Alone: true, Fault: Fault{Service: func(next Service) Service { return &inheriting{Service: next} }}},
		{Name: "cancelled-context-reused", Doc: "Gives the context of one in two operations that are cancelled back to a pool: the next that starts with it is cancelled, too.",
			Breaks: []string{"cancel.isolation.siblings"}, Alone: true, Fault: Fault{Service: func(next Service) Service { return &pool{Service: next} }}},
		{Name: "second-expiry-cancels", Doc: "Takes the second Wait that expires for the last, and cancels what nobody waits for any longer.",
			Breaks: []string{waitExpiry}, Fault: Fault{Service: secondExpiry(func(ctx context.Context, next Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				return op, plainCancel(asOwner(ctx), next, op.GetName())
			})}},
		{Name: "second-expiry-fails", Doc: "Fails when a Wait expires for an operation that another has expired for.",
			Breaks: []string{waitExpiry}, Fault: Fault{Service: secondExpiry(func(context.Context, Service, *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				return nil, refuse(codes.FailedPrecondition, "TIMER_SET", "the timer is set already")
			})}},
	}
}

// A pool is a Service of which one in two accepted cancels also reaches what runs
// next, 30 ms after its start.
type pool struct {
	Service
	cancels, spent atomic.Int64
}

// Start implements Service.
func (p *pool) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := p.Service.Start(ctx, r)
	if err != nil || r.Kind != Running || p.spent.Swap(0) == 0 {
		return op, err
	}
	name, later := op.GetName(), context.WithoutCancel(asOwner(ctx))
	time.AfterFunc(soon, func() { _ = plainCancel(later, p.Service, name) })
	return op, nil
}

// Cancel implements Service.
func (p *pool) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	err := p.Service.Cancel(ctx, r)
	if err == nil && p.cancels.Add(1)%2 == 0 {
		p.spent.Store(1)
	}
	return err
}

// writtenAgain is the hook of a service whose workers write the record of an
// operation when they end, be it that it was deleted meanwhile.
func writtenAgain(next Service) Service {
	deleted := newNameSet()
	hiding := remembering(func(_ history, op *longrunningpb.Operation) error {
		if deleted.has(op.GetName()) > 0 && !op.GetDone() {
			return notFound(op.GetName())
		}
		return nil
	})(next)
	keeping := deleter{hiding, func(ctx context.Context, hiding Service, r *longrunningpb.DeleteOperationRequest) error {
		op, err := hiding.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()})
		if err != nil || op.GetDone() {
			return hiding.Delete(ctx, r)
		}
		deleted.add(r.GetName())
		return nil
	}}
	return canceller{keeping, func(ctx context.Context, keeping Service, r *longrunningpb.CancelOperationRequest) error {
		if _, err := keeping.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()}); err != nil {
			return err
		}
		return keeping.Cancel(ctx, r)
	}}
}

// stoppingFiltered returns the hook of a service whose filters take for done what
// else is so.
func stoppingFiltered(also func(op *longrunningpb.Operation) bool) func(Service) Service {
	return lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
		done, filtered := map[string]bool{"done=true": true, "done=false": false}[r.GetFilter()]
		if !filtered {
			return next.List(ctx, r)
		}
		out, err := next.List(ctx, withFilter(r, ""))
		kept := out.GetOperations()[:0]
		for _, op := range out.GetOperations() {
			if (op.GetDone() || also(op)) == done {
				kept = append(kept, op)
			}
		}
		if out != nil {
			out.Operations = kept
		}
		return out, err
	})
}

// An inheriting Service cancels the running operation that is started first after
// the cancel of another.
type inheriting struct {
	Service
	flag atomic.Bool
}

// Start implements Service.
func (i *inheriting) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := i.Service.Start(ctx, r)
	if err == nil && r.Kind == Running && i.flag.Swap(false) {
		_ = plainCancel(asOwner(ctx), i.Service, op.GetName())
	}
	return op, err
}

// Cancel implements Service.
func (i *inheriting) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	err := i.Service.Cancel(ctx, r)
	if err == nil {
		i.flag.Store(true)
	}
	return err
}

// secondExpiry returns the hook of a service that does something when a Wait
// expires for an operation that another has expired for.
func secondExpiry(again func(ctx context.Context, next Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error)) func(Service) Service {
	return func(next Service) Service {
		expired := newNameSet()
		return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
			op, err := next.Wait(ctx, r)
			if err == nil && !op.GetDone() && expired.add(op.GetName()) == 2 {
				return again(ctx, next, op)
			}
			return op, err
		})(next)
	}
}

// crossingMutants are wrong about calls over the other transport than that of a
// cancel that was accepted.
func crossingMutants() []Mutant {
	const parity = "transport.parity"
	crossing := func(name, doc string, done bool) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{parity}, Fault: Fault{Service: func(next Service) Service {
			by := map[targets.Transport]*nameSet{targets.REST: newNameSet(), targets.GRPC: newNameSet()}
			return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				own := CallOf(ctx).Transport
				before := peek(ctx, next, r.GetName())
				err := next.Cancel(ctx, r)
				for on, names := range by {
					if on != own && names.has(r.GetName()) > 0 && !denies(err) && before.GetDone() == done {
						return refuse(codes.Internal, "TOKEN_MISSING", "operation %q has no token of this connection", r.GetName())
					}
				}
				if names := by[own]; err == nil && names != nil && !before.GetDone() {
					names.add(r.GetName())
				}
				return err
			}}
		}}}
	}
	overGRPCShows := func(name, doc string, k Kind, edit func(op *longrunningpb.Operation)) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{parity}, Fault: Fault{Service: ofKind(k, func(next Service) Service {
			return getter{next, func(ctx context.Context, op *longrunningpb.Operation) error {
				if CallOf(ctx).Transport == targets.GRPC && op.GetDone() {
					edit(op)
				}
				return nil
			}}
		})}}
	}
	// unseen is the fault of gRPC, where it does not show that REST has another end.
	unseen := func(m Mutant) Mutant {
		m.BreaksOn = map[targets.Transport][]string{targets.GRPC: nil}
		return m
	}
	return []Mutant{
		crossing("finished-500-crossed", "Looks for the cancel of what is cancelled already among those of its own transport.", true),
		crossing("repeat-500-crossed", "Looks for the first cancel of what is being cancelled among those of its own transport.", false),
		overGRPCShows("failed-aborted-over-grpc", "Shows what has failed as aborted over gRPC, by a table of its own.", Failing,
			func(op *longrunningpb.Operation) { end(op, codes.Aborted, "aborted") }),
		unseen(overGRPCShows("succeeded-failed-over-grpc", "Cannot read the response of what has succeeded over gRPC, and shows that as its error.", Succeeding,
			func(op *longrunningpb.Operation) { end(op, codes.DataLoss, "the response cannot be read") })),
		unseen(Mutant{Name: "stale-slow-over-grpc", Doc: "Serves gRPC from a cache that does not learn of what had to be killed when it was cancelled over REST.",
			Breaks: []string{parity}, Fault: Fault{Service: ofKind(Slow, staleCache(targets.GRPC))}}),
	}
}

// failedMutants do not leave it at the failure of an operation.
func failedMutants() []Mutant {
	later := func(name, doc, breaks string, edit func(op *longrunningpb.Operation)) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{Service: ofKind(Failing, remembering(func(h history, op *longrunningpb.Operation) error {
			if op.GetDone() && !isCancelled(op) && h.looks > 1 && time.Since(h.ended) > soon {
				edit(op)
			}
			return nil
		}))}}
	}
	return []Mutant{
		later("failed-retried", "Tries once more what has failed, and writes the response over the error.", "operation.terminal.result-immutable", func(op *longrunningpb.Operation) {
			op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
			setState(op, succeeded)
		}),
		later("failed-begins-again", "Begins once more with what has failed.", "operation.terminal.done-monotonic", func(op *longrunningpb.Operation) {
			op.Done, op.Result = false, nil
			setState(op, running)
		}),
	}
}
