package steps

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// cancel sends the plain cancel once: over REST POST with the body {}.
func (w *world) cancel(ctx context.Context, op *operation) call {
	op.attempt()
	c := w.call(ctx, targets.Cancel, cancelRequest(op.name), "")
	w.answeredCancel(op, c)
	return c
}

func (op *operation) attempt() {
	op.looking.Lock()
	defer op.looking.Unlock()
	op.cancels++
	if op.attempted.IsZero() {
		op.attempted = time.Now()
	}
}

// asked tells how many cancels of the operation were sent.
func (op *operation) asked() int {
	op.looking.Lock()
	defer op.looking.Unlock()
	return op.cancels
}

// cancelAsOften cancels an operation until it was asked to stop so often, or does not
// answer. The last answer is returned.
func (w *world) cancelAsOften(ctx context.Context, op *operation, times int) call {
	for {
		if c := w.cancel(ctx, op); c.err != nil || op.asked() >= times {
			return c
		}
	}
}

// acceptedBy takes note of the first cancel that was accepted.
func (op *operation) acceptedBy(c call) {
	op.looking.Lock()
	defer op.looking.Unlock()
	if c.Accepted() && op.accepted.IsZero() {
		op.accepted = c.End()
	}
}

// acceptedAt is when the first accepted cancel was answered; zero before.
func (op *operation) acceptedAt() time.Time {
	op.looking.Lock()
	defer op.looking.Unlock()
	return op.accepted
}

// answeredCancel takes note of the answer to a cancel of an operation, in
// whatever form it was sent.
func (w *world) answeredCancel(op *operation, c call) {
	op.acceptedBy(c)
	w.checkErrorAbout(op, c)
	w.lookAtSuccess(c)
}

// cancelFresh starts an operation of a role and cancels it as cancelOnce does; the one
// that was cancelled is returned.
func (w *world) cancelFresh(ctx context.Context, role targets.Role) (*operation, error) {
	op, err := w.startInProgress(ctx, role)
	if err != nil {
		return op, err
	}
	op, _, err = w.cancelOnce(ctx, op)
	return op, err
}

// cancelOnce cancels an operation for a scenario that needs the cancel to be
// accepted but does not judge that. A transient refusal is repeated on a fresh
// operation, never on the same one; the operation cancelled is returned.
func (w *world) cancelOnce(ctx context.Context, op *operation) (*operation, call, error) {
	for try := 1; ; try++ {
		c := w.cancel(ctx, op)
		if c.err != nil {
			if ctx.Err() != nil {
				return op, c, stopped(ctx)
			}
			return op, c, inconclusive("the cancel brought no answer: %v", c.err)
		}
		if c.Accepted() {
			return op, c, nil
		}
		if !transient(c.Exchange) {
			if unimplemented(c.Exchange) && w.inProgress(ctx, op) == nil {
				w.tellRefused(op, c)
			}
			return op, c, w.refusedOf(op, c)
		}
		if try == transientTries {
			return op, c, inconclusive("cancel answered %s, %d times", c.Status(), try)
		}
		fresh, err := w.startInProgress(ctx, op.role)
		if err != nil {
			return op, c, err
		}
		op = fresh
	}
}

// refused rules on a scenario whose cancel was refused.
func (w *world) refused(c call) error {
	if w.unsupported() {
		return inapplicable("the server does not support cancel")
	}
	const reason = "the cancel was refused with %s (see cancel.accept.in-progress)"
	if isCode(c.Exchange, codes.FailedPrecondition) { // what other cases sent may have ended the operation
		return disturbed(reason, c.Status())
	}
	return inconclusive(reason, c.Status())
}

// unsupported tells whether the server was found, or is declared, to offer no
// cancel on the case's transport.
func (w *world) unsupported() bool { return w.run.support[w.plan.transport].level == unsupportedCancel }

// refusalOwner is the requirement that owns how the plain cancel of an operation in
// progress is refused, or is not.
func (w *world) refusalOwner() string {
	switch {
	case !w.unsupported():
		return "cancel.accept.in-progress"
	case w.rest():
		return "cancel.unimplemented.http-501"
	}
	return "cancel.unimplemented.grpc-12"
}

// needCancel rules a case out on a server without cancel, or on one that answers
// none: each would take the whole of timeouts.request.
func (w *world) needCancel() error {
	if w.unsupported() {
		return inapplicable("the server does not support cancel")
	}
	return w.needAnswers()
}

// needAnswers rules a case out on a server that answers no cancel.
func (w *world) needAnswers() error {
	if w.run.health[w.plan.transport].cancelsHang() {
		return inconclusive("no cancel was answered: all have timed out")
	}
	return nil
}
