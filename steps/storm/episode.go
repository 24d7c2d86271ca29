package storm

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lro-tools/conform/targets"
)

// An episode is one operation from its start to the check of its history.
type episode struct {
	engine *engine
	index  int
	role   targets.Role
	place  int // in engine.order
	name   string
	base   time.Duration // when its start had been answered
	// cleanup undoes the start; may be nil.
	cleanup func(context.Context) error
	shared  atomic.Bool // it is what another start has given as well
	calm    bool        // no cancel of it is planned
	passed  bool        // it counts no longer among those in progress

	plan plan
	hot  hot

	mu     sync.Mutex
	rng    *rand.Rand // of what is left to chance while it is under way
	events []event
	known  map[targets.Transport]*[]any // distinct responses

	moment   time.Duration // of the first planned cancel; never
	until    time.Duration // it is watched at least until then
	sent     time.Duration // when the first cancel was sent; never
	accepted time.Duration // when the first accepted cancel was answered; never
	by       targets.Transport
	doneAt   time.Duration // when the first look that shows done was answered; never
	doneOn   map[targets.Transport]bool
	open     int // chains and calls under way before what follows
	// follows is what is done when the last of them has ended.
	follows func(ctx context.Context)
	over    bool
}

// anyTransport is one of those that are judged.
func (p *episode) anyTransport() targets.Transport {
	return p.engine.transports[p.rng.IntN(len(p.engine.transports))]
}

// between returns a time from a to b.
func (p *episode) between(a, b time.Duration) time.Duration { return along(p.rng.Float64(), a, b) }

// begin plans the calls of an operation that was started.
func (p *episode) begin() {
	e := p.engine
	p.mu.Lock()
	defer p.mu.Unlock()
	p.base = e.now()
	p.until = p.base
	e.mu.Lock()
	cancels, gap := p.sweep(e.naturals[p.role], e.naturals[targets.Running])
	critical := p.critical()
	late := p.calm && e.closing
	e.mu.Unlock()
	if late {
		p.dismiss()
	}
	for i, number := range cancels {
		t := e.transports[number]
		p.later(p.moment+time.Duration(i)*gap, func(ctx context.Context, c caller) { p.cancel(ctx, c, t) })
	}
	p.hot.set(critical)
	for i, t := range e.transports {
		p.later(p.base, func(ctx context.Context, c caller) { p.watch(ctx, c, t) })
		if l := p.plan.waits[i]; l != none {
			p.later(along(l, max(p.base, critical-waitSweep), critical), func(ctx context.Context, c caller) { p.wait(ctx, c, t) })
		}
	}
	if t := e.transports[p.plan.last]; p.plan.list != none && e.target.Endpoints[t].HasList {
		p.later(along(p.plan.list, critical, critical+listSweep), func(ctx context.Context, c caller) {
			e.list(ctx, c, t)
			p.done(ctx)
		})
	}
}

// waitSweep is for how long before that moment a Wait begins, which returns as
// soon as it has come.
const waitSweep = 40 * time.Millisecond

// listSweep is for how long after the moment at which the state of an
// operation may change the operations are listed.
const listSweep = 10 * time.Millisecond

// critical is when the state of the operation is expected to change; p.mu and
// e.mu must be held.
func (p *episode) critical() time.Duration {
	at := never
	if n := p.engine.naturals[p.role]; ends(p.role) && n.median > 0 {
		at = p.base + n.median
	}
	if p.moment != never {
		at = min(at, p.moment+p.engine.naturals[targets.Running].median)
	}
	return min(at, p.base+time.Second)
}

// later puts a call of the episode into the queue; p.mu must be held.
func (p *episode) later(due time.Duration, do func(ctx context.Context, c caller)) {
	p.open++
	p.engine.at(due, do)
}

// done ends a chain. What follows is due when the last one has ended.
func (p *episode) done(ctx context.Context) {
	p.mu.Lock()
	p.open--
	last, follows := p.open == 0, p.follows
	p.mu.Unlock()
	if last {
		follows(ctx)
	}
}

// watch looks at the operation over one transport, again and again, until
// there is nothing to wait for.
func (p *episode) watch(ctx context.Context, c caller, t targets.Transport) {
	p.get(ctx, c, t)
	due, more := p.next(t)
	if !more || ctx.Err() != nil {
		p.done(ctx)
		return
	}
	p.engine.at(due, func(ctx context.Context, c caller) { p.watch(ctx, c, t) })
}

// next tells when the operation is looked at again over a transport.
func (p *episode) next(t targets.Transport) (due time.Duration, more bool) {
	e := p.engine
	now := e.now()
	e.mu.Lock()
	hurry, n, stop := e.hurry, e.naturals[p.role], e.naturals[targets.Running]
	stays := p.calm && !e.closing
	e.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	settle := e.target.Timeouts.Settle
	if !e.target.Guaranteed {
		settle = min(settle, patience) // that it does not end is no finding
	}
	settled := p.base + n.median + settle
	if p.accepted != never {
		settled = max(p.accepted, p.base) + settle
	}
	switch {
	case hurry, !stays && now > settled+10*time.Millisecond:
		return 0, false
	case p.doneOn[t] && (p.calm || now >= p.until):
		return 0, false
	}
	return now + p.pause(now, n, stop), true
}

// patience is for how long an operation is followed that need not end.
const patience = 3 * time.Second

// pause is the time between two looks: short where the state may change.
func (p *episode) pause(now time.Duration, n, stop natural) time.Duration {
	if p.calm && p.sent == never { // there is no moment to meet
		return p.between(30*time.Millisecond, 80*time.Millisecond)
	}
	far := 40 * time.Millisecond
	if ends(p.role) && p.moment == never && n.median == 0 {
		far = 2 * time.Millisecond
	}
	near := p.doneAt != never && now < p.doneAt+settling
	if p.doneAt == never {
		near = ends(p.role) && n.near(p.base, now) || p.sent != never && stop.near(p.sent, now)
	}
	switch {
	case near && p.plan.dense:
		return 0
	case near:
		return p.between(0, time.Millisecond)
	case p.accepted != never && p.doneAt == never:
		return min(far, (now-p.accepted)/4)
	}
	until := far
	for _, t := range []time.Duration{p.base + n.median - n.spread, p.moment, p.until} {
		if t > now && t != never {
			until = min(until, t-now)
		}
	}
	return max(until, 200*time.Microsecond)
}

// settling is how long after the end it is looked for what has not settled.
const settling = 2 * time.Millisecond

// leave ends an operation that is still in progress; those that cannot be
// ended are named in the report.
func (p *episode) leave(ctx context.Context) {
	if !p.end(ctx) {
		p.engine.mu.Lock()
		p.engine.leftover = append(p.engine.leftover, p.name)
		p.engine.mu.Unlock()
	}
}

// history is all that happened, with its facts. Its events are its own: they are put in
// order while others still look through those of the episode.
func (p *episode) history() history {
	p.mu.Lock()
	defer p.mu.Unlock()
	identify(p.events, p.name, func(t targets.Transport) bool { return p.engine.offers[t].names.Load() })
	events := slices.Clone(p.events)
	h := history{events, factsOf(events, p.role, p.engine.target)}
	h.cancellable = p.engine.cancellable.Load()
	if p.engine.late.Load() {
		h.visible = p.base + p.engine.target.Timeouts.Visible()
	}
	return h
}

// violation makes what is reported of a finding.
func (p *episode) violation(h history, f *finding) Violation {
	v := Violation{Requirement: f.requirement, Message: f.message, Operation: p.name, Index: p.index, Role: p.role, Calls: len(h.events)}
	for _, e := range f.events {
		v.Sequence = append(v.Sequence, p.line(e))
	}
	for _, e := range around(h, f) {
		v.Around = append(v.Around, p.line(e))
	}
	return v
}

// mostAround is how many calls beside a sequence are shown with it.
const mostAround = 4

// around finds the last calls that may have changed the operation before the
// end of what a finding shows, besides those that show it.
func around(h history, f *finding) []event {
	end := time.Duration(0)
	for _, e := range f.events {
		end = max(end, e.end)
	}
	var out []event
	for _, e := range h.events {
		if (e.method == targets.Cancel || e.method == targets.Delete) && e.start < end && !slices.Contains(f.events, e) {
			out = append(out, e)
		}
	}
	return out[max(len(out)-mostAround, 0):]
}

// line makes what is reported of an event.
func (p *episode) line(e event) Line {
	ms := func(d time.Duration) float64 { return float64((d - p.base).Microseconds()) / 1000 }
	answer := e.status
	if e.seen {
		answer += ": " + e.text()
	}
	if e.alien {
		answer += ", named " + e.name
	}
	if e.entry {
		answer += " (in a list)"
	}
	return Line{FromMS: ms(e.start), ToMS: ms(e.end), Client: e.client, Transport: e.transport, Method: e.method, Answer: answer}
}
