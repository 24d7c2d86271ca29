package storm

import (
	"context"
	"time"

	"github.com/lro-tools/conform/targets"
)

// A stage is some calls at the same time, after a while without any.
type stage struct {
	rest  time.Duration
	calls []func(ctx context.Context, c caller)
}

// tail ends the episode: a cancel of the finished operation in some, a look
// over each transport, in some another one after a while, which shows what
// came late, and its deletion.
func (p *episode) tail(ctx context.Context, c caller) {
	e := p.engine
	p.mu.Lock()
	finished := p.doneAt != never
	dismissed := p.calm && p.sent != never
	p.mu.Unlock()
	t := e.transports[p.plan.last]
	var stages []stage
	if finished && p.plan.after {
		stages = append(stages, stage{0, p.each(p.sendCancel, t)})
	}
	stages = append(stages, p.looks(0)...)
	if finished && p.plan.rest != none {
		longest := min(e.target.Timeouts.Observe, time.Second)
		stages = append(stages, p.looks(along(p.plan.rest, 0, longest))...)
	}
	if finished && !dismissed && p.plan.remove > 0 && e.deletes(t, p.role) {
		stages = append(stages, p.removal(t)...)
	}
	if !finished {
		stages = append(stages, stage{0, []func(context.Context, caller){func(ctx context.Context, _ caller) { p.leave(context.WithoutCancel(ctx)) }}})
	}
	p.stage(ctx, c, stages)
}

// each returns a call over each of the transports.
func (p *episode) each(call func(context.Context, caller, targets.Transport), over ...targets.Transport) []func(context.Context, caller) {
	var calls []func(context.Context, caller)
	for _, t := range over {
		calls = append(calls, func(ctx context.Context, c caller) { call(ctx, c, t) })
	}
	return calls
}

// looks returns one look over each transport, one after the other.
func (p *episode) looks(rest time.Duration) []stage {
	var stages []stage
	for _, t := range p.engine.transports {
		stages = append(stages, stage{rest, p.each(p.get, t)})
		rest = 0
	}
	return stages
}

// mostSettle is the longest settle timeout for which it is waited to see
// whether what was deleted comes back.
const mostSettle = 5 * time.Second

// removal deletes the operation, in some episodes at the same time as it is
// cancelled and looked at: what a cancel writes back is then seen when a
// deletion has had its time to show.
func (p *episode) removal(t targets.Transport) []stage {
	e := p.engine
	deletion := p.each(p.delete, t)
	if p.plan.remove == 1 {
		return append([]stage{{0, deletion}}, p.looks(0)...)
	}
	clash := append(p.each(p.sendCancel, e.transports...), deletion...)
	stages := append([]stage{{0, append(clash, p.each(p.get, t)...)}}, p.looks(0)...)
	if settle := e.target.Timeouts.Settle; settle <= mostSettle {
		stages = append(stages, p.looks(settle+20*time.Millisecond)...)
	}
	return stages
}

// stage makes the calls of the first stage; the others follow when they have
// been answered, and the check of the history after the last.
func (p *episode) stage(ctx context.Context, c caller, stages []stage) {
	calls := stages[0].calls
	p.mu.Lock()
	p.open = len(calls)
	p.follows = func(ctx context.Context) { p.proceed(ctx, stages[1:]) }
	p.mu.Unlock()
	for _, call := range calls[1:] {
		p.engine.at(p.engine.now(), func(ctx context.Context, c caller) {
			call(ctx, c)
			p.done(ctx)
		})
	}
	calls[0](ctx, c)
	p.done(ctx)
}

// proceed goes on with the next stage, after its rest.
func (p *episode) proceed(ctx context.Context, stages []stage) {
	if ctx.Err() != nil {
		return // it counts among what the storm leaves behind
	}
	if len(stages) == 0 {
		p.mu.Lock()
		p.over = true
		p.mu.Unlock()
		p.engine.finish(ctx, p)
		return
	}
	due := p.engine.now()
	rested := stages[0].rest > 0
	if rested {
		due = p.engine.rest(p, due+stages[0].rest)
	}
	p.engine.at(due, func(ctx context.Context, c caller) {
		if rested {
			p.engine.woken()
		}
		p.stage(ctx, c, stages)
	})
}

// overtime is for how long after the storm's time an operation may rest.
const overtime = time.Second

// rest takes a finished operation out of those that are under way until it is
// due, which is at once where the storm is to end.
func (e *engine) rest(p *episode, due time.Duration) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resting++
	e.unlist(p)
	if e.hurry || due > e.options.Duration+overtime {
		return e.now()
	}
	return due
}

func (e *engine) woken() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resting--
}

// unlist takes an operation from those of which one is picked for one more
// look; e.mu must be held.
func (e *engine) unlist(p *episode) {
	if p.place < 0 {
		return
	}
	e.pace.ended(e.now() - p.base)
	last := e.order[len(e.order)-1]
	e.order[p.place], last.place = last, p.place
	e.order = e.order[:len(e.order)-1]
	p.place = -1
}
