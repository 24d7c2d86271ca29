package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func repeatSteps() []definition {
	return []definition{
		step(`the client cancels it (three|ten) times`, whenCancelsTimes),
		step(`the client cancels it until it has ended, and some more`, whenCancelsPastEnd),
		step(`the client cancels it again before it has stopped`, whenCancelsAgain),
		step(`sixteen clients cancel it at once`, whenCancelsAtOnce),
		step(`the client gives up a cancel early and sends it again`, whenGivesUp),
		step(`the repeated cancels are accepted`, thenRepeatsAccepted),
		step(`the answers to the cancels are legal`, thenRepeatsLegal),
		step(`no answer is a server fault`, thenNoServerFault),
		step(`it has one result`, thenOneResult),
	}
}

// A repetition is the answer to a cancel that was not the only one of its
// operation, with the look that followed a refusal.
type repetition struct {
	call
	op   *operation
	next look
	// during: the operation was still in progress when the cancel had been
	// answered. Otherwise another cancel may have finished it before, and the
	// answers to the cancel of a finished operation are legal too.
	during bool
}

func (w *world) repetitions() []repetition {
	r, _ := w.facts["repetitions"].([]repetition)
	return r
}

// whenCancelsTimes cancels one operation several times without waiting for an
// effect.
func whenCancelsTimes(ctx context.Context, count string) error {
	w := of(ctx)
	op, err := w.cancelIt(ctx)
	if err != nil {
		return err
	}
	op.over = true
	var out []repetition
	times := map[string]int{"three": 3, "ten": 10}[count]
	for i := 1; i < times; i++ {
		// What takes long to stop is asked again later as well: by then it may
		// be in another stage.
		if last := i == times-1; last && op.role == targets.Slow && !sleep(ctx, slowStop/2) {
			return stopped(ctx)
		}
		r, err := w.repeat(ctx, op)
		if err != nil {
			return err
		}
		out = append(out, r)
		if r.err != nil {
			break
		}
	}
	w.facts["repetitions"] = out
	return nil
}

// pastEnd is how many cancels come after the end of an operation: more than
// what judges cancel.finished.*.
const pastEnd = 4

// whenCancelsPastEnd cancels an operation twice, follows it to its end, and
// cancels it some more.
func whenCancelsPastEnd(ctx context.Context) error {
	w := of(ctx)
	op, err := w.cancelIt(ctx)
	if err != nil {
		return err
	}
	var out []repetition
	for i := range pastEnd + 1 {
		r, err := w.repeat(ctx, op)
		if err != nil {
			return err
		}
		out = append(out, r)
		if i > 0 {
			continue
		}
		if _, err := w.becomesCancelled(ctx, op); err != nil {
			return err
		}
	}
	w.facts["repetitions"] = out
	return nil
}

// whenCancelsAgain cancels an operation twice, for a scenario that judges how
// the success of the second looks.
func whenCancelsAgain(ctx context.Context) error {
	w := of(ctx)
	op, err := w.cancelIt(ctx)
	if err != nil {
		return err
	}
	r, err := w.repeat(ctx, op)
	switch {
	case err != nil:
		return err
	case r.err != nil:
		return inconclusive("the repeated cancel brought no answer: %v (see cancel.repeat.accepted)", r.err)
	case transient(r.Exchange):
		return inconclusive("the repeated cancel answered %s", r.Status())
	case !r.Accepted():
		return inapplicable("a repeated cancel is refused: %s", r.Status())
	}
	w.facts["call"] = r.call
	return nil
}

// repeat cancels an operation again.
func (w *world) repeat(ctx context.Context, op *operation) (repetition, error) {
	r := repetition{call: w.cancel(ctx, op), op: op}
	switch {
	case ctx.Err() != nil:
		return r, stopped(ctx)
	case r.err != nil, r.Accepted(), transient(r.Exchange):
		return r, nil
	}
	return r, w.follow(ctx, &r)
}

// follow looks at the operation after a refused cancel.
func (w *world) follow(ctx context.Context, r *repetition) error {
	l, err := w.get(ctx, r.op)
	if err != nil {
		return err
	}
	r.next, r.during = l, l.found && !l.garbled && !l.done
	return nil
}

// parallel is how many clients cancel one operation at once.
const parallel = 16

// whenCancelsAtOnce sends many cancels of one operation at a time.
func whenCancelsAtOnce(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	bystander, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	out, err := w.burst(ctx, w.it, bystander)
	w.facts["repetitions"] = out
	if err != nil {
		return err
	}
	for _, r := range out {
		if r.Accepted() {
			w.facts["call"] = r.call
			w.it.over = true
			return nil
		}
	}
	for _, r := range out {
		if r.err == nil && !transient(r.Exchange) && !serverFault(r.Exchange) {
			return w.refused(r.call)
		}
	}
	return nil
}

// burst cancels an operation by many clients at once, while another operation
// is looked at: its answers tell a call that hangs from a target that is gone.
func (w *world) burst(ctx context.Context, op, bystander *operation) ([]repetition, error) {
	out := make([]repetition, parallel)
	over, end := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for sleep(over, w.requestFor()/20) {
			if _, err := w.get(over, bystander); err != nil {
				return
			}
		}
	}()
	_ = together(parallel, func(i int) error {
		out[i] = repetition{call: w.cancel(ctx, op), op: op}
		return nil
	})
	end()
	<-watched
	if ctx.Err() != nil {
		return out, stopped(ctx)
	}
	return out, w.followAll(ctx, op, out)
}

// followAll looks at the operation after cancels at once of which some were
// refused: where it is in progress, it was so when each was answered.
func (w *world) followAll(ctx context.Context, op *operation, all []repetition) error {
	refused := func(r repetition) bool {
		return r.err == nil && !r.Accepted() && !transient(r.Exchange) && !serverFault(r.Exchange)
	}
	first := slices.IndexFunc(all, refused)
	if first < 0 {
		return nil
	}
	if err := w.follow(ctx, &all[first]); err != nil {
		return err
	}
	for i := range all {
		if refused(all[i]) {
			all[i].next, all[i].during = all[first].next, all[first].during
		}
	}
	return nil
}

// A surrender is a cancel that is given up after a time, and sent again after
// a pause.
type surrender struct{ after, pause time.Duration }

// givenUp are the times after which cancels are given up, from before they
// are sent to after they are answered. Some are sent again at once, and some
// when the server has had time to notice that nobody waits.
func givenUp() []surrender {
	return []surrender{{200 * time.Microsecond, 0}, {time.Millisecond, 40 * time.Millisecond}, {3 * time.Millisecond, 0},
		{10 * time.Millisecond, 40 * time.Millisecond}, {30 * time.Millisecond, 0}}
}

// whenGivesUp gives up the cancels of several operations early, and cancels
// each again.
func whenGivesUp(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	var out []repetition
	for i, how := range givenUp() {
		op := w.it
		if i > 0 {
			var err error
			if op, err = w.startInProgress(ctx, w.it.role); err != nil {
				return err
			}
		}
		r, err := w.giveUp(ctx, op, how)
		if err != nil {
			return err
		}
		out = append(out, r)
	}
	w.facts["repetitions"] = out
	return nil
}

// giveUp sends a cancel, gives it up, and sends it again.
func (w *world) giveUp(ctx context.Context, op *operation, how surrender) (repetition, error) {
	short, cancel := context.WithTimeout(ctx, how.after)
	w.cancel(short, op)
	cancel()
	if !sleep(ctx, how.pause) {
		return repetition{op: op}, stopped(ctx)
	}
	return w.repeat(ctx, op)
}

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
		errs = append(errs, w.unlessFinishedSo(ctx, r, w.legal(r)))
	}
	return gravest(errs)
}

// unlessFinishedSo keeps a finding about a repetition that may have met a
// finished operation only where the cancel of one is answered otherwise:
// cancel.finished.status-legal owns that. Other errors stay.
func (w *world) unlessFinishedSo(ctx context.Context, r repetition, finding error) error {
	if !isViolation(finding) || r.during {
		return finding
	}
	c, err := w.cancelOfFinished(ctx)
	if err != nil {
		return err
	}
	if c.HTTP == r.HTTP && c.Code == r.Code {
		return inconclusive("the cancel of a finished operation is answered %s as well (see cancel.finished.status-legal)", c.Status())
	}
	return finding
}

// cancelOfFinished is the cancel of an operation that was cancelled before; the
// scenario makes it once, however many answers are held against it.
func (w *world) cancelOfFinished(ctx context.Context) (call, error) {
	if c, ok := w.facts["cancel of finished"].(call); ok {
		return c, nil
	}
	op, err := w.cancelled(ctx)
	if err != nil {
		return call{}, err
	}
	c, err := w.repeatTransient(ctx, func() call { return w.cancel(ctx, op) })
	if err == nil {
		w.facts["cancel of finished"] = c
	}
	return c, err
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

// repeatSilence judges a repeated cancel that brought no answer.
func (w *world) repeatSilence(ctx context.Context, r repetition) error {
	err := w.silent(ctx, r.call, func() (call, error) {
		op, err := w.startInProgress(ctx, w.it.role)
		if err != nil {
			return call{}, err
		}
		if op, _, err = w.cancelOnce(ctx, op); err != nil {
			return call{}, err
		}
		op.over = true
		return w.cancel(ctx, op), nil
	}, func() (call, error) { return w.controlCancel(ctx) })
	if err != nil {
		return err
	}
	return w.fail(r.call, "an answer", "a repeated cancel brings no answer, again on fresh operations, while first cancels are answered")
}

// controlCancel is the plain cancel of a fresh operation.
func (w *world) controlCancel(ctx context.Context) (call, error) {
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return call{}, err
	}
	c := w.cancel(ctx, op)
	op.over = c.Accepted()
	return c, nil
}

// thenNoServerFault judges that cancels at once do not break the server. A
// connection that the server drops is a fault as well.
func thenNoServerFault(ctx context.Context) error {
	w := of(ctx)
	const want = "success, or a refusal that is no server fault"
	for _, r := range w.repetitions() {
		if r.err == nil && serverFault(r.Exchange) {
			return w.unlessRepeatsToo(ctx, w.fail(r.call, want, "one of %d cancels at once is answered with a server fault", parallel))
		}
	}
	for _, r := range w.repetitions() {
		if r.err != nil && r.err.Kind == targets.Reset {
			if err := w.burstSilence(ctx, r, targets.Reset); err != nil {
				return err
			}
			return w.unlessRepeatsToo(ctx, w.fail(r.call, want, "the server drops the connection of one of %d cancels at once, again on fresh operations", parallel))
		}
		if r.err != nil {
			return inconclusive("a cancel brought no answer: %v (see cancel.concurrent.single-outcome)", r.err)
		}
	}
	return nil
}

// burstSilence decides whether cancels at once that bring no answer are a
// finding.
func (w *world) burstSilence(ctx context.Context, r repetition, kind targets.NoAnswerKind) error {
	return w.silent(ctx, r.call, func() (call, error) {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return call{}, err
		}
		bystander, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return call{}, err
		}
		again, err := w.burst(ctx, op, bystander)
		if err != nil {
			return call{}, err
		}
		for _, a := range again {
			if a.err != nil && a.err.Kind == kind {
				return a.call, nil
			}
		}
		return again[0].call, nil
	}, func() (call, error) { return w.controlCancel(ctx) })
}

// describe tells in words what a scenario did to its operation.
func (w *world) describe() string {
	switch n := len(w.repetitions()); {
	case w.plan.requirement.ID == "cancel.deadline.safe":
		return "a cancel that was given up and sent again"
	case n > 0:
		return fmt.Sprintf("%d cancels", n)
	}
	return "the cancel"
}
