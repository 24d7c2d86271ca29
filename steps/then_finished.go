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

// thenUnchanged judges that a finished operation keeps its result. Where there is no
// cancel, that is what UNIMPLEMENTED means.
func thenUnchanged(ctx context.Context) error {
	w := of(ctx)
	if c := w.theCall(); w.unsupported() && unimplemented(c.Exchange) {
		return inapplicable("the server does not support cancel: %s (see cancel.unimplemented.no-effect)", c.Status())
	}
	return w.staysEnded(ctx)
}

// staysEnded watches that a finished operation that was cancelled keeps its result,
// for the observation window, and also where it is cancelled again, in the same form:
// clients that got no answer ask once more. Of what was cancelled cancel.repeat.single-outcome
// judges further cancels.
func (w *world) staysEnded(ctx context.Context) error {
	if c := w.theCall(); c.err != nil {
		return inconclusive("the cancel brought no answer: %v", c.err)
	}
	end, _ := w.it.end()
	if !end.cancelled() {
		for range laterToo {
			w.cancelAlike(ctx, w.it)
		}
	}
	finding := w.keeps(ctx, w.it, end, w.observeFor())
	switch {
	case !isViolation(finding):
		return finding
	case w.ofAge():
		return w.unlessWitnessToo(ctx, finding)
	}
	return w.unlessAlone(ctx, end, finding)
}

// unlessAlone keeps a finding about the cancel of a finished operation only
// where others that nobody cancels again stay as they ended, for longer: what
// changes by itself is the business of operation.terminal.* and
// cancel.state.retention, and services keep what has ended as long as they say
// (AIP-151).
func (w *world) unlessAlone(ctx context.Context, end snapshot, finding error) error {
	d := max(w.observeFor(), 2*time.Since(end.received))
	n := oneDoes
	if w.run.scarce(w.it.role) {
		n = 1
	}
	err := together(n, func(int) error {
		op, err := w.finishedLike(ctx, w.it)
		if err != nil {
			return err
		}
		alone, _ := op.end()
		return w.keeps(ctx, op, alone, d)
	})
	if isViolation(err) {
		return inconclusive("a finished operation does not stay as it ended without another cancel either (see operation.terminal.*, cancel.state.retention)")
	}
	if err != nil {
		return err
	}
	return finding
}

// keeps watches that a finished operation stays as it ended.
func (w *world) keeps(ctx context.Context, op *operation, end snapshot, d time.Duration) error {
	want := "still " + end.state()
	_, err := w.poll(ctx, op, d, func(l look) (bool, error) {
		switch {
		case !l.found && notFound(l.Exchange):
			return false, w.fail(l.call, want, "the finished operation is gone after a cancel")
		case !l.found || l.garbled:
			return false, w.fail(l.call, want, "Get of the finished operation fails after a cancel")
		case !l.done || !sameResult(end, l.snapshot):
			return false, w.failAt(l.snapshot, want, "the cancel of a finished operation has changed it")
		}
		return false, nil
	})
	if r, ok := err.(*ruling); ok && r.silent != nil {
		err = w.unreadable(ctx, op, err)
	}
	return w.unlessLeftAloneToo(ctx, err)
}

// unlessLeftAloneToo keeps a finding about a finished operation only where one
// that is not cancelled then keeps its result: operation.terminal.* own what
// changes by itself. Other errors stay.
func (w *world) unlessLeftAloneToo(ctx context.Context, finding error) error {
	if !isViolation(finding) {
		return finding
	}
	op, err := w.finishedLike(ctx, w.it)
	if err != nil {
		return err
	}
	if err := w.staysAs(ctx, op, op.snapshots[len(op.snapshots)-1]); err != nil {
		return inconclusive("a finished operation that is left alone is no better: %v", err)
	}
	return finding
}

// thenLegalFinished judges the code of a cancel of a finished operation. It is legal
// without cancel as well to look at the operation first. In what form a cancel is
// sent says nothing there, where the request may be looked at first; nor does what
// answers where there is no route.
func thenLegalFinished(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	_, formed := w.facts["form"]
	need := w.needAnswers
	if formed || w.run.support[w.plan.transport].asMissing {
		need = w.needCancel
	}
	if err := need(); err != nil {
		return err
	}
	switch {
	case formed && c.err != nil:
		return inconclusive("the cancel brought no answer: %v (see cancel.request)", c.err)
	case formed:
		return w.unlessFormToo(ctx, w.legalFinished(ctx, c))
	}
	for later := 0; ; later++ {
		switch {
		case c.err != nil:
			return w.finishedSilence(ctx, c)
		case later > 0 && transient(c.Exchange):
			return nil
		}
		if err := w.legalFinished(ctx, c); err != nil || later == laterToo {
			return err
		}
		c = w.cancel(ctx, w.it)
	}
}

// laterToo is how many cancels of one finished operation more are judged: clients
// that got no answer ask again.
const laterToo = 2

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
			if w.someCancel(ctx, func(c call) bool { return unimplemented(c.Exchange) }) {
				return inconclusive("the cancel of an operation in progress is answered UNIMPLEMENTED now and then as well (see cancel.unimplemented.consistent)")
			}
			return w.fail(c, legalFinishedCodes, "the cancel of a finished operation is answered UNIMPLEMENTED, but not always: then %s", again.Status())
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
	default:
		if err := w.unlessPlainToo(ctx, c); err != nil {
			return err
		}
		return w.fail(c, legalFinishedCodes, "the cancel of a finished operation has an answer that is not legal")
	}
	return nil
}

// someCancel tells whether one of several cancels of operations in progress has
// such an answer.
func (w *world) someCancel(ctx context.Context, such func(call) bool) bool {
	return w.moreCancels(ctx, w.cancel, func(_ context.Context, _ *operation, c call) error {
		if such(c) {
			return w.accuse(w.plan.requirement.ID, c.index, "success", c.Status(), "the cancel of an operation in progress has that answer as well")
		}
		return nil
	}) != nil
}

// finishedSilence judges a cancel of a finished operation that brought no answer. It
// need not be the first that does not.
func (w *world) finishedSilence(ctx context.Context, c call) error {
	it, times := w.it, w.it.asked()
	err := w.silent(ctx, c, func() (call, error) {
		op, err := w.again(ctx, it)
		if err != nil {
			return call{}, err
		}
		return w.cancelAsOften(ctx, op, times), nil
	}, w.plainCancel(ctx, targets.Running))
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
	case w.rest() && c.HTTP != 400 && object(object(c.Doc)["error"])["status"] == "FAILED_PRECONDITION":
		return inconclusive("FAILED_PRECONDITION comes with HTTP %d (see error.http.status-name)", c.HTTP)
	case w.rest() && c.HTTP == 400 && !namesCode(c.Exchange):
		return inconclusive("the error does not name its code, and HTTP 400 goes with FAILED_PRECONDITION as well (see error.http.status-name and error.http.json-envelope)")
	case isCode(c.Exchange, codes.Aborted, codes.InvalidArgument, codes.Unimplemented):
		if err := w.unlessPlainToo(ctx, c); err != nil {
			return err
		}
		return w.fail(c, "success, or FAILED_PRECONDITION", "the cancel of a finished operation has a legal answer, but not a preferred one")
	}
	return inconclusive("the answer %s is not legal (see cancel.finished.status-legal)", c.Status())
}
