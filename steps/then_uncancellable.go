package steps

import (
	"context"

	"github.com/lro-tools/conform/targets"
)

// thenAnsweredAsThere judges that the cancel of an operation in progress that cannot be
// cancelled is refused as that of an operation which exists: by UNIMPLEMENTED, or
// FAILED_PRECONDITION. What else it may be refused with is a note, unless it is what no
// cancel of an existing operation may be answered.
func thenAnsweredAsThere(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	switch {
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v", c.err)
	case transient(c.Exchange):
		return inconclusive("the cancel is answered %s", c.Status())
	case strange(c):
		return w.unlessStrangeOnce(ctx, w.fail(c, kindRefusal, "the cancel of an operation that cannot be cancelled, and is in progress before and after, is refused as none of an existing operation may be"))
	case !c.Accepted() && !(repetition{call: c}).tolerated() && !unimplemented(c.Exchange):
		w.note("the cancel of an operation that cannot be cancelled is answered %s", c.Status())
	}
	return nil
}

// kindRefusal is what the cancel of an operation in progress must be answered that may
// be of a kind which cannot be cancelled.
const kindRefusal = acceptance + ", FAILED_PRECONDITION or UNIMPLEMENTED"

// strange tells whether no cancel of an existing operation may be answered so. What is
// in nobody's words may be those of a router that has no such path.
func strange(c call) bool {
	switch {
	case unimplemented(c.Exchange):
		return false
	case c.Transport == targets.REST && c.HTTP != 500 && !namesCode(c.Exchange):
		return false
	}
	return neverLegal(c.Exchange)
}

// unlessStrangeOnce keeps the finding that the cancel of the scenario's operation is
// refused so only where those of others are as well, and all stay in progress.
func (w *world) unlessStrangeOnce(ctx context.Context, finding error) error {
	for range confirmations - 1 {
		if err := w.inProgress(ctx, w.it); err != nil {
			return err
		}
		op, err := w.startInProgress(ctx, w.it.role)
		if err != nil {
			return err
		}
		w.it = op
		if c := w.cancel(ctx, op); c.err != nil || !strange(c) {
			return inconclusive("refused so once, but not again (%s): %v", c.Status(), finding)
		}
	}
	if err := w.inProgress(ctx, w.it); err != nil {
		return err
	}
	return finding
}
