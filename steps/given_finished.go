package steps

import (
	"cmp"
	"context"
	"time"

	"github.com/lro-tools/conform/targets"
)

// givenFinished brings about an operation that has ended, and has seen it so,
// where it says so for the observation window.
func givenFinished(ctx context.Context, how, ago string) error {
	w := of(ctx)
	op, err := w.finished(ctx, how)
	if w.it = op; err != nil || ago == "" {
		return err
	}
	return w.lookOn(ctx, op, w.observeFor())
}

// givenFinishedWaited brings about an operation that a Wait was pending for when it
// ended, and another was made for then. So are the others that it is compared with.
func givenFinishedWaited(ctx context.Context, how string) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	w.facts["waited for"] = true
	op, err := w.finished(ctx, how)
	w.it = op
	return err
}

// givenCancelled brings about a cancelled operation of a role.
func givenCancelled(ctx context.Context, role string) error {
	w := of(ctx)
	return w.bringAbout(ctx, targets.Role(role), w.cancelled)
}

// givenCancelledWaited cancels an operation while Waits for it are pending.
func givenCancelledWaited(ctx context.Context) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	if err := w.needCancel(); err != nil {
		return err
	}
	if err := givenInProgress(ctx, string(targets.Running)); err != nil {
		return err
	}
	r, err := w.cancelWhileWaiting(ctx, w.it)
	w.it = cmp.Or(r.op, w.it)
	return err
}

// finished starts an operation and follows it to its end.
func (w *world) finished(ctx context.Context, how string) (*operation, error) {
	if how == "been cancelled" {
		return w.cancelled(ctx, targets.Running)
	}
	role := targets.Succeeding
	if how == "failed" {
		role = targets.Failing
	}
	op, err := w.start(ctx, role, "")
	if err != nil {
		return nil, err
	}
	if w.facts["waited for"] != nil {
		w.waitToTheEnd(ctx, op)
	}
	l, err := w.untilDone(ctx, op)
	if err != nil {
		return op, err
	}
	switch {
	case role == targets.Succeeding && (!l.hasResponse || l.hasError):
		return op, inconclusive("succeeding does not behave as declared: the operation ended with %s, not with a response", l.result())
	case role == targets.Failing && (!l.hasError || l.hasResponse || l.code == 1):
		return op, inconclusive("failing does not behave as declared: the operation ended with %s, not with an error other than CANCELLED", l.result())
	}
	op.ended = true
	return op, nil
}

// waitToTheEnd has a Wait pending for an operation until it ends by itself, and one more
// for what has ended. What the Waits are answered is judged elsewhere.
func (w *world) waitToTheEnd(ctx context.Context, op *operation) {
	w.seat.rest()
	defer w.seat.rise(ctx)
	short, giveUp := context.WithTimeout(ctx, w.settleFor())
	defer giveUp()
	w.keepWaiting(short, op)
	w.call(short, targets.Wait, waitRequest(op.name, probeWait), "")
}

// untilDone follows an operation that ends by itself.
func (w *world) untilDone(ctx context.Context, op *operation) (look, error) {
	var last look
	late, err := w.poll(ctx, op, w.settleFor(), func(l look) (bool, error) {
		last = l
		if notFound(l.Exchange) && time.Since(op.begun) < w.visibleFor() {
			return false, nil
		}
		if !l.found || l.garbled {
			return false, inconclusive("Get of an operation that was started answered %s", l.Status())
		}
		return l.done, nil
	})
	if err != nil {
		return last, err
	}
	if late {
		return last, inconclusive("%s never ends: the operation was still in progress %v after its start", op.role, time.Since(op.begun).Round(10*time.Millisecond))
	}
	return last, nil
}

// cancelled brings about a cancelled operation of a role.
func (w *world) cancelled(ctx context.Context, role targets.Role) (*operation, error) {
	if err := w.needCancel(); err != nil {
		return nil, err
	}
	op, err := w.cancelFresh(ctx, role)
	if err != nil {
		return op, err
	}
	_, err = w.becomesCancelled(ctx, op)
	op.ended = err == nil
	return op, err
}

// givenAboutTo starts an operation that will end by itself. Whoever only follows
// it need not have seen it in progress: on a busy machine it may be done by now.
func givenAboutTo(ctx context.Context, how string) error {
	w := of(ctx)
	role := targets.Succeeding
	if how == "fail" {
		role = targets.Failing
	}
	op, err := w.start(ctx, role, "")
	if err != nil {
		return err
	}
	w.it = op
	_, err = w.mustFind(ctx, op)
	return err
}
