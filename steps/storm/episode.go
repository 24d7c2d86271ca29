package storm

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
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

	mu     sync.Mutex
	rng    *rand.Rand
	events []event
	known  map[targets.Transport]*[]any // distinct responses

	moment    time.Duration // of the first planned cancel; never
	until     time.Duration // it is watched at least until then
	dense     bool          // looks follow one another without a pause where it matters
	attempted bool
	accepted  time.Duration // when the first accepted cancel was answered; never
	by        targets.Transport
	doneAt    time.Duration // when the first look that shows done was answered; never
	doneOn    map[targets.Transport]bool
	open      int // chains and calls under way before the tail
	over      bool
}

// natural is what is known of how long operations of the role succeeding last.
type natural struct {
	seen   []time.Duration // the last few, in order of arrival
	median time.Duration
	spread time.Duration // half the width of the window in which they end
}

const naturalsKept = 31

func (n *natural) add(d time.Duration) {
	if n.seen = append(n.seen, d); len(n.seen) > naturalsKept {
		n.seen = n.seen[1:]
	}
	sorted := slices.Sorted(slices.Values(n.seen))
	n.median = sorted[len(sorted)/2]
	n.spread = max(2*time.Millisecond, (sorted[len(sorted)*9/10]-sorted[len(sorted)/10])/2)
}

// plan makes an episode; what is left to chance follows from seed and index.
func (e *engine) plan(index int) *episode {
	e.mu.Lock()
	defer e.mu.Unlock()
	rng := rand.New(rand.NewPCG(uint64(e.options.Seed), uint64(index)))
	p := &episode{engine: e, index: index, role: e.roles[rng.IntN(len(e.roles))], rng: rng, known: map[targets.Transport]*[]any{},
		moment: never, accepted: never, doneAt: never, doneOn: map[targets.Transport]bool{}, dense: rng.IntN(3) == 0}
	for _, t := range e.transports {
		p.known[t] = &[]any{}
	}
	return p
}

// between returns a time from a to b.
func (p *episode) between(a, b time.Duration) time.Duration {
	if b <= a {
		return a
	}
	return a + time.Duration(p.rng.Int64N(int64(b-a)))
}

// anyTransport is one of those that are judged.
func (p *episode) anyTransport() targets.Transport {
	return p.engine.transports[p.rng.IntN(len(p.engine.transports))]
}

// begin plans the calls of an operation that was started.
func (p *episode) begin() {
	e := p.engine
	e.mu.Lock()
	n := e.natural
	e.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.base = e.now()
	p.until = p.base
	cancels, gap := p.sweep(n)
	for i := range cancels {
		t := p.anyTransport()
		p.later(p.moment+time.Duration(i)*gap, func(ctx context.Context, c caller) { p.cancel(ctx, c, t) })
	}
	for _, t := range e.transports {
		p.later(p.base, func(ctx context.Context, c caller) { p.watch(ctx, c, t) })
		if p.rng.IntN(2) == 0 {
			p.later(p.between(p.base, p.critical(n)), func(ctx context.Context, c caller) { p.wait(ctx, c, t) })
		}
	}
}

// critical is when the state of the operation is expected to change.
func (p *episode) critical(n natural) time.Duration {
	if p.role == targets.Succeeding && n.median > 0 {
		return min(p.moment, p.base+n.median)
	}
	return min(p.moment, p.base+5*time.Millisecond)
}

// How cancels of operations that keep running are swept: over as long as work
// takes to get going, and repeated within as long as a cancel takes.
const (
	sweepRunning = 25 * time.Millisecond
	sweepRepeat  = 10 * time.Millisecond
)

// sweep chooses when the operation is cancelled, how often, and with what gap
// between the cancels. Most cancels of an operation that ends by itself meet
// its end, ever closer, as the lengths of the others become known.
func (p *episode) sweep(n natural) (cancels int, gap time.Duration) {
	cancels = []int{1, 1, 1, 2, 2, 3, 4}[p.rng.IntN(7)]
	if p.rng.IntN(2) == 0 {
		gap = p.between(0, sweepRepeat)
	}
	if p.role == targets.Running {
		p.moment = p.base + p.between(0, sweepRunning)
		return cancels, gap
	}
	switch at := p.rng.IntN(20); {
	case at < 2 || n.median == 0 && at < 12: // shows how long it lasts
		return 0, 0
	case n.median == 0:
		p.moment = p.base + p.between(0, time.Second)
	case at < 15:
		width := n.spread >> p.rng.IntN(4)
		p.moment = p.base + n.median + p.between(-width, width)
	case at < 19:
		p.moment = p.base + p.between(0, n.median)
	default:
		p.moment = p.base + n.median + p.between(n.spread, 2*n.spread)
	}
	// A worker that does not look may end it once more, at its natural end.
	p.until = p.base + n.median + n.spread + p.between(5*time.Millisecond, 60*time.Millisecond)
	return cancels, gap
}

// later puts a call of the episode into the queue; p.mu must be held.
func (p *episode) later(due time.Duration, do func(ctx context.Context, c caller)) {
	p.open++
	p.engine.at(due, do)
}

// done ends a chain. When the last one has ended the tail follows.
func (p *episode) done(ctx context.Context) {
	p.mu.Lock()
	p.open--
	last := p.open == 0
	p.mu.Unlock()
	if last {
		p.engine.at(p.engine.now(), func(ctx context.Context, c caller) { p.tail(ctx, c) })
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
	hurry, n := e.hurry, e.natural
	e.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	settled := p.base + n.median + e.target.Timeouts.Settle
	if p.accepted != never {
		settled = max(p.accepted, p.base) + e.target.Timeouts.Settle
	}
	switch {
	case hurry, now > settled+10*time.Millisecond:
		return 0, false
	case p.doneOn[t] && now >= p.until:
		return 0, false
	}
	return now + p.pause(now, n), true
}

// pause is the time between two looks: short where the state may change.
func (p *episode) pause(now time.Duration, n natural) time.Duration {
	far := 20 * time.Millisecond
	if p.role == targets.Succeeding && p.moment == never && n.median == 0 {
		far = 2 * time.Millisecond
	}
	end := p.base + n.median
	near := p.role == targets.Succeeding && now > end-n.spread && now < end+n.spread ||
		now > p.moment-time.Millisecond && now < p.moment+sweepRepeat || p.doneAt != never && now < p.doneAt+3*time.Millisecond
	switch {
	case near && p.dense:
		return 0
	case near:
		return p.between(0, time.Millisecond)
	case p.accepted != never && p.doneAt == never:
		return min(far, (now-p.accepted)/4)
	}
	until := far
	for _, t := range []time.Duration{end - n.spread, p.moment, p.until} {
		if t > now && t != never {
			until = min(until, t-now)
		}
	}
	return max(until, 200*time.Microsecond)
}

// tail ends the episode, one call after the other: a cancel of the finished
// operation in some, a last look over each transport, and its deletion.
func (p *episode) tail(ctx context.Context, c caller) {
	var steps []func(context.Context, caller)
	p.mu.Lock()
	finished := p.doneAt != never
	if finished && p.rng.IntN(3) == 0 {
		t := p.anyTransport()
		steps = append(steps, func(ctx context.Context, c caller) { p.sendCancel(ctx, c, t) })
	}
	for _, t := range p.engine.transports {
		steps = append(steps, func(ctx context.Context, c caller) { p.get(ctx, c, t) })
	}
	if t := p.anyTransport(); finished && p.rng.IntN(2) == 0 && p.engine.deletes(t, p.role) {
		steps = append(steps, func(ctx context.Context, c caller) { p.delete(ctx, c, t) })
		for _, t := range p.engine.transports {
			steps = append(steps, func(ctx context.Context, c caller) { p.get(ctx, c, t) })
		}
	}
	if !finished {
		steps = append(steps, func(ctx context.Context, c caller) { p.leave(ctx) })
	}
	p.mu.Unlock()
	p.step(ctx, c, steps)
}

// step makes the first of the calls and puts the others into the queue.
func (p *episode) step(ctx context.Context, c caller, steps []func(context.Context, caller)) {
	steps[0](ctx, c)
	if len(steps) == 1 {
		p.mu.Lock()
		p.over = true
		p.mu.Unlock()
		p.engine.finish(ctx, p)
		return
	}
	p.engine.at(p.engine.now(), func(ctx context.Context, c caller) { p.step(ctx, c, steps[1:]) })
}

// leave ends an operation that is still in progress; those that cannot be
// ended are named in the report.
func (p *episode) leave(ctx context.Context) {
	if p.end(ctx) {
		return
	}
	p.engine.mu.Lock()
	p.engine.leftover = append(p.engine.leftover, p.name)
	p.engine.mu.Unlock()
}

// history is all that happened, with its facts.
func (p *episode) history() history {
	p.mu.Lock()
	defer p.mu.Unlock()
	return history{p.events, factsOf(p.events, p.role, p.engine.target)}
}

// violation makes what is reported of a finding.
func (p *episode) violation(f *finding, calls int) Violation {
	v := Violation{Requirement: f.requirement, Message: f.message, Operation: p.name, Index: p.index, Role: p.role, Calls: calls}
	ms := func(d time.Duration) float64 { return float64((d - p.base).Microseconds()) / 1000 }
	for _, e := range f.events {
		answer := e.status
		if e.seen {
			answer += ": " + e.state()
		}
		if e.entry {
			answer += " (in a list)"
		}
		v.Sequence = append(v.Sequence, Line{ms(e.start), ms(e.end), e.client, e.transport, e.method, answer})
	}
	return v
}
