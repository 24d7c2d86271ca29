package steps

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// agedSteps are about operations that the run starts before its first case, and that
// have grown old when the last ones come: what a server keeps to cancel them by may
// have expired.
func agedSteps() []definition {
	return []definition{
		step(`a (running) operation that was started before all others`, givenAged),
		step(`an operation that was started before all others and has (succeeded)`, givenAged),
	}
}

// An operation counts as old, where the run is no longer than that, once it has gone
// on, or has been seen to have ended, for so many observation windows, or for one and
// so long.
const (
	agedAfter  = 5
	agedLonger = time.Second
)

// An aged operation was started before the first case.
type aged struct {
	op    *operation
	ready chan struct{} // closed when it was started and, if it ends by itself, has ended
	end   snapshot      // of one that has ended
	err   error         // why there is none
}

// age are the aged operations of a transport that no case has taken, by role. The
// witness succeeds as some of them do, and nobody cancels it.
type age struct {
	mu      sync.Mutex
	waiting map[targets.Role][]*aged
	witness *aged
}

// ofAge tells which role's operation a case takes that was started before the first.
func (c *planned) ofAge() (role targets.Role, ok bool) {
	for _, s := range c.steps {
		switch {
		case !strings.Contains(s.Text, "started before all others"):
		case strings.HasSuffix(s.Text, "succeeded"):
			return targets.Succeeding, true
		default:
			return targets.Running, true
		}
	}
	return "", false
}

// growOld starts, in the background, an operation for each case that needs an old
// one. There is none where those of the role are scarce, or must not be many, where a
// case is repeated, and where one case is at work at a time, as the target may not run
// more. What ends by itself is started when the others run: that it ends shows that
// they do not take the last workers that the target has.
func (s *suite) growOld(cases []*planned) {
	r := s.run
	if r.options.Repeat > 1 || r.seats.Load().single() || !r.mayStartMany() {
		return
	}
	started := map[targets.Transport]bool{}
	all := map[targets.Role][]*aged{}
	for _, role := range []targets.Role{targets.Running, targets.Succeeding} {
		before := all[targets.Running]
		for _, c := range cases {
			sup := r.support[c.transport]
			if of, ok := c.ofAge(); !ok || of != role || r.scarce(role) || sup.blocked != "" || sup.leak != nil || sup.level == unsupportedCancel {
				continue
			}
			started[c.transport] = true
			a := r.grow(s.ctxs[c.transport], c.transport, role, before)
			r.age[c.transport].add(role, a)
			all[role] = append(all[role], a)
		}
	}
	for t := range started {
		if r.role(targets.Succeeding) == nil && !r.scarce(targets.Succeeding) {
			r.age[t].witness = r.grow(s.ctxs[t], t, targets.Succeeding, all[targets.Running])
			go r.unlessStarved(s.ctxs[t], t, r.age[t].witness)
		}
	}
}

func (g *age) add(role targets.Role, a *aged) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting[role] = append(g.waiting[role], a)
}

// grow starts an operation and follows one that ends by itself, which is started
// once those before were, to its end.
func (r *run) grow(ctx context.Context, t targets.Transport, role targets.Role, before []*aged) *aged {
	a := &aged{ready: make(chan struct{})}
	w := r.prelude(t)
	go func() {
		defer close(a.ready)
		defer w.seat.end()
		for _, b := range before {
			<-b.ready
		}
		if role == targets.Running {
			a.op, a.err = w.start(ctx, role, "")
		} else if a.op, a.err = w.finished(ctx, "succeeded"); a.err == nil {
			a.end, _ = a.op.end()
		}
	}()
	return a
}

// unlessStarved ends the operations that grow old where the witness does not end in
// good time: what cases wait for would not either.
func (r *run) unlessStarved(ctx context.Context, t targets.Transport, witness *aged) {
	inTime := time.NewTimer(r.target.Timeouts.Settle / 2)
	defer inTime.Stop()
	select {
	case <-witness.ready:
		if witness.err == nil {
			return
		}
	case <-inTime.C:
	}
	if ctx.Err() == nil {
		r.prelude(t).makesRoomOfAged(ctx)
	}
}

// since is when the operation was started, or was seen to have ended.
func (a *aged) since() time.Time {
	if a.end.done {
		return a.end.received
	}
	return a.op.begun
}

// take takes an aged operation of a role; nil where none is left.
func (g *age) take(role targets.Role) *aged {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.waiting[role]
	if len(list) == 0 {
		return nil
	}
	g.waiting[role] = list[1:]
	return list[0]
}

// takeReady takes all of a role but those that are being started.
func (g *age) takeReady(role targets.Role) (ready []*aged) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting[role] = slices.DeleteFunc(g.waiting[role], func(a *aged) bool {
		select {
		case <-a.ready:
			ready = append(ready, a)
			return true
		default:
			return false
		}
	})
	return ready
}

// endAged ends the aged operations of a transport that no case has taken.
func (r *run) endAged(ctx context.Context, t targets.Transport) {
	left := []*aged{r.age[t].witness}
	for _, role := range []targets.Role{targets.Running, targets.Succeeding} {
		for a := r.age[t].take(role); a != nil; a = r.age[t].take(role) {
			left = append(left, a)
		}
	}
	for _, a := range left {
		if a == nil {
			continue
		}
		if <-a.ready; a.op != nil {
			r.endOperation(ctx, t, a.op)
		}
	}
}

// makesRoomOfAged ends the operations that grow old, as something cannot be started
// beside them: the target may run few at a time. It tells whether there was any.
func (w *world) makesRoomOfAged(ctx context.Context) bool {
	open := map[string]bool{}
	for t, g := range w.run.age {
		for _, a := range g.takeReady(targets.Running) {
			if a.op != nil {
				w.run.endOperation(ctx, t, a.op)
				open[a.op.name] = false
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, w.settleFor())
	defer cancel()
	w.run.bringDown(ctx, open)
	return len(open) > 0
}

// givenAged takes an operation that was started before the first case, and sees that
// it is as it was: running, or succeeded.
func givenAged(ctx context.Context, state string) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	role := targets.Running
	if state == "succeeded" {
		role = targets.Succeeding
	}
	a := w.run.age[w.plan.transport].take(role)
	if a == nil {
		return inapplicable("no operation has grown old during the run: none was started for that, or another needed its place")
	}
	w.aged = a
	if err := w.growsOld(ctx, a); err != nil {
		return err
	}
	if role == targets.Running {
		w.facts["single"] = true
		return w.goesOnUntouched(ctx, a.op)
	}
	return w.keptSince(ctx, a)
}

// growsOld makes an operation the one that is spoken of, and waits until it is old.
func (w *world) growsOld(ctx context.Context, a *aged) error {
	w.seat.rest()
	defer w.seat.rise(ctx)
	if <-a.ready; a.op != nil {
		w.mu.Lock()
		w.mine = append(w.mine, a.op)
		w.mu.Unlock()
	}
	if a.err != nil {
		return a.err
	}
	w.it = a.op
	if !sleep(ctx, time.Until(a.since().Add(w.oldAfter()))) {
		return stopped(ctx)
	}
	a.op.snapshots = nil // their exchanges are not the case's
	return nil
}

// oldAfter is how long ago an operation that counts as old was started.
func (w *world) oldAfter() time.Duration {
	return min(agedAfter*w.observeFor(), w.observeFor()+agedLonger)
}

// goesOnUntouched sees that an old operation is in progress, and nobody has asked for
// its end.
func (w *world) goesOnUntouched(ctx context.Context, op *operation) error {
	l, err := w.get(ctx, op)
	switch {
	case err != nil:
		return err
	case !l.found || l.garbled:
		return inapplicable("Get of an operation started %v ago answers %s", time.Since(op.begun).Round(time.Millisecond), l.Status())
	case l.done:
		return inapplicable("the operation has ended meanwhile: it is %s", l.state())
	case isViolation(w.judgeUnaffected(op, l, "what others did")):
		return inapplicable("the operation was touched by what others did")
	}
	return nil
}

// keptSince sees that an operation that has ended long ago is still as it ended.
func (w *world) keptSince(ctx context.Context, a *aged) error {
	l, err := w.get(ctx, a.op)
	switch {
	case err != nil:
		return err
	case !l.found || l.garbled:
		return inapplicable("what has ended is not kept for %v: Get answers %s", time.Since(a.since()).Round(time.Millisecond), l.Status())
	case !l.done || !sameResult(a.end, l.snapshot):
		return inapplicable("the operation has changed meanwhile: it is %s", l.state())
	}
	return nil
}

// ofAge tells whether the scenario's operation was started before the first case.
func (w *world) ofAge() bool { return w.aged != nil && w.aged.op == w.it }

// tellOfAge is what a case rules that could not tell of an old operation: other cases
// tell of fresh ones, so that nothing of the requirement is left open.
func (w *world) tellOfAge(r *ruling) error {
	if w.aged == nil || r.verdict != reports.Inconclusive {
		return r
	}
	return inapplicable("of an operation that has grown old nothing can be told: %s", r.reason)
}

// unlessFreshToo keeps a finding about the cancel of an old operation only where that
// of a fresh one is accepted now and, where the effect is judged, has one.
func (w *world) unlessFreshToo(ctx context.Context, finding error) error {
	if !isViolation(finding) || !w.ofAge() {
		return finding
	}
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	if op, _, err = w.cancelOnce(ctx, op); err == nil && judgesEffect(w.plan.requirement.ID) {
		_, err = w.becomesCancelled(ctx, op)
	}
	if err != nil {
		return inconclusive("the cancel of a fresh operation is no better now: %v", err)
	}
	return finding
}

// unlessWitnessToo keeps a finding about an operation that had ended long ago only
// where another that ended then, and was left alone, stays as it ended.
func (w *world) unlessWitnessToo(ctx context.Context, finding error) error {
	a := w.run.age[w.plan.transport].witness
	<-a.ready
	err := a.err
	if err == nil {
		err = w.keeps(ctx, a.op, a.end, w.observeFor())
	}
	if err != nil {
		return inconclusive("an operation that has ended as long ago, and was left alone, does not stay as it ended either: %v", err)
	}
	return finding
}
