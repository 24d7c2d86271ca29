package steps

import (
	"context"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

func raceSteps() []definition {
	return []definition{
		step(`clients cancel operations around the time of their end`, whenRaces),
		step(`each operation has one terminal result`, thenOneTerminalResult),
		step(`each answer is legal for a finished operation`, thenLegalAroundEnd),
	}
}

const (
	statusLegal = "cancel.finished.status-legal"
	// contests is how many operations are cancelled around their end, wave is
	// how many of them at a time, and contestsFew how many there are where the
	// target should not be burdened, or only the answers are judged. Those that are
	// about to fail are fewer: what loses such a race mostly loses the other.
	contests        = 16
	wave            = 4
	contestsFew     = 8
	contestsFailing = 12
	// racers is how many clients look at each, every one by a connection of
	// its own.
	racers = 2
	// needed is how many must have had a cancel answered before done was seen
	// (judging, "What was promised").
	needed = 3
)

// A contest is one operation whose cancel races its end.
type contest struct {
	op     *operation
	cancel call
	early  bool // the cancel was answered before done was seen
	ended  bool // done was seen
	seen   time.Time
	itself bool  // it ended by itself
	lost   *look // Get found it no more, once its cancel had raced its end
	err    error
}

// A natural is how long operations last that nobody cancels, from the asking
// for their start, by how much that may vary, and the code that they fail with.
type natural struct {
	lasts, varies time.Duration
	code          int64
}

// whenRaces finds out when operations end by themselves and cancels others
// around that time, while several clients look.
func whenRaces(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	if err := w.canSpend(w.it.role); err != nil {
		return err
	}
	control, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	if control, _, err = w.cancelOnce(ctx, control); err != nil {
		return err
	}
	w.facts["control"] = control
	n, free, err := w.natural(ctx)
	if err != nil {
		return err
	}
	w.facts["free"] = free
	if _, err := w.settle(ctx, control); err != nil {
		return err
	}
	return w.waves(ctx, n)
}

// waves runs the contests, some at a time.
func (w *world) waves(ctx context.Context, n natural) error {
	var all []*contest
	count := contests
	if w.it.role == targets.Failing {
		count = contestsFailing
	}
	if !w.run.mayStartMany() || w.plan.requirement.ID == statusLegal {
		count = contestsFew
	}
	// Where too few were races, as many again are tried.
	for from := 0; from < count || from < 2*count && met(all) < count/4; from += wave {
		some := make([]*contest, wave)
		_ = together(len(some), func(i int) error {
			// Neighbours in time are of different waves, so that a wave of a
			// server that is late once spoils no stretch of time.
			turn := from / wave % (count / wave)
			some[i] = w.contest(ctx, n, float64(i*(count/wave)+turn)/float64(count))
			return nil
		})
		all = append(all, some...)
		w.facts["contests"] = all
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		n = n.learn(some)
		if from == 0 && !slices.ContainsFunc(some, func(c *contest) bool { return c.ended || c.err != nil }) {
			return inconclusive("no operation that was cancelled near its end has ended (see cancel.effect.best-effort)")
		}
	}
	return nil
}

// natural follows two operations that nobody cancels to their end.
func (w *world) natural(ctx context.Context) (natural, []*operation, error) {
	const measured = 2
	ops := make([]*operation, measured)
	lasted := make([]time.Duration, measured)
	err := together(measured, func(i int) error {
		op, err := w.startInProgress(ctx, w.it.role)
		if err != nil {
			return err
		}
		ops[i] = op
		end, err := w.followClosely(ctx, op)
		lasted[i] = end.Sub(op.begun)
		return err
	})
	if err != nil {
		return natural{}, nil, err
	}
	low, high := min(lasted[0], lasted[1]), max(lasted[0], lasted[1])
	// Delays of the calls only ever add to what is measured.
	end, _ := ops[0].end()
	return natural{lasts: low, varies: high - low, code: end.code}, ops, nil
}

// learn corrects what is known of the natural end by the contests that ended
// by themselves. A wave that came too late altogether has the next come earlier,
// and one that came too early later.
func (n natural) learn(some []*contest) natural {
	late, soon := 0, 0
	for _, c := range some {
		switch {
		case c.itself:
			late++
			end := c.seen
			if c.cancel.err == nil && !c.cancel.Accepted() && c.cancel.End().Before(end) {
				end = c.cancel.End() // refused: it had ended by then
			}
			n.lasts = min(n.lasts, end.Sub(c.op.begun))
		case c.early:
			soon++
		}
	}
	switch len(some) {
	case soon:
		n.lasts += n.stretch() / 4
	case late:
		n.lasts -= n.stretch() / 2
	}
	return n
}

// stretch is the time around the natural end over which cancels are spread.
func (n natural) stretch() time.Duration {
	return max(30*time.Millisecond, n.lasts/5, n.varies)
}

// moment is when the cancel of an operation is sent: at tells, from 0 to 1,
// where in the stretch around its end. Two thirds of that lie before the end:
// what is cancelled after it is just a finished operation. It is never in the
// past, so that what is allowed from then on is allowed in full.
func (n natural) moment(begun, now time.Time, at float64) time.Time {
	stretch := n.stretch()
	when := begun.Add(n.lasts - 2*stretch/3 + time.Duration(at*float64(stretch)))
	if when.Before(now) {
		return now
	}
	return when
}

// followClosely polls an operation that ends by itself at intervals of a
// fortieth of its age, and returns when it was seen done.
func (w *world) followClosely(ctx context.Context, op *operation) (time.Time, error) {
	deadline := time.Now().Add(w.settleFor())
	for {
		l, err := w.mustFind(ctx, op)
		switch {
		case err != nil:
			return time.Time{}, err
		case l.done:
			return l.received, nil
		case time.Now().After(deadline):
			return time.Time{}, inconclusive("%s never ends: the operation was still in progress %v after its start", op.role, time.Since(op.begun).Round(10*time.Millisecond))
		}
		if !sleep(ctx, max(time.Since(op.begun)/40, time.Millisecond)) {
			return time.Time{}, stopped(ctx)
		}
	}
}

// contest lets the cancel of one operation race its end. at tells, from 0 to
// 1, where in the stretch around the end the cancel is sent.
func (w *world) contest(ctx context.Context, n natural, at float64) *contest {
	c := new(contest)
	if c.op, c.err = w.startInProgress(ctx, w.it.role); c.err != nil {
		return c
	}
	stretch, when := n.stretch(), n.moment(c.op.begun, time.Now(), at)
	looksFrom := when.Add(-stretch / 3)
	c.err = together(racers+1, func(i int) error {
		if i == racers {
			if sleep(ctx, time.Until(when)) {
				c.cancel = w.cancel(ctx, c.op)
			}
			return nil
		}
		if !sleep(ctx, time.Until(looksFrom)) {
			return stopped(ctx)
		}
		return w.watchEnd(ctx, c.op, i, c.op.begun.Add(n.lasts+stretch), when.Add(w.settleFor()))
	})
	for _, s := range c.op.snapshots {
		if s.done && (!c.ended || s.received.Before(c.seen)) {
			c.ended, c.seen, c.itself = true, s.received, s.hasResponse || s.hasError && s.code != 1 && s.code == n.code
		}
	}
	c.lost = w.isLost(ctx, c.op)
	answered := c.cancel.Method != "" && c.cancel.err == nil
	c.early = answered && (!c.ended || c.cancel.End().Before(c.seen))
	return c
}

// isLost looks whether an operation that was seen is found no more, for the
// observation window; nil where it is found.
func (w *world) isLost(ctx context.Context, op *operation) *look {
	if len(op.snapshots) == 0 {
		return nil
	}
	var last look
	late, err := w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) {
		last = l
		return !notFound(l.Exchange), nil
	})
	if err != nil || !late {
		return nil
	}
	return &last
}

// raceLooks is how many looks each client takes after it has seen the end, at
// growing intervals: the first close, all together the observation window.
const raceLooks = 10

// watchEnd looks at an operation by one connection, closely until it is done,
// some times after, and at least until a time by which it would have ended by
// itself.
func (w *world) watchEnd(ctx context.Context, op *operation, connection int, least, deadline time.Time) error {
	began := time.Now()
	for after := 0; after < raceLooks || time.Now().Before(least); {
		l, err := w.getOn(ctx, op, connection)
		if err != nil {
			return err
		}
		pause := max(2*time.Millisecond, time.Since(began)/20)
		switch {
		case !l.found || l.garbled:
			return inconclusive("Get of an operation that was cancelled answered %s", l.Status())
		case l.done || after > 0:
			after++
			pause = w.observeFor() * time.Duration(min(after, raceLooks)) / (raceLooks * (raceLooks + 1) / 2)
		case l.received.After(deadline):
			return nil
		}
		if !sleep(ctx, pause) {
			return stopped(ctx)
		}
	}
	return nil
}
