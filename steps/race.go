package steps

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

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
	// target should not be burdened, or only the answers are judged.
	contests    = 16
	wave        = 4
	contestsFew = 8
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
	itself bool  // it ended by itself, with a response
	lost   *look // Get found it no more, once its cancel had raced its end
	err    error
}

// A natural is how long operations last that nobody cancels, from the asking
// for their start, and by how much that may vary.
type natural struct{ lasts, varies time.Duration }

// whenRaces finds out when operations end by themselves and cancels others
// around that time, while several clients look.
func whenRaces(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
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
		op, err := w.startInProgress(ctx, targets.Succeeding)
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
	return natural{lasts: low, varies: high - low}, ops, nil
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
	if c.op, c.err = w.startInProgress(ctx, targets.Succeeding); c.err != nil {
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
			c.ended, c.seen, c.itself = true, s.received, s.hasResponse
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

// thenOneTerminalResult judges the histories by the oracle of the semantics.
// What shows without a race as well has requirements of its own.
func thenOneTerminalResult(ctx context.Context) error {
	w := of(ctx)
	all, _ := w.facts["contests"].([]*contest)
	free, _ := w.facts["free"].([]*operation)
	control, _ := w.facts["control"].(*operation)
	for _, op := range append([]*operation{control}, free...) {
		if v, ok := w.judgeHistory(op, "no race").(*violation); ok {
			return inconclusive("what every operation keeps is broken without a race as well: %s", v.Message)
		}
	}
	for _, c := range all {
		if c.op == nil {
			continue
		}
		if err := w.judgeContest(ctx, c, all); err != nil {
			return w.unlessOneDoes(ctx, targets.Running, w.unlessFinishedToo(ctx, free[0], w.unlessForgotten(ctx, c.op, err)))
		}
	}
	return w.enough(all)
}

// unlessFinishedToo keeps a finding only where the cancel of an operation that
// has long ended changes nothing, and what was cancelled keeps its result:
// cancel.finished.* and operation.terminal.* own that.
func (w *world) unlessFinishedToo(ctx context.Context, op *operation, finding error) error {
	if !isViolation(finding) {
		return finding
	}
	end := op.snapshots[len(op.snapshots)-1]
	w.cancel(ctx, op)
	err := w.staysAs(ctx, op, end)
	if isViolation(err) {
		return inconclusive("the cancel of an operation that has long ended changes it as well (see cancel.finished.preserves-success)")
	}
	if err != nil {
		return err
	}
	// What is cancelled long before its end may change by itself, too.
	if op, err = w.cancelled(ctx, targets.Running); err != nil {
		return finding
	}
	if end, _ := op.end(); isViolation(w.staysAs(ctx, op, end)) {
		return inconclusive("an operation that was cancelled does not keep its result without a race either (see operation.terminal.*)")
	}
	return finding
}

// enough rules on races that were no races.
func (w *world) enough(all []*contest) error {
	if early(all) >= needed {
		return nil
	}
	var odd error
	for _, c := range all {
		if odd == nil {
			odd = c.err
		}
	}
	if odd != nil {
		return odd
	}
	return inconclusive("only %d of %d cancels were answered before the operation was seen done; %d are needed", early(all), len(all), needed)
}

// met counts the contests in which the cancel came before the end.
func met(all []*contest) int {
	n := 0
	for _, c := range all {
		if c.early && c.cancel.Accepted() && !c.itself {
			n++
		}
	}
	return n
}

// early counts the contests whose cancel was answered before done was seen.
func early(all []*contest) int {
	n := 0
	for _, c := range all {
		if c.early {
			n++
		}
	}
	return n
}

func (w *world) judgeContest(ctx context.Context, c *contest, all []*contest) error {
	const how = "its cancel raced its end"
	if err := w.judgeHistory(c.op, how); err != nil {
		return err
	}
	if len(c.op.snapshots) == 0 || c.cancel.Method == "" {
		return nil
	}
	last := c.op.snapshots[len(c.op.snapshots)-1]
	switch {
	case c.lost != nil:
		return w.fail(c.lost.call, "the operation, as it ended", "the operation is gone after its cancel raced its end")
	case c.cancel.Accepted() && last.done && last.hasResponse:
		w.observe("cancel.race.ok-then-success", "a cancel near the end was accepted, and the operation ended with its response")
	case w.deniesEffect(c.cancel) && last.cancelled():
		return w.failAt(last, "the operation ends by itself: its only cancel was answered "+c.cancel.Status(), "a cancel near the end was refused, and has taken effect")
	case c.cancel.Accepted() && !c.ended && c.err == nil && w.run.target.Guaranteed && endedAfterCancel(all):
		return w.neverEnds(ctx, c.op)
	}
	return nil
}

// neverEnds judges an operation whose end no client has seen. All of settle must
// have gone by before it is looked at for the last time: a server that stood
// still for a while has not kept the operation from ending.
func (w *world) neverEnds(ctx context.Context, op *operation) error {
	var last look
	late, err := w.poll(ctx, op, max(0, w.settleFor()-time.Since(op.acceptedAt())), func(l look) (bool, error) {
		last = l
		return l.done || !l.found || l.garbled, nil
	})
	if err != nil || !late {
		return err
	}
	return w.failAt(last.snapshot, fmt.Sprintf("done within settle (%v), as the others", w.settleFor()), "an operation never ends, after its cancel raced its end")
}

// endedAfterCancel tells whether any operation ended whose cancel was accepted
// before: then cancelling near the end does not always stop at nothing.
func endedAfterCancel(all []*contest) bool {
	return slices.ContainsFunc(all, func(c *contest) bool { return c.early && c.ended && c.cancel.Accepted() })
}

// thenLegalAroundEnd judges the answers to cancels that came when the operation was
// ending, or had just ended. An operation that was still in progress after the
// answer was no finished one.
func thenLegalAroundEnd(ctx context.Context) error {
	w := of(ctx)
	all, _ := w.facts["contests"].([]*contest)
	var judged bool
	for _, c := range all {
		if c.cancel.Method == "" || c.cancel.err != nil || !c.ended || c.op.inProgressAfter(c.cancel.End()) {
			continue
		}
		judged = true
		legal := c.cancel.Accepted() || transient(c.cancel.Exchange) || unimplemented(c.cancel.Exchange) ||
			isCode(c.cancel.Exchange, codes.FailedPrecondition, codes.Aborted, codes.InvalidArgument, codes.PermissionDenied)
		if legal || notFound(c.cancel.Exchange) && !c.op.foundAfter(c.cancel.End()) {
			continue
		}
		if w.someCancel(ctx, func(other call) bool {
			return other.err == nil && other.HTTP == c.cancel.HTTP && other.Code == c.cancel.Code
		}) {
			return inconclusive("the cancel of an operation in progress is answered %s now and then as well (see cancel.accept.in-progress)", c.cancel.Status())
		}
		return w.fail(c.cancel, legalFinishedCodes, "the cancel of an operation that has just ended, or was about to, has an answer that is not legal")
	}
	if !judged {
		return inconclusive("no cancel came when an operation was ending, or had just ended")
	}
	return nil
}

// deniesEffect tells whether an answer says that the cancel has had no effect.
func (w *world) deniesEffect(c call) bool {
	if c.err != nil || c.Accepted() || transient(c.Exchange) || serverFault(c.Exchange) {
		return false
	}
	if c.Transport == targets.REST {
		switch c.HTTP {
		case 400, 401, 403, 404, 405, 411, 412, 413, 415, 422, 501:
			return true
		}
		return false
	}
	return isCode(c.Exchange, codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.NotFound,
		codes.FailedPrecondition, codes.Unimplemented)
}
