package reference

import (
	"context"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lro-tools/conform/targets"
)

// A moody Service calls before for each call; an error is the answer.
type moody struct {
	Service
	before func(ctx context.Context, m targets.Method) error
}

// Get implements Service.
func (m moody) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if err := m.before(ctx, targets.Get); err != nil {
		return nil, err
	}
	return m.Service.Get(ctx, r)
}

// List implements Service.
func (m moody) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	if err := m.before(ctx, targets.List); err != nil {
		return nil, err
	}
	return m.Service.List(ctx, r)
}

// Wait implements Service.
func (m moody) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	if err := m.before(ctx, targets.Wait); err != nil {
		return nil, err
	}
	return m.Service.Wait(ctx, r)
}

// Cancel implements Service.
func (m moody) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if err := m.before(ctx, targets.Cancel); err != nil {
		return err
	}
	return m.Service.Cancel(ctx, r)
}

// Delete implements Service.
func (m moody) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	if err := m.before(ctx, targets.Delete); err != nil {
		return err
	}
	return m.Service.Delete(ctx, r)
}

// pause waits, or ends with the call.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// slowCancel and slowGet are the times that calls take on a slow server.
const (
	slowCancel = time.Second
	slowGet    = 50 * time.Millisecond
)

func timeVariants() []Variant {
	takes := func(name, doc string, m targets.Method, d time.Duration) Variant {
		return Variant{Name: name, Doc: doc, Alone: true, Slow: true, Fault: Fault{Service: func(next Service) Service {
			return moody{next, func(ctx context.Context, called targets.Method) error {
				if called == m {
					pause(ctx, d)
				}
				return nil
			}}
		}}}
	}
	alternating := func(next Service) Service {
		var calls atomic.Int64
		return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			err := next.Cancel(ctx, r)
			if status.Code(err) == codes.FailedPrecondition && calls.Add(1)%2 == 0 {
				return nil
			}
			return err
		}}
	}
	return []Variant{
		takes("cancel-takes-a-second", "Takes a second to answer a cancel.", targets.Cancel, slowCancel),
		takes("get-takes-time", "Takes 50 ms to answer a Get.", targets.Get, slowGet),
		{Name: "fifth-call-unavailable", Alone: true, Slow: true, Doc: "Is overloaded at every fifth call.", Fault: Fault{Service: func(next Service) Service {
			var calls atomic.Int64
			return moody{next, func(context.Context, targets.Method) error {
				if calls.Add(1)%5 == 0 {
					return refuse(codes.Unavailable, "OVERLOADED", "try again")
				}
				return nil
			}}
		}}},
		{Name: "finished-in-turn", Doc: "Answers the cancel of a finished operation OK and FAILED_PRECONDITION in turn.", Fault: Fault{Service: alternating}},
	}
}
