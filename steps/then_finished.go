package steps

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func finishedSteps() []definition {
	return []definition{
		step(`it stays as it ended`, thenUnchanged),
		step(`the answer is legal for a finished operation`, thenLegalFinished),
		step(`the answer is one of the preferred for a finished operation`, thenPreferredFinished),
	}
}

// thenUnchanged judges that a finished operation keeps its result, for the
// observation window.
func thenUnchanged(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	if c := w.theCall(); c.err != nil {
		return inconclusive("the cancel brought no answer: %v", c.err)
	}
	var end snapshot
	for _, s := range w.it.snapshots {
		if s.done {
			end = s
			break
		}
	}
	want := "still " + end.state()
	_, err := w.poll(ctx, w.it, w.observeFor(), func(l look) (bool, error) {
		switch {
		case !l.found && notFound(l.Exchange):
			return false, w.unlessExpires(ctx, l.End().Sub(end.received), w.fail(l.call, want, "the finished operation is gone after a cancel"))
		case !l.found || l.garbled:
			return false, inconclusive("Get answered %s", l.Status())
		case !l.done || !sameResult(end, l.snapshot):
			return false, w.failAt(l.snapshot, want, "the cancel of a finished operation has changed it")
		}
		return false, nil
	})
	return err
}

// unlessExpires keeps the finding that a finished operation is gone only where
// another one, which nobody cancels any more, can still be read after the same
// time: services keep what has ended as long as they say (AIP-151).
func (w *world) unlessExpires(ctx context.Context, after time.Duration, finding error) error {
	op, err := w.again(ctx, w.it)
	if err != nil {
		return err
	}
	gone := false
	if _, err = w.poll(ctx, op, after, func(l look) (bool, error) {
		gone = !l.found && notFound(l.Exchange)
		return gone, nil
	}); err != nil {
		return err
	}
	if gone {
		return inconclusive("a finished operation is gone after %v also where nobody cancels it (see cancel.state.retention)", after.Round(time.Millisecond))
	}
	return finding
}

// thenLegalFinished judges the code of a cancel of a finished operation.
func thenLegalFinished(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if err := w.needCancel(); err != nil {
		return err
	}
	if c.err != nil {
		return w.finishedSilence(ctx, c)
	}
	return w.legalFinished(ctx, c)
}

const legalFinishedCodes = "success, FAILED_PRECONDITION, ABORTED, INVALID_ARGUMENT, a consistent UNIMPLEMENTED, or NOT_FOUND where Get says so too"

func (w *world) legalFinished(ctx context.Context, c call) error {
	switch {
	case c.Accepted():
		w.observe(w.plan.requirement.ID, "no effect, answers success")
	case isCode(c.Exchange, codes.FailedPrecondition, codes.Aborted, codes.InvalidArgument):
		w.observe(w.plan.requirement.ID, "no effect, answers "+targets.CodeName(c.Code))
	case unimplemented(c.Exchange):
		again := w.cancel(ctx, w.it)
		if again.err == nil && !unimplemented(again.Exchange) && !transient(again.Exchange) {
			return w.fail(again, legalFinishedCodes, "the cancel of a finished operation is answered UNIMPLEMENTED, but not always")
		}
		w.observe(w.plan.requirement.ID, "answers UNIMPLEMENTED")
	case notFound(c.Exchange):
		l, err := w.get(ctx, w.it)
		if err != nil {
			return err
		}
		if l.found {
			if err := w.unlessPlainToo(ctx, c); err != nil {
				return err
			}
			return w.fail(c, legalFinishedCodes, "the cancel of a finished operation is answered NOT_FOUND while Get finds it")
		}
	case isCode(c.Exchange, codes.PermissionDenied):
		w.note("the cancel of a finished operation is answered PERMISSION_DENIED")
	default:
		if err := w.unlessPlainToo(ctx, c); err != nil {
			return err
		}
		return w.fail(c, legalFinishedCodes, "the cancel of a finished operation has an answer that is not legal")
	}
	return nil
}

// finishedSilence judges a cancel of a finished operation that brought no answer.
func (w *world) finishedSilence(ctx context.Context, c call) error {
	role := w.it
	err := w.silent(ctx, c, func() (call, error) {
		op, err := w.again(ctx, role)
		if err != nil {
			return call{}, err
		}
		return w.cancel(ctx, op), nil
	}, func() (call, error) {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return call{}, err
		}
		return w.cancel(ctx, op), nil
	})
	if err != nil {
		return err
	}
	return w.fail(c, legalFinishedCodes, "the cancel of a finished operation brings no answer, again on fresh ones, while other cancels are answered")
}

func thenPreferredFinished(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	c := w.theCall()
	switch {
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v", c.err)
	case c.Accepted(), isCode(c.Exchange, codes.FailedPrecondition):
		w.observe(w.plan.requirement.ID, "no effect, answers "+targets.CodeName(c.Code))
		return nil
	case isCode(c.Exchange, codes.Aborted, codes.InvalidArgument, codes.Unimplemented):
		if err := w.unlessPlainToo(ctx, c); err != nil {
			return err
		}
		return w.fail(c, "success, or FAILED_PRECONDITION", "the cancel of a finished operation has a legal answer, but not a preferred one")
	}
	return inconclusive("the answer %s is not legal (see cancel.finished.status-legal)", c.Status())
}
