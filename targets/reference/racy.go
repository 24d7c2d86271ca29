package reference

import (
	"context"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
)

// A racy is a Service whose operations are rows of a database that is read and
// written, each row whole, but without a transaction around the two. The races
// are the places where a lock is left out, and nothing else differs from the
// honest server; what it does not race for it asks of next.
type racy struct {
	Service
	race    race
	natural time.Duration
	stop    time.Duration // from a cancel to the end of the work

	mu   sync.Mutex // guards the map
	rows map[string]*row
}

// A race is where the lock is missing.
type race int

const (
	unlockedCancel   race = iota + 1 // a cancel writes back what it read before the work ended
	resultBeforeDone                 // the result is written first, and done after it
	doneBeforeResult                 // done is written first, and the result after it
	lateWorker                       // the worker looks for a cancel, and then writes its result
	doubleCancel                     // two cancels that both saw no other stop the work, and the second finds it gone
	lostCancel                       // the write of a cancel fails where another call is at the row, and nobody tries again
)

// latency is the time between reading and writing a row: what a database on
// the same machine takes.
const latency = 300 * time.Microsecond

// A row is one operation.
type row struct {
	lock sync.Mutex // what an honest server holds from reading to writing

	mu      sync.Mutex // makes one read or write whole
	op      *longrunningpb.Operation
	stopped bool // the work was told to stop
	visits  int  // calls that have come to the row
	ended   chan struct{}
	over    bool
}

func (r *row) read() *longrunningpb.Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return clone(r.op)
}

func (r *row) write(op *longrunningpb.Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.op = clone(op)
	if op.GetDone() && !r.over {
		r.over = true
		close(r.ended)
	}
}

// visit counts a call at the row and returns how many there have been.
func (r *row) visit() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.visits++
	return r.visits
}

// contended tells whether other calls have come since a visit.
func (r *row) contended(visit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.visits > visit
}

// racing returns the hook of a racy service.
func racing(r race) func(Service) Service {
	return func(next Service) Service {
		o := Options{}.withDefaults()
		s := &racy{Service: next, race: r, natural: o.Natural, stop: o.CancelDelay, rows: map[string]*row{}}
		if r == lateWorker {
			s.stop = 0 // it is cancelled while the worker is about to write
		}
		return s
	}
}

// guarded runs f with the row's lock, unless the race is that it is missing.
func (s *racy) guarded(r *row, missing race, f func()) {
	if s.race != missing {
		r.lock.Lock()
		defer r.lock.Unlock()
	}
	f()
}

func (s *racy) row(name string) *row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[name]
}

// Start implements Service. The operation behind the row lasts long.
func (s *racy) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	lasts := r.Lasts
	if lasts == 0 && (r.Kind == Succeeding || r.Kind == Failing) {
		lasts = s.natural
	}
	r.Lasts = time.Hour
	op, err := s.Service.Start(ctx, r)
	if err != nil {
		return nil, err
	}
	w := &row{op: clone(op), ended: make(chan struct{})}
	s.mu.Lock()
	s.rows[op.GetName()] = w
	s.mu.Unlock()
	if lasts > 0 {
		time.AfterFunc(lasts, func() { s.work(w, r.Kind) })
	}
	return op, nil
}

// work ends the operation with its result, unless it was told to stop.
func (s *racy) work(r *row, k Kind) {
	s.guarded(r, lateWorker, func() {
		op := r.read()
		if r.wasStopped() || op.GetDone() {
			return
		}
		time.Sleep(latency)
		s.finish(r, func(op *longrunningpb.Operation) {
			if k == Failing {
				end(op, codes.ResourceExhausted, "the work ran out of memory")
				return
			}
			setState(op, succeeded)
			op.Result = &longrunningpb.Operation_Response{Response: packed(map[string]*structpb.Value{
				"output": structpb.NewStringValue("the work of " + op.GetName()),
			})}
		})
	})
}

func (r *row) wasStopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

// finish writes done and the result, in two writes where that is the race.
func (s *racy) finish(r *row, result func(*longrunningpb.Operation)) {
	before := r.read()
	after := clone(before)
	after.Done = true
	result(after)
	switch s.race {
	case resultBeforeDone:
		early := clone(after)
		early.Done = false
		r.write(early)
		time.Sleep(latency)
	case doneBeforeResult:
		early := clone(before)
		early.Done = true
		r.write(early)
		time.Sleep(latency)
	}
	r.write(after)
}

// Cancel implements Service.
func (s *racy) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	w := s.row(r.GetName())
	if _, err := s.Service.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()}); err != nil || w == nil {
		return s.Service.Cancel(ctx, r)
	}
	var err error
	missing := unlockedCancel
	if s.race == doubleCancel {
		missing = doubleCancel
	}
	s.guarded(w, missing, func() { err = s.request(w) })
	return err
}

// request enters the cancellation into the row, and has the work stopped.
func (s *racy) request(w *row) error {
	visit := w.visit()
	op := w.read()
	if op.GetDone() {
		return finishedAlready(op)
	}
	if stateOf(op) == cancelling {
		return nil
	}
	time.Sleep(latency)
	if s.race == lostCancel && w.contended(visit) {
		return nil
	}
	if s.race == doubleCancel { // it looks again whether the work has ended meanwhile, and not for another cancel
		w.lock.Lock()
		defer w.lock.Unlock()
		if op = w.read(); op.GetDone() {
			return finishedAlready(op)
		}
	}
	editMetadata(op, func(fields map[string]*structpb.Value) {
		fields["state"] = structpb.NewStringValue(string(cancelling))
		fields["requestedCancellation"] = structpb.NewBoolValue(true)
	})
	again := w.wasStopped()
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.write(op)
	time.AfterFunc(s.stop, func() { s.stopped(w, again) })
	return nil
}

func finishedAlready(op *longrunningpb.Operation) error {
	return refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "operation %q is finished", op.GetName())
}

// stopped ends the operation as cancelled. The second of two stops finds no
// work, and takes that for a failure.
func (s *racy) stopped(w *row, again bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	switch {
	case again && s.race == doubleCancel:
		s.finish(w, func(op *longrunningpb.Operation) { end(op, codes.Aborted, "the work was not found") })
	case !w.read().GetDone():
		s.finish(w, func(op *longrunningpb.Operation) { end(op, codes.Canceled, cancelMessage) })
	}
}

// Get implements Service.
func (s *racy) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Get(ctx, r)
	if w := s.row(r.GetName()); err == nil && w != nil {
		w.visit()
		return w.read(), nil
	}
	return op, err
}

// Wait implements Service.
func (s *racy) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	w := s.row(r.GetName())
	if w == nil {
		return s.Service.Wait(ctx, r)
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-w.ended:
			stop()
		case <-waiting.Done():
		}
	}()
	if _, err := s.Service.Wait(waiting, r); err != nil && waiting.Err() == nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()})
}

// List implements Service.
func (s *racy) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	out, err := s.Service.List(ctx, r)
	if err != nil {
		return nil, err
	}
	for i, op := range out.GetOperations() {
		if w := s.row(op.GetName()); w != nil {
			out.Operations[i] = w.read()
		}
	}
	return out, nil
}
