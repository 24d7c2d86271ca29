package reference

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
)

// A canceller is a Service whose Cancel is another one.
type canceller struct {
	Service
	cancel func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error
}

// Cancel implements Service.
func (c canceller) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	return c.cancel(ctx, c.Service, r)
}

// cancels returns the hook of a canceller.
func cancels(cancel func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error) func(Service) Service {
	return func(next Service) Service { return canceller{next, cancel} }
}

// peek reads an operation past the access control; nil if there is none.
func peek(ctx context.Context, s Service, name string) *longrunningpb.Operation {
	op, err := s.Get(asOwner(ctx), &longrunningpb.GetOperationRequest{Name: name})
	if err != nil {
		return nil
	}
	return op
}

// isCancelled tells whether the operation ended with the code CANCELLED.
func isCancelled(op *longrunningpb.Operation) bool {
	return op.GetDone() && op.GetError().GetCode() == int32(codes.Canceled)
}

// hasFailed tells whether an operation has ended with another error than CANCELLED.
func hasFailed(op *longrunningpb.Operation) bool { return op.GetError() != nil && !isCancelled(op) }

// editMetadata changes the fields of an operation's metadata.
func editMetadata(op *longrunningpb.Operation, edit func(fields map[string]*structpb.Value)) {
	s := new(structpb.Struct)
	if op.GetMetadata().UnmarshalTo(s) == nil {
		edit(s.Fields)
		op.Metadata = packed(s.Fields)
	}
}

// setState changes the state that an operation's metadata shows.
func setState(op *longrunningpb.Operation, p phase) {
	editMetadata(op, func(fields map[string]*structpb.Value) { fields["state"] = structpb.NewStringValue(string(p)) })
}

// stateOf reads the state that an operation's metadata shows.
func stateOf(op *longrunningpb.Operation) phase {
	s := new(structpb.Struct)
	if op.GetMetadata().UnmarshalTo(s) != nil {
		return ""
	}
	return phase(s.GetFields()["state"].GetStringValue())
}

// dropFlag takes the request to cancel out of an operation's metadata.
func dropFlag(op *longrunningpb.Operation) {
	editMetadata(op, func(fields map[string]*structpb.Value) { delete(fields, "requestedCancellation") })
}

// end replaces the result of an operation by an error, with a state that goes
// with it.
func end(op *longrunningpb.Operation, code codes.Code, message string) {
	op.Result = failure(code, message)
	if code == codes.Canceled {
		setState(op, cancelled)
		return
	}
	setState(op, failed)
}

// A history is what a fault remembers of one operation.
type history struct {
	kind     Kind
	begun    time.Time
	lasts    time.Duration // until it ends by itself
	cancels  int           // calls, whatever their answer
	accepted time.Time     // when the first cancel was accepted; zero: never
	again    int           // cancels that came when it was done
	looks    int           // Gets and Waits that showed it done
	ended    time.Time     // when one first did
	deleted  bool
}

// A ledger is a Service that remembers its operations and shows them changed.
type ledger struct {
	Service
	natural time.Duration
	// edit changes the caller's copy of an operation; an error takes its place
	// (and leaves it out of lists). It sees the history as it was recorded with
	// this call.
	edit func(h history, op *longrunningpb.Operation) error

	mu     sync.Mutex
	byName map[string]*history
}

func newLedger(next Service) *ledger {
	return &ledger{Service: next, natural: Options{}.withDefaults().Natural, byName: map[string]*history{},
		edit: func(history, *longrunningpb.Operation) error { return nil }}
}

// remembering returns the hook of a ledger.
func remembering(edit func(h history, op *longrunningpb.Operation) error) func(Service) Service {
	return func(next Service) Service {
		l := newLedger(next)
		l.edit = edit
		return l
	}
}

// seen returns the hook of a ledger that needs no history.
func seen(edit func(op *longrunningpb.Operation)) func(Service) Service {
	return remembering(func(_ history, op *longrunningpb.Operation) error {
		edit(op)
		return nil
	})
}

// of returns what is remembered of an operation; ok is false for one that was
// never started.
func (l *ledger) of(name string) (h history, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byName[name]
	if e == nil {
		return history{}, false
	}
	return *e, true
}

// cancelAll cancels every operation; those that have ended refuse it.
func (l *ledger) cancelAll(ctx context.Context) error {
	l.mu.Lock()
	names := slices.Collect(maps.Keys(l.byName))
	l.mu.Unlock()
	for _, name := range names {
		_ = l.Service.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: name})
	}
	return nil
}

// cancelOldest cancels the operation that has run for longest and is not being cancelled.
func (l *ledger) cancelOldest(ctx context.Context) {
	l.mu.Lock()
	var running []*history
	names := map[*history]string{}
	for name, h := range l.byName {
		if h.kind == Running && h.accepted.IsZero() {
			running, names[h] = append(running, h), name
		}
	}
	slices.SortFunc(running, func(a, b *history) int { return a.begun.Compare(b.begun) })
	l.mu.Unlock()
	for _, h := range running {
		if op := peek(ctx, l.Service, names[h]); op != nil && !op.GetDone() {
			_ = plainCancel(ctx, l.Service, names[h])
			return
		}
	}
}

// note changes what is remembered of an operation.
func (l *ledger) note(name string, change func(h *history)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.byName[name]; e != nil {
		change(e)
	}
}

// running returns the names of the running operations that nobody has cancelled.
func (l *ledger) running() []string { return l.idle(Running) }

// idle returns the names of the operations of a kind that nobody has cancelled.
func (l *ledger) idle(k Kind) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for name, h := range l.byName {
		if h.kind == k && h.cancels == 0 {
			names = append(names, name)
		}
	}
	return names
}

// oldest returns the name of the running operation that was started first, of
// those that nobody has cancelled; "" where there is none.
func (l *ledger) oldest() string {
	return l.first(l.running())
}

// first returns which of some operations was started first; "" where there is none.
func (l *ledger) first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.MinFunc(names, func(a, b string) int { return l.byName[a].begun.Compare(l.byName[b].begun) })
}

// show edits an operation that a Get or Wait has read.
func (l *ledger) show(op *longrunningpb.Operation, err error) (*longrunningpb.Operation, error) {
	if err != nil {
		return nil, err
	}
	if op.GetDone() {
		l.note(op.GetName(), func(h *history) {
			if h.looks++; h.looks == 1 {
				h.ended = time.Now()
			}
		})
	}
	h, _ := l.of(op.GetName())
	if err := l.edit(h, op); err != nil {
		return nil, err
	}
	return op, nil
}

// Start implements Service.
func (l *ledger) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := l.Service.Start(ctx, r)
	if err == nil {
		h := &history{kind: r.Kind, begun: time.Now(), lasts: r.Lasts}
		if h.lasts == 0 && (r.Kind == Succeeding || r.Kind == Failing) {
			h.lasts = l.natural
		}
		l.mu.Lock()
		l.byName[op.GetName()] = h
		l.mu.Unlock()
	}
	return op, err
}

// Get implements Service.
func (l *ledger) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	return l.show(l.Service.Get(ctx, r))
}

// Wait implements Service.
func (l *ledger) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	return l.show(l.Service.Wait(ctx, r))
}

// List implements Service. Operations that no longer match the filter are left
// out, so that the fault is not also one of the filter.
func (l *ledger) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	out, err := l.Service.List(ctx, r)
	if err != nil {
		return nil, err
	}
	wanted, filtered := map[string]bool{"done=true": true, "done=false": false}[r.GetFilter()]
	kept := out.Operations[:0]
	for _, op := range out.GetOperations() {
		h, _ := l.of(op.GetName())
		if l.edit(h, op) == nil && (!filtered || op.GetDone() == wanted) {
			kept = append(kept, op)
		}
	}
	out.Operations = kept
	return out, nil
}

// Cancel implements Service.
func (l *ledger) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	done := peek(ctx, l.Service, r.GetName()).GetDone()
	err := l.Service.Cancel(ctx, r)
	l.note(r.GetName(), func(h *history) {
		h.cancels++
		if done {
			h.again++
		}
		if err == nil && h.accepted.IsZero() {
			h.accepted = time.Now()
		}
	})
	return err
}

// Delete implements Service.
func (l *ledger) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	err := l.Service.Delete(ctx, r)
	if err == nil {
		l.note(r.GetName(), func(h *history) { h.deleted = true })
	}
	return err
}
