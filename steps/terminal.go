package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/lro-tools/conform/targets"
)

func terminalSteps() []definition {
	return []definition{
		step(`the client cancels it and watches it past the end of its like`, whenOutlivesLike),
		step(`the client cancels it and watches it over two connections`, whenWatchesTwo),
		step(`the client follows it to its end and watches it over two connections`, whenFollowsTwo),
		step(`it was found at every look`, thenContinuous),
		step(`every later look shows its end`, thenReadYourCancel),
	}
}

// A sighting is a look at an operation by one of two connections.
type sighting struct {
	look
	connection int
}

// whenOutlivesLike cancels an operation at once and watches it until another
// of its role, started after it, has ended by itself, and for the observation
// window after that: a worker that missed the cancel has written its result
// by then.
func whenOutlivesLike(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	op, err := w.cancelBeforeEnd(ctx)
	if err != nil {
		return err
	}
	like, err := w.start(ctx, op.role, "")
	if err != nil {
		return err
	}
	s, err := w.settle(ctx, op)
	w.facts["settled"] = s
	if err != nil {
		return err
	}
	if _, err := w.untilDone(ctx, like); err != nil {
		return err
	}
	_, err = w.lookByTwo(ctx, w.it, w.observeFor(), time.Time{})
	return err
}

// cancelBeforeEnd cancels the operation, which ends soon by itself. One that
// has ended before is replaced by a fresh one.
func (w *world) cancelBeforeEnd(ctx context.Context) (*operation, error) {
	for try := 1; ; try++ {
		op, _, err := w.cancelOnce(ctx, w.it)
		w.it = op
		if err == nil || ctx.Err() != nil || try == transientTries {
			return op, err
		}
		if l, lookErr := w.get(ctx, op); lookErr != nil || !l.done {
			return op, err
		}
		if w.it, err = w.startInProgress(ctx, op.role); err != nil {
			return op, err
		}
	}
}

// whenWatchesTwo cancels an operation and looks at it from then on, closely
// and over two connections by turns, until it has ended, and for the
// observation window after that.
func whenWatchesTwo(ctx context.Context) error {
	w := of(ctx)
	op, err := w.cancelIt(ctx)
	if err != nil {
		return err
	}
	looks, err := w.lookByTwo(ctx, w.it, w.observeFor(), op.acceptedAt().Add(w.settleFor()))
	w.facts["looks"] = looks
	return err
}

func whenFollowsTwo(ctx context.Context) error {
	w := of(ctx)
	_, err := w.lookByTwo(ctx, w.it, w.observeFor(), time.Now().Add(w.settleFor()))
	return err
}

// lookByTwo looks at an operation over two connections by turns, until the
// time d after it was first seen done, or until the deadline if it was not.
func (w *world) lookByTwo(ctx context.Context, op *operation, d time.Duration, deadline time.Time) ([]sighting, error) {
	w.seat.rest()
	defer w.seat.rise(ctx)
	var out []sighting
	began := time.Now()
	after := 0
	var end time.Time
	if deadline.IsZero() {
		end = began.Add(d)
	}
	for i := 0; ; i++ {
		// Twice by one, twice by the other: a server that has two answers by
		// turns is seen as well.
		connection := i / 2 % 2
		l, err := w.getOn(ctx, op, connection)
		if err != nil {
			return out, err
		}
		out = append(out, sighting{l, connection})
		if l.done && end.IsZero() {
			end = l.received.Add(d)
			began = l.received
		}
		now := time.Now()
		if !end.IsZero() {
			after++
		}
		// However slow the target, both connections have looked after the end.
		if !end.IsZero() && now.After(end) && after > 4 || end.IsZero() && now.After(deadline) {
			return out, nil
		}
		pause := min(max(time.Millisecond, now.Sub(began)/20), longestPoll)
		if !sleep(ctx, pause) {
			return out, stopped(ctx)
		}
	}
}

func (w *world) sightings() []sighting {
	l, _ := w.facts["looks"].([]sighting)
	return l
}

// thenContinuous judges that the operation was found by every look from the
// accepted cancel on. Only a gap that closes again belongs here.
func thenContinuous(ctx context.Context) error {
	w := of(ctx)
	var gap *sighting
	found := 0
	for _, s := range w.sightings() {
		switch {
		case s.found && !s.garbled:
			found++
			if gap != nil {
				return w.fail(gap.call, "the operation, at every look", "the operation was not found for a while after its accepted cancel, and then again")
			}
		case notFound(s.Exchange) && gap == nil:
			gap = &s
		}
	}
	switch {
	case gap != nil:
		return inconclusive("Get answered NOT_FOUND after the accepted cancel (see cancel.state.not-deleted)")
	case found < len(w.sightings()):
		return inconclusive("Get did not return the operation at every look (see cancel.state.get-ok)")
	}
	return nil
}

// thenReadYourCancel judges that the end, once seen, is seen by every later
// look, over either connection.
func thenReadYourCancel(ctx context.Context) error {
	w := of(ctx)
	var end *sighting
	after := [2]int{}
	for _, s := range w.sightings() {
		switch {
		case end == nil && s.done:
			end = &s
		case end == nil:
		case s.found && !s.garbled && !s.done:
			return w.failAt(s.snapshot, "still "+end.state(), "a look does not see the end of the operation that an earlier one saw (connections %d and %d)", end.connection+1, s.connection+1)
		case notFound(s.Exchange):
			if err := w.lost(ctx, s); err != nil {
				return err
			}
		default:
			after[s.connection]++
		}
	}
	switch {
	case end == nil:
		return inconclusive("the operation was not done within settle (%v) after its accepted cancel", w.settleFor())
	case after[0] == 0 || after[1] == 0:
		return inconclusive("the end was seen over one connection only")
	}
	return nil
}

// lost judges a look that does not find a done operation which the other
// connection still finds.
func (w *world) lost(ctx context.Context, s sighting) error {
	l, err := w.getOn(ctx, w.it, 1-s.connection)
	if err != nil {
		return err
	}
	if !l.found {
		return inconclusive("Get answered NOT_FOUND after the end (see cancel.state.not-deleted)")
	}
	return w.fail(s.call, "the done operation", "a look does not find the done operation that another one sees (connection %d)", s.connection+1)
}

// promptSteps are about cancels of operations that take their time.
func promptSteps() []definition {
	return []definition{
		step(`the client cancels it and takes the time`, whenTimesCancel),
		step(`the client cancels it without a body and takes the time`, whenTimesBodiless),
		step(`the client cancels it twice and takes the time of the second`, whenTimesSecond),
		step(`the cancel returns before the operation has stopped`, thenPrompt),
		step(`the cancel is accepted like that of a running one`, thenAcceptedAlike),
		step(`it ends as one that was running`, thenEndsAlike),
		step(`what the answer tells is recorded`, thenTold),
	}
}

// A timing is how long a cancel took, and its operation to stop.
type timing struct {
	call
	stopped time.Duration // from sending the cancel to done; 0: not within settle
	control time.Duration // the longest Get of another operation meanwhile
}

// Bounds of judging, "Time": what a prompt cancel never takes, and what a slow
// operation at least needs. slowGet is a Get too slow to judge by.
const (
	promptly = time.Second
	slowStop = 2 * time.Second
	slowGet  = promptly / 2
)

// tardy tells whether the cancel seems to have waited for the operation.
func (t timing) tardy() bool {
	return t.Elapsed >= promptly && t.stopped >= slowStop && t.Elapsed >= t.stopped/2 && t.control < slowGet
}

// whenTimesCancel cancels a slow operation and takes the time.
func whenTimesCancel(ctx context.Context) error {
	w := of(ctx)
	return w.timeCancels(ctx, func(op *operation) call { return w.cancel(ctx, op) })
}

// whenTimesBodiless does so by a cancel that sends nothing.
func whenTimesBodiless(ctx context.Context) error {
	w := of(ctx)
	return w.timeCancels(ctx, func(op *operation) call {
		c, _ := w.cancelInForm(ctx, op, bare) // which every operation can be sent
		return c
	})
}

// whenTimesSecond takes the time of a cancel that follows upon another. That it is
// refused, as it may be, is quick enough.
func whenTimesSecond(ctx context.Context) error {
	w := of(ctx)
	w.facts["second"] = true
	refused := false
	err := w.timeCancels(ctx, func(op *operation) call {
		if first := w.cancel(ctx, op); !first.Accepted() {
			return first
		}
		c := w.cancel(ctx, op)
		refused = c.err == nil && !c.Accepted() && !transient(c.Exchange)
		return c
	})
	if err == nil && refused {
		return inapplicable("a repeated cancel is refused")
	}
	return err
}

// timeCancels cancels a slow operation and takes the time, again on a fresh one
// where the cancel seems to wait for the end.
func (w *world) timeCancels(ctx context.Context, cancel func(*operation) call) error {
	if err := w.needCancel(); err != nil {
		return err
	}
	other, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	var all []timing
	for op := w.it; ; {
		var t timing
		last, _, err := w.afresh(ctx, op, func(op *operation) (_ call, err error) {
			t, err = w.timeCancel(ctx, op, other, cancel)
			return t.call, err
		})
		if err != nil {
			return err
		}
		all = append(all, t)
		w.facts["timings"] = all
		if !t.tardy() || len(all) == 2 {
			return nil
		}
		if op, err = w.startInProgress(ctx, last.role); err != nil {
			return err
		}
	}
}

// timeCancel cancels an operation while it is looked at, and another one as
// the control.
func (w *world) timeCancel(ctx context.Context, op, other *operation, cancel func(*operation) call) (timing, error) {
	var t timing
	returned := make(chan struct{})
	sent := time.Now()
	go func() {
		defer close(returned)
		t.call = cancel(op)
	}()
	var control, stopped time.Duration
	pause := max(w.observeFor()/8, 10*time.Millisecond)
	_, err := w.poll(ctx, op, w.settleFor(), func(l look) (bool, error) {
		if l.done {
			stopped = time.Since(sent)
			return true, nil
		}
		select {
		case <-returned:
			if t.err == nil && transient(t.Exchange) { // which says nothing of the time
				return true, nil
			}
		default:
		}
		c, err := w.get(ctx, other)
		control = max(control, c.Elapsed)
		sleep(ctx, pause)
		return false, err
	})
	<-returned
	t.stopped, t.control = stopped, control
	return t, err
}

func thenPrompt(ctx context.Context) error {
	w := of(ctx)
	all, _ := w.facts["timings"].([]timing)
	last := all[len(all)-1]
	silent := last.err != nil && last.err.Kind == targets.TimedOut
	switch {
	case last.err != nil && !silent:
		return inconclusive("the cancel brought no answer: %v", last.err)
	case !silent && transient(last.Exchange):
		return inconclusive("the cancel answered %s", last.Status())
	case !silent && !last.Accepted():
		return w.refused(last.call)
	case last.control >= slowGet:
		return inconclusive("Get of another operation took %v meanwhile: the target is too slow to judge by", last.control.Round(time.Millisecond))
	case len(all) == 2 && last.tardy() && silent && w.facts["second"] != nil && w.repeatHangs(ctx):
		return inconclusive("a repeated cancel of a running operation brings no answer either (see cancel.repeat.accepted)")
	case len(all) == 2 && last.tardy():
		return w.accuse(w.plan.requirement.ID, last.index, "an answer long before the operation has stopped",
			fmt.Sprintf("%v for the answer, %v until it was done", last.Elapsed.Round(time.Millisecond), last.stopped.Round(time.Millisecond)),
			"the cancel waits for the operation to stop")
	case silent:
		return inconclusive("the cancel brought no answer: %v", last.err)
	case last.stopped > 0 && last.stopped < slowStop:
		return inconclusive("slow stops too soon: %v after its cancel was sent; it needs 2 s or more", last.stopped.Round(time.Millisecond))
	}
	return nil
}

// repeatHangs tells whether the second cancel of a running operation brings no
// answer.
func (w *world) repeatHangs(ctx context.Context) bool {
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return false
	}
	if op, _, err = w.cancelOnce(ctx, op); err != nil {
		return false
	}
	op.over.Store(true)
	c := w.cancel(ctx, op)
	return c.err != nil && c.err.Kind == targets.TimedOut
}

// thenTold records which of the legal readings was seen.
func thenTold(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	switch {
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v", c.err)
	case w.plan.requirement.ID == "cancel.unimplemented.per-resource":
		if isUnimplemented := unimplemented(c.Exchange); isUnimplemented && !w.unsupported() {
			w.observe(w.plan.requirement.ID, fmt.Sprintf("a %s operation answers UNIMPLEMENTED, others do not", w.it.role))
		}
	case c.Accepted() && (!w.rest() || len(object(c.Doc)) == 0):
		w.observe(w.plan.requirement.ID, "success tells nothing of the outcome")
	case c.Accepted():
		w.observe(w.plan.requirement.ID, "success carries "+clip(targets.Canonical(c.Doc)))
	}
	return nil
}
