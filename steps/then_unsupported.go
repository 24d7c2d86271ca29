package steps

import (
	"context"
	"fmt"
	"math/bits"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// consistent is the requirement that support does not come and go.
const consistent = "cancel.unimplemented.consistent"

func unsupportedSteps() []definition {
	return []definition{
		step(`the answer is that the method is not implemented`, thenUnimplemented),
		step(`the answer carries the error in its JSON form`, thenUnimplementedJSON),
		step(`it goes on as if nothing had been sent`, thenGoesOn),
		step(`it stays as it ended, as if nothing had been sent`, thenEndUntouched),
		step(`it succeeds as if nothing had been sent`, thenSucceedsStill),
		step(`the client cancels it five times`, whenCancelsFive),
		step(`the answers are all of UNIMPLEMENTED or none`, thenConsistent),
	}
}

// thenUnimplemented judges that a cancel is answered UNIMPLEMENTED, where it is
// of an operation that cannot be cancelled.
func thenUnimplemented(ctx context.Context) error {
	w := of(ctx)
	return w.unlessKindCancelled(ctx, w.answersUnimplemented(w.theCall()))
}

func (w *world) answersUnimplemented(c call) error {
	if c.err != nil {
		return inconclusive("the cancel brought no answer: %v", c.err)
	}
	if form, formed := w.facts["form"]; formed && (c.HTTP == 400 || c.HTTP == 411 || c.HTTP == 415) {
		return inconclusive("a cancel by %s is answered %s: the request may be looked at before the method is (see cancel.request.zero-bytes-no-content-type)", form, c.Status())
	}
	if w.rest() && c.HTTP != 501 {
		return w.fail(c, "HTTP 501", "a server without cancel does not answer 501")
	}
	if !w.rest() && !unimplemented(c.Exchange) {
		return w.fail(c, "UNIMPLEMENTED (12)", "a server without cancel does not answer UNIMPLEMENTED")
	}
	if !w.rest() && !c.GRPC.HasStatus {
		w.note("plain HTTP 404 comes in place of gRPC, which clients read as UNIMPLEMENTED")
	}
	return nil
}

// thenUnimplementedJSON judges the body of a 501. A raw google.rpc.Status is a
// note in the profile lro.
func thenUnimplementedJSON(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if c.err != nil || c.HTTP != 501 {
		return inapplicable("the answer is not 501 but %s (see cancel.unimplemented.http-501)", c.Status())
	}
	const want = `application/json, {"error": {"code": 501, "message": …, "status": "UNIMPLEMENTED"}}`
	doc := object(c.Doc)
	e, ok := doc["error"].(map[string]any)
	why := ""
	number, _ := readInt(doc["code"])
	switch raw := rawStatus(doc) && w.run.target.Profile != targets.ProfileGoogle; {
	case raw && number != int64(codes.Unimplemented):
		why = "a raw google.rpc.Status with code " + targets.Canonical(doc["code"])
	case raw:
		w.note("the 501 carries a raw google.rpc.Status body, not the envelope of AIP-193")
		why = untyped(c, doc["details"])
	default:
		if why = notEnvelope(e, ok, c); why == "" {
			why = wrongUnimplemented(c, e)
		}
	}
	if why != "" {
		return w.accuse(w.plan.requirement.ID, c.index, want, why, "the 501 does not carry the error in the form of AIP-193")
	}
	return nil
}

func wrongUnimplemented(c call, e map[string]any) string {
	if n, _ := readInt(e["code"]); n != 501 {
		return "error.code " + targets.Canonical(e["code"])
	}
	if e["status"] != "UNIMPLEMENTED" {
		return "error.status " + targets.Canonical(e["status"])
	}
	return untyped(c, e["details"])
}

// untyped tells which type an error does not name that its form promises: that
// of JSON, or that of a detail; "" where it names all.
func untyped(c call, details any) string {
	list, _ := details.([]any)
	for _, d := range list {
		if m, _ := d.(map[string]any); m == nil || !isAny(m) || len(m) == 0 {
			return "details with " + clip(targets.Canonical(d))
		}
	}
	if t := mediaType(c.Header); t != "application/json" {
		return fmt.Sprintf("Content-Type %q", t)
	}
	return ""
}

// thenGoesOn judges that an operation whose cancel was answered UNIMPLEMENTED
// was not touched.
func thenGoesOn(ctx context.Context) error {
	w := of(ctx)
	if err := w.notAccepted(); err != nil {
		return err
	}
	again := func() error {
		if c := w.cancelAlike(ctx, w.it); c.err != nil || c.Accepted() {
			return inconclusive("the cancel of another operation was answered otherwise: %s", c.Status())
		}
		return nil
	}
	if w.facts["while waiting"] == nil {
		return w.unaffectedBy(ctx, w.refusedSo(), again)
	}
	return w.unlessWaitsDo(ctx, w.unaffectedBy(ctx, w.refusedSo(), func() error { return w.whileWaiting(ctx, w.it, again) }))
}

// unlessWaitsDo keeps the finding that an operation that somebody waited for was
// touched only where another goes on that was waited for and not cancelled. Other
// errors stay.
func (w *world) unlessWaitsDo(ctx context.Context, finding error) error {
	if !isViolation(finding) || w.run.scarce(w.it.role) {
		return finding
	}
	op, err := w.startInProgress(ctx, w.it.role)
	if err != nil {
		return err
	}
	if err := w.whileWaiting(ctx, op, func() error { return nil }); err != nil {
		return err
	}
	if err := w.unaffected(ctx, op, "Waits alone"); err != nil {
		return inconclusive("an operation that is waited for and not cancelled does not go on either (see wait.expiry-no-effect, cancel.isolation.rpc-abort): %v", err)
	}
	return finding
}

// thenEndUntouched judges that what had ended stays as it ended when its cancel is
// answered UNIMPLEMENTED. After other answers cancel.finished.* judge that.
func thenEndUntouched(ctx context.Context) error {
	w := of(ctx)
	if c := w.theCall(); c.err == nil && !unimplemented(c.Exchange) {
		return inapplicable("the cancel of a finished operation is answered %s (see cancel.finished.preserves-success, cancel.finished.preserves-failure)", c.Status())
	}
	return w.staysEnded(ctx)
}

// refusedSo tells of the scenario's cancel by its answer.
func (w *world) refusedSo() string { return "a cancel that was answered " + w.theCall().Status() }

// notAccepted rules on a cancel that a server without cancel should have refused.
func (w *world) notAccepted() error {
	c := w.theCall()
	switch {
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v", c.err)
	case c.Accepted():
		return inapplicable("the cancel was accepted: %s (see %s)", c.Status(), w.refusalOwner())
	}
	return nil
}

// thenSucceedsStill judges that an operation whose cancel was answered
// UNIMPLEMENTED ends by itself, with the response that its role promises, as one
// does of which nothing was asked.
func thenSucceedsStill(ctx context.Context) error {
	w := of(ctx)
	if err := w.notAccepted(); err != nil {
		return err
	}
	const want = "the operation ends with a response, as if nothing had been sent"
	l, err := w.endOf(ctx, w.it)
	switch {
	case err != nil:
		return err
	case !l.found && notFound(l.Exchange):
		return w.fail(l.call, want, "the operation is gone after %s", w.refusedSo())
	case !l.found || l.garbled:
		return inconclusive("Get answered %s", l.Status())
	case l.cancelled():
		return w.failAt(l.snapshot, want, "the operation was cancelled by %s", w.refusedSo())
	case l.done && l.hasResponse:
		return nil
	}
	return w.unlessIdleEndsSo(ctx, l, w.failAt(l.snapshot, want,
		"the operation does not succeed after %s, nor do others of which it was asked, while those that were left alone do", w.refusedSo()))
}

// endOf follows an operation to its end, or for as long as that may take, and
// returns the last look.
func (w *world) endOf(ctx context.Context, op *operation) (look, error) {
	var last look
	_, err := w.poll(ctx, op, w.settleFor(), func(l look) (bool, error) {
		last = l
		return l.done || !l.found || l.garbled, nil
	})
	return last, err
}

// idleToo is how many operations are started, of which half are cancelled, before
// it is said that those do not succeed which are.
const idleToo = 8

// unlessIdleEndsSo keeps the finding that an operation whose cancel was answered
// UNIMPLEMENTED does not succeed only where none does that is cancelled so, and
// each that is left alone: the role may not behave as declared. Where workers take
// operations by turns, each of up to four is given some of either sort: their
// order is that of Thue and Morse.
func (w *world) unlessIdleEndsSo(ctx context.Context, l look, finding error) error {
	role := w.it.role
	ruling := inconclusive("%s does not behave as declared: the operation was %s at the last look within settle, not done with a response", role, l.state())
	if w.run.scarce(role) {
		return ruling
	}
	var ops [idleToo]*operation
	cancelled := func(i int) bool { return bits.OnesCount(uint(i))%2 == 0 }
	for i := range ops {
		op, err := w.start(ctx, role, "")
		if err == nil {
			_, err = w.mustFind(ctx, op)
		}
		if err != nil {
			return err
		}
		ops[i] = op
		if !cancelled(i) {
			continue
		}
		if c := w.cancel(ctx, op); c.err != nil || !unimplemented(c.Exchange) {
			return inconclusive("the cancel of another operation was answered otherwise: %s", c.Status())
		}
	}
	if err := together(idleToo, func(i int) error {
		l, err := w.endOf(ctx, ops[i])
		if err == nil && (l.done && l.hasResponse) == cancelled(i) {
			err = ruling
		}
		return err
	}); err != nil {
		return err
	}
	return finding
}

// whenCancelsFive repeats the cancel of one operation, one call after the other.
func whenCancelsFive(ctx context.Context) error {
	w := of(ctx)
	var out []repetition
	for range 5 {
		r, err := w.repeat(ctx, w.it)
		switch {
		case err != nil:
			return err
		case r.err != nil:
			return inconclusive("a cancel brought no answer: %v", r.err)
		}
		out = append(out, r)
	}
	w.facts["repetitions"] = out
	return nil
}

// thenConsistent judges that support does not come and go. What the probes
// before the first case saw of running operations counts too, and what the other
// cases did. That the cancel of what an earlier one has finished is answered
// UNIMPLEMENTED is legal (cancel.finished.status-legal).
func thenConsistent(ctx context.Context) error {
	w := of(ctx)
	const want = "UNIMPLEMENTED always, or never"
	if w.run.target.Cancel == targets.CancelSupported {
		return inapplicable("the target declares cancel: supported (refusals are judged by cancel.accept.in-progress)")
	}
	running := w.it.role == targets.Running
	if seen, exchanges := w.run.support[w.plan.transport].changes.were(); seen && running {
		w.exchanges = append(w.exchanges, exchanges...)
		return w.accuse(w.plan.requirement.ID, len(w.exchanges)-1, want, "both", "running operations were cancelled: some answers were UNIMPLEMENTED, some were not")
	}
	var none, accepted *repetition
	for _, r := range w.repetitions() {
		switch {
		case r.Accepted():
			accepted = &r
		case unimplemented(r.Exchange) && (accepted == nil || r.during):
			none = &r
		default:
			continue
		}
		if none != nil && accepted != nil {
			return w.unlessEndedAlone(ctx, w.accuse(w.plan.requirement.ID, r.index, want, accepted.Status()+", "+none.Status(), "repeated cancels of one operation were answered both ways"))
		}
	}
	if !running {
		return nil
	}
	return w.moreCancels(ctx, w.cancel, func(ctx context.Context, op *operation, c call) error {
		if none != nil && c.Accepted() || accepted != nil && unimplemented(c.Exchange) && w.inProgress(ctx, op) == nil {
			return w.accuse(w.plan.requirement.ID, c.index, want, "both", "running operations were cancelled: some answers were UNIMPLEMENTED, some were not")
		}
		return nil
	})
}

// unlessEndedAlone keeps a finding about the cancels of an operation in progress
// unless it has ended by itself meanwhile: what has ended may be answered otherwise.
func (w *world) unlessEndedAlone(ctx context.Context, finding error) error {
	l, err := w.get(ctx, w.it)
	switch {
	case err != nil:
		return err
	case l.found && !l.garbled && l.done && !l.cancelled():
		return w.tooSoon(w.it)
	}
	return finding
}
