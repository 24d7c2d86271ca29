package steps

import (
	"context"
	"slices"

	"github.com/lro-tools/conform/targets"
)

func givenSteps() []definition {
	return []definition{
		step(`an? (running|pending|slow|nested|uncancellable) operation`, givenInProgress),
		step(`an? (nested|uncancellable) operation, where there are such`, givenWhereSuch),
		step(`a running operation that has gone on for a while`, givenOld),
		step(`a running operation that has just been started`, givenNew),
		step(`(another|two other|three other) running operations?`, givenOthers),
		step(`another (pending|slow|nested) operation`, givenOtherOf),
		step(`another operation that (is about to succeed|has succeeded)`, givenOtherSucceeding),
		step(`an operation that has (succeeded|failed|been cancelled)( some time ago)?`, givenFinished),
		step(`an operation that has (succeeded|failed), and that somebody has waited for`, givenFinishedWaited),
		step(`a (pending|nested|slow) operation that has been cancelled`, givenCancelled),
		step(`an operation that was cancelled while a Wait for it was pending`, givenCancelledWaited),
		step(`an operation that is about to (succeed|fail)`, givenAboutTo),
		step(`a name( of several segments)? that no operation has`, givenUnknownName),
		step(`a name that (differs only in case from|begins with|lies below|has another parent than|percent-encodes) that of a running operation`, givenNearName),
		step(`a server that supports cancel`, givenSupport),
		step(`a server without cancel`, givenNoSupport),
	}
}

// givenInProgress starts an operation and sees it in progress.
func givenInProgress(ctx context.Context, role string) error {
	w := of(ctx)
	return w.bringAbout(ctx, targets.Role(role), w.startInProgress)
}

// givenWhereSuch is givenInProgress for what need not be configured: that there are
// no such operations leaves nothing untested.
func givenWhereSuch(ctx context.Context, role string) error {
	if err := of(ctx).run.role(targets.Role(role)); err != nil {
		return inapplicable("%s", err.(*ruling).reason)
	}
	return givenInProgress(ctx, role)
}

// bringAbout makes an operation of a role the one that is spoken of.
func (w *world) bringAbout(ctx context.Context, r targets.Role, how func(context.Context, targets.Role) (*operation, error)) error {
	if err := w.canSpend(r); err != nil {
		return err
	}
	op, err := how(ctx, r)
	w.it = op
	return err
}

// canSpend rules on a role whose few operations, given by name, are for the
// requirements that are about it: others are judged on running ones.
func (w *world) canSpend(r targets.Role) error {
	if r == targets.Running || slices.Contains(w.plan.requirement.Roles, string(r)) || !w.run.scarce(r) {
		return nil
	}
	return inapplicable("the operations of the role %s are given by name, and too few to be spent on what is judged of running ones", r)
}

// givenOld starts an operation and lets it go on for the observation window.
func givenOld(ctx context.Context) error {
	w := of(ctx)
	op, err := w.startInProgress(ctx, targets.Running)
	w.it = op
	w.facts["single"] = true
	if err != nil {
		return err
	}
	if _, err := w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) { return l.done, nil }); err != nil {
		return err
	}
	return w.inProgress(ctx, op)
}

// givenNew starts an operation and does not look at it.
func givenNew(ctx context.Context) error {
	w := of(ctx)
	w.facts["single"] = true
	op, err := w.startNew(ctx)
	if err == nil {
		op.unseen = true
	}
	w.it = op
	return err
}

// startNew starts a running operation, and be there one that was looked at before
// the first case.
func (w *world) startNew(ctx context.Context) (*operation, error) {
	op, err := w.start(ctx, targets.Running, "")
	if err == nil && op.begun.Before(w.began) {
		op, err = w.start(ctx, targets.Running, "")
	}
	return op, err
}

// givenOthers starts bystanders, each seen in progress.
func givenOthers(ctx context.Context, count string) error {
	w := of(ctx)
	n := map[string]int{"another": 1, "two other": 2, "three other": 3}[count]
	for range n {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return err
		}
		w.others = append(w.others, op)
	}
	return nil
}

// givenOtherOf starts a bystander of another role, seen in progress.
func givenOtherOf(ctx context.Context, role string) error {
	w := of(ctx)
	if err := w.canSpend(targets.Role(role)); err != nil {
		return err
	}
	op, err := w.startInProgress(ctx, targets.Role(role))
	if err == nil {
		w.others = append(w.others, op)
	}
	return err
}

// givenOtherSucceeding starts a bystander that ends by itself, or has.
func givenOtherSucceeding(ctx context.Context, when string) error {
	w := of(ctx)
	var op *operation
	var err error
	if when == "has succeeded" {
		op, err = w.finished(ctx, "succeeded")
	} else if op, err = w.start(ctx, targets.Succeeding, ""); err == nil {
		_, err = w.mustFind(ctx, op)
	}
	if err == nil {
		w.others = append(w.others, op)
	}
	return err
}

// below relates a name to one that is its beginning, up to a slash.
const below = "lies below"

// percentEncodes relates a name to one that it is when it is decoded: over REST its
// percent sign is encoded in turn, and what decodes twice takes it for the other.
const percentEncodes = "percent-encodes"

// elsewhere relates a name to one that has the same id under another parent.
const elsewhere = "has another parent than"

func givenSupport(ctx context.Context) error { return of(ctx).needCancel() }

func givenNoSupport(ctx context.Context) error {
	if !of(ctx).unsupported() {
		return inapplicable("the server supports cancel")
	}
	return nil
}

// unknownTries is how many made-up names are tried.
const unknownTries = 4

// highDigits is how long a number is made that is to be no operation's yet: the
// next ones may be given out at any moment. It still fits 32 bits.
const highDigits = 9
