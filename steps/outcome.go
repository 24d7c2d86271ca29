package steps

import (
	"context"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

// repeatOutcome is the requirement about cancels that follow one upon the other.
const repeatOutcome = "cancel.repeat.single-outcome"

// repeatPause is the pause between cancels that are to be no burst: all
// together they take some hundred milliseconds.
const repeatPause = 20 * time.Millisecond

// thenOneResult judges that an operation that was cancelled more than once has
// one terminal result, as after one cancel, and keeps it. What less than that
// does as well is the business of other requirements.
func thenOneResult(ctx context.Context) error {
	w := of(ctx)
	if err := w.codesOfMany(ctx); err != nil {
		return w.unlessLess(ctx, err)
	}
	ops := []*operation{w.it}
	for _, r := range w.repetitions() {
		if r.op != w.it && r.op != ops[len(ops)-1] {
			ops = append(ops, r.op)
		}
	}
	return w.unlessLess(ctx, together(len(ops), func(i int) error { return w.oneResult(ctx, ops[i]) }))
}

// unlessLess keeps a finding only where what is less than the scenario's
// cancels does no such harm. Other errors stay.
func (w *world) unlessLess(ctx context.Context, finding error) error {
	switch w.plan.requirement.ID {
	case repeatOutcome:
		return finding
	case "cancel.deadline.safe":
		// The cancel that was given up may be under way when it is sent again.
		finding = w.unlessAtOnceToo(ctx, finding)
	}
	return w.unlessRepeatsToo(ctx, finding)
}

// codesOfMany judges the codes where they are no requirement of their own: of
// cancels at once, and after a cancel that was given up.
func (w *world) codesOfMany(ctx context.Context) error {
	id := w.plan.requirement.ID
	if id == repeatOutcome {
		return nil
	}
	var errs []error
	for _, r := range w.repetitions() {
		switch {
		case r.err == nil && serverFault(r.Exchange) && id == "cancel.concurrent.single-outcome":
			// cancel.concurrent.no-server-error owns it.
		case r.err == nil:
			errs = append(errs, w.unlessFinishedSo(ctx, r, w.legal(r)))
		case id == "cancel.deadline.safe":
			return w.retrySilence(ctx, r)
		case r.err.Kind == targets.TimedOut:
			if err := w.burstSilence(ctx, r, targets.TimedOut); err != nil {
				return err
			}
			return w.fail(r.call, "an answer", "one of %d cancels at once brings no answer, again on fresh operations, while single cancels are answered", parallel)
		default:
			errs = append(errs, inconclusive("a cancel brought no answer: %v", r.err))
		}
	}
	return gravest(errs)
}

// retrySilence judges a cancel that brings no answer once another was given up.
func (w *world) retrySilence(ctx context.Context, r repetition) error {
	tries := givenUp()
	next := 0
	err := w.silent(ctx, r.call, func() (call, error) {
		// Which moment the server does not bear is not known: all are tried.
		var last call
		for range tries {
			op, err := w.startInProgress(ctx, w.it.role)
			if err != nil {
				return call{}, err
			}
			again, err := w.giveUp(ctx, op, tries[next%len(tries)])
			next++
			if err != nil || again.err != nil {
				return again.call, err
			}
			last = again.call
		}
		return last, nil
	}, w.plainCancel(ctx, targets.Running))
	if err != nil {
		return err
	}
	return w.fail(r.call, "an answer", "a cancel brings no answer after one that was given up, again on fresh operations, while others are answered")
}

// oneResult follows one operation to its end and watches it there.
func (w *world) oneResult(ctx context.Context, op *operation) error {
	s, err := w.settle(ctx, op)
	if err == nil && s.end == endedSilent {
		err = inconclusive("%s", w.ineffective(op, s))
	}
	if err != nil {
		return w.unlessOneDoes(ctx, op.role, w.unreadable(ctx, op, err))
	}
	if s.end == endedCancelled || s.end == endedOtherwise && !w.run.target.Guaranteed {
		err := w.staysAs(ctx, op, s.snapshot)
		if !isViolation(err) {
			err = gravest([]error{w.judgeHistory(op, w.describe()), err})
		}
		return w.unlessOneDoes(ctx, op.role, w.unlessForgotten(ctx, op, err))
	}
	if err := w.judgeHistory(op, w.describe()); err != nil {
		return w.unlessOneDoes(ctx, op.role, err)
	}
	if op.acceptedAt().IsZero() && slices.ContainsFunc(w.repetitions(), func(r repetition) bool { return r.op == op && r.err == nil && transient(r.Exchange) }) {
		return inconclusive("no cancel of the operation was accepted: the answers were transient")
	}
	finding := w.failAt(s.snapshot, "done with error code 1, as after one cancel", "the operation does not end after %s as after one", w.describe())
	broken := s.end == endedWrongly || s.end == endedVanished || w.run.target.Guaranteed && (s.end == endedNever || s.end == endedOtherwise)
	if !broken {
		if op.acceptedAt().IsZero() {
			return inconclusive("no cancel of the operation was accepted (see cancel.accept.in-progress)")
		}
		return inconclusive("%s", w.ineffective(op, s))
	}
	if s.end == endedOtherwise {
		finding = w.unlessEndsByItself(ctx, op, s.snapshot, finding)
	}
	return w.unlessOneDoes(ctx, op.role, w.unlessForgotten(ctx, op, finding))
}

// unreadable rules on an operation whose Get brings no answer after many
// cancels: it is a finding where the Get of others is answered.
func (w *world) unreadable(ctx context.Context, op *operation, ruling error) error {
	if ctx.Err() != nil || isViolation(ruling) {
		return ruling
	}
	get := func(op *operation) call { return w.call(ctx, targets.Get, getRequest(op.name), "is it answered?") }
	first := get(op)
	if first.err == nil {
		return ruling
	}
	other, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	for range 2 {
		if c := get(other); c.err != nil {
			return ruling
		}
		if c := get(op); c.err == nil {
			return ruling
		}
	}
	return w.fail(first, "Get is answered", "Get of the operation brings no answer after %s, while others are answered", w.describe())
}

// staysAs watches that a done operation keeps its result, and is kept, over
// several connections.
func (w *world) staysAs(ctx context.Context, op *operation, end snapshot) error {
	var gone *look
	looks, err := w.lookByTurns(ctx, op, w.observeFor(), time.Time{})
	for _, l := range looks {
		switch {
		case !l.found && notFound(l.Exchange):
			gone = &l.look
		case !l.found || l.garbled:
			return inconclusive("Get answered %s", l.Status())
		case !l.done || !sameResult(end, l.snapshot):
			return w.failAt(l.snapshot, "still "+end.state(), "the operation does not keep its result after %s", w.describe())
		case gone != nil:
			return inconclusive("Get answered %s for a while (see get.after-cancel.continuous)", gone.Status())
		}
	}
	if err == nil && gone != nil {
		err = w.unlessExpired(op, end, *gone)
	}
	if err == nil && gone != nil {
		err = w.fail(gone.call, "still "+end.state(), "the done operation is gone after %s", w.describe())
	}
	return err
}

// judgeHistory judges all that was seen of one operation, by however many
// clients: each look obeys the resource's rules, a done operation stays done,
// and there is one result (semantics, history oracle 1 to 3).
func (w *world) judgeHistory(op *operation, how string) error {
	op.looking.Lock()
	defer op.looking.Unlock()
	var end *snapshot
	for i, s := range op.snapshots {
		switch {
		case !s.done && (s.hasError || s.hasResponse):
			return w.failAt(s, "neither error nor response while done is false", "the operation has a result before it is done, after %s", how)
		case s.done && s.hasError && s.hasResponse:
			return w.failAt(s, "one of error and response", "the operation has both results, after %s", how)
		case s.done && end == nil:
			end = &op.snapshots[i]
		case s.done && !sameResult(*end, s):
			return w.failAt(s, "one result: "+end.result(), "the operation has shown two results, after %s", how)
		}
	}
	return w.judgeOrder(op, how)
}

// judgeOrder judges that done was never taken back. Two looks are ordered only
// if one was answered before the other was asked for.
func (w *world) judgeOrder(op *operation, how string) error {
	var first *snapshot // the done look that was answered first
	for i, s := range op.snapshots {
		if s.done && (first == nil || s.received.Before(first.received)) {
			first = &op.snapshots[i]
		}
	}
	for _, s := range op.snapshots {
		if first != nil && !s.done && first.received.Before(s.sent) {
			return w.failAt(s, "still "+first.state(), "the operation was done and is no longer, after %s", how)
		}
	}
	return nil
}
