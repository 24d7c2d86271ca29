package steps

import (
	"context"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

func terminalSteps() []definition {
	return []definition{
		step(`the client cancels it and watches it past the end of its like`, whenOutlivesLike),
		step(`the client cancels another and it, and watches it past the end of its like`, whenOutlivesLikeBeside),
		step(`the client cancels it and watches it over several connections`, whenWatchesTurns),
		step(`the client follows it to its end and watches it over several connections`, whenFollowsTurns),
		step(`the client cancels it while a Wait for it is pending, and looks at it then`, whenWaitsAndLooks),
		step(`the client cancels it, follows it to its end and waits for it`, whenFollowsAndWaits),
		step(`it was found at every look`, thenContinuous),
		step(`every later look shows its end`, thenReadYourCancel),
	}
}

// watchers is over how many connections an operation is looked at by turns: of few
// connections all may lead to one worker.
const watchers = 6

// A sighting is a look at an operation by one of several connections.
type sighting struct {
	look
	connection int
}

// whenOutlivesLike cancels an operation at once and watches it until another
// of its role, started after it, has ended by itself, and for the observation
// window after that: a worker that missed the cancel has written its result
// by then. Where the cancel came late, another operation is cancelled.
func whenOutlivesLike(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	for try := 1; ; try++ {
		early, err := w.outlivesLike(ctx)
		if err != nil || early || try == transientTries {
			return err
		}
		if w.it, err = w.startInProgress(ctx, w.it.role); err != nil {
			return err
		}
	}
}

// outlivesLike cancels the operation and watches it past the end of its like. early
// tells whether the cancel came in the first third of the time that its like took: a
// worker misses what comes before it has begun, and on a busy machine much comes late.
func (w *world) outlivesLike(ctx context.Context) (early bool, err error) {
	op, err := w.cancelBeforeEnd(ctx)
	if err != nil {
		return false, err
	}
	like, err := w.start(ctx, op.role, "")
	if err != nil {
		return false, err
	}
	s, err := w.settle(ctx, op)
	w.facts["settled"] = s
	if err != nil {
		return false, err
	}
	if _, err := w.untilDone(ctx, like); err != nil {
		return false, err
	}
	early = 3*op.acceptedAt().Sub(op.begun) < time.Since(like.begun)
	_, err = w.lookByTurns(ctx, w.it, w.observeFor(), time.Time{})
	return early, err
}

// whenOutlivesLikeBeside does so once another operation was cancelled, which has
// ended sooner.
func whenOutlivesLikeBeside(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	other, err := w.cancelled(ctx, targets.Running)
	if err != nil {
		return err
	}
	w.others = []*operation{other}
	return whenOutlivesLike(ctx)
}

// cancelBeforeEnd cancels the operation, which ends soon by itself. One that
// has ended before is replaced by a fresh one.
func (w *world) cancelBeforeEnd(ctx context.Context) (*operation, error) {
	for try := 1; ; try++ {
		op, _, err := w.cancelOnce(ctx, w.it)
		w.it = op
		if err == nil || ctx.Err() != nil || try == transientTries {
			return op, err
		}
		if l, lookErr := w.get(ctx, op); lookErr != nil || !l.done {
			return op, err
		}
		if w.it, err = w.startInProgress(ctx, op.role); err != nil {
			return op, err
		}
	}
}

// whenWatchesTurns cancels an operation and looks at it from then on, closely
// and over several connections by turns, until it has ended, and for the
// observation window after that. Where one that was just started is not found, as
// it may be in one place when another has shown it, an older one is cancelled.
func whenWatchesTurns(ctx context.Context) error {
	w := of(ctx)
	for old := false; ; old = true {
		op, err := w.cancelVisible(ctx)
		if err != nil {
			return err
		}
		looks, err := w.lookByTurns(ctx, w.it, w.observeFor(), op.acceptedAt().Add(w.settleFor()))
		w.facts["looks"] = looks
		if err != nil || old || !slices.ContainsFunc(looks, func(s sighting) bool {
			return notFound(s.Exchange) && s.Start.Sub(w.it.begun) <= w.visibleFor()
		}) {
			return err
		}
		if w.it, err = w.startInProgress(ctx, op.role); err != nil {
			return err
		}
		if !sleep(ctx, time.Until(w.it.begun.Add(w.visibleFor()))) {
			return stopped(ctx)
		}
	}
}

// cancelVisible cancels the operation once Get finds it over each of the connections. One
// that the cancel alone does not find is replaced by a fresh one: behind one address
// may be workers of which each knows its own, and the next cancel may come to its own.
func (w *world) cancelVisible(ctx context.Context) (*operation, error) {
	for try := 1; ; try++ {
		if err := w.appearsEverywhere(ctx, w.it); err != nil {
			return nil, err
		}
		op, err := w.cancelIt(ctx)
		c, _ := w.facts["call"].(call)
		if err == nil || !notFound(c.Exchange) || try == transientTries {
			return op, err
		}
		if w.it, err = w.startInProgress(ctx, op.role); err != nil {
			return op, err
		}
	}
}

// appearsEverywhere looks at an operation over each of the connections until Get finds
// it there, for as long as it may take to become visible.
func (w *world) appearsEverywhere(ctx context.Context, op *operation) error {
	for connection := range watchers {
		for pause := firstPause; ; pause = min(2*pause, longestPoll/8) {
			l, err := w.getOn(ctx, op, connection)
			if err != nil {
				return err
			}
			if !notFound(l.Exchange) || time.Since(op.begun) > w.visibleFor() {
				break
			}
			if !sleep(ctx, pause) {
				return stopped(ctx)
			}
		}
	}
	return nil
}

// whenWaitsAndLooks cancels an operation that is waited for, and looks at it when the
// Waits and Get have shown its end.
func whenWaitsAndLooks(ctx context.Context) error {
	err := whenCancelsWaiting(ctx)
	w := of(ctx)
	r, _ := w.facts["release"].(release)
	w.facts["settled"] = r.settled
	switch {
	case r.settled.end == endedVanished && w.plan.requirement.ID == notDeleted:
		return nil // which is what is judged
	case err != nil:
		return err
	}
	_, err = w.get(ctx, w.it)
	return err
}

const notDeleted = "cancel.state.not-deleted"

// whenFollowsAndWaits cancels an operation, and waits for it when Get has shown its
// end: a result may be kept for the first who waits only.
func whenFollowsAndWaits(ctx context.Context) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	if err := whenCancelsAndFollows(ctx); err != nil || w.settled().end != endedCancelled {
		return err
	}
	return whenWaits(ctx)
}

func whenFollowsTurns(ctx context.Context) error {
	w := of(ctx)
	_, err := w.lookByTurns(ctx, w.it, w.observeFor(), time.Now().Add(w.settleFor()))
	return err
}

// lookByTurns looks at an operation over several connections by turns, until the
// time d after it was first seen done, or until the deadline if it was not.
func (w *world) lookByTurns(ctx context.Context, op *operation, d time.Duration, deadline time.Time) ([]sighting, error) {
	var connections [watchers]int
	for i := range connections {
		connections[i] = i
	}
	return w.lookOver(ctx, op, connections[:], d, deadline)
}

// lookOver is lookByTurns over some connections.
func (w *world) lookOver(ctx context.Context, op *operation, connections []int, d time.Duration, deadline time.Time) ([]sighting, error) {
	w.seat.rest()
	defer w.seat.rise(ctx)
	var out []sighting
	began := time.Now()
	after := 0
	var end time.Time
	if deadline.IsZero() {
		end = began.Add(d)
	}
	for i := 0; ; i++ {
		// Twice by one, twice by the next: a server that has two answers by
		// turns is seen as well.
		connection := connections[i/2%len(connections)]
		l, err := w.getOn(ctx, op, connection)
		if err != nil {
			return out, err
		}
		out = append(out, sighting{l, connection})
		if l.done && end.IsZero() {
			end = l.received.Add(d)
			began = l.received
		}
		now := time.Now()
		if !end.IsZero() {
			after++
		}
		// However slow the target, two connections and more have looked after the end.
		if !end.IsZero() && now.After(end) && after > 4 || end.IsZero() && now.After(deadline) {
			return out, nil
		}
		pause := min(max(time.Millisecond, now.Sub(began)/20), longestPoll)
		if !sleep(ctx, pause) {
			return out, stopped(ctx)
		}
	}
}

func (w *world) sightings() []sighting {
	l, _ := w.facts["looks"].([]sighting)
	return l
}

// thenContinuous judges that the operation was found by every look from the
// accepted cancel on. Only a gap that closes again belongs here.
func thenContinuous(ctx context.Context) error {
	w := of(ctx)
	var gap *sighting
	found := 0
	for _, s := range w.sightings() {
		switch {
		case s.found && !s.garbled:
			found++
			if gap != nil {
				return w.fail(gap.call, "the operation, at every look", "the operation was not found for a while after its accepted cancel, and then again")
			}
		case notFound(s.Exchange) && gap == nil:
			gap = &s
		}
	}
	switch {
	case gap != nil:
		return inconclusive("Get answered NOT_FOUND after the accepted cancel (see cancel.state.not-deleted)")
	case found < len(w.sightings()):
		return inconclusive("Get did not return the operation at every look (see cancel.state.get-ok)")
	}
	return nil
}

// thenReadYourCancel judges that the end, once seen, is seen by every later
// look, over whatever connection.
func thenReadYourCancel(ctx context.Context) error {
	w := of(ctx)
	var end *sighting
	after := map[int]int{} // looks at the end, by connection
	for _, s := range w.sightings() {
		switch {
		case end == nil && s.done:
			end = &s
		case end == nil:
		case s.found && !s.garbled && !s.done:
			return w.unlessRegresses(ctx, w.failAt(s.snapshot, "still "+end.state(), "a look does not see the end of the operation that an earlier one saw (connections %d and %d)", end.connection+1, s.connection+1))
		case notFound(s.Exchange):
			return w.lost(ctx, s, end.connection)
		default:
			after[s.connection]++
		}
	}
	switch {
	case end == nil:
		return inconclusive("the operation was not done within settle (%v) after its accepted cancel", w.settleFor())
	case len(after) < 2:
		return inconclusive("the end was seen over one connection only")
	}
	return nil
}

// unlessRegresses keeps a finding about an end that some connections do not show only
// where it stays to be seen over the one: operation.terminal.done-monotonic owns what
// goes back there. Another operation is followed so, as the moment may have passed.
func (w *world) unlessRegresses(ctx context.Context, finding error) error {
	op, err := w.cancelFresh(ctx, w.it.role)
	if err != nil {
		return err
	}
	looks, err := w.lookOver(ctx, op, []int{w.freshConnection()}, w.observeFor(), op.acceptedAt().Add(w.settleFor()))
	if err != nil {
		return err
	}
	ended := false
	for _, s := range looks {
		if ended && s.found && !s.garbled && !s.done {
			return inconclusive("an end that was seen is not seen later over the same connection either (see operation.terminal.done-monotonic)")
		}
		ended = ended || s.done
	}
	return finding
}

// lost judges a look that does not find a done operation which the connection that
// has shown its end still finds.
func (w *world) lost(ctx context.Context, s sighting, connection int) error {
	l, err := w.getOn(ctx, w.it, connection)
	if err != nil {
		return err
	}
	if !l.found {
		return inconclusive("Get answered NOT_FOUND after the end (see cancel.state.not-deleted)")
	}
	return w.fail(s.call, "the done operation", "a look does not find the done operation that another one sees (connection %d)", s.connection+1)
}
