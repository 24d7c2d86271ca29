package reference

import (
	"context"
	"slices"
	"sync"
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
		{Name: "storm-limits", Doc: "Has room for 30 operations in progress: where one more is started, it cancels the oldest.",
			Fault: Fault{Service: func(next Service) Service { return &limiting{Service: next} }}},
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

// A limiting service keeps so many operations in progress at the most.
type limiting struct {
	Service
	mu    sync.Mutex
	names []string // of those that may be in progress, as they were started
}

const roomFor = 30

// Start implements Service.
func (s *limiting) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(slices.DeleteFunc(s.names, func(name string) bool {
		old, err := s.Get(ctx, &longrunningpb.GetOperationRequest{Name: name})
		return err != nil || old.GetDone()
	}), op.GetName())
	if len(s.names) > roomFor {
		_ = s.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: s.names[0]}) // it may have ended
		s.names = s.names[1:]
	}
	return op, nil
}
