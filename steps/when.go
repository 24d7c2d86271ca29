package steps

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func whenSteps() []definition {
	return []definition{
		step(`the client cancels it`, whenCancels),
		step(`the client cancels it and follows it to its end`, whenCancelsAndFollows),
		step(`the client cancels it while somebody waits for it`, whenCancelsWaitedFor),
		step(`the client follows it to its end`, whenFollows),
		step(`the client cancels that name`, whenCancelsUnknown),
		step(`the client cancels that name twice`, whenCancelsUnknownTwice),
	}
}

// whenCancels sends the plain cancel. A transient answer is repeated on a
// fresh operation; any other is the scenario's to judge.
func whenCancels(ctx context.Context) error {
	w := of(ctx)
	for try := 1; ; try++ {
		c := w.cancel(ctx, w.it)
		if c.err != nil && ctx.Err() != nil {
			return stopped(ctx)
		}
		if c.err != nil || !transient(c.Exchange) {
			w.calls = append(w.calls, c.index)
			w.facts["call"] = c
			return nil
		}
		if try == transientTries {
			return inconclusive("cancel answered %s, %d times", c.Status(), try)
		}
		fresh, err := w.again(ctx, w.it)
		if err != nil {
			return err
		}
		w.it = fresh
	}
}

// again brings about another operation in the state that one was in when the
// scenario had prepared it.
func (w *world) again(ctx context.Context, op *operation) (*operation, error) {
	if !op.lastDone() {
		return w.startInProgress(ctx, op.role)
	}
	return w.finishedLike(ctx, op)
}

// finishedLike brings about an operation that ends as one of that role does.
func (w *world) finishedLike(ctx context.Context, op *operation) (*operation, error) {
	switch op.role {
	case targets.Succeeding:
		return w.finished(ctx, "succeeded")
	case targets.Failing:
		return w.finished(ctx, "failed")
	}
	return w.cancelled(ctx, op.role)
}

// theCall is the call that the scenario's When made.
func (w *world) theCall() call {
	c, _ := w.facts["call"].(call)
	return c
}

// whenCancelsAndFollows cancels an operation and polls it to its end.
func whenCancelsAndFollows(ctx context.Context) error {
	w := of(ctx)
	op, err := w.cancelIt(ctx)
	if err != nil {
		return err
	}
	s, err := w.settle(ctx, op)
	w.facts["settled"] = s
	return err
}

// whenCancelsWaitedFor cancels an operation while somebody waits for it, until it
// has ended where the cancel is accepted.
func whenCancelsWaitedFor(ctx context.Context) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	w.facts["single"], w.facts["while waiting"] = true, true
	return w.whileWaiting(ctx, w.it, func() error {
		if err := whenCancels(ctx); err != nil || !w.theCall().Accepted() {
			return err
		}
		s, err := w.settle(ctx, w.it)
		w.facts["settled"] = s
		return err
	})
}

// whileWaiting has do done while a Wait is pending for an operation in progress that
// another has expired for.
func (w *world) whileWaiting(ctx context.Context, op *operation, do func() error) error {
	w.call(ctx, targets.Wait, waitRequest(op.name, probeWait), "")
	waiting, giveUp := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		w.keepWaiting(waiting, op)
	}()
	defer func() { giveUp(); <-gone }()
	if err := w.lookOn(ctx, op, becomesPending); err != nil {
		return err
	}
	if err := w.inProgress(ctx, op); err != nil { // the Wait that expired may have ended it
		return err
	}
	return do()
}

// cancelIt cancels the operation spoken of, for a When whose scenario does not
// judge the answer; it becomes the operation that was cancelled.
func (w *world) cancelIt(ctx context.Context) (*operation, error) {
	if err := w.needCancel(); err != nil {
		return nil, err
	}
	op, c, err := w.cancelOnce(ctx, w.it)
	w.it = op
	w.facts["call"] = c
	return op, err
}

// settled is what the scenario's When saw of the operation's end.
func (w *world) settled() settled {
	s, _ := w.facts["settled"].(settled)
	return s
}

func whenFollows(ctx context.Context) error {
	w := of(ctx)
	l, err := w.untilDone(ctx, w.it)
	w.facts["look"] = l
	return err
}

// whenCancelsUnknown cancels the name of no operation.
func whenCancelsUnknown(ctx context.Context) error {
	w := of(ctx)
	c, err := w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.Cancel, cancelRequest(w.unknown), "")
	})
	w.checkErrorAbout(w.unknownOperation(), c)
	w.facts["call"] = c
	if c.err != nil && ctx.Err() == nil {
		return w.unknownIsSilent(ctx, c, err)
	}
	return err
}

const (
	unknownNotFound  = "cancel.unknown.not-found"
	statusInTrailers = "grpc.status-in-trailers"
)

// unknownIsSilent decides whether a cancel of an unknown name that brought no
// answer is a finding: one of gRPC where every refusal ends so, and else of
// cancel.unknown.not-found. ruling is what holds for other scenarios.
func (w *world) unknownIsSilent(ctx context.Context, first call, ruling error) error {
	id := w.plan.requirement.ID
	if id != unknownNotFound && id != statusInTrailers {
		return ruling
	}
	err := w.silent(ctx, first, func() (call, error) {
		name, err := w.unknownName(ctx)
		if err != nil {
			return call{}, err
		}
		return w.call(ctx, targets.Cancel, cancelRequest(name), ""), nil
	}, w.plainCancel(ctx, w.unknownRole))
	if err != nil {
		return err
	}
	resets, err := w.resetsRefusals(ctx, first)
	switch {
	case err != nil:
		return err
	case resets && id == unknownNotFound:
		return inconclusive("every cancel that is refused is reset (see %s)", statusInTrailers)
	case resets:
		w.aside(statusInTrailers, first.index, "", "grpc-status in the trailers", first.Status(), "the stream of a cancel that is refused is reset, and ends without grpc-status")
	case id == statusInTrailers:
		return inconclusive("the cancel of an unknown name brings no answer, but other refusals do (see %s)", unknownNotFound)
	}
	return nil
}

// resetsRefusals tells whether gRPC resets the stream of what else is refused
// than the cancel of an unknown name: that of no name, and of what has ended,
// where it is not accepted.
func (w *world) resetsRefusals(ctx context.Context, first call) (bool, error) {
	if w.rest() || first.err.Kind != targets.Reset {
		return false, nil
	}
	how := "succeeded"
	if w.run.role(targets.Succeeding) != nil {
		how = "been cancelled"
	}
	op, err := w.finished(ctx, how)
	if err != nil {
		return false, err
	}
	reset := 1
	for _, name := range []string{op.name, ""} {
		if name == "" && !w.ep.Loopback && !w.run.target.Confirmed {
			continue // as for grpc.empty-name
		}
		c, err := w.repeatTransient(ctx, func() call {
			return w.call(ctx, targets.Cancel, cancelRequest(name), "control: is another refusal reset?")
		})
		switch {
		case ctx.Err() != nil:
			return false, err
		case c.err != nil && c.err.Kind == targets.Reset:
			reset++
		case c.err != nil, !c.Accepted():
			return false, nil
		}
	}
	return reset > 1, nil
}

// whenCancelsUnknownTwice cancels the name of no operation again; what answers
// the second is judged.
func whenCancelsUnknownTwice(ctx context.Context) error {
	of(ctx).facts["twice"] = true
	if err := whenCancelsUnknown(ctx); err != nil {
		return err
	}
	return whenCancelsUnknown(ctx)
}

// afresh has do make a cancel until its answer is not transient, each time of a
// fresh operation of the role, and three times at most: it is not known whether the
// one before had an effect. The operation of the last is returned.
func (w *world) afresh(ctx context.Context, op *operation, do func(op *operation) (call, error)) (*operation, call, error) {
	for try := 1; ; try++ {
		c, err := do(op)
		if err != nil || c.err != nil || !transient(c.Exchange) || try == transientTries {
			return op, c, err
		}
		if op, err = w.startInProgress(ctx, op.role); err != nil {
			return op, c, err
		}
	}
}

// toldNothing rules on a call of which nothing can be told, after all tries: it
// brought no answer, or a transient one.
func toldNothing(ctx context.Context, c call, what string) error {
	switch {
	case c.err != nil && ctx.Err() != nil:
		return stopped(ctx)
	case c.err != nil:
		return inconclusive("%s brought no answer: %v", what, c.err)
	case transient(c.Exchange):
		return inconclusive("%s answered %s, %d times", what, c.Status(), transientTries)
	}
	return nil
}

// repeatTransient makes a call that has no effect until its answer is not
// transient, three times at most. No answer is a ruling.
func (w *world) repeatTransient(ctx context.Context, do func() call) (call, error) {
	for try := 1; ; try++ {
		c := do()
		if c.err != nil {
			if ctx.Err() != nil {
				return c, stopped(ctx)
			}
			return c, inconclusive("%s brought no answer: %v", c.Method, c.err)
		}
		if !transient(c.Exchange) {
			return c, nil
		}
		if try == transientTries || !sleep(ctx, pauseBefore(try)) {
			return c, inconclusive("%s answered %s, %d times", c.Method, c.Status(), try)
		}
	}
}

// silent decides whether a call that brought no answer is a finding: it must
// stay without answer on two fresh operations, while a control call of the
// same method is answered just before and just after. The error is a ruling
// where it is none.
func (w *world) silent(ctx context.Context, first call, again func() (call, error), control func() (call, error)) error {
	notOne := func(c call, err error, what string) error {
		switch {
		case ctx.Err() != nil:
			return stopped(ctx)
		case err != nil:
			return err
		case w.unanswered(c):
			return inconclusive("no answer: %v; neither was the control call answered (%s)", first.err, what)
		}
		return nil
	}
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if c, err := control(); notOne(c, err, "before") != nil {
		return notOne(c, err, "before")
	}
	for range 2 {
		c, err := again()
		if err != nil {
			return err
		}
		if !w.unanswered(c) {
			return inconclusive("no answer once (%v), but an answer on a fresh operation: %s", first.err, c.Status())
		}
	}
	c, err := control()
	if err := notOne(c, err, "after"); err != nil {
		return err
	}
	return w.unlessUnknownIsSilent(ctx, first)
}

// ranOut tells whether an answer says no more than that the time of the call was
// over, which some libraries of servers say when the client's deadline comes.
func (w *world) ranOut(c call) bool {
	return c.Transport == targets.GRPC && isCode(c.Exchange, codes.DeadlineExceeded) && c.Elapsed >= w.requestFor()*9/10
}

// unanswered tells whether a call brought no answer, or none but that.
func (w *world) unanswered(c call) bool { return c.err != nil || w.ranOut(c) }

// asSilence takes an answer that says no more than that for none.
func (w *world) asSilence(c call) call {
	if w.ranOut(c) {
		c.err = &targets.NoAnswer{Kind: targets.TimedOut, Err: context.DeadlineExceeded}
	}
	return c
}

// unlessUnknownIsSilent is a ruling where the cancel of an unknown name brings
// no answer in the same way: then refusals are to blame, and not what was asked.
func (w *world) unlessUnknownIsSilent(ctx context.Context, first call) error {
	if id := w.plan.requirement.ID; first.Method != targets.Cancel || id == unknownNotFound || id == statusInTrailers {
		return nil
	}
	name, err := w.unknownName(ctx)
	if err != nil {
		return nil
	}
	c := w.call(ctx, targets.Cancel, cancelRequest(name), "control: the plain cancel of an unknown name")
	switch {
	case ctx.Err() != nil:
		return stopped(ctx)
	case c.err != nil && c.err.Kind == first.err.Kind:
		return inconclusive("the cancel of any unknown name brings no answer either (see %s, %s): %v", unknownNotFound, statusInTrailers, c.err)
	}
	return nil
}

// cancelIsSilent is silent for the plain cancel, with the cancel of a name of
// no operation as the control. The fresh operations go on for as long as the first
// had, up to what counts as old: how long may be why.
func (w *world) cancelIsSilent(ctx context.Context, first call) error {
	name, err := w.unknownName(ctx)
	if err != nil {
		return err
	}
	return w.silent(ctx, first, func() (call, error) {
		op, err := w.startInProgress(ctx, w.it.role)
		if err == nil {
			err = w.lookOn(ctx, op, min(first.Start.Sub(w.it.begun), w.oldAfter())-time.Since(op.begun))
		}
		if err != nil {
			return call{}, err
		}
		return w.cancel(ctx, op), nil
	}, func() (call, error) {
		return w.call(ctx, targets.Cancel, cancelRequest(name), "control: is any cancel answered?"), nil
	})
}
