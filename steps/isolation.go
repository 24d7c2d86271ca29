package steps

import (
	"context"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

func isolationSteps() []definition {
	return []definition{
		step(`the client (gets|lists|waits for) it very often`, whenPolls),
		step(`the client cancels it and starts another, again and again`, whenStartsAfter),
		step(`the client aborts its calls to (get|list|wait for) it`, whenAborts),
		step(`the others? go(?:es)? on`, thenOthersGoOn),
		step(`the other succeeds`, thenOtherSucceeds),
		step(`it goes on`, thenItGoesOn),
	}
}

// together runs the same for each of n, at one time, and returns the gravest
// of the errors: a finding before a ruling.
func together(n int, do func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	return gravest(errs)
}

func gravest(errs []error) error {
	var first error
	for _, err := range errs {
		if isViolation(err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// thenOthersGoOn judges that the bystanders were not touched by the cancel of
// another operation, which must have been accepted.
func thenOthersGoOn(ctx context.Context) error {
	w := of(ctx)
	err := together(len(w.others), func(i int) error {
		return w.unaffected(ctx, w.others[i], "the cancel of another operation")
	})
	if pair, paired := w.facts["another pair"].(func(context.Context) error); paired && isViolation(err) {
		err = w.confirmed(ctx, err, func(ctx context.Context) (*operation, error) {
			if err := pair(ctx); err != nil {
				return nil, err
			}
			_, err := w.cancelIt(ctx)
			return w.others[0], err
		})
	}
	return w.unlessMisrouted(ctx, err)
}

// followers is how many operations are started each after the cancel of another:
// the first may have been started by another case, or taken up by another worker.
const followers = 4

// whenStartsAfter cancels operations, and starts another after each: at once, or
// when it has stopped.
func whenStartsAfter(ctx context.Context) error {
	w := of(ctx)
	for i := range followers {
		if i > 0 {
			op, err := w.startInProgress(ctx, w.it.role)
			if err != nil {
				return err
			}
			w.it = op
		}
		cancelled, err := w.cancelIt(ctx)
		if err == nil && i%2 == 1 {
			_, err = w.becomesCancelled(ctx, cancelled)
		}
		if err != nil {
			return err
		}
		op, err := w.startNew(ctx)
		if err == nil { // it may become visible late, and be done by then
			_, err = w.mustFind(ctx, op)
		}
		if err != nil {
			return err
		}
		w.others = append(w.others, op)
	}
	return nil
}

// unlessMisrouted keeps a finding about a cancel over REST of a name with several
// segments only where such a cancel reaches what it names:
// cancel.route.multi-segment-name owns that. Other errors stay.
func (w *world) unlessMisrouted(ctx context.Context, finding error) error {
	if w.it == nil { // what was cancelled does not exist
		return finding
	}
	p, err := w.pathOf(w.it.name)
	reached := w.settled().end != endedNever && w.settled().end != endedKnownEffect
	if !isViolation(finding) || !w.rest() || err != nil || !strings.Contains(p.id(), "/") || reached {
		return finding
	}
	return w.unlessNestedMisrouted(ctx, finding)
}

// unlessNestedMisrouted keeps a finding only where the cancel of a name with
// several segments reaches the operation that it names, if there are such. Other
// errors stay.
func (w *world) unlessNestedMisrouted(ctx context.Context, finding error) error {
	if !isViolation(finding) || w.run.role(targets.Nested) != nil || w.run.scarce(targets.Nested) {
		return finding
	}
	op, err := w.startInProgress(ctx, targets.Nested)
	if err != nil {
		return err
	}
	c := w.cancel(ctx, op)
	if c.Accepted() {
		if s, err := w.settle(ctx, op); err != nil || s.end == endedCancelled {
			return finding
		}
	}
	return inconclusive("no cancel of a name with several segments reaches the operation that it names (see cancel.route.multi-segment-name): %v", finding)
}

// thenItGoesOn judges that what the client did has not touched the operation.
func thenItGoesOn(ctx context.Context) error {
	w := of(ctx)
	how, _ := w.facts["how"].(string)
	again, _ := w.facts["again"].(func() error)
	err := w.unaffectedBy(ctx, how, again)
	if w.facts["waited"] != nil && isViolation(err) {
		return w.unlessWaitAlone(ctx, err)
	}
	return err
}

// polls is how often an operation is polled to show that polling has no
// effect; waits and lists are dearer.
const (
	polls     = 60
	pollsDear = 12
)

// whenPolls polls an operation that nobody cancels.
func whenPolls(ctx context.Context, how string) error {
	w := of(ctx)
	w.facts["how"] = "polling alone"
	w.facts["again"] = func() error { return whenPolls(ctx, how) }
	pause := min(w.observeFor()/polls, 40*time.Millisecond)
	switch how {
	case "gets":
		for range polls {
			if _, err := w.get(ctx, w.it); err != nil {
				return err
			}
			if !sleep(ctx, pause) {
				return stopped(ctx)
			}
		}
		return nil
	case "lists":
		if err := w.pollBy(ctx, targets.List, pollsDear); err != nil {
			return err
		}
		w.listWhole(ctx)
		return nil
	}
	w.facts["waited"] = true
	return w.pollBy(ctx, targets.Wait, pollsDear)
}

// pollTimeout is how long each of many Waits may last.
const pollTimeout = 5 * time.Millisecond

// pollBy lists or waits many times. A server that refuses the method offers it
// not.
func (w *world) pollBy(ctx context.Context, m targets.Method, times int) error {
	for i := range times {
		c, err := w.repeatTransient(ctx, func() call { return w.lookBy(ctx, m, pollTimeout) })
		if err != nil {
			return err
		}
		if !c.Accepted() {
			if i == 0 {
				return inapplicable("%s is not offered: %s", m, c.Status())
			}
			return inconclusive("%s answered %s", m, c.Status())
		}
	}
	return nil
}

// listWhole reads the list to its end, where the operation may be, if List is
// offered. What it shows does not count.
func (w *world) listWhole(ctx context.Context) {
	if w.offered(ctx, targets.List) == nil {
		_, _ = w.list(ctx, w.ep, "")
	}
}

// lookBy makes one call that only looks.
func (w *world) lookBy(ctx context.Context, m targets.Method, timeout time.Duration) call {
	return w.call(ctx, m, w.lookRequest(m, timeout), "")
}

// lookRequest is the request of a call that only looks at the scenario's operation.
func (w *world) lookRequest(m targets.Method, timeout time.Duration) proto.Message {
	switch m {
	case targets.List:
		return &longrunningpb.ListOperationsRequest{Name: w.ep.List}
	case targets.Wait:
		return waitRequest(w.it.name, timeout)
	}
	return getRequest(w.it.name)
}

// unlessWaitAlone keeps a finding about many Waits only where two Waits that
// expire do no harm: they have a requirement of their own.
func (w *world) unlessWaitAlone(ctx context.Context, finding error) error {
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	w.it = op
	if err := w.pollBy(ctx, targets.Wait, 2); err != nil {
		return err
	}
	if err := w.unaffected(ctx, op, "two Waits"); err != nil {
		if isViolation(err) {
			return inconclusive("one Wait that expires, or a second, has an effect (see wait.expiry-no-effect)")
		}
		return err
	}
	return finding
}
