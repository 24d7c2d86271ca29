package storm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

// A calm is the control of a storm in which operations were cancelled of which
// no cancel had been sent: a system may do so by itself, and a cancel may end
// its own operation and another one. So the storm blows on for a while, as many
// operations under way and started no slower, each of its calls but Cancel. What
// is cancelled all the same was cancelled by the system. It comes in rounds: as
// what keeps running does not end without a cancel, all that is under way is
// cancelled after each, of which nothing is learned.
type calm struct {
	began    time.Duration
	deadline time.Duration
	storm    exposure // that of the storm
	own      exposure // that of the rounds that count
	round    exposure // that of this round
	peak     int      // operations in progress at a time in the storm
	room     int      // and in a round: more where starts are to be as fast, as what keeps running is not cancelled
	gap      time.Duration
	events   int           // of the storm, which are independent
	hold     time.Duration // for how long a round goes on when as many are in progress
	every    time.Duration // between two starts, as they followed in the storm at the fastest
	reached  time.Duration // when as many were in progress in this round; never
	until    time.Duration // when the round was over: what is cancelled then says nothing; never
	rounds   int
	starts   int // in all rounds
	counted  int // rounds with as many in progress as in the storm, and started no slower
	seen     int // operations that were cancelled in the rounds
}

// An exposure is how much there was of each thing at which a system may cancel
// an operation by itself: starts and time by role, calls by method, and time.
type exposure map[string]float64

const (
	wall    = "time"
	started = "started "
	lasted  = "lasted "
)

// times is how many times the exposure holds another one: of that of which it
// has the least.
func (x exposure) times(of exposure) float64 {
	least := x[wall] / of[wall]
	for what, n := range of {
		if n > 0 {
			least = min(least, x[what]/n)
		}
	}
	return least
}

// starts is how many operations were started.
func (x exposure) starts() (n float64) {
	for _, r := range targets.Roles() {
		n += x[started+string(r)]
	}
	return n
}

// What it takes to blame the cancels where a calm shows nothing: that as many
// operations were to be expected, and that it lasted several times as long as the
// storm ever did without one. What a system does in bursts counts once.
const (
	leastExpected = 8
	longerThanGap = 3
	stretches     = 30 // of the storm's time; what falls into one is one event
)

// independent counts the parts of the storm's time into which moments fall, and
// finds the longest time without one.
func independent(moments []time.Duration, long time.Duration) (events int, gap time.Duration) {
	parts := map[time.Duration]bool{}
	before := time.Duration(0)
	for _, m := range slices.Sorted(slices.Values(append(slices.Clone(moments), long))) {
		m = min(m, long)
		gap, before = max(gap, m-before), m
	}
	for _, m := range moments {
		parts[min(m*stretches/long, stretches-1)] = true
	}
	return len(parts), gap
}

// expose takes note of an operation that was judged, until it could be told who
// cancelled it; e.mu must be held.
func (e *engine) expose(p *episode, h history) {
	until, x := h.attempted, e.exposed
	for _, l := range h.events {
		if l.looks() && l.done {
			until = min(until, l.end)
		}
	}
	if e.calm != nil {
		if !p.calm {
			return
		}
		until, x = min(until, e.calm.until), e.calm.round
	}
	x[started+string(p.role)]++
	if until == never {
		until = h.last
	}
	x[lasted+string(p.role)] += max(until-p.base, 0).Seconds()
}

// suspect takes note of an operation that was cancelled though no cancel of it
// had been sent; e.mu must be held.
func (e *engine) suspect(s suspect) {
	if e.calm != nil && s.f.events[0].end > e.calm.until {
		return // that others are cancelled may be the cause
	}
	e.suspects = last(append(e.suspects, s))
	e.alone++
	if e.calm != nil {
		e.calm.seen++
		return
	}
	e.lone = append(e.lone, s.to)
	e.oldest = max(e.oldest, s.to-s.p.base)
}

// passed takes an operation out of those in progress, once; e.mu must be held.
func (e *engine) passed(p *episode) {
	if !p.passed {
		p.passed = true
		e.undone--
	}
}

// doubted tells whether a calm can tell what the storm could not: not where it is
// to end, may start nothing any more, or is a part of one that others make.
func (e *engine) doubted(ctx context.Context) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, told := e.found[siblings]
	if ctx.Err() != nil || told || e.hurry || e.problem != "" || e.options.Shards > 1 || !e.closing || len(e.lone) == 0 {
		return false
	}
	events, _ := independent(e.lone, e.open)
	return events >= leastExpected && !e.used()
}

// control lets the storm blow on without a cancel, until it can be told what was
// the cause of what is suspect, and at the most as long again. Where nothing is
// cancelled, it blows with cancels once more: a system that only has stopped to
// cancel by itself is not to look as if they were the cause.
func (e *engine) control(ctx context.Context) {
	e.mu.Lock()
	c := e.newCalm()
	e.calm, e.after, e.ends = c, true, never
	e.mu.Unlock()
	for e.undecided(ctx) {
		e.round(ctx)
	}
	e.mu.Lock()
	e.calm = nil
	e.calmed = c.report(e.now(), len(e.lone))
	e.mu.Unlock()
	if e.calmed.Blames {
		e.confirm(ctx, c)
	}
}

// newCalm makes the control of what the storm was; e.mu must be held.
func (e *engine) newCalm() *calm {
	storm := maps.Clone(e.exposed)
	storm[wall] = e.open.Seconds()
	for _, t := range e.traffic {
		for m, n := range t.Methods {
			if m != targets.Cancel {
				storm[string(m)] += float64(n)
			}
		}
	}
	c := &calm{began: e.now(), deadline: e.now() + e.options.Duration, storm: storm, own: exposure{}, peak: e.peak, hold: e.oldest,
		every: e.pace.least}
	for r, n := range e.naturals {
		if ends(r) && len(n.seen) > 0 { // of some of which another cancel may have been the end
			c.hold = max(c.hold, slices.Max(n.seen)+untilDeleted)
		}
	}
	needed := storm.starts() / storm[wall] * (c.hold + untilDeleted).Seconds()
	c.room = max(c.peak, min(int(needed), e.options.Clients*livePerClient))
	c.events, c.gap = independent(e.lone, e.open)
	return c
}

// untilDeleted is for how long a round goes on when operations have ended by
// themselves, so that they are seen to and deleted.
const untilDeleted = 150 * time.Millisecond

// leastAgain is for how long it blows with cancels again at least, as it begins
// with few operations.
const leastAgain = 3 * time.Second

// confirm lets the storm blow with cancels again, and blames them where operations
// are cancelled as before, in a time in which far more would have been.
func (e *engine) confirm(ctx context.Context, c *calm) {
	e.mu.Lock()
	enough := len(e.lone) + leastCauses
	e.closing = false
	e.ends = e.now() + max(time.Duration(2*leastExpected*float64(e.open)/float64(len(e.lone))), leastAgain)
	e.mu.Unlock()
	e.until(ctx, func() bool { return e.closed() || len(e.lone) >= enough }, func() { e.close("") })
	e.mu.Lock()
	defer e.mu.Unlock()
	switch _, told := e.found[siblings]; {
	case told:
	case len(e.lone) < enough || e.problem != "":
		e.calmed.Blames, e.calmed.Reason = false, "with cancels again, they were not cancelled as before"
	default:
		e.calmed.Again = len(e.lone) - e.calmed.Storm
		e.broken[siblings] = e.alone
		shortest := slices.MinFunc(e.suspects, func(a, b suspect) int { return len(a.h.events) - len(b.h.events) })
		e.tell(shortest.untold(e.calmed))
	}
}

// until lets the clients call until something is so, and then ends it.
func (e *engine) until(ctx context.Context, so func() bool, end func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for over := false; !over && ctx.Err() == nil; time.Sleep(roundTick) {
			e.mu.Lock()
			over = so()
			e.mu.Unlock()
		}
		end()
	}()
	e.blow(ctx)
	<-ended
}

// undecided tells whether another round may tell the cause.
func (e *engine) undecided(ctx context.Context) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.calm
	return ctx.Err() == nil && e.problem == "" && !e.hurry && !e.gone && len(e.roles) > 0 && !e.used() && c.seen == 0 && e.now() < c.deadline && !c.enough()
}

// enough tells whether so much was to be seen that nothing is a sign.
func (c *calm) enough() bool {
	return c.expected() >= leastExpected && c.own[wall] >= longerThanGap*c.gap.Seconds()
}

// expected is how many operations a system that cancels by itself would have
// cancelled in the rounds.
func (c *calm) expected() float64 { return float64(c.events) * c.own.times(c.storm) }

// round starts operations until as many are in progress as in the storm, goes on
// as long as it takes to see what may be cancelled, and cancels all.
func (e *engine) round(ctx context.Context) {
	e.mu.Lock()
	c, began := e.calm, e.now()
	c.until, c.reached, c.round, e.closing = never, never, exposure{}, false
	e.tickets.Store(int64(began.Seconds() * e.options.Rate))
	e.mu.Unlock()
	e.until(ctx, func() bool { return e.roundOver(c) }, e.dismiss)
	e.mu.Lock()
	c.round[wall] = (c.until - began).Seconds()
	c.count(e.now() - began)
	e.mu.Unlock()
}

// count counts a round that lasted so long until all was cancelled, where the
// system had as much to do as in the storm.
func (c *calm) count(long time.Duration) {
	c.rounds++
	c.starts += int(c.round.starts())
	if c.reached == never || c.round.starts()/long.Seconds() < c.storm.starts()/c.storm[wall] {
		return
	}
	c.counted++
	for what, n := range c.round {
		c.own[what] += n
	}
}

const roundTick = 5 * time.Millisecond

// roundOver tells whether a round is over; e.mu must be held.
func (e *engine) roundOver(c *calm) bool {
	now := e.now()
	return e.closed() || c.seen > 0 || now >= c.deadline || c.reached != never && now >= c.reached+c.hold
}

// dismiss ends a round: what is in progress is cancelled, and nothing waits for
// a moment of its own any more.
func (e *engine) dismiss() {
	e.mu.Lock()
	now := e.now()
	e.closing, e.calm.until = true, now
	for i := range e.queue {
		e.queue[i].due = min(e.queue[i].due, now)
	}
	var live []*episode
	for _, p := range e.live {
		live = append(live, p)
	}
	e.mu.Unlock()
	for _, p := range live {
		p.mu.Lock()
		if p.open > 0 && p.doneAt == never {
			p.dismiss()
		}
		p.mu.Unlock()
	}
	e.nudge()
}

// dismiss has the operation cancelled, the round being over; p.mu must be held.
func (p *episode) dismiss() {
	t := p.engine.transports[p.plan.last]
	p.later(p.engine.now(), func(ctx context.Context, c caller) { p.cancel(ctx, c, t) })
}

// calm is the plan without its cancels, and nothing in it that only makes a round
// longer. All that is finished is deleted: less of it comes to its end.
func (l plan) calm() plan {
	l.cancels, l.after, l.remove, l.rest = nil, false, 1, none
	return l
}

// mayStartCalm tells whether a round may start an operation; e.mu must be held.
func (e *engine) mayStartCalm() bool {
	c := e.calm
	if e.undone >= c.peak && c.reached == never {
		c.reached = e.now()
	}
	return e.undone < c.room
}

// report tells what a calm came to.
func (c *calm) report(now time.Duration, alone int) *Quiet {
	q := &Quiet{ElapsedMS: float64((now - c.began).Microseconds()) / 1000, Operations: c.starts, Alone: c.seen, Storm: alone,
		Expected: c.expected(), Live: c.peak}
	switch {
	case c.seen > 0:
		q.Reason = "the system cancels by itself"
	case c.enough():
		q.Blames, q.Reason = true, "cancels of others are the cause"
	default:
		q.Reason = fmt.Sprintf("too short to tell (%d of %s had as many operations at a time, started as fast, as the storm)", c.counted, plural(c.rounds, "round"))
	}
	return q
}

// untold makes what is reported of a suspect that the system did not cancel.
func (s suspect) untold(q *Quiet) Violation {
	shown := s.f.events
	for _, e := range s.h.events {
		if e.looks() && !e.done && e.before(s.f.events[0]) {
			shown = []event{e, s.f.events[0]}
		}
	}
	v := s.p.violation(s.h, &finding{s.f.requirement, s.f.message, shown})
	v.Message = fmt.Sprintf("it was cancelled before any cancel of it was sent, as were %s in the storm; without cancels, where %.0f were to be expected, none of %s was, and with them %d were again",
		plural(q.Storm, "operation"), q.Expected, plural(q.Operations, "operation"), q.Again)
	return v
}
