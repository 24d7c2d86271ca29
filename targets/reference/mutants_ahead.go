package reference

import (
	"context"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// aheadMutants keep the cancel of a name that they do not know, as Celery's workers
// keep what was revoked, and carry it out when an operation of that name is started.
func aheadMutants() []Mutant {
	ahead := func(name, doc string, revoke func(cancel func())) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.rejected.no-effect"},
			Fault: Fault{Service: onAhead(func(ctx context.Context, next Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				revoke(func() { _ = plainCancel(asOwner(context.WithoutCancel(ctx)), next, op.GetName()) })
				return op, nil
			})}}
	}
	return []Mutant{
		ahead("revokes-ahead", "Does not find the name of what is to be cancelled, and revokes whatever is started under it.", func(cancel func()) { cancel() }),
		ahead("revokes-ahead-later", "Does so when a worker takes up what was started.", func(cancel func()) { time.AfterFunc(30*time.Millisecond, cancel) }),
	}
}

// onAhead is a hook by which what is started under a name whose cancel was refused,
// as it was not known, is answered otherwise.
func onAhead(started func(ctx context.Context, next Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error)) func(Service) Service {
	return func(next Service) Service {
		refused := newNameSet()
		noting := canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			err := next.Cancel(ctx, r)
			if status.Code(err) == codes.NotFound {
				refused.add(r.GetName())
			}
			return err
		}}
		return starter{noting, func(ctx context.Context, next Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error) {
			if refused.has(op.GetName()) == 0 {
				return op, nil
			}
			return started(ctx, next, op)
		}}
	}
}

// A starter is a Service that answers each start by what it makes of the operation.
type starter struct {
	Service
	started func(ctx context.Context, next Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error)
}

// Start implements Service.
func (s starter) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.started(ctx, s.Service, op)
}
