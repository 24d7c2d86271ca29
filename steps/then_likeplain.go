package steps

import (
	"cmp"
	"context"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// likePlain is what is expected of the forms that every server takes.
const likePlain = "success, as for the plain cancel"

// thenCountsLikePlain judges that a cancel in a form is accepted, and takes
// effect, where the plain cancel is accepted, and takes effect.
func thenCountsLikePlain(ctx context.Context) error {
	w := of(ctx)
	err := w.countsLikePlain(ctx)
	if isViolation(err) || ctx.Err() != nil {
		return err
	}
	return gravest([]error{err, w.countsLikePlainAlways(ctx)})
}

func (w *world) countsLikePlain(ctx context.Context) error {
	c := w.theCall()
	if c.err != nil {
		return w.unlessWholeToo(ctx, w.formSilent(ctx, c, likePlain), w.formAnswered)
	}
	if c.Accepted() {
		return w.unlessWholeToo(ctx, w.formEffective(ctx, c), w.formTakesEffect)
	}
	if note := w.toleratedRefusal(c); note != "" {
		if err := w.controlAccepted(ctx); err != nil {
			return err // it may not be the form that is refused
		}
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
	if w.it.role == targets.Nested && unimplemented(c.Exchange) {
		if err := w.kindCancelled(ctx); err != nil {
			return err
		}
	}
	if inChunks(w.facts["form"].(string)) {
		return w.chunksRefused(ctx, c)
	}
	return w.refusedAgain(ctx, c, w.fail(c, likePlain, "a cancel by %s is refused, while the plain cancel is accepted", w.facts["form"]), nil)
}

// kindCancelled rules out that operations of the role cannot be cancelled at
// all, which UNIMPLEMENTED may say (cancel.unimplemented.per-resource): over the
// other transport one can.
func (w *world) kindCancelled(ctx context.Context) error {
	other, err := w.otherEnd()
	if err != nil {
		return inconclusive("the cancel of a %s operation is UNIMPLEMENTED: whether such cannot be cancelled, or there is no route, cannot be told over one transport", w.it.role)
	}
	_, control, err := w.cancelAcross(ctx, other, w.it.role)
	if err != nil {
		return err
	}
	if unimplemented(control.Exchange) {
		return inapplicable("%s operations cannot be cancelled: over %s it is UNIMPLEMENTED as well", w.it.role, control.Transport)
	}
	return nil
}

// countsLikePlainAlways judges that none of more cancels that send nothing is
// refused or lost, where no plain one is: clients send them every day. What is
// found must be found again.
func (w *world) countsLikePlainAlways(ctx context.Context) error {
	form := w.facts["form"].(string)
	if w.it.role != targets.Running || form != bare && form != bareJSON || w.manyInForm(ctx, form) == nil {
		return nil
	}
	if w.moreCancels(ctx, w.cancel, w.countedAmongMany) != nil || w.run.effects[w.plan.transport].loses() {
		return inconclusive("a plain cancel is refused or lost now and then as well (see cancel.accept.in-progress, cancel.effect.best-effort)")
	}
	return w.manyInForm(ctx, form)
}

// manyInForm returns what shows that one of several cancels by a form that every
// operation can be cancelled in does not count like a plain one.
func (w *world) manyInForm(ctx context.Context, form string) error {
	return w.moreCancels(ctx, func(ctx context.Context, op *operation) call {
		c, _ := w.cancelInForm(ctx, op, form)
		return c
	}, w.countedAmongMany)
}

// countedAmongMany judges one of several cancels: it is accepted, and takes
// effect where that is guaranteed.
func (w *world) countedAmongMany(ctx context.Context, op *operation, c call) error {
	if !c.Accepted() {
		if l, err := w.get(ctx, op); err != nil || !l.found || l.done {
			return nil
		}
		return w.fail(c, likePlain, "one of several cancels by %s is refused, while plain cancels are accepted", w.facts["form"])
	}
	if !w.run.target.Guaranteed {
		return nil
	}
	if s, err := w.settle(ctx, op); err == nil && s.end == endedNever {
		return w.failAt(s.snapshot, "done with error code 1, as after the plain cancel",
			"one of several cancels by %s is accepted and has no effect, while plain cancels have", w.facts["form"])
	}
	return nil
}

// chunksRefused judges that an empty chunked body is refused: a finding where
// zero bytes of the same type are accepted, or where both types are refused in
// chunks. What else is refused belongs to the requirements about zero bytes.
func (w *world) chunksRefused(ctx context.Context, c call) error {
	form := w.facts["form"].(string)
	whole := strings.Replace(form, ", in chunks,", "", 1)
	accepted, err := w.formAccepted(ctx, whole)
	if err != nil {
		return err
	}
	if accepted {
		err := w.refusedAgain(ctx, c, w.fail(c, likePlain, "a cancel by %s is refused, while the same without chunks is accepted", form), nil)
		return w.unlessNowAndThen(ctx, whole, err)
	}
	if form != untypedChunks {
		return inconclusive("zero bytes are refused as well where they are called JSON (see cancel.request.zero-bytes-json-content-type)")
	}
	if accepted, err = w.formAccepted(ctx, jsonChunks); err != nil {
		return err
	}
	if accepted {
		return nil
	}
	return w.refusedAgain(ctx, c, w.fail(c, likePlain, "a cancel by %s is refused, whatever it is called, while the plain cancel is accepted", form), nil)
}

// unlessWholeToo keeps the finding that an empty chunked body does not work where
// zero bytes of the same type do, or where it does not whatever it is called, as
// chunksRefused does. Other errors stay.
func (w *world) unlessWholeToo(ctx context.Context, finding error, works func(context.Context, string) (bool, error)) error {
	form, _ := w.facts["form"].(string)
	if !isViolation(finding) || !inChunks(form) {
		return finding
	}
	does, err := works(ctx, strings.Replace(form, ", in chunks,", "", 1))
	if err != nil || does {
		return cmp.Or(err, finding)
	}
	if form == untypedChunks {
		if does, err = works(ctx, jsonChunks); err != nil || !does {
			return cmp.Or(err, finding)
		}
	}
	return inconclusive("zero bytes without chunks are no better (see cancel.request.zero-bytes-*): %v", finding)
}

// freshInForm cancels a fresh operation in a form.
func (w *world) freshInForm(ctx context.Context, form string) (*operation, call, error) {
	op, err := w.freshLike(ctx, w.it)
	if err != nil {
		return nil, call{}, err
	}
	c, err := w.cancelInForm(ctx, op, form)
	return op, c, err
}

// formAnswered tells whether a cancel in a form brings an answer on a fresh
// operation.
func (w *world) formAnswered(ctx context.Context, form string) (bool, error) {
	_, c, err := w.freshInForm(ctx, form)
	return c.err == nil, err
}

// formTakesEffect tells whether a cancel in a form has an effect on a fresh
// operation.
func (w *world) formTakesEffect(ctx context.Context, form string) (bool, error) {
	op, c, err := w.freshInForm(ctx, form)
	if err != nil {
		return false, err
	}
	if !c.Accepted() {
		return false, inconclusive("a cancel by %s is answered %s", form, c.Status())
	}
	s, err := w.settle(ctx, op)
	return !w.missesEffect(s), err
}

// formAccepted tells whether a cancel in a form is accepted on a fresh operation.
func (w *world) formAccepted(ctx context.Context, form string) (bool, error) {
	_, c, err := w.freshInForm(ctx, form)
	switch {
	case err != nil:
		return false, err
	case c.err != nil:
		return false, inconclusive("a cancel by %s brought no answer: %v", form, c.err)
	case transient(c.Exchange):
		return false, inconclusive("a cancel by %s is answered %s", form, c.Status())
	}
	return c.Accepted(), nil
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
// repeats: the operation may have ended in between. What the refusal is, wrong
// tells; nil: any. Where operations are scarce, the finding stands as it is.
func (w *world) refusedAgain(ctx context.Context, c call, finding error, wrong func(call) bool) error {
	if w.run.scarce(w.it.role) {
		return finding
	}
	for range confirmations - 1 {
		_, c, err := w.repeatForm(ctx)
		switch {
		case err != nil:
			return err
		case c.err != nil || c.Accepted() || transient(c.Exchange) || wrong != nil && !wrong(c):
			return inconclusive("refused so once, but not again (%s): %v", c.Status(), finding)
		}
	}
	if w.run.effects[w.plan.transport].loses() {
		return inconclusive("a plain cancel is refused now and then as well (see cancel.accept.in-progress)")
	}
	form, _ := w.facts["form"].(string)
	if strings.HasSuffix(form, bodiless) {
		return w.unlessNowAndThen(ctx, bare, finding)
	}
	return finding
}

// unlessFormToo keeps a finding about a cancel in a form, of an operation in
// another state than in progress, only where the form does what the plain one does
// for those that are: the cancel.request.* own what it does wrong there, and be it
// now and then. Other errors stay, and so do those about the plain form.
func (w *world) unlessFormToo(ctx context.Context, finding error) error {
	form, formed := w.facts["form"].(string)
	if !isViolation(finding) || !formed {
		return finding
	}
	if err := w.formCancels(ctx, form); err != nil {
		return err
	}
	return w.unlessNowAndThen(ctx, form, finding)
}

// unlessNowAndThen keeps the finding that a form is refused only where none of
// several cancels by another, which sends nothing, is. Other errors stay.
func (w *world) unlessNowAndThen(ctx context.Context, form string, finding error) error {
	if isViolation(finding) && w.manyInForm(ctx, form) != nil {
		return inconclusive("a cancel by %s is refused or lost now and then as well (see cancel.request.zero-bytes)", form)
	}
	return finding
}
