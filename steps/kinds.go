package steps

import (
	"context"
	"fmt"

	"github.com/lro-tools/conform/targets"
)

// perKind is the requirement that support may differ by the kind of operation
// (semantics, A28): where it does, the other kinds are judged by nothing else.
const perKind = "cancel.unimplemented.per-resource"

// tellPerKind records that operations of a role are answered UNIMPLEMENTED while
// others are not.
func (w *world) tellPerKind(role targets.Role) {
	w.observe(perKind, fmt.Sprintf("a %s operation answers UNIMPLEMENTED, others do not", role))
}

// unlessKindCancelled keeps the finding that a cancel was not answered
// UNIMPLEMENTED, as that of a running operation is, unless operations of another
// kind are really cancelled. Other errors stay.
func (w *world) unlessKindCancelled(ctx context.Context, finding error) error {
	role := w.it.role
	if !isViolation(finding) || role == targets.Running || !w.theCall().Accepted() {
		return finding
	}
	control, err := w.cancelAnother(ctx, targets.Running)
	if err != nil {
		return err
	}
	if !unimplemented(control.Exchange) {
		return finding
	}
	s, err := w.settle(ctx, w.it)
	switch {
	case err != nil:
		return err
	case s.end == endedCancelled, w.requested(s.snapshot):
		w.tellPerKind(targets.Running)
		return inapplicable("%s operations can be cancelled, as support may differ by kind (see %s)", role, perKind)
	case !w.run.target.Guaranteed && (s.end == endedNever || s.end == endedOtherwise):
		return inconclusive("%s: whether such can be cancelled, with no more than best effort, is not known", w.ineffective(w.it, s))
	}
	return finding
}

// unlessKindRefused keeps the finding that a cancel was refused, as that of a
// running operation is not, unless all of its kind are answered UNIMPLEMENTED and
// go on. Other errors stay.
func (w *world) unlessKindRefused(ctx context.Context, finding error) error {
	role := w.it.role
	if !isViolation(finding) || role == targets.Running || !unimplemented(w.theCall().Exchange) {
		return finding
	}
	touched := w.unaffected(ctx, w.it, w.refusedSo())
	switch {
	case isViolation(touched):
		return inconclusive("the cancel is answered UNIMPLEMENTED, and has an effect (see cancel.rejected.no-effect): %v", touched)
	case touched != nil:
		return touched
	}
	for i := 1; i < oneDoes && !w.run.scarce(role); i++ {
		c, err := w.cancelAnother(ctx, role)
		if err != nil {
			return err
		}
		if !unimplemented(c.Exchange) {
			return finding
		}
	}
	return w.kindRefused(role, w.theCall())
}

// kindRefused rules on a case about operations of a role, none of which can be
// cancelled.
func (w *world) kindRefused(role targets.Role, c call) error {
	w.tellPerKind(role)
	return inapplicable("%s operations cannot be cancelled: %s (see %s)", role, c.Status(), perKind)
}

// cancelAnother is the answer to the plain cancel of a fresh operation of a role, which
// is no transient one; a ruling where there is none.
func (w *world) cancelAnother(ctx context.Context, role targets.Role) (call, error) {
	op, err := w.startInProgress(ctx, role)
	if err != nil {
		return call{}, err
	}
	op, c, err := w.afresh(ctx, op, func(op *operation) (call, error) { return w.cancel(ctx, op), nil })
	if err != nil {
		return c, err
	}
	op.over.Store(c.Accepted())
	return c, toldNothing(ctx, c, fmt.Sprintf("the cancel of a %s operation", role))
}

// refusedOf rules on a scenario whose plain cancel of an operation was refused:
// one of a kind that, for all that is known, cannot be cancelled is no matter of
// the scenario.
func (w *world) refusedOf(op *operation, c call) error {
	mixed, _ := w.run.support[w.plan.transport].changes.were()
	switch op.role {
	case targets.Pending, targets.Nested, targets.Slow:
		if unimplemented(c.Exchange) && !w.unsupported() && !mixed && !w.run.effects[w.plan.transport].worked(op.role) {
			return w.kindRefused(op.role, c)
		}
	}
	return w.refused(c)
}

// refusedAtOnce rules on a scenario whose cancels at once were refused: that may be
// for their kind only where a single one is as well.
func (w *world) refusedAtOnce(ctx context.Context, c call) error {
	if !unimplemented(c.Exchange) || w.unsupported() || w.it.role == targets.Running {
		return w.refused(c)
	}
	alone, err := w.cancelAnother(ctx, w.it.role)
	switch {
	case err != nil:
		return err
	case unimplemented(alone.Exchange):
		return w.refusedOf(w.it, c)
	}
	return w.refused(c)
}
