package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

// startGrace is how long a start that was asked for may go on when its run is
// interrupted: without its answer the operation could not be cancelled, as
// nobody would know its name.
func (r *run) startGrace() time.Duration { return r.target.Timeouts.Request }

// begin starts an operation. It goes on for a while when ctx ends, so that what
// was started is known.
func (r *run) begin(ctx context.Context, q targets.StartRequest) (targets.Started, error) {
	if ctx.Err() != nil {
		return targets.Started{}, context.Cause(ctx)
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(r.startGrace(), cancel) })
	defer stop()
	pace := r.paces.of(startOf)
	pace.wait(own)
	started, err := r.target.Starter.Start(own, q)
	pace.tell(started.Exchange)
	if err != nil && own.Err() != nil {
		r.leave(fmt.Sprintf("an operation of the role %s whose start was interrupted: its name is not known", q.Role))
	}
	return started, err
}

// sweepers is how many operations are looked after at a time at the end.
const sweepers = 16

// longestSweep bounds the time in which an operation that was cancelled at the
// end is watched to stop, where settle is longer.
const longestSweep = time.Second

// sweep looks, at the end of the run, at every operation that it started and
// did not see end: what still runs is cancelled again, and what that does not
// end is listed.
func (r *run) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.target.Timeouts.Request+min(r.target.Timeouts.Settle, longestSweep))
	defer cancel()
	for name, why := range r.bringDown(ctx, r.unended()) {
		r.leave(name + why)
	}
}

// bringDown cancels operations until they are seen to have ended, or ctx ends,
// each in turn, so that none is passed over where others take all the time. open
// tells which have had an accepted cancel at their end. It returns what is to be
// told of those that have not ended.
func (r *run) bringDown(ctx context.Context, open map[string]bool) map[string]string {
	left := map[string]string{}
	var strays []*stray
	for name, accepted := range open {
		strays = append(strays, &stray{name: name, accepted: accepted})
	}
	free := make(chan struct{}, sweepers)
	for pause := 5 * time.Millisecond; len(strays) > 0; pause = min(2*pause, longestPoll) {
		_ = together(len(strays), func(i int) error { // each tells by itself
			free <- struct{}{}
			defer func() { <-free }()
			r.tryToEnd(ctx, strays[i])
			return nil
		})
		more := sleep(ctx, pause)
		strays = slices.DeleteFunc(strays, func(s *stray) bool {
			if !s.over && !more {
				s.why = s.stillRuns()
			}
			if s.why != "" {
				left[s.name] = s.why
			}
			return s.over || !more
		})
	}
	return left
}

// A stray is an operation that was not seen to end.
type stray struct {
	name     string
	accepted bool   // a cancel of it at the end
	asked    bool   // to be cancelled, when it was seen in progress
	refusal  string // of that cancel; "" where there was none
	over     bool   // nothing more is to be done
	why      string // what is to be told of it; "" where it has ended
}

func (s *stray) stillRuns() string {
	switch {
	case s.refusal != "":
		return fmt.Sprintf(" (its cancel is answered %s)", s.refusal)
	case s.accepted:
		return " (its cancel is accepted, and it is still in progress)"
	}
	return " (it is still in progress)"
}

// unended are the operations of the ledger that were not seen to end, nor are
// listed as left behind already, and whether a cancel at the end was accepted.
func (r *run) unended() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.open)
}

// ended notes that an operation needs no more care.
func (r *run) ended(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, name)
}

// tryToEnd looks at an operation once, over whatever transport answers, and
// cancels it where it is in progress.
func (r *run) tryToEnd(ctx context.Context, s *stray) {
	got, client, err := r.look(ctx, s.name)
	switch {
	case err != nil && s.asked && ctx.Err() != nil:
		return
	case err != nil:
		if s.over = true; !s.accepted {
			s.why = fmt.Sprintf(" (%v)", err)
		}
		return
	case notFound(got), got.Accepted() && readOperation(got, -1, object(got.Doc)).done:
		s.over = true
		return
	case s.refusal != "": // and it had not ended between the look and the cancel
		s.over, s.why = true, s.stillRuns()
		return
	case s.asked:
		return
	}
	c, err := client.Call(ctx, targets.Cancel, cancelRequest(s.name))
	s.asked = err == nil && !transient(c)
	s.accepted = s.accepted || s.asked && c.Accepted()
	if s.asked && !c.Accepted() {
		s.refusal = c.Status()
	}
}

// look gets an operation over the first transport that answers.
func (r *run) look(ctx context.Context, name string) (targets.Exchange, targets.Client, error) {
	err := errors.New("the target is gone")
	for _, t := range targets.Transports() {
		ep := r.target.Endpoints[t]
		if ep == nil || ep.Client == nil || r.health[t].isLost() {
			continue
		}
		var got targets.Exchange
		if got, err = ep.Client.Call(ctx, targets.Get, getRequest(name)); err == nil {
			return got, ep.Client, nil
		}
	}
	return targets.Exchange{}, nil, err
}
