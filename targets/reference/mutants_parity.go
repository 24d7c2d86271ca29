package reference

import (
	"context"
	"sync"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// invisible hides every operation over one transport.
func invisible(t targets.Transport) func(Service) Service {
	return func(next Service) Service { return unfound{Service: next, on: t} }
}

// An unfound Service finds nothing over one transport.
type unfound struct {
	Service
	on targets.Transport
}

// Get implements Service.
func (u unfound) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if CallOf(ctx).Transport == u.on {
		return nil, notFound(r.GetName())
	}
	return u.Service.Get(ctx, r)
}

// Cancel implements Service.
func (u unfound) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if CallOf(ctx).Transport == u.on {
		return notFound(r.GetName())
	}
	return u.Service.Cancel(ctx, r)
}

// differMutants show the two transports as two services.
func differMutants() []Mutant {
	const parity = "transport.parity"
	// unseen is the fault of one transport: only the other sees that it differs.
	unseen := func(name, doc string, on targets.Transport, service func(Service) Service) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{parity}, BreaksOn: map[targets.Transport][]string{on: nil}, Fault: Fault{Service: service}}
	}
	finished := func(name, doc string, of func(op *longrunningpb.Operation) bool) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{parity}, Fault: Fault{Options: longStop,
			Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if op := peek(ctx, next, r.GetName()); op.GetDone() && of(op) {
					return nil
				}
				return next.Cancel(ctx, r)
			})}}
	}
	separate := func(name string, on, other targets.Transport) Mutant {
		return Mutant{Name: name, Doc: "Keeps the operations of each transport in a store of its own.", Breaks: []string{parity},
			BreaksOn: map[targets.Transport][]string{other: nil}, Fault: Fault{Service: invisible(on)}}
	}
	// unlisted edits, in the list of one transport, what was cancelled over the other.
	unlisted := func(name, doc string, on targets.Transport, edit func(op *longrunningpb.Operation) bool) Mutant {
		return unseen(name, doc, on, func(next Service) Service {
			foreign := newNameSet()
			here := listed(func(op *longrunningpb.Operation) bool {
				return !isCancelled(op) || foreign.has(op.GetName()) == 0 || edit(op)
			})(next)
			there := canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				err := next.Cancel(ctx, r)
				if err == nil && CallOf(ctx).Transport != on {
					foreign.add(r.GetName())
				}
				return err
			}}
			return lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				if CallOf(ctx).Transport == on {
					return here.List(ctx, r)
				}
				return next.List(ctx, r)
			})(there)
		})
	}
	return []Mutant{
		separate("separate-grpc-store", targets.GRPC, targets.REST),
		separate("separate-rest-store", targets.REST, targets.GRPC),
		{Name: "stale-over-grpc", Doc: "Serves gRPC from a cache that does not learn of cancels over REST.", Breaks: []string{parity},
			BreaksOn: map[targets.Transport][]string{targets.GRPC: nil},
			Fault:    Fault{Service: staleCache(targets.GRPC)}},
		{Name: "stale-over-rest", Doc: "Serves REST from a cache that does not learn of cancels over gRPC.", Breaks: []string{parity},
			BreaksOn: map[targets.Transport][]string{targets.REST: nil},
			Fault:    Fault{Service: staleCache(targets.REST)}},
		unseen("stale-children-over-grpc", "Serves gRPC from a cache that does not learn of children that are cancelled over REST.",
			targets.GRPC, ofKind(Nested, staleCache(targets.GRPC))),
		unseen("stale-queue-over-grpc", "Serves gRPC from a cache that does not learn of what is cancelled in its queue over REST.",
			targets.GRPC, ofKind(Pending, staleCache(targets.GRPC))),
		unseen("cancelled-over-rest-aborted", "Shows over gRPC, by a table of its own, what was cancelled over REST as aborted.", targets.GRPC, func(next Service) Service {
			foreign := newNameSet()
			shown := getter{next, func(ctx context.Context, op *longrunningpb.Operation) error {
				if CallOf(ctx).Transport == targets.GRPC && isCancelled(op) && foreign.has(op.GetName()) > 0 {
					end(op, codes.Aborted, "aborted")
				}
				return nil
			}}
			return canceller{shown, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				err := next.Cancel(ctx, r)
				if err == nil && CallOf(ctx).Transport == targets.REST {
					foreign.add(r.GetName())
				}
				return err
			}}
		}),
		unlisted("unlisted-over-grpc", "Lists over gRPC from an index that drops what is cancelled over REST.", targets.GRPC, func(*longrunningpb.Operation) bool { return false }),
		unlisted("unlisted-over-rest", "Lists over REST from an index that drops what is cancelled over gRPC.", targets.REST, func(*longrunningpb.Operation) bool { return false }),
		unlisted("running-in-list-over-rest", "Lists over REST from an index that does not learn of cancels over gRPC.", targets.REST, func(op *longrunningpb.Operation) bool {
			op.Done, op.Result = false, nil
			setState(op, running)
			return true
		}),
		unseen("children-over-rest-alone", "Finds names of several segments over REST only.", targets.GRPC, ofKind(Nested, invisible(targets.GRPC))),
		finished("cancelled-differs", "Answers OK over gRPC to the cancel of what was cancelled, which REST refuses.", isCancelled),
		finished("failed-differs", "Answers OK over gRPC to the cancel of what has failed, which REST refuses.",
			hasFailed),
		{Name: "finished-differs-in-code", Doc: "Answers ABORTED over REST to the cancel of what has succeeded, and FAILED_PRECONDITION over gRPC.",
			Breaks: []string{parity}, BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.finished.status-preferred", parity}},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if CallOf(ctx).Transport == targets.REST && peek(ctx, next, r.GetName()).GetResponse() != nil {
					return refuse(codes.Aborted, "OPERATION_NOT_RUNNING", "operation is not running")
				}
				return next.Cancel(ctx, r)
			})}},
	}
}

// staleCache shows over one transport, for ever, as running what was cancelled
// over the other.
func staleCache(on targets.Transport) func(Service) Service {
	return func(next Service) Service {
		return &stale{Service: next, on: on, foreign: map[string]*longrunningpb.Operation{}}
	}
}

// A stale Service keeps, for one transport, what operations looked like when
// they were cancelled over the other.
type stale struct {
	Service
	on      targets.Transport
	mu      sync.Mutex
	foreign map[string]*longrunningpb.Operation
}

// Cancel implements Service.
func (s *stale) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	before := peek(ctx, s.Service, r.GetName())
	err := s.Service.Cancel(ctx, r)
	if err == nil && CallOf(ctx).Transport != s.on && !before.GetDone() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.foreign[r.GetName()] == nil {
			s.foreign[r.GetName()] = before
		}
	}
	return err
}

// Get implements Service.
func (s *stale) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	s.mu.Lock()
	op := s.foreign[r.GetName()]
	s.mu.Unlock()
	if op != nil && CallOf(ctx).Transport == s.on {
		return proto.Clone(op).(*longrunningpb.Operation), nil
	}
	return s.Service.Get(ctx, r)
}
