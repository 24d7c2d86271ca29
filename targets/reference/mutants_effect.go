package reference

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/lro-tools/conform/targets"
)

// effectMutants are wrong about what a cancel does, and to which operation.
func effectMutants() []Mutant {
	return append(acceptanceMutants(), isolationMutants()...)
}

// refuseIn refuses the cancel of operations in a state.
func refuseIn(p phase) func(Service) Service {
	return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if stateOf(peek(ctx, next, r.GetName())) == p {
			return refuse(codes.FailedPrecondition, "OPERATION_NOT_CANCELLABLE", "operation %q is %s", r.GetName(), p)
		}
		return next.Cancel(ctx, r)
	})
}

// whenOld is a hook by which lost answers the cancels of operations that have
// run for a while.
func whenOld(lost func(ctx context.Context, r *longrunningpb.CancelOperationRequest) error) func(Service) Service {
	return olderThan(observeTimeout*9/10, lost)
}

// olderThan is a hook by which lost answers the cancels of operations that have run
// for longer than that.
func olderThan(d time.Duration, lost func(ctx context.Context, r *longrunningpb.CancelOperationRequest) error) func(Service) Service {
	return func(next Service) Service {
		known := newLedger(next)
		return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			h, _ := known.of(r.GetName())
			op, _ := next.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()}) // by who may cancel it
			if h.kind == Running && stateOf(op) == running && time.Since(h.begun) > d {
				return lost(ctx, r)
			}
			return next.Cancel(ctx, r)
		}}
	}
}

// oneInThree is a hook by which lost answers one in three cancels of running
// operations.
func oneInThree(lost func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error) func(Service) Service {
	return func(next Service) Service {
		var n atomic.Int64
		return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if stateOf(peek(ctx, next, r.GetName())) == running && n.Add(1)%3 == 0 {
				return lost(ctx, next, r)
			}
			return next.Cancel(ctx, r)
		}}
	}
}

func acceptanceMutants() []Mutant {
	return []Mutant{
		{Name: "refuses-running", Doc: "Cancels only what is still queued.",
			Breaks: []string{"cancel.accept.in-progress"}, Fault: Fault{Service: refuseIn(running)}},
		{Name: "refuses-pending", Doc: "Cancels only what is running.",
			Breaks: []string{"cancel.accept.pending"}, Fault: Fault{Service: refuseIn(pending)}},
		{Name: "refuses-empty-object", Doc: "Reads \"the request body must be empty\" to the letter and refuses {}, which most clients send.",
			Breaks: []string{"cancel.accept.in-progress"},
			Fault: Fault{REST: refuseIf(invalid("BODY_NOT_EMPTY", "the request body must be empty"), func(_ *http.Request, body []byte) bool {
				return len(body) > 0
			})},
			BreaksOn: map[targets.Transport][]string{targets.GRPC: nil}},
		{Name: "ignores-cancel", Doc: "Answers OK and does nothing, as gapic-showcase does.",
			Breaks: []string{"cancel.effect.best-effort"},
			Fault: Fault{Service: func(next Service) Service {
				return canceller{seen(dropFlag)(next), func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if op := peek(ctx, next, r.GetName()); op != nil && !op.GetDone() {
						return nil
					}
					return next.Cancel(ctx, r)
				}}
			}}},
		{Name: "refuses-one-in-three", Doc: "Refuses one in three cancels of running operations: one of its workers is deaf.",
			Breaks: []string{"cancel.accept.in-progress"},
			Fault: Fault{Service: oneInThree(func(ctx context.Context, _ Service, r *longrunningpb.CancelOperationRequest) error {
				return refuse(codes.FailedPrecondition, "WORKER_DEAF", "operation %q cannot be reached", r.GetName())
			})}},
		{Name: "loses-one-in-three", Doc: "Loses one in three cancels of running operations that it has accepted.",
			Breaks: []string{"cancel.effect.best-effort"},
			Fault: Fault{Service: func(next Service) Service {
				return oneInThree(func(context.Context, Service, *longrunningpb.CancelOperationRequest) error { return nil })(seen(dropFlag)(next))
			}}},
		{Name: "refuses-old", Doc: "Refuses the cancel of an operation that has run for a while: its worker no longer listens.",
			Breaks: []string{"cancel.accept.in-progress"},
			Fault: Fault{Service: whenOld(func(_ context.Context, r *longrunningpb.CancelOperationRequest) error {
				return refuse(codes.FailedPrecondition, "WORKER_DEAF", "operation %q cannot be reached", r.GetName())
			})}},
		{Name: "loses-old", Doc: "Accepts the cancel of an operation that has run for a while, and loses it: its worker no longer listens.",
			Breaks: []string{"cancel.effect.best-effort"},
			Fault: Fault{Service: func(next Service) Service {
				return whenOld(func(context.Context, *longrunningpb.CancelOperationRequest) error { return nil })(seen(dropFlag)(next))
			}}},
		{Name: "loses-unseen", Doc: "Loses the cancel of an operation that nobody has asked for: no worker has taken it up yet.",
			Breaks: []string{"cancel.effect.best-effort"}, Fault: Fault{Service: whereUnseen(nil)}},
		{Name: "refuses-unseen", Doc: "Refuses the cancel of an operation that nobody has asked for: it reads from the cache that Get fills.",
			Breaks: []string{"cancel.accept.in-progress"}, Fault: Fault{Service: whereUnseen(refuse(codes.FailedPrecondition, "OPERATION_NOT_RUNNING", "operation is not running"))}},
		{Name: "loses-chosen", Doc: "Has a column of 12 characters for the ids of what is to be stopped, and finds none that is longer by its id.",
			Breaks: []string{"cancel.effect.best-effort"}, Fault: Fault{Service: losesLongIDs(12)}},
		{Name: "loses-long-ids", Doc: "Has a column of 40 characters for the ids of what is to be stopped.",
			Breaks: []string{"cancel.effect.best-effort"}, Fault: Fault{Service: losesLongIDs(40)}},
		{Name: "never-stops", Doc: "Accepts a cancel and shows CANCELLING for ever: the work does not look at the request.",
			Breaks: []string{"cancel.effect.best-effort"},
			Fault:  Fault{Options: func(o *Options) { o.CancelDelay, o.SlowStop = time.Hour, time.Hour }}},
		{Name: "never-shows-request", Doc: "Has a member for the request in the metadata, and never sets it.",
			Breaks: []string{"cancel.effect.requested-flag"},
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) {
				editMetadata(op, func(fields map[string]*structpb.Value) {
					fields["requestedCancellation"] = structpb.NewBoolValue(false)
				})
			})}},
		{Name: "second-request-unset", Doc: "Has a second cancel take the first one's mark out of the metadata, and stops all the same.",
			Breaks: []string{"cancel.effect.requested-flag"},
			Fault: Fault{Service: ofKind(Slow, remembering(func(h history, op *longrunningpb.Operation) error {
				if h.cancels > 1 {
					editMetadata(op, func(fields map[string]*structpb.Value) {
						fields["requestedCancellation"] = structpb.NewBoolValue(false)
					})
				}
				return nil
			}))}},
		{Name: "second-cancel-takes-back", Doc: "Takes the second cancel of what it stops at leisure for the opposite of the first, and a third for the first again.",
			Breaks: []string{"cancel.effect.requested-flag"},
			Fault: Fault{Target: bestEffort, Options: func(o *Options) { o.CancelDelay = 800 * time.Millisecond }, Service: ofKind(Running, remembering(func(h history, op *longrunningpb.Operation) error {
				if h.cancels == 2 && h.again == 0 {
					op.Done, op.Result = false, nil
					setState(op, running)
					dropFlag(op)
				}
				return nil
			}))}},
		{Name: "wait-leaves-deaf", Doc: "Loses the cancel of an operation that a Wait has expired for.",
			Breaks: []string{"cancel.effect.best-effort"}, Fault: Fault{Service: func(next Service) Service {
				expired := newNameSet()
				noting := waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
					op, err := next.Wait(ctx, r)
					if err == nil && !op.GetDone() {
						expired.add(r.GetName())
					}
					return op, err
				})(seen(dropFlag)(next))
				return canceller{noting, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if expired.has(r.GetName()) > 0 {
						return nil
					}
					return next.Cancel(ctx, r)
				}}
			}}},
		{Name: "forgets-request", Doc: "Shows that a cancellation was requested only until the operation ends.",
			Breaks: []string{"cancel.effect.requested-flag"},
			Fault: Fault{Options: func(o *Options) { o.CancelDelay = 50 * time.Millisecond },
				Service: seen(func(op *longrunningpb.Operation) {
					if op.GetDone() {
						editMetadata(op, func(fields map[string]*structpb.Value) {
							fields["requestedCancellation"] = structpb.NewBoolValue(false)
						})
					}
				})}},
	}
}

// losesLongIDs is a hook that accepts the cancel of an operation in progress, and
// does nothing, where the client has chosen an id of more characters than that.
func losesLongIDs(most int) func(Service) Service {
	return func(next Service) Service {
		return canceller{seen(dropFlag)(next), func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			id := idOf(r.GetName())
			if op := peek(ctx, next, r.GetName()); op != nil && !op.GetDone() && len(id) > most && isChosen(id) {
				return nil
			}
			return next.Cancel(ctx, r)
		}}
	}
}

// isChosen tells whether a client has chosen an id.
func isChosen(id string) bool { return !plainID.MatchString(id) && !childID.MatchString(id) }

// whereUnseen is a hook that gives an answer to the cancel of an operation in
// progress, and does nothing, where nobody has asked for it before.
func whereUnseen(answer error) func(Service) Service {
	return func(next Service) Service {
		asked := newNameSet()
		shown := getter{seen(dropFlag)(next), func(_ context.Context, op *longrunningpb.Operation) error {
			asked.add(op.GetName())
			return nil
		}}
		return canceller{shown, func(ctx context.Context, _ Service, r *longrunningpb.CancelOperationRequest) error {
			if op := peek(ctx, next, r.GetName()); op != nil && !op.GetDone() && asked.has(r.GetName()) == 0 {
				return answer
			}
			return next.Cancel(ctx, r)
		}}
	}
}

// cancelsAlso cancels every other operation that also names besides the one
// that was asked for.
func cancelsAlso(also func(cancelled, other string) bool) func(Service) Service {
	return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if err := next.Cancel(ctx, r); err != nil {
			return err
		}
		parent, _, _ := strings.Cut(r.GetName(), "/operations/")
		for token := ""; ; {
			list, err := next.List(asOwner(ctx), &longrunningpb.ListOperationsRequest{Name: parent, Filter: "done=false", PageToken: token, PageSize: maxPage})
			if err != nil {
				return nil
			}
			for _, op := range list.GetOperations() {
				if op.GetName() != r.GetName() && also(r.GetName(), op.GetName()) {
					_ = next.Cancel(asOwner(ctx), &longrunningpb.CancelOperationRequest{Name: op.GetName()})
				}
			}
			if token = list.GetNextPageToken(); token == "" {
				return nil
			}
		}
	})
}

// A ring is a Service that confuses the slots of its workers: a cancel stops
// the operation that was started two later as well.
type ring struct {
	Service
	mu    sync.Mutex
	slots []string
}

// Start implements Service.
func (s *ring) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err == nil && r.ID == "" {
		s.mu.Lock()
		s.slots = append(s.slots, op.GetName())
		s.mu.Unlock()
	}
	return op, err
}

// Cancel implements Service.
func (s *ring) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if err := s.Service.Cancel(ctx, r); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, name := range s.slots {
		if name == r.GetName() && i+2 < len(s.slots) {
			_ = s.Service.Cancel(asOwner(ctx), &longrunningpb.CancelOperationRequest{Name: s.slots[i+2]})
		}
	}
	return nil
}

// pollsToCancel is the number of Gets of one operation that a mutant bears.
const pollsToCancel = 45

// abortsToCancel is a number of Gets that is reached, as well, where many are aborted
// and the operation is looked at after that.
const abortsToCancel = 18

func isolationMutants() []Mutant {
	return []Mutant{
		{Name: "cancels-by-slot", Doc: "Confuses the slots of its workers: a cancel also stops the operation that was started two later.",
			Breaks: []string{"cancel.isolation.siblings"}, Alone: true,
			Fault: Fault{Service: func(next Service) Service { return &ring{Service: next} }}},
		{Name: "cancels-by-prefix", Doc: "Cancels every operation whose name begins with the name that was given.",
			Breaks: []string{"cancel.isolation.prefix-names"},
			Fault:  Fault{Service: cancelsAlso(func(cancelled, other string) bool { return strings.HasPrefix(other, cancelled) })}},
		{Name: "cancels-any-case", Doc: "Compares names without regard to case.",
			Breaks: []string{"cancel.isolation.prefix-names"},
			Fault:  Fault{Service: cancelsAlso(strings.EqualFold)}},
		{Name: "polling-cancels", Doc: "Takes a client that polls often for one that has given up, and cancels.",
			Breaks: []string{"cancel.isolation.get-no-effect"},
			Fault:  Fault{Service: func(next Service) Service { return &patience{Service: next, looks: map[string]int{}} }}},
		{Name: "gets-cancel-later", Doc: "Takes a client that polls often for one that has given up, and tells the worker, which looks for such news now and then.",
			Breaks: []string{"cancel.isolation.get-no-effect"},
			Fault: Fault{Service: func(next Service) Service {
				looks := newNameSet()
				return getter{next, func(ctx context.Context, op *longrunningpb.Operation) error {
					if looks.add(op.GetName()) == abortsToCancel {
						time.AfterFunc(observeTimeout*3/4, func() { _ = plainCancel(asOwner(context.WithoutCancel(ctx)), next, op.GetName()) })
					}
					return nil
				}}
			}}},
		{Name: "disconnect-cancels", Doc: "Binds the work to the Wait that looks at it: when that call is aborted, the operation is cancelled.",
			Breaks: []string{"cancel.isolation.rpc-abort"},
			Fault: Fault{Service: func(next Service) Service {
				return bound{next, func(ctx context.Context) bool { return ctx.Err() != nil }}
			}}},
	}
}

// A patience is a Service that cancels an operation when it has been read too often.
type patience struct {
	Service
	mu    sync.Mutex
	looks map[string]int
}

// Get implements Service.
func (p *patience) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := p.Service.Get(ctx, r)
	if err != nil || op.GetDone() {
		return op, err
	}
	p.mu.Lock()
	p.looks[r.GetName()]++
	tooOften := p.looks[r.GetName()] > pollsToCancel
	p.mu.Unlock()
	if tooOften {
		_ = p.Service.Cancel(asOwner(ctx), &longrunningpb.CancelOperationRequest{Name: r.GetName()})
	}
	return op, nil
}

// A bound is a Service that cancels an operation with the Wait for it, where that was
// broken off so.
type bound struct {
	Service
	broken func(ctx context.Context) bool
}

// overdue tells whether the deadline of a call has come. The error of its context need
// not say so: gRPC ends the stream at the same time, as if the client had left.
func overdue(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// Wait implements Service.
func (b bound) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	op, err := b.Service.Wait(ctx, r)
	if b.broken(ctx) {
		_ = b.Service.Cancel(asOwner(context.WithoutCancel(ctx)), &longrunningpb.CancelOperationRequest{Name: r.GetName()})
	}
	return op, err
}
