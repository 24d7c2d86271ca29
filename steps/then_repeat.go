package steps

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

const (
	legalRepeat  = "success, FAILED_PRECONDITION or ABORTED"
	legalOrEnded = legalRepeat + ", or, if the first cancel has finished the operation, what is legal then"
)

// neverLegal tells whether no cancel of an existing operation may be answered
// so, whatever its state.
func neverLegal(ex targets.Exchange) bool {
	return serverFault(ex) || isCode(ex, codes.NotFound, codes.AlreadyExists, codes.Canceled)
}

// tolerated tells whether a repeated cancel may be refused so.
func (r repetition) tolerated() bool {
	if isCode(r.Exchange, codes.FailedPrecondition, codes.Aborted) {
		return true
	}
	// HTTP 400 without a readable status may be either.
	return r.Transport == targets.REST && r.HTTP == 400 && !namesCode(r.Exchange)
}

// endedFirst tells whether a repetition is answered as the cancel of a finished
// operation may be where nothing in that state is ever cancelled.
func (r repetition) endedFirst() bool { return unimplemented(r.Exchange) && r.next.done }

// elsewhere rules on a repetition that is another requirement's business. Of
// cancels at once, and of one after another that was given up, it is not: what
// single ones do as well is told by the controls.
func (w *world) elsewhere(r repetition) error {
	switch {
	case r.endedFirst():
		return nil
	case !strings.HasPrefix(w.plan.requirement.ID, "cancel.repeat."):
		return nil
	case isCode(r.Exchange, codes.Unimplemented), unimplemented(r.Exchange):
		return inconclusive("a repeated cancel answered %s (see cancel.unimplemented.consistent)", r.Status())
	case isCode(r.Exchange, codes.NotFound) && !r.next.found:
		return inconclusive("Get answered %s after the accepted cancel (see cancel.state.not-deleted)", r.next.Status())
	}
	return nil
}

// legal judges the code of one repetition; nil where it is legal.
func (w *world) legal(r repetition) error {
	switch {
	case r.err != nil:
		return inconclusive("a repeated cancel brought no answer: %v", r.err)
	case r.Accepted(), transient(r.Exchange):
		return nil
	case r.tolerated():
		w.observe(w.plan.requirement.ID, "a repeated cancel is refused with "+targets.CodeName(r.Code))
		return nil
	}
	if err := w.elsewhere(r); err != nil {
		return err
	}
	switch {
	case neverLegal(r.Exchange):
		return w.fail(r.call, legalOrEnded, "a repeated cancel has an answer that is not legal")
	case r.during:
		return w.fail(r.call, legalRepeat, "a repeated cancel of an operation that is still in progress has an answer that is not legal")
	case isCode(r.Exchange, codes.InvalidArgument), r.endedFirst():
		return nil
	case isCode(r.Exchange, codes.PermissionDenied):
		w.note("a repeated cancel is answered PERMISSION_DENIED")
		return nil
	}
	return w.fail(r.call, legalOrEnded, "a repeated cancel has an answer that is not legal")
}

func thenRepeatsLegal(ctx context.Context) error {
	w := of(ctx)
	var errs []error
	for _, r := range w.repetitions() {
		if r.err != nil {
			errs = append(errs, w.laterSilence(ctx, r))
			continue
		}
		errs = append(errs, w.unlessFinishedSo(ctx, r, w.legal(r)))
	}
	return w.unlessFormToo(ctx, gravest(errs))
}

// unlessFinishedSo keeps a finding about a repetition that may have met a
// finished operation only where the cancels of one are answered otherwise:
// cancel.finished.status-legal owns that. Other errors stay.
func (w *world) unlessFinishedSo(ctx context.Context, r repetition, finding error) error {
	if !isViolation(finding) || r.during {
		return finding
	}
	answers, err := w.cancelsOfFinished(ctx)
	if err != nil {
		return err
	}
	for _, c := range answers {
		if c.HTTP == r.HTTP && c.Code == r.Code {
			return inconclusive("the cancel of a finished operation is answered %s as well (see cancel.finished.status-legal)", c.Status())
		}
	}
	return finding
}

// cancelsOfFinished are cancels of an operation that was cancelled before, no
// more of them than the scenarios of cancel.finished.status-legal make: two when
// it has ended, and one as long after that as the last of the case's own
// repetitions may have been. A case makes them once, however many answers are held against them.
func (w *world) cancelsOfFinished(ctx context.Context) ([]call, error) {
	if c, ok := w.facts["cancels of finished"].([]call); ok {
		return c, nil
	}
	role := w.it.role
	if w.run.scarce(role) {
		role = targets.Running
	}
	op, err := w.cancelled(ctx, role)
	if err != nil {
		return nil, err
	}
	ended := time.Now()
	var late time.Duration
	for _, r := range w.repetitions() {
		if accepted := r.op.acceptedAt(); !accepted.IsZero() {
			late = max(late, r.End().Sub(accepted))
		}
	}
	var out []call
	for _, after := range [...]time.Duration{0, 0, late} {
		if !sleep(ctx, time.Until(ended.Add(after))) {
			return nil, stopped(ctx)
		}
		c, err := w.repeatTransient(ctx, func() call { return w.cancelAlike(ctx, op) })
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	w.facts["cancels of finished"] = out
	return out, nil
}

// cancelAlike cancels an operation by a request of the scenario's form.
func (w *world) cancelAlike(ctx context.Context, op *operation) call {
	if form, formed := w.facts["form"].(string); formed {
		if c, err := w.cancelInForm(ctx, op, form); err == nil {
			return c
		}
	}
	return w.cancel(ctx, op)
}

// thenRepeatsAccepted judges that a repetition is no error. Refusals that
// services document (cannot be cancelled again) are tolerated.
func thenRepeatsAccepted(ctx context.Context) error {
	w := of(ctx)
	var errs []error
	for _, r := range w.repetitions() {
		switch {
		case r.err != nil:
			return w.repeatSilence(ctx, r)
		case r.Accepted(), transient(r.Exchange):
		case r.tolerated():
			w.note("a repeated cancel is refused with %s", targets.CodeName(r.Code))
		case w.elsewhere(r) != nil:
			errs = append(errs, w.elsewhere(r))
		case neverLegal(r.Exchange):
			errs = append(errs, inconclusive("a repeated cancel answered %s (see cancel.repeat.code-legal)", r.Status()))
		case r.during:
			errs = append(errs, w.fail(r.call, "success", "a repeated cancel is refused while the first is still in effect"))
		}
	}
	return gravest(errs)
}

// acceptedTimes is how many cancels the scenarios of cancel.repeat.accepted send.
const acceptedTimes = 3

// repeatSilence judges a repeated cancel that brought no answer. It need not be the
// first repetition that does not.
func (w *world) repeatSilence(ctx context.Context, r repetition) error {
	role, times := r.op.role, r.op.asked()
	fresh := func(role targets.Role) (call, error) {
		op, err := w.cancelFresh(ctx, role)
		if err != nil {
			return call{}, err
		}
		op.over.Store(true)
		return w.cancelAsOften(ctx, op, times), nil
	}
	if err := w.silent(ctx, r.call, func() (call, error) { return fresh(role) }, w.plainCancel(ctx, targets.Running)); err != nil {
		return err
	}
	if role == targets.Slow {
		if times == 2 {
			waits, err := w.repeatWaits(ctx)
			if err == nil && waits {
				err = inconclusive("a repeated cancel of an operation that is slow to stop is answered when it stops (see cancel.response.returns-promptly)")
			}
			if err != nil {
				return err
			}
		}
	} else if err := w.unlessFinishedSilentToo(ctx, role, times); err != nil {
		return err
	}
	return w.fail(r.call, "an answer", "a repeated cancel brings no answer, again on fresh operations, while first cancels are answered")
}

// unlessFinishedSilentToo is a ruling where the cancel of what has ended brings no
// answer either when it is sent as often: the first may have finished the operation,
// and cancel.finished.status-legal owns that.
func (w *world) unlessFinishedSilentToo(ctx context.Context, role targets.Role, times int) error {
	op, err := w.cancelled(ctx, role)
	switch {
	case ctx.Err() != nil:
		return stopped(ctx)
	case err != nil && op != nil && !op.acceptedAt().IsZero() && !op.lastDone():
		return nil // a cancel does not finish it that soon
	case err != nil:
		return err
	}
	if c := w.cancelAsOften(ctx, op, times); w.unanswered(c) {
		return inconclusive("a repeated cancel of a finished operation brings no answer either: %s (see cancel.finished.status-legal)", c.Status())
	}
	return nil
}

// laterSilence judges a repeated cancel that brought no answer where that is not for
// cancel.repeat.accepted, which sends fewer, and none in another form or to other kinds.
func (w *world) laterSilence(ctx context.Context, r repetition) error {
	_, formed := w.facts["form"]
	often, other := r.op.asked() > acceptedTimes, r.op.role != targets.Running && r.op.role != targets.Slow
	switch {
	case formed, !often && !other:
		return inconclusive("a repeated cancel brought no answer: %v (see cancel.repeat.accepted)", r.err)
	case !often:
		if err := w.repeatsAnswered(ctx); err != nil {
			return err
		}
	}
	return w.repeatSilence(ctx, r)
}

// repeatTries is how many operations are cancelled twice for one that is still in
// progress when the second cancel is answered.
const repeatTries = 3

// repeatsAnswered is the control of a repeated cancel that brought no answer: that of
// a running operation, or of one that is slow to stop, is answered. It must be in
// progress after that: the cancel of what has ended is another thing.
func (w *world) repeatsAnswered(ctx context.Context) error {
	roles := slices.Repeat([]targets.Role{targets.Running}, repeatTries)
	if w.run.role(targets.Slow) == nil {
		roles = append(roles, targets.Slow)
	}
	for _, role := range roles {
		op, err := w.cancelFresh(ctx, role)
		if err != nil {
			return err
		}
		op.over.Store(true)
		if c := w.cancel(ctx, op); w.unanswered(c) {
			return inconclusive("a repeated cancel of a %s operation brings no answer either (see cancel.repeat.accepted)", role)
		}
		if w.inProgress(ctx, op) == nil {
			return nil
		}
	}
	return inconclusive("no running operation was still in progress when a repeated cancel was answered: whether any is, is not known (see cancel.repeat.accepted)")
}

// plainCancel makes the control of what brings no answer: the plain cancel of a fresh
// operation of a role.
func (w *world) plainCancel(ctx context.Context, role targets.Role) func() (call, error) {
	return func() (call, error) { return w.controlCancel(ctx, role) }
}

// controlCancel is the plain cancel of a fresh operation of a role, whatever comes of
// it.
func (w *world) controlCancel(ctx context.Context, role targets.Role) (call, error) {
	op, err := w.startInProgress(ctx, role)
	if err != nil {
		return call{}, err
	}
	c := w.cancel(ctx, op)
	op.over.Store(c.Accepted())
	return c, nil
}
