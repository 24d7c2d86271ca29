package steps

import (
	"context"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

func looksSteps() []definition {
	return []definition{
		step(`the client (gets|lists|waits for) it very often`, whenPolls),
		step(`the client aborts its calls to (get|list|wait for) it`, whenAborts),
		step(`it goes on`, thenItGoesOn),
	}
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
		return w.pollLater(ctx, targets.List)
	}
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	w.facts["waited"] = true
	if err := w.pollBy(ctx, targets.Wait, pollsDear); err != nil {
		return err
	}
	return w.pollLater(ctx, targets.Wait)
}

// pollsLater is how many lists or waits follow over the observation window, the last
// at its end.
const pollsLater = 3

// pollLater goes on listing or waiting, at leisure: what that does to an operation may
// depend on how long it has gone on.
func (w *world) pollLater(ctx context.Context, m targets.Method) error {
	for range pollsLater {
		if err := w.lookOn(ctx, w.it, w.observeFor()/pollsLater); err != nil {
			return err
		}
		if err := w.pollBy(ctx, m, 1); err != nil {
			return err
		}
	}
	return nil
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

// unlessWaitAlone keeps a finding about many Waits, or aborted ones, only where two
// Waits that expire do no harm: they have a requirement of their own.
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
