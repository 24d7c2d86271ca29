package steps

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

func repeatSteps() []definition {
	return []definition{
		step(`the client cancels it (twice|three times|ten times)`, whenCancelsTimes),
		step(`the client cancels it twice in a row`, whenCancelsInARow),
		step(`the client cancels it three times by sending (.+)`, whenCancelsTimesInForm),
		step(`the client cancels it until it has ended, and some more`, whenCancelsPastEnd),
		step(`the client cancels it again before it has stopped`, whenCancelsAgain),
		step(`the client cancels it once more as soon as its metadata shows the request`, whenCancelsShown),
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
	return w.repeatTimes(ctx, op, map[string]int{"twice": 2, "three times": 3, "ten times": 10}[count], func() call { return w.cancel(ctx, op) })
}

// whenCancelsInARow cancels one operation twice, the second time as soon as the first
// is answered, also where it takes long to stop: its work may not have heard of either.
func whenCancelsInARow(ctx context.Context) error {
	w := of(ctx)
	op, err := w.cancelIt(ctx)
	if err != nil {
		return err
	}
	op.over.Store(true)
	r, err := w.repeat(ctx, op)
	w.facts["repetitions"] = []repetition{r}
	return err
}

// whenCancelsTimesInForm cancels one operation several times by requests of a certain form.
func whenCancelsTimesInForm(ctx context.Context, form string) error {
	w := of(ctx)
	if err := whenCancelsInForm(ctx, form); err != nil {
		return err
	}
	if _, err := w.success(); err != nil {
		return err
	}
	return w.repeatTimes(ctx, w.it, 3, func() call {
		c, _ := w.cancelInForm(ctx, w.it, form) // the first could be made
		return c
	})
}

// repeatTimes cancels an operation that was cancelled until that was so many
// times.
func (w *world) repeatTimes(ctx context.Context, op *operation, times int, cancel func() call) error {
	op.over.Store(true)
	var out []repetition
	for i := 1; i < times; i++ {
		// What takes long to stop is asked again later as well: by then it may
		// be in another stage.
		if last := i == times-1; last && op.role == targets.Slow {
			if err := w.lookOn(ctx, op, slowStop/2); err != nil {
				return err
			}
		}
		r, err := w.answeredRepeat(ctx, op, cancel())
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
		s, err := w.settle(ctx, op)
		if err != nil {
			return err
		}
		if s.end != endedCancelled {
			break // two cancels may already be worse than one
		}
	}
	w.facts["repetitions"] = out
	return nil
}

// whenCancelsAgain cancels an operation twice, for a scenario that judges how
// the success of the second looks.
func whenCancelsAgain(ctx context.Context) error {
	w := of(ctx)
	var r repetition
	_, _, err := w.afresh(ctx, w.it, func(op *operation) (call, error) {
		w.it = op
		op, err := w.cancelIt(ctx)
		if err == nil {
			r, err = w.repeat(ctx, op)
		}
		return r.call, err
	})
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

// whenCancelsShown cancels an operation once more when its metadata shows that the
// first cancel was requested and it is still in progress, and looks on: what the
// second does to the request is seen only where no third heals it.
func whenCancelsShown(ctx context.Context) error {
	w := of(ctx)
	op, err := w.cancelIt(ctx)
	if err != nil {
		return err
	}
	op.over.Store(true)
	shown := false
	if _, err = w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) {
		set, _ := requestedFlag(w.metadata(l.snapshot))
		shown = set && l.found && !l.done
		return shown || !l.found || l.done, nil
	}); err != nil {
		return err
	}
	if !shown {
		return inapplicable("the metadata does not show the request while the operation is still in progress")
	}
	r, err := w.repeat(ctx, op)
	switch {
	case err != nil:
		return err
	case r.err != nil:
		return inconclusive("the repeated cancel brought no answer: %v (see cancel.repeat.accepted)", r.err)
	}
	_, err = w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) { return !l.found || l.done, nil })
	return err
}

// repeat cancels an operation again.
func (w *world) repeat(ctx context.Context, op *operation) (repetition, error) {
	return w.answeredRepeat(ctx, op, w.cancel(ctx, op))
}

// answeredRepeat looks at what follows the answer to a repeated cancel.
func (w *world) answeredRepeat(ctx context.Context, op *operation, c call) (repetition, error) {
	r := repetition{call: w.asSilence(c), op: op}
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
		var r repetition
		op, _, err := w.afresh(ctx, op, func(op *operation) (_ call, err error) {
			r, err = w.giveUp(ctx, op, how)
			return r.call, err
		})
		if err != nil {
			return err
		}
		if i == 0 {
			w.it = op
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

// describe tells in words what a scenario did to its operation.
func (w *world) describe() string {
	switch id, n := w.plan.requirement.ID, len(w.repetitions()); {
	case id == "cancel.deadline.safe":
		return "a cancel that was given up and sent again"
	case strings.HasPrefix(id, "cancel.concurrent."):
		return fmt.Sprintf("%d cancels at once", n)
	case n > 0:
		return fmt.Sprintf("%d cancels", 1+n) // the first is no repetition
	}
	return "the cancel"
}
