package storm

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lro-tools/conform/targets"
)

// An offer is what is known of a transport.
type offer struct {
	wait, delete *bool       // the optional methods; nil is not known yet
	names        atomic.Bool // operations are called by the names that they were started with
}

func no(b *bool) bool  { return b != nil && !*b }
func yes(b *bool) bool { return b != nil && *b }

// send makes a call and counts it.
func (e *engine) send(ctx context.Context, c caller, t targets.Transport, m targets.Method, request proto.Message) (targets.Exchange, event) {
	x, err := e.target.Endpoints[t].Client.Call(targets.WithoutEvidence(ctx), m, request)
	e.calls.Add(1)
	e.alive(ctx, x, err)
	ev := event{client: c.client, transport: t, method: m, start: x.Start.Sub(e.began), status: x.Status(),
		answer: classify(x), code: x.Code, http: x.HTTP}
	ev.end = ev.start + x.Elapsed
	var none *targets.NoAnswer
	if errors.As(err, &none) {
		ev.none = unansweredAs(x, none.Kind)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	traffic := e.traffic[t]
	traffic.Calls++
	switch {
	case e.closed():
	case e.calm != nil:
		e.calm.round[string(m)]++
	case !e.after:
		traffic.Starting++
		e.open = max(e.open, ev.end)
	}
	traffic.Methods[m]++
	if ev.answer == silent {
		traffic.Silent++
	}
	if ev.none != "" {
		traffic.lost(m, ev.none, 1)
		ev.lone = e.gets[t] > (ev.start+ev.end)/2
	}
	if m == targets.Get && ev.answer != silent {
		e.gets[t] = max(e.gets[t], ev.start)
	}
	if m == targets.Cancel && ev.answer != silent {
		from := ev.start
		if c.due >= 0 {
			from = c.due
		}
		traffic.Cancel.add(ev.end - from)
		if ev.answer == accepted {
			traffic.Accepted++
		}
	}
	return x, ev
}

// alive ends the storm when nobody is there any more.
func (e *engine) alive(ctx context.Context, x targets.Exchange, err error) {
	var none *targets.NoAnswer
	switch {
	case err == nil:
		e.refusals.Store(0)
		e.answered.Store(int64(x.End().Sub(e.began)))
	case x.Method == targets.Cancel && int64(x.Start.Sub(e.began)) < e.answered.Load():
		// Others have been answered meanwhile: it may be that cancels are not.
	case ctx.Err() == nil && errors.As(err, &none) && none.Kind != targets.Aborted:
		if e.refusals.Add(1) == unreachableUntilGone {
			what := "the target is gone"
			if none.Kind == targets.TimedOut {
				what = "the target has stopped answering"
			}
			e.close(fmt.Sprintf("%s over %s: %v", what, x.Transport, err))
			e.stop()
		}
	}
}

// call makes a call that is about the operation and enters it in its history.
func (p *episode) call(ctx context.Context, c caller, t targets.Transport, m targets.Method, request proto.Message) event {
	x, ev := p.engine.send(ctx, c, t, m, request)
	doc, isObject := x.Doc.(map[string]any)
	shows := ev.answer == accepted && isObject && (m == targets.Get || m == targets.Wait)
	return p.enter(ev, doc, shows)
}

// enter adds an event to the history, and draws what follows from it.
func (p *episode) enter(ev event, doc map[string]any, shows bool) event {
	p.mu.Lock()
	if shows {
		ev.seen, ev.snapshot = true, look(ev.transport, doc, p.known[ev.transport])
		if ev.name == p.name {
			p.engine.offers[ev.transport].names.Store(true)
		}
	}
	if !p.over {
		p.events = append(p.events, ev)
	}
	first := ev.looks() && ev.done && p.doneAt == never
	if ev.looks() && ev.done {
		p.doneOn[ev.transport] = true
	}
	if first {
		p.doneAt = ev.end
		p.hot.set(ev.end)
		p.until = max(p.until, ev.end+p.between(time.Millisecond, 30*time.Millisecond))
		if p.rng.IntN(20) == 0 && !p.calm {
			p.until = max(p.until, ev.end+min(p.engine.target.Timeouts.Observe, time.Second))
		}
	}
	accepted, by, sent := p.accepted, p.by, p.sent
	p.mu.Unlock()
	if first {
		p.engine.mu.Lock()
		p.engine.passed(p)
		p.engine.mu.Unlock()
	}
	if first && !p.shared.Load() {
		p.engine.measure(p, accepted, by, ev.end, sent)
	}
	return ev
}

// measure takes note of how long it took to the end of an operation.
func (e *engine) measure(p *episode, accepted time.Duration, by targets.Transport, end, sent time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if accepted != never {
		e.traffic[by].Ending.add(end - accepted)
	}
	from := p.base
	switch {
	case ends(p.role) != (sent == never):
		return // it may be the cancel that ended it, or it cannot be
	case !ends(p.role):
		from = sent
	}
	n := e.naturals[p.role]
	n.add(end - from)
	e.naturals[p.role] = n
}

func (p *episode) get(ctx context.Context, c caller, t targets.Transport) {
	ev := p.call(ctx, c, t, targets.Get, &longrunningpb.GetOperationRequest{Name: p.name})
	p.mu.Lock()
	defer p.mu.Unlock()
	if ev.answer == missing && !p.shared.Load() && p.sent == never && p.doneAt == never {
		p.engine.late.Store(true)
	}
}

// cancel is a planned cancel, with a look over the transports right after it.
func (p *episode) cancel(ctx context.Context, c caller, t targets.Transport) {
	p.sendCancel(ctx, c, t)
	p.done(ctx)
}

func (p *episode) sendCancel(ctx context.Context, c caller, t targets.Transport) {
	p.mu.Lock()
	p.sent = min(p.sent, p.engine.now())
	p.mu.Unlock()
	ev := p.call(ctx, c, t, targets.Cancel, &longrunningpb.CancelOperationRequest{Name: p.name})
	p.mu.Lock()
	defer p.mu.Unlock()
	if ev.answer == accepted && p.accepted == never {
		p.accepted, p.by = ev.end, t
		if p.role == targets.Running {
			p.engine.cancellable.Store(true)
		}
	}
}

func (p *episode) delete(ctx context.Context, c caller, t targets.Transport) {
	ev := p.call(ctx, c, t, targets.Delete, &longrunningpb.DeleteOperationRequest{Name: p.name})
	p.engine.learn(&p.engine.offers[t].delete, ev)
}

// deletes tells whether operations of a role may be deleted over a transport:
// where that is not known to be unbound, and they are ours.
func (e *engine) deletes(t targets.Transport, r targets.Role) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !no(e.offers[t].delete) && !e.target.Roles[r].Foreign
}

// learn takes note of whether an optional method is bound.
func (e *engine) learn(bound **bool, ev event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if *bound == nil && ev.answer != silent && ev.answer != transient {
		offered := ev.answer == accepted
		*bound = &offered
	}
}

// wait is a planned Wait. It has a goroutine of its own, as it may last, and
// is followed by a look over another transport as soon as it returns.
func (p *episode) wait(ctx context.Context, c caller, t targets.Transport) {
	e := p.engine
	e.mu.Lock()
	bound, n := e.offers[t].wait, e.naturals[p.role]
	e.mu.Unlock()
	if no(bound) {
		p.done(ctx)
		return
	}
	select {
	case e.waits <- struct{}{}:
	default:
		p.done(ctx)
		return
	}
	timeout := 300 * time.Millisecond
	switch {
	case ends(p.role):
		timeout += p.base + n.median - e.now()
	case p.calm: // it does not end
		timeout = waitSweep
	}
	e.pending.Go(func() {
		defer func() { <-e.waits }()
		c.client += e.options.Clients
		p.waited(ctx, c, t, max(timeout, 10*time.Millisecond))
		p.done(ctx)
	})
}

func (p *episode) waited(ctx context.Context, c caller, t targets.Transport, timeout time.Duration) {
	e := p.engine
	x, ev := e.send(ctx, c, t, targets.Wait, &longrunningpb.WaitOperationRequest{Name: p.name, Timeout: durationpb.New(timeout)})
	e.learn(&e.offers[t].wait, ev)
	if e.mu.Lock(); !yes(e.offers[t].wait) && ev.answer == missing {
		ev.answer = transient // a route that is not there says the same
	}
	e.mu.Unlock()
	doc, isObject := x.Doc.(map[string]any)
	p.enter(ev, doc, ev.answer == accepted && isObject)
	for _, other := range e.transports {
		if other != t && ev.answer == accepted && e.options.Rate == 0 {
			p.get(ctx, c, other)
			p.get(ctx, c, t)
		}
	}
}

// glance is one more look at an operation, by a client that has nothing else
// to do.
func (p *episode) glance(ctx context.Context, c caller) {
	p.mu.Lock()
	t, list := p.anyTransport(), p.rng.IntN(everyList) == 0
	p.mu.Unlock()
	if ep := p.engine.target.Endpoints[t]; list && ep.HasList {
		p.engine.list(ctx, c, t)
		return
	}
	p.get(ctx, c, t)
}

// How rarely a look is another than Get.
const (
	everyList = 100
	listPage  = 50
)

// list reads a page of the operations; its entries are looks that may be stale.
// It is a page that shows operations which are under way: where one shows none,
// the next call reads the page after it.
func (e *engine) list(ctx context.Context, c caller, t targets.Transport) {
	e.mu.Lock()
	token := e.pages[t]
	e.mu.Unlock()
	x, ev := e.send(ctx, c, t, targets.List, &longrunningpb.ListOperationsRequest{Name: e.target.Endpoints[t].List, PageSize: listPage, PageToken: token})
	doc, _ := x.Doc.(map[string]any)
	entries, _ := doc["operations"].([]any)
	ev.entry = true
	shown := 0
	for _, entry := range entries {
		m, _ := entry.(map[string]any)
		name, _ := m["name"].(string)
		e.mu.Lock()
		p := e.byName[name]
		e.mu.Unlock()
		if p != nil && ev.answer == accepted {
			shown++
			p.enter(ev, m, true)
		}
	}
	if ev.answer == transient || ev.answer == silent || shown > 0 {
		return
	}
	next, _ := doc["nextPageToken"].(string)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pages[t] == token {
		e.pages[t] = next
	}
}

// end cancels an operation and tells whether it is not left running. A server
// that is busy is asked again.
func (p *episode) end(ctx context.Context) bool {
	transports := p.engine.transports
	silent := 0
	for try := 0; try < 6 && silent < len(transports); try++ {
		t := transports[try%len(transports)]
		client := p.engine.target.Endpoints[t].Client
		x, err := client.Call(ctx, targets.Cancel, &longrunningpb.CancelOperationRequest{Name: p.name})
		if err == nil && x.Accepted() {
			return true
		}
		x, err = client.Call(ctx, targets.Get, &longrunningpb.GetOperationRequest{Name: p.name})
		if err != nil {
			silent++
			continue
		}
		doc, _ := x.Doc.(map[string]any)
		if x.Code == codes.NotFound || x.Accepted() && look(t, doc, &[]any{}).done {
			return true
		}
	}
	return false
}
