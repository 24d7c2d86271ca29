package steps

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// likePlain is what is expected of the forms that every server takes.
const likePlain = "success, as for the plain cancel"

// thenCountsLikePlain judges that a cancel in a form is accepted, and takes
// effect, where the plain cancel is accepted, and takes effect.
func thenCountsLikePlain(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if c.err != nil {
		return w.formSilent(ctx, c, likePlain)
	}
	if c.Accepted() {
		return w.formEffective(ctx, c)
	}
	if form := w.facts["form"].(string); form == untypedChunks {
		// The type of nothing is the business of the requirements about zero bytes.
		var err error
		if w.it, err = w.freshLike(ctx, w.it); err != nil {
			return err
		}
		if err := whenCancelsInForm(ctx, form+", called JSON"); err != nil {
			return err
		}
		return thenCountsLikePlain(ctx)
	}
	if note := w.toleratedRefusal(c); note != "" {
		w.note("%s", note)
		return nil
	}
	l, err := w.get(ctx, w.it)
	if err != nil {
		return err
	}
	if l.done && !l.cancelled() {
		return w.tooSoon(w.it)
	}
	if err := w.controlAccepted(ctx); err != nil {
		return err
	}
	return w.refusedAgain(ctx, w.fail(c, likePlain, "a cancel by %s is refused, while the plain cancel is accepted", w.facts["form"]))
}

// toleratedRefusal tells why a form may be refused; "" where it may not.
func (w *world) toleratedRefusal(c call) string {
	switch w.plan.requirement.ID {
	case "cancel.request.body-name-same":
		if c.HTTP == 400 {
			return "the name in the body is refused, even the same as in the path: Google's Go REST client sends it"
		}
	case "cancel.request.chunked-empty":
		if c.HTTP == 411 {
			return "a chunked body is refused with 411 Length Required"
		}
	case "cancel.request.routing-headers":
		if w.facts["form"] == "the header of a project that pays" && isCode(c.Exchange, codes.PermissionDenied) {
			return "the project in x-goog-user-project is refused with PERMISSION_DENIED"
		}
	}
	return ""
}

// refusedAgain keeps the finding that a form is refused only where that
// repeats: the operation may have ended in between. Where operations are scarce,
// it stands as it is.
func (w *world) refusedAgain(ctx context.Context, finding error) error {
	if w.run.scarce(w.it.role) {
		return finding
	}
	for range confirmations - 1 {
		_, c, err := w.repeatForm(ctx)
		switch {
		case err != nil:
			return err
		case c.err != nil || c.Accepted() || transient(c.Exchange):
			return inconclusive("refused once, but not again (%s): %v", c.Status(), finding)
		}
	}
	if w.run.effects[w.plan.transport].loses() {
		return inconclusive("a plain cancel is refused now and then as well (see cancel.accept.in-progress)")
	}
	return finding
}

// controlAccepted sees that the plain cancel of a fresh operation is accepted;
// else its form is not to blame.
func (w *world) controlAccepted(ctx context.Context) error {
	op, err := w.startInProgress(ctx, targets.Running)
	if err == nil {
		_, _, err = w.cancelOnce(ctx, op)
	}
	return err
}

// formEffective judges that a form that was accepted takes effect, where the
// effect is guaranteed and the plain cancel has it.
func (w *world) formEffective(ctx context.Context, c call) error {
	if errorAsSuccess(c.Exchange) {
		if err := w.unlessErrorsSucceed(ctx, c); err != nil {
			return err
		}
		return w.fail(c, "an error status, or the effect of a cancel", "a cancel by %s is refused with the status of success", w.facts["form"])
	}
	s, err := w.settle(ctx, w.it)
	switch {
	case err != nil || s.end == endedCancelled:
		return err
	case s.end != endedNever || !w.run.target.Guaranteed || w.requested(s.snapshot):
		return inconclusive("%s", w.ineffective(w.it, s))
	}
	finding := w.failAt(s.snapshot, "done with error code 1, as after the plain cancel",
		"a cancel by %s is accepted and has no effect, while the plain cancel has", w.facts["form"])
	op, c, err := w.repeatForm(ctx) // it may be any cancel that is lost now and then
	if err != nil {
		return err
	}
	again, err := w.settle(ctx, op)
	switch {
	case err != nil:
		return err
	case !c.Accepted() || again.end != endedNever:
		return inconclusive("without effect once, but not again: %v", finding)
	}
	return w.unlessOneDoes(ctx, targets.Running, finding)
}

// requested tells whether an operation's metadata shows that its cancellation
// was requested.
func (w *world) requested(s snapshot) bool {
	set, _ := requestedFlag(w.metadata(s))
	state := w.metadataState(s)
	return set || state == "CANCELLING" || state == "CANCELLED"
}

// formSilent judges a form that brought no answer: the plain cancel is the
// control.
func (w *world) formSilent(ctx context.Context, first call, want string) error {
	form, like := w.facts["form"].(string), w.it
	err := w.silent(ctx, first, func() (call, error) {
		op, err := w.freshLike(ctx, like)
		if err != nil {
			return call{}, err
		}
		w.it = op
		return w.cancelInForm(ctx, op, form)
	}, w.plainCancel(ctx))
	if err != nil {
		return err
	}
	return w.fail(first, want, "a cancel by %s brings no answer, again on fresh operations, while the plain cancel is answered", form)
}

// repeatForm sends the scenario's form for a fresh operation.
func (w *world) repeatForm(ctx context.Context) (*operation, call, error) {
	op, err := w.freshLike(ctx, w.it)
	if err != nil {
		return nil, call{}, err
	}
	w.it = op
	c, err := w.cancelInForm(ctx, op, w.facts["form"].(string))
	return op, c, err
}

// plainCancel is a control: the plain cancel of a fresh operation.
func (w *world) plainCancel(ctx context.Context) func() (call, error) {
	return func() (call, error) {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return call{}, err
		}
		return w.cancel(ctx, op), nil
	}
}

// thenEffectOrRefusal judges a cancel that a server may take or refuse: it has
// effect if and only if it is accepted, and is no reason for a server fault.
func thenEffectOrRefusal(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	const want = "success and the effect of a cancel, or HTTP 400 and none"
	switch {
	case c.err != nil:
		return w.formSilent(ctx, c, want)
	case c.Accepted():
		return w.formEffective(ctx, c)
	}
	err := w.unaffected(ctx, w.it, "a cancel that was refused with "+c.Status())
	if err != nil && !isViolation(err) {
		return err
	}
	effect := err != nil
	if !effect {
		switch c.HTTP {
		case 400:
			return nil
		case 413, 415, 422:
			w.note("a cancel by %s is refused with HTTP %d, where INVALID_ARGUMENT is 400", w.facts["form"], c.HTTP)
			return nil
		}
		err = w.fail(c, want, "a cancel by %s has an answer that is neither success nor INVALID_ARGUMENT", w.facts["form"])
	}
	if control := w.controlAccepted(ctx); control != nil {
		return control
	}
	if effect {
		return w.confirmed(ctx, err, func(ctx context.Context) (*operation, error) {
			op, _, err := w.repeatForm(ctx)
			return op, err
		})
	}
	return w.refusedAgain(ctx, err)
}

// thenOtherUntouched judges that an operation which only the body or the query
// of a cancel named goes on. Where a plain cancel touches other operations as
// well, the form is not to blame.
func thenOtherUntouched(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	err := w.unaffected(ctx, w.others[0], "a cancel of another operation, sent with "+w.facts["form"].(string))
	switch {
	case isViolation(err):
		err = w.confirmed(ctx, err, func(ctx context.Context) (*operation, error) {
			if w.others[0], err = w.startInProgress(ctx, targets.Running); err != nil {
				return nil, err
			}
			_, _, err := w.repeatForm(ctx)
			return w.others[0], err
		})
		if isViolation(err) {
			err = w.unlessShared(ctx, err)
		}
		return err
	case err != nil:
		return err
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v", c.err)
	case serverFault(c.Exchange):
		w.note("a cancel by %s is answered %s", w.facts["form"], c.Status())
	case !c.Accepted():
		if touched, err := w.touched(ctx, w.it); err == nil && touched {
			w.note("a cancel by %s is refused with %s, but takes effect", w.facts["form"], c.Status())
		}
	}
	return nil
}

// again repeats what a scenario did on fresh operations, and returns the one to
// watch.
type again func(ctx context.Context) (*operation, error)

// confirmations are how often a finding that an operation was touched must
// repeat: a server whose cancels stray may touch it by chance.
const confirmations = 3

// confirmed keeps such a finding only where it repeats, while operations of
// which nothing was asked are left alone. Where operations are scarce, it stands
// as it is.
func (w *world) confirmed(ctx context.Context, finding error, repeat again) error {
	if w.run.scarce(targets.Running) || w.run.scarce(w.it.role) {
		return finding
	}
	for range confirmations {
		before, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return err
		}
		op, err := repeat(ctx)
		if err != nil {
			return err
		}
		after, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return err
		}
		touched, err := w.touched(ctx, op)
		switch {
		case err != nil:
			return err
		case !touched:
			return inconclusive("seen once, but not again: %v", finding)
		}
		for _, idle := range [...]*operation{before, after} {
			touched, err := w.touched(ctx, idle)
			switch {
			case err != nil:
				return err
			case touched:
				return inconclusive("operations are cancelled of which nothing was asked (see cancel.isolation.siblings)")
			}
		}
	}
	return finding
}

// unlessShared keeps a finding about a second operation only where the plain
// cancel of one leaves another alone.
func (w *world) unlessShared(ctx context.Context, finding error) error {
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	other, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	if _, _, err := w.cancelOnce(ctx, op); err != nil {
		return err
	}
	touched, err := w.touched(ctx, other)
	switch {
	case err != nil:
		return err
	case touched:
		return inconclusive("the plain cancel of one operation touches others as well")
	}
	return finding
}

// touched watches, for the observation window, whether an operation shows that
// it was cancelled, or is gone.
func (w *world) touched(ctx context.Context, op *operation) (bool, error) {
	touched := false
	_, err := w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) {
		err := w.judgeUnaffected(op, l, "that")
		if isViolation(err) {
			touched = true
			return true, nil
		}
		return false, err
	})
	return touched, err
}
