package reference

import (
	"context"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
)

// racesVariants are unusual, and legal, when cancels are repeated, come at
// once, or come near the end.
func racesVariants() []Variant {
	during := func(name, doc string, err error) Variant {
		return Variant{Name: name, Doc: doc, Fault: Fault{Options: longEnough,
			Service: eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
				if during {
					return err
				}
				return plainCancel(ctx, next, name)
			})}}
	}
	return []Variant{
		during("repeats-aborted", "Answers ABORTED to the cancel of what is being cancelled.",
			refuse(codes.Aborted, "CONFLICT", "the operation is being cancelled")),
		{Name: "losers-aborted", Doc: "Answers ABORTED to all but the first of cancels that come at once.",
			Fault: Fault{Service: eachCancel(func(ctx context.Context, next Service, name string, many int, _ bool) error {
				if many > 1 {
					return refuse(codes.Aborted, "CONFLICT", "another request was sooner")
				}
				return plainCancel(ctx, next, name)
			})}},
		{Name: "losers-busy", Doc: "Answers UNAVAILABLE when many cancels come at once.",
			Fault: Fault{Service: crowded(func(context.Context, Service, string) error {
				return refuse(codes.Unavailable, "BUSY", "try again later")
			})}},
		{Name: "cancel-takes-time", Doc: "Takes 60 ms for every cancel.",
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				select {
				case <-ctx.Done(): // not cancelled: the client has gone
					return ctx.Err()
				case <-time.After(60 * time.Millisecond):
					return next.Cancel(ctx, r)
				}
			})}},
		{Name: "late-cancel-completes", Alone: true, Doc: "Accepts a cancel near the end of an operation, which ends as it would have nevertheless.",
			Fault: Fault{Target: bestEffort, Service: lateCancelCompletes}},
		{Name: "one-case-of-ids", Doc: "Takes no ids with capitals, or of more than one segment.",
			Fault: Fault{Service: func(next Service) Service { return lowerIDs{next} }}},
		{Name: "often-busy", Doc: "Answers UNAVAILABLE to every ninth Get.",
			Fault: Fault{Service: func(next Service) Service {
				var gets atomic.Int64
				return getter{next, func(context.Context, *longrunningpb.Operation) error {
					if gets.Add(1)%9 == 0 {
						return refuse(codes.Unavailable, "BUSY", "try again later")
					}
					return nil
				}}
			}}},
		{Name: "cancels-often-busy", Alone: true, Doc: "Answers UNAVAILABLE to every seventh cancel.",
			Fault: Fault{Service: func(next Service) Service {
				var calls atomic.Int64
				return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if calls.Add(1)%7 == 0 {
						return refuse(codes.Unavailable, "BUSY", "try again later")
					}
					return next.Cancel(ctx, r)
				}}
			}}},
		{Name: "queue-moves", Doc: "Starts a queued operation soon, and ends it, while a cancel of it waits for a worker.",
			Fault: Fault{Service: func(next Service) Service { return movingQueue{ofKind(Pending, waitsForWorker)(next)} }}},
	}
}

// lateCancelCompletes is the hook of a service that accepts a cancel in the second half
// of an operation that ends by itself, and lets it end as it would have.
func lateCancelCompletes(next Service) Service {
	known := newLedger(next)
	return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		h, ok := known.of(r.GetName())
		op := peek(ctx, known.Service, r.GetName())
		if ok && h.lasts > 0 && time.Since(h.begun) > h.lasts/2 && op != nil && !op.GetDone() {
			return nil
		}
		return next.Cancel(ctx, r)
	}}
}

// lowerIDs is a Service that takes chosen ids of lower-case letters, digits
// and dashes only.
type lowerIDs struct{ Service }

// Start implements Service.
func (p lowerIDs) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	for _, c := range r.ID {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return nil, invalid("ID_MALFORMED", "id %q has characters other than lower-case letters, digits and dashes", r.ID)
		}
	}
	return p.Service.Start(ctx, r)
}

// queued is how long operations stay in a queue that moves.
const queued = 300 * time.Millisecond

// movingQueue is a Service whose queued operations succeed by themselves.
type movingQueue struct{ Service }

// Start implements Service.
func (q movingQueue) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.Kind == Pending {
		r.Lasts = queued
	}
	return q.Service.Start(ctx, r)
}

// waitsForWorker is a hook by which a cancel waits until its operation has ended.
func waitsForWorker(next Service) Service {
	return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if _, err := next.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()}); err != nil {
			return next.Cancel(ctx, r) // which says why
		}
		return untilDone(ctx, next, r.GetName())
	}}
}
