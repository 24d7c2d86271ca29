package steps

import (
	"context"
	"time"

	"github.com/lro-tools/conform/targets"
)

// unaffected watches an operation that must not have been touched, for the
// observation window: it stays in progress and shows no request to cancel.
// how says what must not have touched it. An end with a result other than
// CANCELLED is the role's own.
func (w *world) unaffected(ctx context.Context, op *operation, how string) error {
	_, err := w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) {
		return false, w.judgeUnaffected(op, l, how)
	})
	return w.unlessIdleToo(ctx, op, err)
}

// unaffectedBy watches the scenario's operation as unaffected does. Where it was
// touched, or has ended otherwise, again does once more, to w.it, what must not touch
// it: another may have been the cause, such as a cancel of what ran before.
func (w *world) unaffectedBy(ctx context.Context, how string, again func() error) error {
	err := w.unaffected(ctx, w.it, how)
	switch {
	case err == nil || again == nil:
		return err
	case isViolation(err):
		return w.unlessOnce(ctx, err, how, again)
	case !w.it.lastDone():
		return err
	}
	return w.unlessEndsAnyway(ctx, err, how, again)
}

// onceMore is how many operations more must be touched by what has touched one: where
// cancels stray, chance may touch two.
const onceMore = 2

// unlessOnce keeps the finding that an operation was touched only where others are
// touched too, one after another.
func (w *world) unlessOnce(ctx context.Context, finding error, how string, again func() error) error {
	role := w.it.role
	if w.run.scarce(role) {
		return finding
	}
	last := finding
	for range onceMore {
		op, err := w.startInProgress(ctx, role)
		if err != nil {
			return finding
		}
		w.it = op
		if err := again(); err != nil {
			return finding
		}
		if last = w.unaffected(ctx, op, how); !isViolation(last) {
			return disturbed("one operation was touched, but not another to which the same was done: %v", finding)
		}
	}
	return last
}

// reaches is how often what may reach any operation is sent before it is said that
// it does not reach one: it may be another's turn, such as that of the oldest.
const reaches = 4

// unlessReachedOnce keeps a finding about a request that may reach any operation only
// where it reaches another too, which has gone on before it was sent.
func (w *world) unlessReachedOnce(ctx context.Context, finding error, send func() error) error {
	if w.run.scarce(targets.Running) {
		return finding
	}
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return finding
	}
	w.it = op
	for i := range reaches + 1 {
		if i > 0 {
			if err := send(); err != nil {
				return err
			}
		}
		touched, err := w.touched(ctx, op)
		switch {
		case err != nil:
			return err
		case touched && i > 0:
			return finding
		case touched:
			return disturbed("an operation of which nothing was asked is touched as well (see cancel.isolation.siblings): %v", finding)
		}
	}
	return disturbed("one operation was touched, but not another for which the same was sent: %v", finding)
}

// unlessIdleToo keeps the finding that an operation was touched only where one
// that is looked at as often, and listed at the same age, and of which nothing else is
// asked, is not: cancel.isolation.get-no-effect owns that. Other errors stay.
func (w *world) unlessIdleToo(ctx context.Context, op *operation, finding error) error {
	if !isViolation(finding) || w.plan.requirement.ID == getNoEffect || w.run.scarce(targets.Running) {
		return finding
	}
	idle, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return finding
	}
	if err := w.goesOnIdle(ctx, idle, min(op.seenFor(), w.oldAfter()), 2*len(op.snapshots)+abortedToo); err != nil {
		return disturbed("an operation that is only looked at, and listed, does not go on either (see %s): %v", getNoEffect, err)
	}
	return finding
}

// goesOnIdle lists an operation when it has that age, looks at it so often, and then
// for the observation window, as what comes of looks may come late: the error tells
// that it does not go on.
func (w *world) goesOnIdle(ctx context.Context, idle *operation, age time.Duration, looks int) error {
	judge := func(l look) (bool, error) { return false, w.judgeUnaffected(idle, l, "looks alone") }
	w.listWhole(ctx) // other cases may list at any time
	if _, err := w.poll(ctx, idle, age-time.Since(idle.begun), judge); err != nil {
		return err
	}
	w.listWhole(ctx)
	for range looks {
		l, err := w.get(ctx, idle)
		if err == nil {
			_, err = judge(l)
		}
		if err != nil {
			return err
		}
	}
	_, err := w.poll(ctx, idle, w.observeFor(), judge)
	return err
}

// seenFor is how old an operation was when it was last seen.
func (op *operation) seenFor() time.Duration {
	if n := len(op.snapshots); n > 0 {
		return op.snapshots[n-1].received.Sub(op.begun)
	}
	return 0
}

const (
	getNoEffect = "cancel.isolation.get-no-effect"
	// abortedToo are looks that stand for those of which no answer was awaited.
	abortedToo = 50
)

func (w *world) judgeUnaffected(op *operation, l look, how string) error {
	const want = "the operation goes on as if nothing had been sent"
	switch {
	case !l.found && notFound(l.Exchange) && op.lastDone(): // and was not kept
		return w.tooSoon(op)
	case !l.found && notFound(l.Exchange):
		return w.fail(l.call, want, "the operation is gone after %s", how)
	case !l.found || l.garbled:
		return inconclusive("Get answered %s", l.Status())
	case l.hasError && l.codeRead && l.code == 1:
		return w.failAt(l.snapshot, want, "the operation was cancelled by %s", how)
	case l.done:
		w.note("an operation ended with %s after %s: whether by itself is not known", l.result(), how)
		return w.tooSoon(op)
	}
	if set, present := requestedFlag(w.metadata(l.snapshot)); present && set {
		return w.failAt(l.snapshot, want, "the operation's metadata shows a request to cancel after %s", how)
	}
	if s := w.metadataState(l.snapshot); s == "CANCELLING" || s == "CANCELLED" {
		return w.failAt(l.snapshot, want, "the operation's metadata shows the state %s after %s", s, how)
	}
	return nil
}

// endsAnyway is how many more operations that were touched must end, each while
// others of their role go on, until the end is that of the touch.
const endsAnyway = 5

// unlessEndsAnyway decides about an operation that was touched and ended, with
// another result than CANCELLED. A role may have ends of its own: it is a finding
// where one after another ends that is touched, while those that were started
// before it, and are looked at once, go on. Where workers take operations by
// turns, each round begins with another of them.
func (w *world) unlessEndsAnyway(ctx context.Context, ruling error, how string, again func() error) error {
	role := w.it.role
	if w.run.scarce(role) {
		return ruling
	}
	for i := range endsAnyway {
		others := make([]*operation, 1+i%2)
		for j := range others {
			op, err := w.startInProgress(ctx, role)
			if err != nil {
				return err
			}
			others[j] = op
		}
		op, err := w.startInProgress(ctx, role)
		if err != nil {
			return err
		}
		w.it = op
		if err := again(); err != nil {
			return err
		}
		if err := w.unaffected(ctx, op, how); isViolation(err) {
			return err
		}
		if !op.lastDone() {
			return ruling
		}
		for _, other := range others {
			if err := w.inProgress(ctx, other); err != nil {
				return ruling
			}
		}
	}
	end, _ := w.it.end()
	return w.unlessIdleToo(ctx, w.it, w.failAt(end, "the operation goes on as if nothing had been sent",
		"the operation ended after %s, as %d others did one after another, while those that were left alone went on", how, endsAnyway))
}
