package steps

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func responseSteps() []definition {
	return []definition{
		step(`the cancel is accepted`, thenAccepted),
		step(`the success has the status 200`, thenStatus200),
		step(`the answer is an empty object`, thenEmptyObject),
		step(`the answer says that it is JSON`, thenContentType),
		step(`the same holds for every success of the whole run`, thenEverySuccess),
		step(`it becomes cancelled in time`, thenBecomesCancelled),
	}
}

// thenAccepted judges that the cancel of an operation in progress is accepted.
func thenAccepted(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if c.err != nil {
		if err := w.cancelIsSilent(ctx, c); err != nil {
			return err
		}
		return w.fail(c, acceptance, "the cancel of an operation in progress brings no answer, again on fresh operations, while other cancels are answered")
	}
	err := w.unlessFreshToo(ctx, w.mustAccept(ctx, w.it, c))
	if err == nil && w.it.unseen { // a look shows that there is such an operation at all
		_, err = w.mustFind(ctx, w.it)
	}
	if err == nil && w.plan.requirement.ID == "cancel.accept.in-progress" && w.it.role == targets.Running {
		err = w.moreCancels(ctx, w.cancel, w.mustAccept)
	}
	return err
}

// mustAccept judges the answer to the cancel of an operation in progress.
func (w *world) mustAccept(ctx context.Context, op *operation, c call) error {
	if c.Accepted() {
		return nil
	}
	l, err := w.get(ctx, op)
	if err != nil {
		return err
	}
	if l.done && !l.cancelled() {
		return w.tooSoon(op)
	}
	if end, ended := op.end(); ended && end.received.Before(c.Start) {
		return inconclusive("the operation was %s before it was cancelled", end.state())
	}
	if op.unseen && notFound(c.Exchange) {
		return inconclusive("the operation may not have been known everywhere yet: its cancel was answered %s", c.Status())
	}
	if w.run.support[w.plan.transport].unprobed && looksUnsupported(c.Exchange) {
		return inconclusive("the cancel is answered %s, and it could not be found out whether the server supports cancel at all (key cancel)", c.Status())
	}
	if l.found && !l.done {
		w.tellRefused(op, c)
	}
	if op.role == targets.Nested && isCode(c.Exchange, codes.Unimplemented, codes.FailedPrecondition) {
		return inapplicable("operations with names of several segments are not cancelled here: %s", c.Status())
	}
	if op.role == targets.Running {
		w.run.effects[w.plan.transport].tellLost()
	}
	return w.fail(c, acceptance, "the cancel of an operation in progress is refused")
}

// acceptance is what the cancel of an operation in progress must be answered.
const acceptance = "success: HTTP 200, gRPC OK"

// success is the answer to the scenario's cancel, which must have been accepted.
func (w *world) success() (call, error) {
	c := w.theCall()
	if c.err != nil {
		return c, inconclusive("the cancel brought no answer: %v (see cancel.accept.in-progress)", c.err)
	}
	form, formed := w.facts["form"]
	switch {
	case c.Accepted():
		return c, nil
	case w.unsupported():
	case formed:
		return c, inconclusive("the cancel by %s was refused with %s (see cancel.request)", form, c.Status())
	case w.it.lastDone():
		return c, inapplicable("the cancel of a finished operation is refused with %s, as it may be", c.Status())
	}
	return c, w.refusedOf(w.it, c)
}

// thenBecomesCancelled judges the effect of an accepted cancel. Only a target
// that guarantees it can fail.
func thenBecomesCancelled(ctx context.Context) error {
	w := of(ctx)
	c, s, err := w.settleIt(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.end == endedCancelled:
		w.observe(w.plan.requirement.ID, fmt.Sprintf("cancelled %v after the cancel was accepted", s.received.Sub(c.End()).Round(time.Millisecond)))
		if !w.run.target.Guaranteed || w.it.role != targets.Running {
			return nil
		}
		return w.moreCancels(ctx, w.cancel, func(ctx context.Context, op *operation, c call) error {
			if !c.Accepted() {
				return nil // cancel.accept.in-progress owns it
			}
			if s, err := w.settle(ctx, op); err == nil && s.end == endedNever {
				return w.noEffect(s)
			}
			return nil
		})
	case s.end == endedNever && w.run.target.Guaranteed:
		return w.unlessFreshToo(ctx, w.noEffect(s))
	}
	return inconclusive("%s", w.ineffective(w.it, s))
}

// further is how many operations more are cancelled, side by side, to find a
// server that refuses or loses one cancel in several.
const further = 8

// moreCancels has send cancel more running operations, and returns what judge
// finds. That one cannot be started, or brings no answer, is no matter here.
func (w *world) moreCancels(ctx context.Context, send func(context.Context, *operation) call, judge func(ctx context.Context, op *operation, c call) error) error {
	if w.run.scarce(targets.Running) || w.facts["single"] == true { // those would be like any others
		return nil
	}
	err := together(further, func(int) error {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return nil
		}
		c := send(ctx, op)
		op.over.Store(c.Accepted())
		if c.err != nil || transient(c.Exchange) {
			return nil
		}
		return judge(ctx, op, c)
	})
	if isViolation(err) {
		return err
	}
	return nil
}

// noEffect is the finding that an accepted cancel had no effect.
func (w *world) noEffect(s settled) error {
	w.run.effects[w.plan.transport].tellLost()
	return w.accuse(w.plan.requirement.ID, s.look.index, fmt.Sprintf("done with error code 1 within settle (%v)", w.settleFor()), s.state(),
		"an accepted cancel had no effect, although the target guarantees it")
}

// isCode tells whether a call was answered with one of the codes.
func isCode(ex targets.Exchange, list ...codes.Code) bool {
	for _, c := range list {
		if ex.Code == c && (ex.Transport == targets.REST || ex.GRPC != nil && ex.GRPC.HasStatus) {
			return true
		}
	}
	return false
}
