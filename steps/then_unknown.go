package steps

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func unknownSteps() []definition {
	return []definition{
		step(`the answer is that there is no such operation`, thenNotFound),
		step(`there is still no operation of that name`, thenNotCreated),
	}
}

// thenNotFound judges the cancel of a well-formed name of no operation.
func thenNotFound(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	switch {
	case c.err != nil:
		return w.fail(c, "NOT_FOUND (HTTP 404, gRPC 5)", "the cancel of a name of no operation brings no answer, again and again, while the plain cancel is answered")
	case notFound(c.Exchange):
	case unimplemented(c.Exchange) && w.unsupported(), w.unsupported() && w.run.support[w.plan.transport].asMissing:
		return inapplicable("the server does not support cancel: %s", c.Status())
	case w.facts["relation"] == below && w.rest() && refusal(c.HTTP):
		w.note("the cancel of a name below that of an operation is answered %s: the template of cancel may not have it", c.Status())
	case isCode(c.Exchange, codes.PermissionDenied):
		w.note("the cancel of a name of no operation is answered PERMISSION_DENIED")
	case isCode(c.Exchange, codes.InvalidArgument):
		w.note("the cancel of a made-up name is answered INVALID_ARGUMENT: legal where its id has the wrong form (key unknown)")
	case w.run.owns(w.unknown):
		return inconclusive("meanwhile an operation was started under the made-up name (key unknown)")
	case errorAsSuccess(c.Exchange):
		return inconclusive("an error was sent with success (see error.http.no-2xx-error)")
	default:
		if err := w.unlessBroughtAbout(ctx); err != nil {
			return err
		}
		if err := w.unlessPlainToo(ctx, c); err != nil {
			return err
		}
		if err := w.unlessRouted(ctx, c); err != nil {
			return err
		}
		finding := w.fail(c, "NOT_FOUND (HTTP 404, gRPC 5)", "the cancel of a name of no operation is not answered NOT_FOUND")
		if w.rest() && w.unknownRole == targets.Nested {
			finding = w.unlessNestedMisrouted(ctx, finding)
		}
		return w.unlessFormToo(ctx, finding)
	}
	return nil
}

// unlessRouted is a ruling where another requirement owns what becomes of a name
// over REST: where names that are percent-encoded have that answer, or the parent in
// the path is not looked at.
func (w *world) unlessRouted(ctx context.Context, c call) error {
	switch relation := w.facts["relation"]; {
	case relation == percentEncodes && !c.Accepted():
		return w.unlessEncodedToo(ctx, c)
	case relation == elsewhere && w.rest() && c.Accepted():
		touched, err := w.touched(ctx, w.it)
		if err == nil && touched {
			err = inconclusive("the cancel of the id under another parent reaches the operation (see cancel.route.parent-scope)")
		}
		return err
	}
	return nil
}

// unlessBroughtAbout is a ruling where the first of two cancels has brought
// about an operation of that name, which the second then cancels.
func (w *world) unlessBroughtAbout(ctx context.Context) error {
	if w.facts["twice"] == nil {
		return nil
	}
	l, err := w.get(ctx, w.unknownOperation())
	if err == nil && l.found {
		err = inconclusive("there is an operation of that name since it was cancelled (see cancel.unknown.no-create)")
	}
	return err
}

// thenNotCreated judges that Get does not find the unknown name, for the
// observation window: what a queue brings about comes later.
func thenNotCreated(ctx context.Context) error {
	w := of(ctx)
	op := w.unknownOperation()
	_, err := w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) {
		switch {
		case !l.found || errorAsSuccess(l.Exchange):
			return false, nil
		case w.run.owns(w.unknown):
			return false, inconclusive("meanwhile an operation was started under the made-up name (key unknown)")
		}
		return false, w.fail(l.call, "NOT_FOUND, as before the cancel", "the cancel of a name of no operation has brought one about")
	})
	return err
}

// unlessErrorsSucceed is a ruling on an error that was sent with a status of
// success, where the cancel or the Get of an unknown name is refused so too, or the
// plain cancel of what is in progress is answered so: error.http.no-2xx-error owns
// that.
func (w *world) unlessErrorsSucceed(ctx context.Context, c call) error {
	if !errorAsSuccess(c.Exchange) {
		return nil
	}
	name, err := w.unknownName(ctx)
	if err != nil {
		return err
	}
	control, err := w.cancelOfUnknown(ctx, name)
	if err != nil {
		return err
	}
	if !errorAsSuccess(control.Exchange) {
		control = w.call(ctx, targets.Get, getRequest(name), "control: the Get of an unknown name")
	}
	if !errorAsSuccess(control.Exchange) {
		if control, err = w.controlCancel(ctx, targets.Running); err != nil {
			return err
		}
	}
	if errorAsSuccess(control.Exchange) {
		return inconclusive("an error was sent with success (see error.http.no-2xx-error)")
	}
	return nil
}

// cancelOfUnknown is the plain cancel of a name that no operation has, to compare
// with.
func (w *world) cancelOfUnknown(ctx context.Context, name string) (call, error) {
	return w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.Cancel, cancelRequest(name), "control: the plain cancel of an unknown name")
	})
}

// unlessPlainToo is a ruling where the plain cancel of an operation in progress
// is refused in the same way: then cancel as such is refused, and not what the
// scenario asks for.
func (w *world) unlessPlainToo(ctx context.Context, c call) error {
	if c.err != nil || c.Accepted() {
		return nil
	}
	var control call
	for try := range transientTries {
		op, err := w.startInProgress(ctx, w.unknownRole)
		if err != nil {
			return err
		}
		control = w.cancel(ctx, op)
		if control.err == nil && !transient(control.Exchange) || !sleep(ctx, pauseBefore(try+1)) {
			break
		}
	}
	if control.err == nil && !control.Accepted() && control.Code == c.Code && control.HTTP == c.HTTP {
		return inconclusive("the cancel of an operation in progress is refused with %s as well (see %s)", control.Status(), w.refusalOwner())
	}
	return nil
}

// unlessUnknownToo is a ruling where the plain cancel of an unknown name like
// those of a role's operations has the same answer: then what is special of the
// scenario's name is not to blame.
func (w *world) unlessUnknownToo(ctx context.Context, c call, role targets.Role) error {
	name, err := w.unknownLike(ctx, role)
	if err != nil {
		return err
	}
	control, err := w.cancelOfUnknown(ctx, name)
	if err != nil {
		return err
	}
	if control.Accepted() == c.Accepted() && control.Code == c.Code {
		return inconclusive("the cancel of any unknown name is answered %s (see cancel.unknown.not-found)", control.Status())
	}
	return nil
}
