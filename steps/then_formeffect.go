package steps

import (
	"context"

	"github.com/lro-tools/conform/targets"
)

// formEffective judges that a form that was accepted takes effect, where the
// effect is guaranteed and the plain cancel has it.
func (w *world) formEffective(ctx context.Context, c call) error {
	if errorAsSuccess(c.Exchange) {
		if err := w.unlessErrorsSucceed(ctx, c); err != nil {
			return err
		}
		return w.fail(c, "an error status, or the effect of a cancel", "a cancel by %s is refused with the status of success", w.facts["form"])
	}
	op := w.it
	s, err := w.settle(ctx, op)
	switch {
	case err != nil || s.end == endedCancelled:
		return err
	case !w.missesEffect(s):
		return inconclusive("%s", w.ineffective(op, s))
	}
	what := "has no effect"
	if s.end != endedNever {
		what = "has not the effect of a cancel"
	}
	finding := w.failAt(s.snapshot, "done with error code 1, as after the plain cancel", "a cancel by %s is accepted and %s, while the plain cancel has", w.facts["form"], what)
	tries := 1 // it may be any cancel that is lost now and then
	switch {
	case s.end != endedNever:
		tries = confirmations // no end is awaited for long
	case w.requested(s.snapshot):
		tries++ // or got stuck on its way, whatever its form
	}
	for range tries {
		op, c, err := w.repeatForm(ctx)
		if err != nil {
			return err
		}
		again, err := w.settle(ctx, op)
		switch {
		case err != nil:
			return err
		case !c.Accepted() || !w.missesEffect(again):
			return inconclusive("without that effect once, but not again: %v", finding)
		}
	}
	if s.end != endedNever {
		finding = w.unlessEndsSoToo(ctx, op, s, finding)
	}
	if role := w.controlRole(); role != targets.Running && isViolation(finding) {
		if err := w.oneDoes(ctx, role); err != nil {
			return err
		}
	}
	return w.unlessOneDoes(ctx, targets.Running, finding)
}

// missesEffect tells whether an operation whose cancel was accepted has not become
// the cancelled one that it is guaranteed to become: it goes on, or has ended with
// another result than error code 1.
func (w *world) missesEffect(s settled) bool {
	return w.run.target.Guaranteed && (s.end == endedNever || s.end == endedOtherwise || s.end == endedWrongly)
}

// unlessEndsSoToo keeps the finding that an operation whose cancel came in a form has
// ended with another result only where Get shows that end again and again, none that
// nobody cancels ends as soon, and none of several that a plain cancel stops ends so:
// cancel.state.code-1 owns that, and be it now and then. Other errors stay.
func (w *world) unlessEndsSoToo(ctx context.Context, op *operation, s settled, finding error) error {
	finding = w.unlessEndsByItself(ctx, op, s.snapshot, w.unlessUnsteady(ctx, op, finding))
	if !isViolation(finding) {
		return finding
	}
	if plain := w.moreCancels(ctx, w.cancel, func(ctx context.Context, op *operation, c call) error {
		if s, err := w.settle(ctx, op); c.Accepted() && err == nil && w.missesEffect(s) {
			return finding
		}
		return nil
	}); plain != nil {
		return inconclusive("a plain cancel ends an operation otherwise now and then as well (see cancel.state.code-1)")
	}
	return finding
}

// requested tells whether an operation's metadata shows that its cancellation
// was requested.
func (w *world) requested(s snapshot) bool {
	set, _ := requestedFlag(w.metadata(s))
	state := w.metadataState(s)
	return set || state == "CANCELLING" || state == "CANCELLED"
}
