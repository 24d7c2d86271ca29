package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/lro-tools/conform/targets"
)

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

// Bounds of judging, "Time": what a prompt cancel never takes, and what a slow
// operation at least needs. slowGet is a Get too slow to judge by.
const (
	promptly = time.Second
	slowStop = 2 * time.Second
	slowGet  = promptly / 2
)

// A timing is how long a cancel took, and its operation to stop.
type timing struct {
	call
	stopped time.Duration // from sending the cancel to done; 0: not within settle
	control time.Duration // the longest Get of another operation meanwhile
}

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
		return w.refusedOf(w.it, last.call)
	case last.control >= slowGet:
		return inconclusive("Get of another operation took %v meanwhile: the target is too slow to judge by", last.control.Round(time.Millisecond))
	case len(all) == 2 && last.tardy():
		answer := "the answer"
		if silent {
			if err := w.silentToo(ctx, last.call); err != nil {
				return err
			}
			answer = "no answer"
		}
		return w.accuse(w.plan.requirement.ID, last.index, "an answer long before the operation has stopped",
			fmt.Sprintf("%v for %s, %v until it was done", last.Elapsed.Round(time.Millisecond), answer, last.stopped.Round(time.Millisecond)),
			"the cancel waits for the operation to stop")
	case silent:
		return inconclusive("the cancel brought no answer: %v", last.err)
	case last.stopped > 0 && last.stopped < slowStop:
		return inconclusive("slow stops too soon: %v after its cancel was sent; it needs 2 s or more", last.stopped.Round(time.Millisecond))
	}
	return nil
}

// silentToo is the control of a cancel that brought no answer: whether it waits for the
// operation to stop, or is never answered.
func (w *world) silentToo(ctx context.Context, c call) error {
	if w.facts["second"] != nil {
		waits, err := w.repeatWaits(ctx)
		if err == nil && !waits {
			err = inconclusive("such a cancel brings no answer when the operation stops either: %v (see cancel.repeat.accepted)", c.err)
		}
		return err
	}
	control, err := w.controlCancel(ctx, targets.Running)
	if err == nil && w.unanswered(control) {
		err = inconclusive("such a cancel of a running operation brings no answer either: %v", c.err)
	}
	return err
}

// repeatWaits tells whether the second cancel of a slow operation, which the time of a
// call is too short for, is answered when the operation stops: it is sent so late that
// there is time enough.
func (w *world) repeatWaits(ctx context.Context) (bool, error) {
	op, err := w.startInProgress(ctx, targets.Slow)
	if err != nil {
		return false, err
	}
	op, s, err := w.cancelAndSettle(ctx, op)
	if err != nil {
		return false, err
	}
	if s.end != endedCancelled && s.end != endedOtherwise {
		return false, inconclusive("%s", w.ineffective(op, s))
	}
	takes := s.received.Sub(op.acceptedAt())
	if op, err = w.cancelFresh(ctx, targets.Slow); err != nil {
		return false, err
	}
	op.over.Store(true)
	left := min(w.requestFor(), takes) / 2
	if !sleep(ctx, time.Until(op.acceptedAt().Add(takes-left))) {
		return false, stopped(ctx)
	}
	if err := w.inProgress(ctx, op); err != nil {
		return false, err
	}
	c := w.cancel(ctx, op)
	if !w.unanswered(c) && c.Elapsed < left/2 {
		return false, inconclusive("a second cancel that comes later is answered soon, after %v", c.Elapsed.Round(time.Millisecond))
	}
	return !w.unanswered(c), nil
}

// thenTold records which of the legal readings was seen.
func thenTold(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	switch {
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v", c.err)
	case w.plan.requirement.ID == perKind:
		if unimplemented(c.Exchange) && !w.unsupported() {
			w.tellPerKind(w.it.role)
		}
	case c.Accepted() && (!w.rest() || len(object(c.Doc)) == 0):
		w.observe(w.plan.requirement.ID, "success tells nothing of the outcome")
	case c.Accepted():
		w.observe(w.plan.requirement.ID, "success carries "+clip(targets.Canonical(c.Doc)))
	}
	return nil
}
