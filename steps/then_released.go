package steps

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"github.com/lro-tools/conform/targets"
)

// whenCancelsThenWaits cancels an operation and waits for it then: it becomes
// cancelled when it has stopped, and the Waits are pending by then.
func whenCancelsThenWaits(ctx context.Context) error {
	of(ctx).facts["stopping"] = true
	return whenCancelsWaiting(ctx)
}

func whenCancelsWaiting(ctx context.Context) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	if err := w.needCancel(); err != nil {
		return err
	}
	r, err := w.cancelWhileWaiting(ctx, w.it)
	w.it = cmp.Or(r.op, w.it)
	w.facts["release"] = r
	if r.hung.err != nil && w.plan.requirement.ID == "wait.released-on-cancel" {
		return nil
	}
	return err
}

// cancelHangs judges a cancel that brings no answer while Waits are pending.
func (w *world) cancelHangs(ctx context.Context, first call) error {
	err := w.silent(ctx, first, func() (call, error) {
		r, err := w.freshWhileWaiting(ctx)
		if r.hung.err != nil {
			return r.hung, nil
		}
		return r.last.call, err
	}, w.plainCancel(ctx, w.it.role))
	if err != nil {
		return err
	}
	return w.fail(first, "an answer, which also ends the Wait", "a cancel brings no answer while a Wait is pending, again on fresh operations, while others are answered")
}

// thenReleased judges that the cancellation ends a pending Wait.
func thenReleased(ctx context.Context) error {
	w := of(ctx)
	r, _ := w.facts["release"].(release)
	const want = "soon after the end is visible, the cancelled operation"
	if r.hung.err != nil {
		return w.cancelHangs(ctx, r.hung)
	}
	if r.many != nil {
		return w.releasedMany(ctx, r, want)
	}
	for o := new(overdue); ; {
		last := r.last
		switch {
		case last.another:
			return last.unlessAnother()
		case last.found && !last.garbled && last.done:
			return nil
		case r.early:
			return inconclusive("Wait answered %s too soon to tell of the cancellation", last.Status())
		case r.stale, last.found && !last.garbled:
			return inconclusive("Wait answered that the operation was in progress, or not at all, when it was done (see wait.done-immediate)")
		case last.err == nil && (transient(last.call.Exchange) || last.HTTP == http.StatusRequestTimeout):
			return inconclusive("Wait answered %s", last.Status()) // 408: a front end has ended it, which has a limit of its own
		case last.err == nil:
			if err := w.unlessGone(ctx, r.op, last.call); err != nil {
				return err
			}
			return w.fail(last.call, want, "a Wait that was pending when the operation was cancelled does not return it")
		case last.err.Kind != targets.Aborted:
			return inconclusive("Wait brought no answer: %v", last.err)
		}
		twice, err := o.add(w.prompt(ctx, r.op, r.control))
		if err != nil {
			return err
		}
		if twice {
			return w.accuse(w.plan.requirement.ID, last.call.index, want, fmt.Sprintf("nothing, %v after it", w.slack()),
				"a Wait stays pending when the operation has been cancelled, twice")
		}
		if r, err = w.freshWhileWaiting(ctx); err != nil {
			return err
		}
	}
}

// releasedMany judges a pending Wait that came to its end in several messages.
// Where a Wait for what has ended does so too, wait.done-immediate owns that.
func (w *world) releasedMany(ctx context.Context, r release, want string) error {
	control, err := w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.Wait, waitRequest(r.op.name, probeWait), "control: does a Wait for what has ended return one message?")
	})
	switch {
	case err != nil:
		return err
	case !control.Accepted() || manyMessages(control):
		return inconclusive("a Wait for what has ended does not return one message either (see wait.done-immediate)")
	}
	return w.failMany(*r.many, want, "a Wait that was pending when the operation was cancelled returns more than one message, which clients take for an error")
}
