package steps

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func responseSteps() []definition {
	return []definition{
		step(`the cancel is accepted`, thenAccepted),
		step(`the success has the status 200`, thenStatus200),
		step(`the answer is an empty object`, thenEmptyObject),
		step(`the answer says that it is JSON`, thenContentType),
		step(`the same holds for every success of the whole run`, thenEverySuccess),
		step(`it becomes cancelled in time`, thenBecomesCancelled),
	}
}

// thenAccepted judges that the cancel of an operation in progress is accepted.
func thenAccepted(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if c.err != nil {
		if err := w.cancelIsSilent(ctx, c); err != nil {
			return err
		}
		return w.fail(c, acceptance, "the cancel of an operation in progress brings no answer, again on fresh operations, while other cancels are answered")
	}
	err := w.mustAccept(ctx, w.it, c)
	if err == nil && w.it.unseen { // a look shows that there is such an operation at all
		_, err = w.mustFind(ctx, w.it)
	}
	if err == nil && w.plan.requirement.ID == "cancel.accept.in-progress" && w.it.role == targets.Running {
		err = w.moreCancels(ctx, w.cancel, w.mustAccept)
	}
	return err
}

// mustAccept judges the answer to the cancel of an operation in progress.
func (w *world) mustAccept(ctx context.Context, op *operation, c call) error {
	if c.Accepted() {
		return nil
	}
	l, err := w.get(ctx, op)
	if err != nil {
		return err
	}
	if l.done && !l.cancelled() {
		return w.tooSoon(op)
	}
	if end, ended := op.end(); ended && end.received.Before(c.Start) {
		return inconclusive("the operation was %s before it was cancelled", end.state())
	}
	if op.unseen && notFound(c.Exchange) {
		return inconclusive("the operation may not have been known everywhere yet: its cancel was answered %s", c.Status())
	}
	if w.run.support[w.plan.transport].unprobed && looksUnsupported(c.Exchange) {
		return inconclusive("the cancel is answered %s, and it could not be found out whether the server supports cancel at all (key cancel)", c.Status())
	}
	if l.found && !l.done {
		w.tellRefused(op, c)
	}
	if op.role == targets.Nested && isCode(c.Exchange, codes.Unimplemented, codes.FailedPrecondition) {
		return inapplicable("operations with names of several segments are not cancelled here: %s", c.Status())
	}
	if op.role == targets.Running {
		w.run.effects[w.plan.transport].tellLost()
	}
	return w.fail(c, acceptance, "the cancel of an operation in progress is refused")
}

// acceptance is what the cancel of an operation in progress must be answered.
const acceptance = "success: HTTP 200, gRPC OK"

// success is the answer to the scenario's cancel, which must have been accepted.
func (w *world) success() (call, error) {
	c := w.theCall()
	if c.err != nil {
		return c, inconclusive("the cancel brought no answer: %v (see cancel.accept.in-progress)", c.err)
	}
	form, formed := w.facts["form"]
	switch {
	case c.Accepted():
		return c, nil
	case w.unsupported():
	case formed:
		return c, inconclusive("the cancel by %s was refused with %s (see cancel.request)", form, c.Status())
	case w.it.lastDone():
		return c, inapplicable("the cancel of a finished operation is refused with %s, as it may be", c.Status())
	}
	return c, w.refused(c)
}

func thenStatus200(ctx context.Context) error {
	w := of(ctx)
	c, err := w.success()
	if err == nil && c.HTTP != 200 {
		return w.fail(c, "HTTP 200", notStatus200)
	}
	return err
}

// What is wrong with the success of a cancel.
const (
	notStatus200   = "a successful cancel is not answered 200"
	notEmptyObject = "the body of success is not an empty JSON object"
	notJSON        = "the success does not say that it is JSON"
)

// successes remembers the first success over REST that is not what each of the
// requirements about it asks for, whichever case brought it about.
type successes struct {
	mu    sync.Mutex
	wrong map[string]wrongSuccess // by requirement
}

type wrongSuccess struct {
	targets.Exchange
	want, actual, message string
}

func (s *successes) tell(requirement string, x wrongSuccess) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong == nil {
		s.wrong = map[string]wrongSuccess{}
	}
	if _, known := s.wrong[requirement]; !known {
		s.wrong[requirement] = x
	}
}

func (s *successes) of(requirement string) (wrongSuccess, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.wrong[requirement]
	return x, ok
}

// lookAtSuccess takes note of a success that is not answered as it should be.
func (w *world) lookAtSuccess(c call) {
	if !w.rest() || !c.Accepted() || errorAsSuccess(c.Exchange) {
		return
	}
	all := &w.run.support[w.plan.transport].successes
	if c.HTTP != 200 {
		all.tell("cancel.response.status-200", wrongSuccess{c.Exchange, "HTTP 200", c.Status(), notStatus200})
	}
	if actual := notEmpty(c); actual != "" && (len(c.Body) > 0 || c.HTTP == 200) {
		all.tell("cancel.response.empty-json-object", wrongSuccess{c.Exchange, "{}", actual, notEmptyObject})
	}
	if t := mediaType(c.Header); len(c.Body) > 0 && t != "application/json" && t != "text/json" {
		all.tell("cancel.response.content-type-json", wrongSuccess{c.Exchange, "application/json", fmt.Sprintf("%q", t), notJSON})
	}
}

// thenEverySuccess judges all cancels of the run that succeeded, whatever they
// were about.
func thenEverySuccess(ctx context.Context) error {
	w := of(ctx)
	if _, err := w.success(); err != nil {
		return err
	}
	x, ok := w.run.support[w.plan.transport].successes.of(w.plan.requirement.ID)
	if !ok {
		return nil
	}
	w.exchanges = append(w.exchanges, x.Exchange)
	return w.accuse(w.plan.requirement.ID, len(w.exchanges)-1, x.want, x.actual, "%s", x.message)
}

// thenEmptyObject judges the body of success: one JSON object without members.
// Another success than 200 that has no body has its own requirement.
func thenEmptyObject(ctx context.Context) error {
	w := of(ctx)
	c, err := w.success()
	if err != nil {
		return err
	}
	if len(c.Body) == 0 && c.HTTP != 200 {
		return inconclusive("HTTP %d came without a body (see cancel.response.status-200)", c.HTTP)
	}
	if errorAsSuccess(c.Exchange) {
		return inconclusive("an error was sent with success (see error.http.no-2xx-error)")
	}
	if actual := notEmpty(c); actual != "" {
		return w.accuse(w.plan.requirement.ID, c.index, "{}", actual, notEmptyObject)
	}
	return nil
}

// notEmpty says what the body of a success is other than an empty object; "" where
// it is one.
func notEmpty(c call) string {
	m, ok := c.Doc.(map[string]any)
	switch {
	case len(c.Body) == 0:
		return "no body at all"
	case c.DocErr != nil:
		return "a body that is no JSON value: " + c.DocErr.Error()
	case !ok:
		return clip(targets.Canonical(c.Doc))
	case len(m) != 0:
		return "members: " + clip(targets.Canonical(c.Doc))
	}
	return ""
}

// thenContentType judges the media type of success. An answer without a body
// has its own requirement.
func thenContentType(ctx context.Context) error {
	w := of(ctx)
	c, err := w.success()
	if err != nil {
		return err
	}
	if len(c.Body) == 0 {
		return inconclusive("the answer has no body (see cancel.response.empty-json-object)")
	}
	switch t := mediaType(c.Header); t {
	case "application/json":
	case "text/json":
		w.note("success is text/json: some clients accept it")
	default:
		return w.accuse(w.plan.requirement.ID, c.index, "application/json", fmt.Sprintf("%q", t), notJSON)
	}
	return nil
}

// thenBecomesCancelled judges the effect of an accepted cancel. Only a target
// that guarantees it can fail.
func thenBecomesCancelled(ctx context.Context) error {
	w := of(ctx)
	c, s, err := w.settleIt(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.end == endedCancelled:
		w.observe(w.plan.requirement.ID, fmt.Sprintf("cancelled %v after the cancel was accepted", s.received.Sub(c.End()).Round(time.Millisecond)))
		if !w.run.target.Guaranteed || w.it.role != targets.Running {
			return nil
		}
		return w.moreCancels(ctx, w.cancel, func(ctx context.Context, op *operation, c call) error {
			if !c.Accepted() {
				return nil // cancel.accept.in-progress owns it
			}
			if s, err := w.settle(ctx, op); err == nil && s.end == endedNever {
				return w.noEffect(s)
			}
			return nil
		})
	case s.end == endedNever && w.run.target.Guaranteed:
		return w.noEffect(s)
	}
	return inconclusive("%s", w.ineffective(w.it, s))
}

// further is how many operations more are cancelled, side by side, to find a
// server that refuses or loses one cancel in several.
const further = 8

// moreCancels has send cancel more running operations, and returns what judge
// finds. That one cannot be started, or brings no answer, is no matter here.
func (w *world) moreCancels(ctx context.Context, send func(context.Context, *operation) call, judge func(ctx context.Context, op *operation, c call) error) error {
	if w.run.scarce(targets.Running) || w.facts["single"] == true { // those would be like any others
		return nil
	}
	err := together(further, func(int) error {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return nil
		}
		c := send(ctx, op)
		op.over.Store(c.Accepted())
		if c.err != nil || transient(c.Exchange) {
			return nil
		}
		return judge(ctx, op, c)
	})
	if isViolation(err) {
		return err
	}
	return nil
}

// noEffect is the finding that an accepted cancel had no effect.
func (w *world) noEffect(s settled) error {
	w.run.effects[w.plan.transport].tellLost()
	return w.accuse(w.plan.requirement.ID, s.look.index, fmt.Sprintf("done with error code 1 within settle (%v)", w.settleFor()), s.state(),
		"an accepted cancel had no effect, although the target guarantees it")
}

// isCode tells whether a call was answered with one of the codes.
func isCode(ex targets.Exchange, list ...codes.Code) bool {
	for _, c := range list {
		if ex.Code == c && (ex.Transport == targets.REST || ex.GRPC != nil && ex.GRPC.HasStatus) {
			return true
		}
	}
	return false
}
