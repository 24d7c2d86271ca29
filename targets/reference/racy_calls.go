package reference

import (
	"context"
	"hash/crc32"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// A moments is what a Service remembers of operations by their names.
type moments struct {
	mu sync.Mutex
	of map[string]time.Time
}

func newMoments() *moments { return &moments{of: map[string]time.Time{}} }

// set keeps the moment of a name, unless there is one already.
func (m *moments) set(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.of[name]; !ok {
		m.of[name] = time.Now()
	}
}

// within tells whether the moment of a name is less than d ago.
func (m *moments) within(name string, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.of[name]
	return ok && time.Since(at) < d
}

// A sharedAnswer puts each answer of Get into one buffer for all calls.
type sharedAnswer struct {
	Service
	mu   sync.Mutex
	last *longrunningpb.Operation
}

// Get implements Service.
func (s *sharedAnswer) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Get(ctx, r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.last = op
	s.mu.Unlock()
	time.Sleep(latency / 10)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, nil
}

// A lateRegistration tells its workers of an operation some time after the
// caller, and refuses to cancel what they do not know.
type lateRegistration struct {
	Service
	started *moments
}

// Start implements Service.
func (s lateRegistration) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err == nil {
		s.started.set(op.GetName())
	}
	return op, err
}

// Cancel implements Service.
func (s lateRegistration) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if s.started.within(r.GetName(), 10*latency) {
		return refuse(codes.FailedPrecondition, "NOT_STARTED", "operation %q has no worker yet", r.GetName())
	}
	return s.Service.Cancel(ctx, r)
}

// A lockedRow fails to read an operation while a cancel writes it.
type lockedRow struct {
	Service
	cancelled *moments
}

// Cancel implements Service.
func (s lockedRow) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	defer s.cancelled.set(r.GetName())
	return s.Service.Cancel(ctx, r)
}

// Get implements Service.
func (s lockedRow) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if s.cancelled.within(r.GetName(), 10*latency) {
		return nil, refuse(codes.Internal, "LOCKED", "the row of operation %q is locked", r.GetName())
	}
	return s.Service.Get(ctx, r)
}

// A oneCurrent keeps the name of the operation that it deals with in a variable
// that all calls share.
type oneCurrent struct {
	Service
	mu      sync.Mutex
	current string
}

func (s *oneCurrent) set(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = name
}

// Start implements Service.
func (s *oneCurrent) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err == nil {
		s.set(op.GetName())
	}
	return op, err
}

// Cancel implements Service.
func (s *oneCurrent) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if _, err := s.Service.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()}); err != nil {
		return err
	}
	s.set(r.GetName())
	time.Sleep(latency)
	s.mu.Lock()
	name := s.current
	s.mu.Unlock()
	return s.Service.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: name})
}

// A sharedSlot gives an operation a slot by its name, whether or not the one that
// has it has ended, and a cancel ends both.
type sharedSlot struct {
	Service
	mu    sync.Mutex
	slots [96][]string // the last two that were given each
}

func (s *sharedSlot) slot(name string) *[]string {
	return &s.slots[crc32.ChecksumIEEE([]byte(name))%uint32(len(s.slots))]
}

// Start implements Service.
func (s *sharedSlot) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		slot := s.slot(op.GetName())
		*slot = append((*slot)[max(len(*slot)-1, 0):], op.GetName())
	}
	return op, err
}

// Cancel implements Service.
func (s *sharedSlot) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	err := s.Service.Cancel(ctx, r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	both := slices.Clone(*s.slot(r.GetName()))
	s.mu.Unlock()
	if slices.Contains(both, r.GetName()) {
		for _, name := range both {
			_ = s.Service.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: name}) // it may have ended
		}
	}
	return nil
}

// A tornList reads the rows of a page while they are written: what has just
// ended has its result there, and is not done.
type tornList struct {
	Service
	listed *moments
}

// List implements Service.
func (s tornList) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	out, err := s.Service.List(ctx, r)
	if err != nil {
		return nil, err
	}
	for i, op := range out.GetOperations() {
		if !op.GetDone() {
			continue
		}
		if s.listed.set(op.GetName()); s.listed.within(op.GetName(), latency) {
			torn := proto.CloneOf(op)
			torn.Done = false
			out.Operations[i] = torn
		}
	}
	return out, nil
}

// A shiftedList reads the results of a page after its rows: what has ended shortly
// before is shown with the result of the one after it.
type shiftedList struct {
	Service
	listed *moments
}

// List implements Service.
func (s shiftedList) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	out, err := s.Service.List(ctx, r)
	if err != nil {
		return nil, err
	}
	ops := out.GetOperations()
	for i, op := range ops[:max(len(ops)-1, 0)] {
		if !op.GetDone() || !ops[i+1].GetDone() {
			continue
		}
		if s.listed.set(op.GetName()); s.listed.within(op.GetName(), 10*latency) {
			shifted := proto.CloneOf(op)
			shifted.Result = ops[i+1].GetResult()
			ops[i] = shifted
		}
	}
	return out, nil
}

// A writeBack has a cancel write the whole operation, also where it was deleted
// since it was read.
type writeBack struct {
	Service
	mu      sync.Mutex
	deleted map[string]bool
	back    map[string]*longrunningpb.Operation
}

// Cancel implements Service.
func (s *writeBack) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	op, err := s.Service.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()})
	if err != nil {
		return err
	}
	time.Sleep(latency)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deleted[r.GetName()] {
		s.back[r.GetName()] = op
		return nil
	}
	return s.Service.Cancel(ctx, r)
}

// Delete implements Service.
func (s *writeBack) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.Service.Delete(ctx, r)
	if err == nil {
		s.deleted[r.GetName()] = true
	}
	return err
}

// Get implements Service.
func (s *writeBack) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	s.mu.Lock()
	op := s.back[r.GetName()]
	s.mu.Unlock()
	if op != nil {
		return op, nil
	}
	return s.Service.Get(ctx, r)
}
