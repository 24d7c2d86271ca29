package steps

import (
	"context"

	"github.com/lro-tools/conform/targets"
)

// thenAcceptedAlike judges that the cancel of a queued operation is accepted,
// where that of a running one is.
func thenAcceptedAlike(ctx context.Context) error {
	w := of(ctx)
	err := thenAccepted(ctx)
	if !isViolation(err) {
		return err
	}
	for range oneDoes { // one in several may be refused
		control, controlErr := w.controlCancel(ctx, targets.Running)
		switch {
		case controlErr != nil:
			return controlErr
		case !control.Accepted():
			return inconclusive("the cancel of a running operation is refused as well: %s (see cancel.accept.in-progress)", control.Status())
		}
	}
	return w.unlessKindRefused(ctx, err)
}

// thenEndsAlike judges the end of a cancelled operation that was queued, by
// what becomes of one that was running.
func thenEndsAlike(ctx context.Context) error {
	w := of(ctx)
	c, s, err := w.settleIt(ctx)
	if err != nil {
		return err
	}
	finding := w.failAt(s.snapshot, "done with error code 1, as when it is running", "a queued operation that was cancelled does not become a cancelled one")
	guaranteed := w.run.target.Guaranteed
	switch {
	case s.end == endedCancelled:
		return nil
	case s.end == endedWrongly, s.end == endedInName:
	case guaranteed && (s.end == endedNever || s.end == endedOtherwise):
	default:
		return inconclusive("%s (the cancel was answered %s)", w.ineffective(w.it, s), c.Status())
	}
	if s.end == endedOtherwise && s.hasResponse {
		finding = w.unlessMeanwhile(ctx, s, finding)
	}
	finding = w.unlessOneDoes(ctx, targets.Running, finding)
	if !s.done { // there is no end to be shown in two ways
		return finding
	}
	return w.unlessUnsteady(ctx, w.it, finding)
}

// unlessMeanwhile keeps the finding that a queued operation ended with a response only
// where others end so too. It may have started and finished before the cancel came:
// each of them is seen in progress after its cancel, or else was left alone before for
// as long as the first lasted, and had not ended. Other errors stay.
func (w *world) unlessMeanwhile(ctx context.Context, s settled, finding error) error {
	ranOn, lasted := w.it.ranOn(), s.received.Sub(w.it.begun)
	switch scarce := w.run.scarce(w.it.role); {
	case scarce && ranOn:
		return finding
	case scarce:
		return inconclusive("%s: it may have started and finished meanwhile", w.ineffective(w.it, s))
	}
	for range confirmations {
		op, err := w.startInProgress(ctx, w.it.role)
		if err == nil && !ranOn {
			err = w.leftAloneFor(ctx, op, lasted)
		}
		if err != nil {
			return err
		}
		op, again, err := w.cancelAndSettle(ctx, op)
		switch {
		case err != nil:
			return err
		case again.end != s.end || ranOn && !op.ranOn():
			return inconclusive("once, but not again: %s", w.ineffective(w.it, s))
		}
	}
	return finding
}

// ranOn tells whether a look that came after the accepted cancel has shown the
// operation in progress: its end was not there before.
func (op *operation) ranOn() bool {
	return op.inProgressAfter(op.acceptedAt())
}
