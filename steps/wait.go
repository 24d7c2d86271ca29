package steps

import (
	"context"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"

	"github.com/lro-tools/conform/targets"
)

// The times of Wait. A verdict on time needs more than the slack, which is
// leastSlack or slackGets times the median Get, whichever is longer.
const (
	shortWait  = time.Second      // asked for where it is to expire
	doneWait   = 5 * time.Second  // asked for where the operation is done
	longWait   = 30 * time.Second // asked for where a cancel is to end it
	leastSlack = 2 * time.Second
	slackGets  = 10
	// grace is added to a deadline of our own, so that an answer which the
	// deadline itself provokes is late beyond doubt.
	grace = 100 * time.Millisecond
	// becomesPending is how long a Wait is left alone before a cancel, so that
	// it is pending.
	becomesPending = 100 * time.Millisecond
	// lateTries is how often a Wait is tried that lasts too long, in all: it
	// must be late twice while the control is not.
	lateTries = 5
)

// slack is what is allowed beyond a time that the contract gives.
func (w *world) slack() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var gets []time.Duration
	for _, ex := range w.exchanges {
		if ex.Method == targets.Get && ex.Answered() {
			gets = append(gets, ex.Elapsed)
		}
	}
	if len(gets) == 0 {
		return leastSlack
	}
	slices.Sort(gets)
	return max(leastSlack, slackGets*gets[len(gets)/2])
}

// prompt is the control of a verdict on time: a Get of the operation is
// answered quickly, and so was every Get of another one meanwhile: a machine
// that stood still for a while has made the call late, and not the server. The
// error is a ruling.
func (w *world) prompt(ctx context.Context, op *operation, meanwhile time.Duration) error {
	l, err := w.get(ctx, op)
	switch {
	case err != nil:
		return err
	case l.Elapsed > leastSlack/2:
		return inconclusive("Get is slow as well (%v): nothing can be told from time", l.Elapsed.Round(time.Millisecond))
	case meanwhile > w.slack()/4:
		return inconclusive("a Get of another operation took %v meanwhile: nothing can be told from time", meanwhile.Round(time.Millisecond))
	}
	return nil
}

// controlPause is the pause between the Gets that are the control of a call.
const controlPause = 100 * time.Millisecond

// control looks at another operation again and again, until stop is called for
// the first time, which returns the longest that a Get took. Where no other can
// be started there is no control.
func (w *world) control(ctx context.Context) (stop func() time.Duration) {
	op, _ := w.facts["control"].(*operation)
	if op == nil {
		var err error
		if op, err = w.startInProgress(ctx, targets.Running); err != nil {
			return func() time.Duration { return 0 }
		}
		w.facts["control"] = op
	}
	over, end := context.WithCancel(ctx)
	longest := make(chan time.Duration, 1)
	go func() {
		var most time.Duration
		for {
			began := time.Now()
			_, _ = w.get(ctx, op)
			most = max(most, time.Since(began))
			if !sleep(over, controlPause) {
				break
			}
		}
		longest <- most
	}()
	return sync.OnceValue(func() time.Duration {
		end()
		return <-longest
	})
}

// overdue counts the Waits of a scenario that lasted too long.
type overdue struct{ tries, late int }

// add counts one more, which says nothing where the control raises a doubt.
// The error is a ruling, once it was tried often enough.
func (o *overdue) add(doubt error) (twice bool, err error) {
	o.tries++
	if doubt == nil {
		o.late++
	}
	switch {
	case o.late == 2:
		return true, nil
	case o.tries < lateTries:
		return false, nil
	case doubt != nil:
		return false, doubt
	}
	return false, inconclusive("a Wait lasted too long, and the control was too slow to tell whether it does so again")
}

// A waited is a Wait that came to an end: by an answer, or because its time
// was over.
type waited struct {
	look
	asked   time.Duration
	bound   time.Duration // when the client gave up
	control time.Duration // the longest Get of another operation meanwhile
}

// outlasted tells whether the client had to give up, or whether the answer is
// one that its giving up has provoked.
func (x waited) outlasted() bool {
	if x.err != nil {
		return x.err.Kind == targets.TimedOut && x.call.Elapsed >= x.bound-grace
	}
	return !x.Accepted() && x.call.Elapsed >= x.bound-grace
}

// wait calls Wait and reads what it shows of the operation. The call is given up
// after what it asks for and timeouts.request.
func (w *world) wait(ctx context.Context, op *operation, asked time.Duration) (waited, error) {
	return w.withinLimit(asked, func(asked time.Duration) (waited, error) {
		return w.waitBy(ctx, op, waitRequest(op.name, asked), asked, time.Hour)
	})
}

// waitBy calls Wait once, by a request that need not say what it asks for, and gives
// it up after the bound, at the latest when wait does.
func (w *world) waitBy(ctx context.Context, op *operation, request *longrunningpb.WaitOperationRequest, asked, bound time.Duration) (waited, error) {
	out := waited{asked: asked, bound: min(bound, request.GetTimeout().AsDuration()+w.requestFor())}
	stop := w.control(ctx)
	short, cancel := context.WithTimeout(ctx, out.bound)
	defer cancel()
	w.seat.rest()
	c := w.call(short, targets.Wait, request, "")
	out.control = stop()
	w.seat.rise(ctx)
	if c.err != nil && ctx.Err() != nil {
		return out, stopped(ctx)
	}
	if c.err != nil {
		out.look = look{call: c}
		return out, nil
	}
	if err := unread(c); err != nil {
		return out, err
	}
	out.look = w.sightWait(op, c)
	return out, out.unlessAnother()
}

// sightWait reads the answer of a Wait. Errors of a Wait that is not offered,
// or that was given up, are not judged by their form.
func (w *world) sightWait(op *operation, c call) look {
	if !c.Accepted() && (notOffered(c) || transient(c.Exchange)) {
		return look{call: c}
	}
	return w.sight(op, c)
}

// expire waits for an operation in progress until the Wait expires, and for a
// second time, or when it is being cancelled, where the scenario says so.
func (w *world) expire(ctx context.Context, op *operation) (waited, error) {
	asked, ok := w.facts["asked"].(time.Duration)
	if !ok {
		asked = shortWait
	}
	if w.facts["stopping"] != nil {
		var err error
		if op, _, err = w.cancelOnce(ctx, op); err != nil {
			return waited{}, err
		}
		w.it = op
		defer w.watch(ctx, op, controlPause/2)()
	}
	if w.facts["twice"] != nil {
		if x, err := w.wait(ctx, op, asked); err != nil || !x.Accepted() {
			return x, err
		}
	}
	return w.wait(ctx, op, asked)
}

// unanswered rules on a Wait that brought no answer for a reason other than
// time; nil where it brought one, or lasted too long.
func (x waited) unanswered() error {
	if x.err != nil && !x.outlasted() {
		return inconclusive("Wait brought no answer: %v", x.err)
	}
	return nil
}

// A release is a Wait that was pending when its operation was cancelled.
type release struct {
	op      *operation
	settled settled
	last    waited
	// stale: the last Wait was asked for when Get had shown the end already.
	stale   bool
	control time.Duration // the longest Get of another operation meanwhile
	early   bool          // a Wait ended with an error before the cancellation could end it
	hung    call          // the cancel, where it brought no answer
	busy    *call         // the cancel, where its answer was transient
	many    *call         // a Wait that was answered in several messages
}

// waiters is how many Waits are pending when a cancel is to end them: a server
// must wake all.
const waiters = 2

// freshWhileWaiting is cancelWhileWaiting for a fresh operation of the
// scenario's role.
func (w *world) freshWhileWaiting(ctx context.Context) (release, error) {
	op, err := w.startInProgress(ctx, w.it.role)
	if err != nil {
		return release{}, err
	}
	return w.cancelWhileWaiting(ctx, op)
}

// cancelWhileWaiting cancels an operation while Waits for it are pending, and
// follows all to their end. A Wait may answer at any time that the operation is in
// progress; it is then asked again.
func (w *world) cancelWhileWaiting(ctx context.Context, op *operation) (release, error) {
	var out release
	_, _, err := w.afresh(ctx, op, func(op *operation) (_ call, err error) {
		out, err = w.cancelOnceWhileWaiting(ctx, op)
		if out.busy != nil {
			return *out.busy, nil
		}
		return out.hung, err
	})
	if err == nil && out.busy != nil {
		err = inconclusive("cancel answered %s, %d times", out.busy.Status(), transientTries)
	}
	return out, err
}

// cancelOnceWhileWaiting is cancelWhileWaiting for one operation, whatever its
// cancel is answered.
func (w *world) cancelOnceWhileWaiting(ctx context.Context, op *operation) (release, error) {
	out := release{op: op}
	stop := w.control(ctx)
	defer stop()
	waiting, giveUp := context.WithCancel(ctx)
	defer giveUp()
	seen := make(chan []call, waiters)
	pending := 0
	since, err := w.cancelWaited(ctx, op, &out, func() {
		for pending < waiters {
			pending++
			go func() { seen <- w.keepWaiting(waiting, op) }()
		}
	})
	if err != nil {
		giveUp()
		for range pending {
			<-seen
		}
		return out, err
	}
	timer := time.NewTimer(w.slack() + grace)
	defer timer.Stop()
	var all [][]call
	for len(all) < waiters {
		select {
		case calls := <-seen:
			all = append(all, calls)
		case <-timer.C:
			giveUp()
		}
	}
	if out.control = stop(); ctx.Err() != nil {
		return out, stopped(ctx)
	}
	w.readWaits(&out, all, since)
	return out, nil
}

// cancelWaited cancels the operation once Waits for it are pending, which begin
// starts, and follows it to its end. Where the scenario says so they begin when the
// cancel was accepted, and the operation has not stopped yet. since is when all
// were pending that the cancellation is to end.
func (w *world) cancelWaited(ctx context.Context, op *operation, out *release, begin func()) (since time.Time, err error) {
	stopping := w.facts["stopping"] != nil
	if !stopping {
		begin()
		if err = w.lookOn(ctx, op, becomesPending); err != nil {
			return since, err
		}
	}
	since = time.Now()
	c := w.cancel(ctx, op)
	switch {
	case c.err != nil && ctx.Err() != nil:
		return since, stopped(ctx)
	case c.err != nil:
		out.hung = c
		return since, inconclusive("the cancel brought no answer: %v", c.err)
	case transient(c.Exchange):
		out.busy = &c
		return since, inconclusive("cancel answered %s", c.Status())
	case !c.Accepted():
		return since, w.refusedOf(op, c)
	}
	if stopping {
		begin()
		if err = w.lookOn(ctx, op, becomesPending); err != nil {
			return since, err
		}
		if since = time.Now(); op.lastDone() {
			return since, inconclusive("the operation had stopped before a Wait for it was pending")
		}
	}
	out.settled, err = w.becomesCancelled(ctx, op)
	return since, err
}

// readWaits takes the Wait of which most is to be said: one that was pending
// and has not shown the end, else one that has, else one that was refused.
func (w *world) readWaits(out *release, all [][]call, since time.Time) {
	best := -1
	var many *call
	for _, calls := range all {
		r := *out
		for _, c := range calls {
			if many == nil && manyMessages(c) {
				many = &c
			}
			r.last = waited{look: look{call: c}, asked: longWait}
			if c.err == nil {
				r.last.look = w.sightWait(r.op, c)
			}
		}
		last := r.last.call
		r.stale = last.Start.After(r.settled.received)
		r.early = last.err == nil && !last.Accepted() && last.End().Before(since)
		rank := 2
		switch {
		case r.early:
			rank = 0
		case r.last.found && !r.last.garbled && r.last.done:
			rank = 1
		}
		if rank > best {
			best, *out = rank, r
		}
	}
	out.many = many
}

// keepWaiting calls Wait until it shows the operation done, fails, or is given
// up. Only the last call and those that showed the operation are returned.
func (w *world) keepWaiting(ctx context.Context, op *operation) []call {
	var calls []call
	for pause := 5 * firstPause; ; pause = min(2*pause, longestPoll) {
		x, _ := w.withinLimit(longWait, func(asked time.Duration) (waited, error) {
			return waited{look: look{call: w.call(ctx, targets.Wait, waitRequest(op.name, asked), "")}, asked: asked}, nil
		})
		c := x.call
		calls = append(calls, c)
		s := readOperation(c.Exchange, c.index, object(c.Doc))
		again := c.err == nil && (transient(c.Exchange) || c.Accepted() && (!s.done || w.run.namesAnother(op, s)))
		if !again || !sleep(ctx, pause) {
			return calls
		}
	}
}
