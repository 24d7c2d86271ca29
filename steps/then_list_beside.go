package steps

import (
	"context"
	"fmt"
)

// thenListedLikeOther judges that a cancelled operation is not off the list while Get
// finds it, and another is listed that was cancelled before it: a worker that missed
// the cancel may have taken it off when it was through.
func thenListedLikeOther(ctx context.Context) error {
	w := of(ctx)
	if s := w.settled(); s.end != endedCancelled {
		return inapplicable("the operation was not cancelled before its end: %s", w.ineffective(w.it, s))
	}
	last, late, err := w.untilListed(ctx, w.ep, "", func(l listing) bool { return l.shows(w.it) })
	if err != nil || !late {
		return err
	}
	if !last.shows(w.others[0]) {
		return inapplicable("what was cancelled is not listed by then: another operation is not either")
	}
	l, err := w.get(ctx, w.it)
	switch {
	case err != nil:
		return err
	case notFound(l.Exchange):
		return inapplicable("the operation is gone, and not only from the list (see cancel.state.retention)")
	}
	if err := w.stillFound(l); err != nil {
		return err
	}
	if err := w.unlessRenamed(); err != nil {
		return err
	}
	return w.unlistedAlone(ctx)
}

// unlistedAlone accuses a list of leaving out a cancelled operation where it shows one
// that was cancelled before it, and one of the same role that has just been: it need not
// show all kinds of operations, nor more than the first or the last so many.
func (w *world) unlistedAlone(ctx context.Context) error {
	fresh, err := w.startInProgress(ctx, w.it.role)
	if err != nil {
		return err
	}
	fresh, s, err := w.cancelAndSettle(ctx, fresh)
	if err != nil {
		return err
	}
	if s.end != endedCancelled {
		return inapplicable("another operation was not cancelled before its end: %s", w.ineffective(fresh, s))
	}
	last, late, err := w.untilListed(ctx, w.ep, "", func(l listing) bool { return l.shows(fresh) && l.shows(w.others[0]) })
	switch {
	case err != nil:
		return err
	case late:
		return inapplicable("another operation of the role %s is not listed either when it has just been cancelled", w.it.role)
	case last.shows(w.it):
		return nil
	}
	return w.accuse(w.plan.requirement.ID, last.last.index, "the cancelled operation among those that are listed, as are one that was cancelled before it and one after it",
		fmt.Sprintf("%d others", last.size), "the cancelled operation is no longer listed once others of its role have ended by themselves")
}
