package steps

import (
	"context"

	"github.com/lro-tools/conform/targets"
)

func deleteSteps() []definition {
	return []definition{
		step(`the client deletes it`, whenDeletes),
		step(`the client deletes what was deleted before`, whenDeletesAgain),
		step(`a server that offers Delete`, givenDelete),
		step(`the client (cancels and )?deletes it before its end, and follows its like to the end`, whenDeletesEarly),
		step(`the client deletes it, and asks for it`, whenDeletesAndAsks),
		step(`the deletion is accepted`, thenDeleted),
		step(`Get does not find it any more`, thenGone),
		step(`cancel does not find it either`, thenCancelFindsNothing),
		step(`it does not come back`, thenStaysGone),
		step(`it is recorded what became of it`, thenDeletionRecorded),
	}
}

// whenDeletes deletes the operation. A transient answer is repeated on a fresh
// one: it is not known whether the first was deleted.
func whenDeletes(ctx context.Context) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.Delete); err != nil {
		return err
	}
	for try := 1; ; try++ {
		c := w.delete(ctx, w.it, "")
		w.facts["call"] = c
		switch {
		case c.err != nil && ctx.Err() != nil:
			return stopped(ctx)
		case c.err != nil:
			return inconclusive("Delete brought no answer: %v", c.err)
		case !transient(c.Exchange):
			if !unimplemented(c.Exchange) {
				w.checkError(c)
			}
			return nil
		case try == transientTries:
			return inconclusive("Delete answered %s, %d times", c.Status(), try)
		}
		fresh, err := w.again(ctx, w.it)
		if err != nil {
			return err
		}
		w.it = fresh
	}
}

// whenDeletesAgain deletes the operation by which it was found out that Delete is
// offered. A server may take that for done.
func whenDeletesAgain(ctx context.Context) error {
	w := of(ctx)
	name, err := w.deletedBefore(ctx)
	if err != nil {
		return err
	}
	c, err := w.repeatTransient(ctx, func() call { return w.call(ctx, targets.Delete, deleteRequest(name), "deleted before") })
	w.facts["call"] = c
	if err != nil {
		return err
	}
	return w.wantsError(c, "the deletion of what was deleted is no error here")
}

// deletedBefore is the name of an operation that was deleted, which no other has.
func (w *world) deletedBefore(ctx context.Context) (string, error) {
	name := w.run.offers[w.plan.transport].deleted
	if name == "" {
		return "", inapplicable("no operation could be deleted (see delete.after-cancel)")
	}
	if !w.run.namesakes.given(name) {
		return name, nil
	}
	op, err := w.cancelled(ctx, targets.Running)
	if err != nil {
		return "", err
	}
	if c := w.delete(ctx, op, ""); !c.Accepted() || errorAsSuccess(c.Exchange) {
		return "", inconclusive("Delete answered %s (see delete.after-cancel)", c.Status())
	}
	return op.name, nil
}

// whenDeletesEarly deletes an operation that is in progress, be it that it is
// being cancelled, and follows another of its role, which ends after it, to its end:
// a worker that knows nothing of the deletion has written its result by then.
func whenDeletesEarly(ctx context.Context, first string) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.Delete); err != nil {
		return err
	}
	w.facts["early"] = true
	err := w.deletesEarly(ctx, first != "", false)
	if err != nil || !w.run.namesakes.given(w.it.name) {
		return err
	}
	fresh, err := w.startInProgress(ctx, w.it.role)
	if w.it = fresh; err != nil {
		return err
	}
	return w.deletesEarly(ctx, first != "", true)
}

// deletesEarly deletes the operation, once it is cancelled where the scenario says so.
// Its like is started after that, or before, where it would be given the same name.
func (w *world) deletesEarly(ctx context.Context, cancels, before bool) error {
	var like *operation
	_, c, err := w.afresh(ctx, w.it, func(op *operation) (call, error) {
		w.it = op
		if cancels {
			if _, err := w.cancelIt(ctx); err != nil {
				return call{}, err
			}
		}
		if before {
			var err error
			if like, err = w.start(ctx, w.it.role, ""); err != nil {
				return call{}, err
			}
		}
		return w.delete(ctx, w.it, ""), nil
	})
	w.facts["call"] = c
	if err == nil {
		err = toldNothing(ctx, c, "Delete")
	}
	if err == nil && !unimplemented(c.Exchange) {
		w.checkError(c)
	}
	switch {
	case err != nil:
		return err
	case errorAsSuccess(c.Exchange):
		return inconclusive("an error was sent with success (see error.http.no-2xx-error)")
	case !c.Accepted():
		return inapplicable("an operation in progress is not deleted here: %s", c.Status())
	}
	if like == nil {
		if like, err = w.start(ctx, w.it.role, ""); err != nil {
			return err
		}
	}
	if cancels {
		_, _, err = w.cancelAndSettle(ctx, like)
		return err
	}
	_, err = w.untilDone(ctx, like)
	return err
}

// givenDelete finds out whether Delete is offered before time matters.
func givenDelete(ctx context.Context) error { return of(ctx).offered(ctx, targets.Delete) }

// whenDeletesAndAsks deletes an operation that is in progress and will end by
// itself: nobody could cancel it any more.
func whenDeletesAndAsks(ctx context.Context) error {
	w := of(ctx)
	if err := whenDeletes(ctx); err != nil {
		return err
	}
	l, err := w.get(ctx, w.it)
	w.facts["look"] = l
	return err
}
