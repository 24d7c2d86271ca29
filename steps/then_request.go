package steps

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// looksUnsupported tells whether an answer is what servers without cancel give:
// UNIMPLEMENTED, or over REST what routers answer where nothing is bound.
func looksUnsupported(ex targets.Exchange) bool {
	return unimplemented(ex) || ex.Transport == targets.REST && (ex.HTTP == 404 || ex.HTTP == 405)
}

// controlRole is the role of the operations whose plain cancel is the control of
// the scenario's form. What a body holds is no matter of whose it is, nor is how a
// name is spelt.
func (w *world) controlRole() targets.Role {
	if id := w.plan.requirement.ID; strings.HasPrefix(id, "cancel.request.") || id == "cancel.route.percent-decode-unreserved" {
		return w.it.role
	}
	return targets.Running
}

// controlAccepted sees that the plain cancel of a fresh operation is accepted;
// else its form is not to blame.
func (w *world) controlAccepted(ctx context.Context) error {
	_, err := w.cancelFresh(ctx, w.controlRole())
	return err
}

// formSilent judges a form that brought no answer: the plain cancel is the
// control.
func (w *world) formSilent(ctx context.Context, first call, want string) error {
	err := w.silent(ctx, first, func() (call, error) {
		_, c, err := w.repeatForm(ctx)
		return c, err
	}, w.plainCancel(ctx, w.controlRole()))
	if err != nil {
		return err
	}
	return w.fail(first, want, "a cancel by %s brings no answer, again on fresh operations, while the plain cancel is answered", w.facts["form"])
}

// repeatForm sends the scenario's form for a fresh operation.
func (w *world) repeatForm(ctx context.Context) (*operation, call, error) {
	op, c, err := w.freshInForm(ctx, w.facts["form"].(string))
	if op != nil {
		w.it = op
	}
	return op, c, err
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
	if err := w.refusedInVain(ctx, c); err != nil || w.legalRefusal(c) {
		return err
	}
	finding := w.fail(c, want, "a cancel by %s has an answer that is neither success nor INVALID_ARGUMENT", w.facts["form"])
	if err := w.controlAccepted(ctx); err != nil {
		return err
	}
	return w.refusedAgain(ctx, c, finding, func(c call) bool { return !w.legalRefusal(c) })
}

// refusedInVain judges that a cancel in the scenario's form that was refused has had
// no effect, where the plain one is accepted.
func (w *world) refusedInVain(ctx context.Context, c call) error {
	finding := w.unaffected(ctx, w.it, "a cancel that was refused with "+c.Status())
	if !isViolation(finding) {
		return finding
	}
	if err := w.controlAccepted(ctx); err != nil {
		return err
	}
	return w.confirmed(ctx, finding, func(ctx context.Context) (*operation, error) {
		op, _, err := w.repeatForm(ctx)
		return op, err
	})
}

// legalRefusal tells whether a cancel that a server may refuse is refused as it
// may be: a body by INVALID_ARGUMENT, one that is no object by 413 and 415 too; a
// parameter by any 400.
func (w *world) legalRefusal(c call) bool {
	switch w.plan.requirement.ID {
	case "cancel.request.malformed-body":
		return c.HTTP == 413 || c.HTTP == 415 || c.HTTP == 400 && c.Code == codes.InvalidArgument
	case "cancel.request.unknown-body-field":
		return c.HTTP == 400 && c.Code == codes.InvalidArgument
	}
	return c.HTTP == 400
}

// thenOtherNotCancelled judges that an operation which a cancel names elsewhere
// than in its path goes on. Where a plain cancel touches other operations as well,
// the form is not to blame.
func thenOtherNotCancelled(ctx context.Context) error {
	w := of(ctx)
	err := w.unaffected(ctx, w.others[0], "a cancel of another operation, sent with "+w.facts["form"].(string))
	if !isViolation(err) {
		return err
	}
	err = w.confirmed(ctx, err, func(ctx context.Context) (*operation, error) {
		var err error
		if w.others[0], err = w.startInProgress(ctx, targets.Running); err != nil {
			return nil, err
		}
		_, _, err = w.repeatForm(ctx)
		return w.others[0], err
	})
	if isViolation(err) {
		err = w.unlessShared(ctx, err)
	}
	return err
}

// thenPathAlone judges that an operation which only the body or the query of a
// cancel named goes on, and that the name does not keep the cancel from being
// taken, or refused: then the operation in the path goes on as well.
func thenPathAlone(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	err := thenOtherNotCancelled(ctx)
	switch {
	case err != nil:
		return err
	case c.err != nil:
		return w.formSilent(ctx, c, actsOnPath)
	case c.Accepted() && w.run.target.Guaranteed:
		if err := w.formEffective(ctx, c); isViolation(err) || ctx.Err() != nil {
			return w.unlessWithoutOtherToo(ctx, err, func(op *operation, c call) bool {
				s, err := w.settle(ctx, op)
				return c.Accepted() && err == nil && w.missesEffect(s)
			})
		}
	case faulty(c):
		if err := w.controlAccepted(ctx); err != nil {
			return err
		}
		finding := w.fail(c, actsOnPath, "a cancel by %s is a reason for a server fault", w.facts["form"])
		return w.unlessWithoutOtherToo(ctx, w.refusedAgain(ctx, c, finding, faulty), func(_ *operation, c call) bool { return faulty(c) })
	case w.plan.requirement.ID == "cancel.request.path-name-authoritative" && w.deniesEffect(c):
		// Of a name in the query, cancel.rejected.no-effect alone asks that.
		return w.unlessWithoutOtherToo(ctx, w.refusedInVain(ctx, c), func(op *operation, c call) bool {
			touched, err := w.touched(ctx, op)
			return !c.Accepted() && err == nil && touched
		})
	}
	return nil
}

// withoutOther is, by requirements about cancels that name another operation, a
// form like it that names none, with the requirement that owns that form.
var withoutOther = map[string][2]string{
	"cancel.request.path-name-authoritative": {"its own name in the body", "cancel.request.body-name-same"},
	"cancel.request.query-name-ignored":      {"an unknown parameter", "cancel.request.unknown-query-param"},
}

// unlessWithoutOtherToo keeps a finding about a cancel that names another
// operation only where one like it that names none does not go wrong in the same
// way. Other errors stay.
func (w *world) unlessWithoutOtherToo(ctx context.Context, finding error, wrong func(*operation, call) bool) error {
	like, known := withoutOther[w.plan.requirement.ID]
	if !isViolation(finding) || !known {
		return finding
	}
	op, c, err := w.freshInForm(ctx, like[0])
	if op == nil {
		return err
	}
	if err == nil && wrong(op, c) {
		return inconclusive("a cancel by %s goes wrong in the same way (see %s): %v", like[0], like[1], finding)
	}
	return finding
}

// faulty tells whether a refusal is none of the client's errors.
func faulty(c call) bool { return c.HTTP >= 500 && c.HTTP != 501 }

// actsOnPath is what is expected of a cancel that names another operation
// beside the one in its path.
const actsOnPath = "the operation in the path is cancelled, or the cancel is refused with 4xx"

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
