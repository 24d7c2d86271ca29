package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
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
	started, err := r.target.Starter.Start(own, q)
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
	open := r.unended()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.target.Timeouts.Request+min(r.target.Timeouts.Settle, longestSweep))
	defer cancel()
	names := make(chan string)
	var wg sync.WaitGroup
	for range min(sweepers, len(open)) {
		wg.Go(func() {
			for name := range names {
				if why := r.bringDown(ctx, name, open[name]); why != "" {
					r.leave(name + why)
				}
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(open)) {
		names <- name
	}
	close(names)
	wg.Wait()
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

// bringDown cancels an operation until it is seen to have ended, over whatever
// transport answers. It returns what is to be told of one that has not.
func (r *run) bringDown(ctx context.Context, name string, accepted bool) string {
	const runs = " (its cancel is accepted, and it is still in progress)"
	asked := false // here, when it was seen in progress
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, longestPoll) {
		got, client, err := r.look(ctx, name)
		switch {
		case err != nil && accepted && asked && ctx.Err() != nil:
			return runs
		case err != nil && accepted:
			return ""
		case err != nil:
			return fmt.Sprintf(" (%v)", err)
		case notFound(got), got.Accepted() && readOperation(got, -1, object(got.Doc)).done:
			return ""
		}
		if !asked {
			c, err := client.Call(ctx, targets.Cancel, cancelRequest(name))
			asked = err == nil && !transient(c)
			accepted = accepted || asked && c.Accepted()
			if asked && !c.Accepted() {
				return fmt.Sprintf(" (its cancel is answered %s)", c.Status())
			}
		}
		if !sleep(ctx, pause) {
			return runs
		}
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
