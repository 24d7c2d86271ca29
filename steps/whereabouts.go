package steps

import (
	"context"

	"github.com/lro-tools/conform/targets"
)

// The requirements about an operation that Get does not find for a while, or
// over some connections, and then again.
const (
	continuous     = "get.after-cancel.continuous"
	readYourCancel = "get.read-your-cancel"
)

// Connections by which an operation is asked for once more: some at a time, so
// that no worker is the only one that is idle, and more where these agree. Their
// numbers come round late.
const (
	freshAtOnce  = 3
	freshRounds  = 4
	firstFresh   = 2000
	freshNumbers = 60
)

// freshConnection is the number of a connection that no other case uses at the time.
func (w *world) freshConnection() int { return firstFresh + int(w.run.fresh.Add(1)%freshNumbers) }

// An attendance is over how many connections an operation was found, over how many
// not, and how many brought no answer.
type attendance struct{ found, missed, silent int }

// askAfresh asks for an operation over new connections, until they disagree or bring
// no answer. One case at a time asks: it opens more connections than it otherwise
// would, and the server may have few threads for them.
func (w *world) askAfresh(ctx context.Context, client targets.Client, op *operation) attendance {
	w.run.asking.Lock()
	defer w.run.asking.Unlock()
	var out attendance
	for range freshRounds {
		calls := make([]call, freshAtOnce)
		_ = together(len(calls), func(i int) error {
			r := targets.RawRequest{Method: targets.Get, Message: getRequest(op.name), Connection: w.freshConnection()}
			calls[i] = w.send(ctx, client, targets.Get, "over a new connection: is it found?", func(ctx context.Context, c targets.Client) (targets.Exchange, error) {
				return c.Raw(ctx, r)
			})
			return nil
		})
		for _, c := range calls {
			switch {
			case c.err != nil:
				out.silent++
			case c.Accepted() && !errorAsSuccess(c.Exchange):
				out.found++
			case notFound(c.Exchange):
				out.missed++
			}
		}
		if out.found > 0 && out.missed > 0 || out.silent > freshAtOnce/2 {
			break
		}
	}
	return out
}

// unlessFoundAgain keeps a finding that something is not found only where that is
// not a matter of the connection, or of the moment. A look that did not find the
// operation is none of its being gone where another finds it; and where a call did
// not find it, or a list has not shown it, Get must not both find it and not. Two
// requirements own that; whatever else a case blames for it is not known to be the
// cause.
func (w *world) unlessFoundAgain(ctx context.Context, finding error) error {
	v, ok := finding.(*violation)
	if !ok || v.Requirement == continuous || v.Requirement == readYourCancel || v.Exchange < 0 {
		return finding
	}
	w.mu.Lock()
	shown := w.exchanges[v.Exchange]
	gone := w.missing[v.Exchange]
	asked := append([]*operation(nil), w.mine...)
	w.mu.Unlock()
	if !notFound(shown) && shown.Method != targets.List || w.run.target.Endpoints[shown.Transport] == nil {
		return finding
	}
	if gone != nil {
		asked = []*operation{gone}
	}
	client := w.run.target.Endpoints[shown.Transport].Client
	for _, op := range asked[max(0, len(asked)-askedAfresh):] {
		switch at := w.askAfresh(ctx, client, op); {
		case at.found > 0 && (at.missed > 0 || gone != nil):
			return inconclusive("%s answered %s, but over new connections Get finds the operation %d times and does not find it %d times (see %s, %s)",
				shown.Method, shown.Status(), at.found, at.missed, continuous, readYourCancel)
		case at.silent > freshAtOnce/2:
			return inconclusive("%s answered %s, and over new connections Get brings no answer: whether the operation is found by some is not known", shown.Method, shown.Status())
		}
	}
	return finding
}

// askedAfresh is how many operations of a case are asked for once more, where it is
// not known which of them was meant.
const askedAfresh = 4

// unfound takes note of which operation a Get does not find.
func (w *world) unfound(op *operation, c call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missing == nil {
		w.missing = map[int]*operation{}
	}
	w.missing[c.index] = op
}

// missed takes note of a Get that does not find an operation, be it that an earlier
// one has found it.
func (w *world) missed(op *operation, c call) {
	w.unfound(op, c)
	op.looking.Lock()
	defer op.looking.Unlock()
	for _, s := range op.snapshots {
		if op.gap == nil && !s.waited && s.received.Before(c.Start) {
			op.gap = &c
		}
	}
}

// checkFoundAgain judges a Get that finds an operation which an earlier one has not
// found, though one before that had: an end that was seen stays to be seen, and
// before it an operation whose cancel was accepted is found by every Get. One that
// was just started may become visible in one place after the other; one that was
// deleted may disappear so, and one that ended long ago may be forgotten.
func (w *world) checkFoundAgain(op *operation, s snapshot) {
	op.looking.Lock()
	defer op.looking.Unlock()
	gap := op.gap
	if gap == nil || s.waited || !gap.End().Before(s.sent) {
		return
	}
	op.gap = nil
	if op.deleting || gap.Start.Sub(op.begun) <= w.visibleFor() {
		return
	}
	for _, e := range op.snapshots {
		if !e.done || e.waited || !e.received.Before(gap.Start) {
			continue
		}
		if gap.Start.Sub(e.received) <= 2*w.observeFor() {
			w.aside(readYourCancel, gap.index, "", "still "+e.state(), gap.Status(), "a look does not find the done operation that others see before it and after it")
		}
		return
	}
	if !op.accepted.IsZero() && op.accepted.Before(gap.Start) {
		w.aside(continuous, gap.index, "", "the operation, at every look", gap.Status(), "the operation was not found for a while after its accepted cancel, and then again")
	}
}
