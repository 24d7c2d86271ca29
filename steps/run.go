package steps

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

// foreignLimit is how many operations are started, unasked, on a target that
// is not loopback.
const foreignLimit = 50

// A run is all that the cases of one run share.
type run struct {
	target    *targets.Target
	options   Options
	catalogue map[string]features.Requirement
	began     time.Time

	health  map[targets.Transport]*health
	support map[targets.Transport]*support
	effects map[targets.Transport]*effects
	offers  map[targets.Transport]*offers
	age     map[targets.Transport]*age

	namesakes *namesakes

	prepared bool                  // the transports were
	headers  *headerSet            // of the exchanges that are kept
	seats    atomic.Pointer[seats] // others once the target turns out to stand fewer cases at a time
	paces    *paces
	pages    chan struct{} // taken while a page of a list is read
	decoded  decodings     // values of google.protobuf.Any, by type and bytes
	probing  sync.Mutex    // held while a transport is probed
	started  atomic.Int64  // operations
	starting atomic.Int64  // starts under way
	asking   sync.Mutex    // held while something is asked for once more over new connections
	fresh    atomic.Int64  // connections by which something was asked for once more
	kept     atomic.Int64  // what the answers of the cases under way take up, in bytes
	late     atomic.Int64  // the longest time until Get found an operation that it did not find at once
	mu       sync.Mutex
	owned    map[string]bool // the ledger: names that this run started
	open     map[string]bool // those not seen to end, and whether a cancel at the end was accepted
	room     int             // the fewest of those beside which none could be started; 0: none was refused so
	left     []string        // operations that could not be cancelled at the end
	problem  string          // why the role running cannot be started
	ran      bool            // an operation of that role was started
	warm     time.Time       // until when the first start is asked for again; zero before
}

func newRun(target *targets.Target, o Options, catalogue []features.Requirement) *run {
	r := &run{target: target, options: o, catalogue: map[string]features.Requirement{}, began: time.Now(), owned: map[string]bool{}, open: map[string]bool{},
		headers: newHeaderSet(), namesakes: newNamesakes(), pages: make(chan struct{}, pagesAtOnce), paces: newPaces(),
		health: map[targets.Transport]*health{}, support: map[targets.Transport]*support{},
		effects: map[targets.Transport]*effects{}, offers: map[targets.Transport]*offers{}, age: map[targets.Transport]*age{}}
	r.seats.Store(newSeats(o.Concurrency, loopback(target)))
	for _, e := range catalogue {
		r.catalogue[e.ID] = e
	}
	b := &severed{}
	for _, t := range targets.Transports() {
		r.health[t] = newHealth(target.Timeouts.Request, b)
		r.support[t] = &support{}
		r.effects[t] = newEffects()
		r.offers[t] = &offers{}
		r.age[t] = &age{waiting: map[targets.Role][]*aged{}}
	}
	return r
}

// role tells, without starting anything, whether operations of a role can be
// had; a ruling where not.
func (r *run) role(role targets.Role) error {
	if err := r.unlessUnavailable(role); err != nil {
		return err
	}
	if !r.target.Roles[role].Configured {
		return untested("operations."+string(role), "no operation of the role %s can be started: operations.%s is not configured", role, role)
	}
	return nil
}

// unlessUnavailable is a ruling where the target says that there are no operations
// of the role.
func (r *run) unlessUnavailable(role targets.Role) error {
	if why := r.target.Roles[role].Unavailable; why != "" {
		return inapplicable("operations.%s is unavailable: %s", role, why)
	}
	return nil
}

// pulse asks the target for an operation of this run after a start that
// brought no answer: where the target has gone, the run must learn of it,
// also if the recipe calls another address.
func (w *world) pulse(ctx context.Context, start error) {
	var none *targets.NoAnswer
	if !errors.As(start, &none) || w.client == nil {
		return
	}
	if name := w.run.someName(); name != "" {
		w.call(ctx, targets.Get, getRequest(name), "does the target still answer?")
	}
}

// answers tells whether the target answers, over a transport, a Get of a name
// that no case uses.
func (r *run) answers(ctx context.Context, t targets.Transport) bool {
	_, err := r.target.Endpoints[t].Client.Call(ctx, targets.Get, getRequest(unlike(r.someName(), unknownTries)))
	return err == nil
}

// someName is the name of an operation that this run started; "" where there is
// none.
func (r *run) someName() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.owned {
		return name
	}
	return ""
}

// tellCrowded takes note of a start that was refused while others were in progress.
func (r *run) tellCrowded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := max(len(r.open), 1); r.room == 0 || n < r.room {
		r.room = n
	}
}

// casesInRoom is how many cases there are at a time where the target does not stand
// many.
func (r *run) casesInRoom() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room == 0 {
		return fewAtATime
	}
	return max(1, r.room/operationsOfCase)
}

// openElsewhere are the operations of other cases that were not seen to end.
func (w *world) openElsewhere() map[string]bool {
	open := w.run.unended()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, op := range w.mine {
		delete(open, op.name)
	}
	return open
}

// othersGoOn tells, while the case starts an operation, whether others have some
// that were not seen to end, or are starting one.
func (w *world) othersGoOn() bool {
	r := w.run
	if r.starting.Load() > 1 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	own := 0
	for _, op := range w.mine {
		if _, open := r.open[op.name]; open {
			own++
		}
	}
	return len(r.open) > own
}

func (r *run) mayStartMany() bool {
	if r.target.Confirmed || r.options.Yes {
		return true
	}
	return loopback(r.target)
}

// loopback tells whether a target is on this machine altogether.
func loopback(t *targets.Target) bool {
	for _, ep := range t.Endpoints {
		if !ep.Loopback {
			return false
		}
	}
	return true
}

func (r *run) setProblem(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problem == "" {
		r.problem = text
	}
}

// owns tells whether this run started the operation of that name.
func (r *run) owns(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owned[name]
}

// cleanup ends what the case started: nothing of ours keeps running on
// somebody's server. It works when the run is interrupted as well, and its
// calls are no evidence.
func (w *world) cleanup(ctx context.Context) {
	w.mu.Lock()
	mine := append([]*operation(nil), w.mine...)
	w.mu.Unlock()
	bound := w.requestFor()
	if w.run.health[w.plan.transport].cancelsHang() {
		bound /= 10 // it is sent, and will not be answered
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	var wg sync.WaitGroup
	for _, op := range mine {
		wg.Go(func() { w.run.endOperation(ctx, w.plan.transport, op) })
	}
	wg.Wait()
}

// endOperation cancels an operation that may still be running, and runs its
// role's cleanup.
func (r *run) endOperation(ctx context.Context, t targets.Transport, op *operation) {
	if op.started.Cleanup != nil {
		defer func() {
			if err := op.started.Cleanup(ctx); err != nil {
				r.leave(fmt.Sprintf("%s (cleanup: %v)", op.name, err))
			}
		}()
	}
	if op.lastDone() && !op.deleting {
		r.ended(op.name)
	}
	ep := r.target.Endpoints[t]
	if op.over.Load() || op.lastDone() || r.target.Roles[op.role].Foreign || ep == nil || ep.Client == nil || r.health[t].isLost() {
		return // what is still open is looked at once more at the end of the run
	}
	ex, err := ep.Client.Call(ctx, targets.Cancel, cancelRequest(op.name))
	if err == nil && ex.Accepted() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, open := r.open[op.name]; open {
			r.open[op.name] = true
		}
	}
}

func (op *operation) lastDone() bool {
	return len(op.snapshots) > 0 && op.snapshots[len(op.snapshots)-1].done
}

func (r *run) leave(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = append(r.left, name)
}

// stopped is the ruling of a case whose run or time is over.
func stopped(ctx context.Context) error {
	cause := context.Cause(ctx)
	if r, ok := cause.(*ruling); ok {
		return r
	}
	switch {
	case errors.Is(cause, context.DeadlineExceeded):
		return inconclusive("the time for this case (or --timeout for the run) was over")
	case errors.Is(cause, context.Canceled):
		return inconclusive("the run was interrupted")
	}
	return inconclusive("%v", cause)
}

// sleep waits, and tells whether the context is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// object is a document as a JSON object; an empty one where it is none.
func object(doc any) map[string]any {
	m, _ := doc.(map[string]any)
	return m
}
