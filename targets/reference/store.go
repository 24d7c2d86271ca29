package reference

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A store is the honest Service: operations in memory, moved by timers. One
// mutex guards them all, so that every call sees and leaves a whole state.
type store struct {
	options Options
	names   template
	closed  chan struct{}

	mu     sync.Mutex
	seq    int64
	byName map[string]*operation
	order  []*operation // byName by seq, for List
	// working are the unfinished operations, deleted ones too: deleting does
	// not stop the work.
	working map[*operation]struct{}
}

func newStore(o Options, names template) *store {
	return &store{options: o, names: names, closed: make(chan struct{}),
		byName: map[string]*operation{}, working: map[*operation]struct{}{}}
}

// close stops all work and releases every Wait. It must be called once.
func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.closed)
	for op := range s.working {
		op.plan++
		op.timer.Stop()
	}
	clear(s.working)
}

func clone(op *longrunningpb.Operation) *longrunningpb.Operation {
	return proto.Clone(op).(*longrunningpb.Operation)
}

// Start begins an operation.
func (s *store) Start(_ context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.Kind == "" {
		r.Kind = Running
	}
	if !r.Kind.known() {
		return nil, invalid("KIND_UNKNOWN", "kind %q is none of %s", r.Kind, kindList())
	}
	if r.Lasts < 0 || r.StopAfter < 0 {
		return nil, invalid("DURATION_NEGATIVE", "durations must not be negative")
	}
	if !s.names.isParent(r.Parent) {
		return nil, invalid("PARENT_MALFORMED", "parent %q cannot have operations by %s", r.Parent, s.names.text)
	}
	if r.ID == "" {
		r.ID = newID(r.Kind)
	}
	name := s.names.name(r.Parent, r.ID)
	if err := s.names.check(name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[name] != nil {
		return nil, refuse(codes.AlreadyExists, "OPERATION_EXISTS", "operation %q exists already", name)
	}
	return clone(s.begin(name, r).snapshot), nil
}

// newID returns a fresh id of upper-case letters and digits.
func newID(k Kind) string {
	id := rand.Text()
	if k == Nested {
		return id[:8] + "/" + id[8:]
	}
	return id
}

func (s *store) begin(name string, r StartRequest) *operation {
	s.seq++
	op := &operation{seq: s.seq, name: name, parent: r.Parent, kind: r.Kind, created: time.Now(),
		stopAfter: s.stopAfter(r), gone: make(chan struct{})}
	op.enter(r.Kind.first(), op.created)
	s.byName[name] = op
	s.order = append(s.order, op)
	s.working[op] = struct{}{}
	s.after(op, s.lasts(r), r.Kind.last())
	return op
}

func (s *store) lasts(r StartRequest) time.Duration {
	switch {
	case r.Lasts > 0:
		return r.Lasts
	case r.Kind == Succeeding || r.Kind == Failing:
		return s.options.Natural
	}
	return s.options.Lifetime
}

func (s *store) stopAfter(r StartRequest) time.Duration {
	switch {
	case r.StopAfter > 0:
		return r.StopAfter
	case r.Kind == Slow:
		return s.options.SlowStop
	}
	return s.options.CancelDelay
}

// after has the operation enter a last phase when the time has passed. It
// replaces what was planned before.
func (s *store) after(op *operation, d time.Duration, p phase) {
	if op.timer != nil {
		op.timer.Stop()
	}
	op.plan++
	plan := op.plan
	op.timer = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if op.plan == plan {
			s.finish(op, p)
		}
	})
}

func (s *store) finish(op *operation, p phase) {
	op.plan++
	op.timer.Stop()
	delete(s.working, op)
	op.enter(p, time.Now())
}

// find returns the operation; s.mu must be held.
func (s *store) find(name string) (*operation, error) {
	op := s.byName[name]
	if op == nil {
		return nil, notFound(name)
	}
	return op, nil
}

// Get returns the operation as it is now.
func (s *store) Get(_ context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if err := s.names.check(r.GetName()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	op, err := s.find(r.GetName())
	if err != nil {
		return nil, err
	}
	return clone(op.snapshot), nil
}

// Cancel starts the cancellation: the operation shows CANCELLING, and ends
// with the error CANCELLED when the work has stopped. Once accepted, it is not
// overtaken by the natural end of the work.
func (s *store) Cancel(_ context.Context, r *longrunningpb.CancelOperationRequest) error {
	if s.options.NoCancel {
		return unimplemented("CancelOperation")
	}
	if err := s.names.check(r.GetName()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	op, err := s.find(r.GetName())
	switch {
	case err != nil:
		return err
	case op.phase.finished() && s.options.FinishedOK:
		return nil
	case op.phase.finished():
		return refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "operation %q is finished: %s", op.name, op.phase)
	case op.kind == Uncancellable:
		return refuse(codes.FailedPrecondition, "OPERATION_NOT_CANCELLABLE", "operation %q cannot be cancelled", op.name)
	case op.phase == cancelling:
		return nil
	}
	op.requested = true
	if op.stopAfter < 0 {
		s.finish(op, cancelled)
		return nil
	}
	op.enter(cancelling, time.Now())
	s.after(op, op.stopAfter, cancelled)
	return nil
}

// Delete forgets the operation. Its work goes on until its end.
func (s *store) Delete(_ context.Context, r *longrunningpb.DeleteOperationRequest) error {
	if s.options.NoDelete {
		return unimplemented("DeleteOperation")
	}
	if err := s.names.check(r.GetName()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	op, err := s.find(r.GetName())
	if err != nil {
		return err
	}
	delete(s.byName, op.name)
	if i, ok := slices.BinarySearchFunc(s.order, op.seq, bySeq); ok {
		s.order = slices.Delete(s.order, i, i+1)
	}
	op.release()
	return nil
}

func bySeq(op *operation, seq int64) int {
	switch {
	case op.seq < seq:
		return -1
	case op.seq > seq:
		return 1
	}
	return 0
}

// Wait returns the operation when it is done, or when the timeout is over,
// whichever is first (google/longrunning/operations.proto, WaitOperation).
func (s *store) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	if s.options.NoWait {
		return nil, unimplemented("WaitOperation")
	}
	bound, err := s.waitBound(r)
	if err != nil {
		return nil, err
	}
	if err := s.names.check(r.GetName()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	op, err := s.find(r.GetName())
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-op.gone:
	case <-timer.C:
	case <-s.closed:
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return s.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()})
}

func (s *store) waitBound(r *longrunningpb.WaitOperationRequest) (time.Duration, error) {
	if r.Timeout == nil {
		return s.options.MaxWait, nil
	}
	if err := r.Timeout.CheckValid(); err != nil || r.Timeout.AsDuration() < 0 {
		return 0, invalid("TIMEOUT_INVALID", "timeout is not a duration of zero or more")
	}
	return min(r.Timeout.AsDuration(), s.options.MaxWait), nil
}
