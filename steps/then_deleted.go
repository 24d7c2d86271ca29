package steps

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// thenDeleted judges that Delete takes a cancelled operation.
func thenDeleted(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	switch {
	case errorAsSuccess(c.Exchange):
		return inconclusive("an error was sent with success (see error.http.no-2xx-error)")
	case c.Accepted():
		return nil
	case isDenied(c.Exchange) && !w.mayDelete(ctx):
		return inconclusive("the caller may not delete operations: %s", c.Status())
	}
	if gone := w.unlessGone(ctx, w.it, c); gone != nil {
		if !notFound(c.Exchange) || w.run.scarce(w.it.role) {
			return gone
		}
		role := w.it.role
		return w.unlessDeletes(ctx, gone, func() (*operation, error) { return w.cancelled(ctx, role) },
			w.fail(c, "success", "a cancelled operation is deleted, and the answer is that there was none, again and again"))
	}
	return w.fail(c, "success", "a cancelled operation cannot be deleted, although Delete is offered")
}

// unlessGone rules on a call that does not find a finished operation where Get
// does not either: how long it can be read is another requirement's business.
func (w *world) unlessGone(ctx context.Context, op *operation, c call) error {
	if !notFound(c.Exchange) {
		return nil
	}
	l, err := w.get(ctx, op)
	if err == nil && notFound(l.Exchange) {
		err = inconclusive("neither %s nor Get finds the operation any more (see cancel.state.retention)", c.Method)
	}
	return err
}

// mayDelete tells whether the caller may delete operations that have ended by
// themselves.
func (w *world) mayDelete(ctx context.Context) bool {
	op, err := w.finished(ctx, "succeeded")
	if err != nil {
		return false
	}
	c := w.delete(ctx, op, "control: may the caller delete any operation?")
	return c.err == nil && c.Accepted()
}

// thenGone judges that Get answers NOT_FOUND after a deletion; it has until
// settle where operations are kept in several places.
func thenGone(ctx context.Context) error {
	w := of(ctx)
	if c := w.theCall(); !c.Accepted() {
		return inconclusive("Delete answered %s (see delete.after-cancel)", c.Status())
	}
	var last look
	late, err := w.poll(ctx, w.it, w.settleFor(), func(l look) (bool, error) {
		last = l
		return !l.found && (notFound(l.Exchange) || w.hidden(l.call)) || errorAsSuccess(l.Exchange), nil
	})
	if err != nil || !late {
		return err
	}
	if err := withoutStatus(last.call); err != nil {
		return err
	}
	if w.facts["early"] != nil && last.found && !last.done {
		return inconclusive("Get shows the operation in progress that was deleted: the deletion may have to wait for its end")
	}
	if !last.found && w.plan.requirement.ID == "delete.after-cancel" {
		return inconclusive("Get does not show the operation any more, but answers %s (see cancel.deleted.not-found)", last.Status())
	}
	return w.fail(last.call, "NOT_FOUND (HTTP 404, gRPC 5)", "Get answers something else for an operation that was deleted, %v after it", w.settleFor())
}

// withoutStatus is a ruling on an answer to a gRPC call that has no status of
// gRPC, be it that of a front end: what code it stands for is not told.
func withoutStatus(c call) error {
	if c.err == nil && c.Transport == targets.GRPC && !c.GRPC.HasStatus {
		return inconclusive("%s was answered %s (see grpc.status-in-trailers)", c.Method, c.Status())
	}
	return nil
}

// hidden tells whether an answer hides that there is no such operation, as
// services do that grant permissions by operation (AIP-211).
func (w *world) hidden(c call) bool {
	if !isCode(c.Exchange, codes.PermissionDenied) {
		return false
	}
	w.note("%s of an operation that was deleted is answered PERMISSION_DENIED", c.Method)
	return true
}

// thenCancelFindsNothing judges the cancel of a deleted operation, which has
// the same time as Get.
func thenCancelFindsNothing(ctx context.Context) error {
	w := of(ctx)
	var last call
	late, err := w.poll(ctx, w.it, w.settleFor(), func(look) (bool, error) {
		c, err := w.repeatTransient(ctx, func() call {
			return w.call(ctx, targets.Cancel, cancelRequest(w.it.name), "")
		})
		if last = c; err != nil {
			return false, err
		}
		w.checkError(c)
		return notFound(c.Exchange) || w.hidden(c) || w.unsupported(), nil
	})
	switch {
	case last.err != nil && ctx.Err() == nil:
		return w.deletedIsSilent(ctx, last)
	case err != nil:
		return err
	case w.unsupported():
		return inapplicable("the server does not support cancel: %s", last.Status())
	case late && errorAsSuccess(last.Exchange):
		return inconclusive("an error was sent with success (see error.http.no-2xx-error)")
	case late:
		if err := withoutStatus(last); err != nil {
			return err
		}
		if _, err := w.cancelFresh(ctx, targets.Running); err != nil { // else nothing can be cancelled any more
			return err
		}
		role := targets.Running
		if w.it.role == targets.Nested && w.run.target.Unknown == "" {
			role = targets.Nested
		}
		if err := w.unlessUnknownToo(ctx, last, role); err != nil {
			return err
		}
		return w.fail(last, "NOT_FOUND (HTTP 404, gRPC 5)", "the cancel of a deleted operation is answered something else, %v after the deletion", w.settleFor())
	}
	return w.staysUnknownToCancel(ctx)
}

// staysUnknownToCancel judges that cancel, once it does not find a deleted
// operation, finds it no later either. An unknown name has requirements of its own.
func (w *world) staysUnknownToCancel(ctx context.Context) error {
	for range 2 {
		c, err := w.repeatTransient(ctx, func() call {
			return w.call(ctx, targets.Cancel, cancelRequest(w.it.name), "once more")
		})
		if err != nil {
			return err
		}
		if c.Accepted() && !errorAsSuccess(c.Exchange) {
			if err := w.unlessUnknownToo(ctx, c, targets.Running); err != nil {
				return err
			}
			if err := w.unlessUnknownComesToo(ctx); err != nil {
				return err
			}
			return w.fail(c, "NOT_FOUND (HTTP 404, gRPC 5), as before", "another cancel of a deleted operation is accepted")
		}
	}
	return nil
}

// unlessUnknownComesToo is a ruling where a name of no operation is found as well by
// another cancel: the first has brought it about.
func (w *world) unlessUnknownComesToo(ctx context.Context) error {
	name, err := w.unknownLike(ctx, targets.Running)
	if err != nil {
		return err
	}
	for range 3 {
		c, err := w.cancelOfUnknown(ctx, name)
		if err != nil {
			return err
		}
		if c.Accepted() && !errorAsSuccess(c.Exchange) {
			return inconclusive("another cancel of any unknown name is accepted (see cancel.unknown.no-create)")
		}
	}
	return nil
}

// deletedIsSilent judges the cancel of a deleted operation that brought no
// answer: the plain cancel is the control.
func (w *world) deletedIsSilent(ctx context.Context, first call) error {
	like := w.it
	err := w.silent(ctx, first, func() (call, error) {
		op, err := w.finishedLike(ctx, like)
		if err != nil {
			return call{}, err
		}
		if c := w.delete(ctx, op, ""); !c.Accepted() {
			return call{}, inconclusive("Delete answered %s", c.Status())
		}
		return w.call(ctx, targets.Cancel, cancelRequest(op.name), ""), nil
	}, w.plainCancel(ctx, targets.Running))
	if err != nil {
		return err
	}
	kept, err := w.finishedLike(ctx, like)
	if err != nil {
		return err
	}
	if c := w.cancel(ctx, kept); c.err != nil {
		return inconclusive("the cancel of a finished operation that was not deleted brings no answer either: %v (see cancel.finished.status-legal)", c.err)
	}
	return w.fail(first, "NOT_FOUND (HTTP 404, gRPC 5)", "the cancel of a deleted operation brings no answer, again and again, while the plain cancel is answered")
}

// thenStaysGone judges that an operation which was deleted stays so, after a
// cancel too. Where operations are kept in several places an answer may be old,
// until settle.
func thenStaysGone(ctx context.Context) error {
	w := of(ctx)
	var last look
	if _, err := w.poll(ctx, w.it, w.observeFor(), func(l look) (bool, error) {
		last = l
		return l.found, nil
	}); err != nil || !last.found {
		return err
	}
	return thenGone(ctx)
}

// thenDeletionRecorded records how Delete treats an operation in progress.
// What its work does afterwards does not show.
func thenDeletionRecorded(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	l, _ := w.facts["look"].(look)
	seen := "Delete of an operation in progress answers " + c.Status() + "; Get then "
	if l.found && !l.garbled {
		seen += "shows it " + l.state()
	} else {
		seen += "answers " + l.Status()
	}
	w.observe(w.plan.requirement.ID, seen)
	return nil
}
