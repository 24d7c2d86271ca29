package reference

import (
	"context"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
)

// StormVariants returns servers that are unusual but legal, of which a run, which
// starts few operations and needs each for itself, learns nothing.
func StormVariants() []Variant {
	return []Variant{
		{Name: "storm-starts-what-runs", Doc: "Answers every other start with the operation that was started before it, which is running.",
			Fault: Fault{Service: startsOnce}},
		{Name: "storm-preempts", Doc: "Cancels one operation in ten by itself, as work of more urgency needs the room.",
			Fault: Fault{Service: func(next Service) Service { return &preempting{Service: next} }}},
	}
}

// A preempting service cancels what it has started, now and then.
type preempting struct {
	Service
	started atomic.Int64
}

// Start implements Service.
func (s *preempting) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if n := s.started.Add(1); err == nil && n%10 == 0 {
		time.AfterFunc(time.Duration(n%7)*2*time.Millisecond, func() {
			_ = s.Cancel(context.WithoutCancel(ctx), &longrunningpb.CancelOperationRequest{Name: op.GetName()}) // it may have ended
		})
	}
	return op, err
}
