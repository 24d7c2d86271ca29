package steps

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func waitSteps() []definition {
	return []definition{
		step(`the client waits for it, for (a|half a) second`, whenWaitsShortly),
		step(`the client waits for it twice, for half a second each`, whenWaitsTwice),
		step(`the client cancels it, and waits for it for half a second before it has stopped`, whenWaitsStopping),
		step(`the client cancels it, and waits for it before it has stopped`, whenCancelsThenWaits),
		step(`the client waits for it`, whenWaits),
		step(`the client waits for it again and again, at last without a timeout`, whenWaitsAgain),
		step(`the client cancels it while a Wait for it is pending`, whenCancelsWaiting),
		step(`the Wait ends in time`, thenWaitBounded),
		step(`the expiry is no error`, thenExpiryNoError),
		step(`the expiry leaves the operation alone`, thenExpiryNoEffect),
		step(`the Wait ends at once, with the operation`, thenWaitImmediate),
		step(`the Wait ends soon, with the cancelled operation`, thenReleased),
		step(`the Wait shows what Get shows`, thenWaitAsGet),
	}
}

// theWait is the Wait that the scenario's When made.
func (w *world) theWait() waited {
	x, _ := w.facts["wait"].(waited)
	return x
}

func whenWaitsShortly(ctx context.Context, how string) error {
	w := of(ctx)
	if how == "half a" {
		w.facts["asked"] = shortWait / 2
	}
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	x, err := w.expire(ctx, w.it)
	w.facts["wait"] = x
	return err
}

// whenWaitsTwice has one Wait expire after another: the second may find what the
// first has left.
func whenWaitsTwice(ctx context.Context) error {
	of(ctx).facts["twice"] = true
	return whenWaitsShortly(ctx, "half a")
}

// whenWaitsStopping waits for an operation that is being cancelled.
func whenWaitsStopping(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	w.facts["stopping"] = true
	return whenWaitsShortly(ctx, "half a")
}

// thenWaitBounded judges that a Wait for an operation in progress ends with
// its timeout. What it ends with is judged elsewhere.
func thenWaitBounded(ctx context.Context) error {
	w := of(ctx)
	x := w.theWait()
	for o := new(overdue); ; {
		if err := x.unanswered(); err != nil {
			return err
		}
		allowed := x.asked + w.slack()
		if !x.outlasted() && x.call.Elapsed <= allowed {
			return w.endedInTime(x)
		}
		doubt := w.prompt(ctx, w.it, x.control)
		if w.facts["stopping"] != nil && !w.it.inProgressAfter(x.call.Start) {
			doubt = inconclusive("the operation may have stopped before the Wait for it began (see wait.done-immediate)")
		}
		if x.outlasted() && x.bound < allowed {
			doubt = inconclusive("Wait had not ended when timeouts.request was over, which is too short to tell: it would need %v", w.slack())
		}
		twice, err := o.add(doubt)
		if err != nil {
			return err
		}
		if twice {
			return w.accuse(w.plan.requirement.ID, x.call.index, fmt.Sprintf("an answer after %v and %v of slack at most", x.asked, w.slack()),
				fmt.Sprintf("%s after %v", x.Status(), x.call.Elapsed.Round(10*time.Millisecond)), "a Wait lasts longer than its timeout, twice")
		}
		op, err := w.startInProgress(ctx, w.it.role)
		if err != nil {
			return err
		}
		w.it = op
		if x, err = w.expire(ctx, op); err != nil {
			return err
		}
	}
}

// endedInTime lets a Wait that ended in time judge its bound, if it was one
// that the server made.
func (w *world) endedInTime(x waited) error {
	if w.waitQuery(waitRequest(w.it.name, x.asked)) != nil {
		w.note("a Wait over REST takes its timeout from the query alone")
	}
	if x.Accepted() || isCode(x.call.Exchange, codes.DeadlineExceeded) {
		return nil
	}
	return inconclusive("Wait answered %s (see wait.expiry-no-effect)", x.Status())
}

// thenExpiryNoError judges that a Wait which expires succeeds. Only an error
// that comes with the expiry, on two operations, is one of the expiry.
func thenExpiryNoError(ctx context.Context) error {
	w := of(ctx)
	x := w.theWait()
	for again := false; ; again = true {
		if err := x.unanswered(); err != nil {
			return err
		}
		switch {
		case x.outlasted():
			return inconclusive("the Wait did not end (see wait.timeout-bound)")
		case x.found && !x.garbled:
			if w.rest() && x.HTTP != 200 {
				w.note("a Wait is answered %s", x.Status())
			}
			return nil
		case x.call.Elapsed < x.asked*9/10 || isCode(x.call.Exchange, codes.Unavailable, codes.ResourceExhausted):
			return inconclusive("Wait answered %s after %v, before it expired", x.Status(), x.call.Elapsed.Round(time.Millisecond))
		case again && x.Accepted():
			return w.fail(x.call, "success, with the operation in progress", "a Wait that expires does not return the operation, twice")
		case again:
			return w.fail(x.call, "success, with the operation in progress", "the expiry of a Wait is an error of the call, twice")
		}
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return err
		}
		if x, err = w.expire(ctx, op); err != nil {
			return err
		}
	}
}

// showsEndAlone tells whether a Wait has shown an end which Get does not show.
func (w *world) showsEndAlone(ctx context.Context, op *operation, x waited) (bool, error) {
	if !x.found || x.garbled || !x.done {
		return false, nil
	}
	l, err := w.get(ctx, op)
	return err == nil && l.found && !l.garbled && !l.done, err
}

// madeUpEnd judges a Wait that has shown an end which Get does not show. Only
// where it came with the expiry, on two operations, is it one of the expiry.
func (w *world) madeUpEnd(ctx context.Context, x waited) error {
	elsewhere := inconclusive("the Wait ended with the operation %s, which Get does not show (see operation.terminal.done-monotonic)", x.state())
	expired := func(x waited) bool { return x.call.Elapsed >= x.asked*9/10 }
	if !expired(x) {
		return elsewhere
	}
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	again, err := w.expire(ctx, op)
	if err != nil {
		return err
	}
	alone, err := w.showsEndAlone(ctx, op, again)
	if err != nil {
		return err
	}
	if !alone || !expired(again) {
		return elsewhere
	}
	return w.failAt(again.snapshot, "the operation in progress, as Get shows it", "a Wait that expires shows an end that the operation does not have, twice")
}

// thenExpiryNoEffect judges that a Wait which expired has not ended the
// operation, neither by a cancel nor otherwise.
func thenExpiryNoEffect(ctx context.Context) error {
	w := of(ctx)
	alone, err := w.showsEndAlone(ctx, w.it, w.theWait())
	if err != nil {
		return err
	}
	if alone {
		return w.madeUpEnd(ctx, w.theWait())
	}
	return w.unaffectedBy(ctx, "a Wait that expired", func() error {
		_, err := w.expire(ctx, w.it)
		return err
	})
}

// whenWaits waits for an operation that has ended.
func whenWaits(ctx context.Context) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	x, err := w.waitDone(ctx)
	w.facts["wait"] = x
	return err
}

// whenWaitsAgain waits for an operation that has ended several times. What the end
// woke may not be there for the second Wait, nor some time after the end.
func whenWaitsAgain(ctx context.Context) error {
	w := of(ctx)
	w.facts["wait again"] = true
	return whenWaits(ctx)
}

// waitDone waits for a finished operation, and again and again where the scenario
// says so: the first of these Waits that does not show the end at once counts, or
// the last.
func (w *world) waitDone(ctx context.Context) (waited, error) {
	asked := max(doneWait, w.slack()*5/2)
	timed := func() (waited, error) {
		return w.withinLimit(asked, func(asked time.Duration) (waited, error) {
			return w.waitDoneBy(ctx, waitRequest(w.it.name, asked), asked)
		})
	}
	x, err := timed()
	if w.facts["wait again"] == nil {
		return x, err
	}
	shown := func() bool { return err == nil && x.found && x.done && x.call.Elapsed < x.asked/2 }
	if shown() {
		x, err = timed()
	}
	// A call that asks for no time ends with timeouts.request.
	if asked = min(asked, 2*w.requestFor()); shown() && asked/2 >= w.slack() && sleep(ctx, w.observeFor()) {
		last, err := w.waitDoneBy(ctx, &longrunningpb.WaitOperationRequest{Name: w.it.name}, asked)
		if err != nil || !w.limited() || !refusesTimeout(last.call) {
			return last, err
		}
		w.note("a Wait that asks for no time is refused with %s, as is one that asks for too much", last.Status())
	}
	return x, err
}

// lateAfter is the time after which a Wait for a finished operation has not ended at
// once: half of what it asks for. Where a limit has it ask for little, that is no
// longer than the slack, which must be over as well.
func (w *world) lateAfter(asked time.Duration) time.Duration { return max(asked/2, w.slack()) }

// waitDoneBy waits for a finished operation, until the answer is late. A transient answer is repeated.
func (w *world) waitDoneBy(ctx context.Context, request *longrunningpb.WaitOperationRequest, asked time.Duration) (waited, error) {
	for try := 1; ; try++ {
		x, err := w.waitBy(ctx, w.it, request, asked, w.lateAfter(asked)+grace)
		if err != nil || x.err != nil || x.outlasted() || !transient(x.call.Exchange) {
			return x, err
		}
		if try == transientTries || !sleep(ctx, firstPause*20) {
			return x, inconclusive("Wait answered %s, %d times", x.Status(), try)
		}
	}
}

// thenWaitImmediate judges that the Wait for a finished operation ends in less
// than half the time that it asks for, with the operation done.
func thenWaitImmediate(ctx context.Context) error {
	w := of(ctx)
	x := w.theWait()
	const want = "at once, the operation as it ended"
	for o := new(overdue); ; {
		if err := x.unanswered(); err != nil {
			return err
		}
		if !x.outlasted() && x.call.Elapsed < x.asked/2 {
			return w.waitedDone(ctx, x, want)
		}
		doubt := w.prompt(ctx, w.it, x.control)
		switch late := w.lateAfter(x.asked); {
		case x.outlasted() && x.bound < late:
			doubt = inconclusive("Wait had not ended when timeouts.request was over, which is too short to tell")
		case !x.outlasted() && x.call.Elapsed < late:
			doubt = inconclusive("a Wait lasted %v of the %v that the server lets it ask for, which is too short to tell", x.call.Elapsed.Round(10*time.Millisecond), x.asked)
		}
		twice, err := o.add(doubt)
		if err != nil {
			return err
		}
		if twice {
			return w.accuse(w.plan.requirement.ID, x.call.index, want, fmt.Sprintf("nothing for %v of the %v asked for", x.call.Elapsed.Round(10*time.Millisecond), x.asked),
				"a Wait for a finished operation does not end at once, twice")
		}
		op, err := w.again(ctx, w.it)
		if err != nil {
			return err
		}
		w.it = op
		if x, err = w.waitDone(ctx); err != nil {
			return err
		}
	}
}

// waitedDone judges what a Wait for a finished operation ended with. An error
// is a finding only where a Wait for one in progress succeeds.
func (w *world) waitedDone(ctx context.Context, x waited, want string) error {
	switch {
	case manyMessages(x.call):
		return w.failMany(x.call, want, "a Wait for a finished operation returns more than one message, which clients take for an error")
	case x.found && !x.garbled && x.done:
		return nil
	case x.found && !x.garbled:
		return w.unlessUnsteady(ctx, w.it, w.failAt(x.snapshot, want, "a Wait for a finished operation shows it in progress"))
	}
	if err := w.unlessGone(ctx, w.it, x.call); err != nil {
		return err
	}
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	control, err := w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.Wait, waitRequest(op.name, probeWait), "control: does a Wait for an operation in progress succeed?")
	})
	if err != nil {
		return err
	}
	if !control.Accepted() {
		bare, err := w.repeatTransient(ctx, func() call {
			return w.call(ctx, targets.Wait, &longrunningpb.WaitOperationRequest{Name: w.it.name}, "control: does a Wait without a timeout succeed?")
		})
		if err == nil && bare.Accepted() && readOperation(bare.Exchange, bare.index, object(bare.Doc)).done {
			return w.fail(x.call, want, "a Wait for a finished operation is refused where it has a timeout, and answered where it has none")
		}
		return inconclusive("Wait answered %s, and %s for an operation in progress", x.Status(), control.Status())
	}
	return w.fail(x.call, want, "a Wait for a finished operation does not return it")
}

// thenWaitAsGet compares the result that Wait shows with that of Get.
func thenWaitAsGet(ctx context.Context) error {
	w := of(ctx)
	x := w.theWait()
	if r, ok := w.facts["release"].(release); ok {
		x = r.last
	}
	if err := x.unlessAnother(); err != nil {
		return err
	}
	if !x.found || x.garbled || !x.done {
		return inconclusive("the Wait did not end with a finished operation (see wait.done-immediate and wait.released-on-cancel)")
	}
	l, err := w.mustFind(ctx, w.it)
	if err != nil {
		return err
	}
	if !l.done {
		return inconclusive("Get shows the operation in progress (see operation.terminal.done-monotonic)")
	}
	if err := x.unreadable(); err != nil {
		return err
	}
	if !sameResult(l.snapshot, x.snapshot) {
		if l.untyped() || x.untyped() {
			return inconclusive("a response is no google.protobuf.Any, and cannot be compared (see operation.json.any-type)")
		}
		return w.unlessUnsteady(ctx, w.it, w.failAt(x.snapshot, "as Get shows it: "+l.state(), "Wait shows another result of the operation than Get"))
	}
	return nil
}
