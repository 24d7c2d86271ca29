package storm

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"time"
)

// A task is one call that is due. It may put others into the queue.
type task struct {
	due time.Duration
	do  func(ctx context.Context, c caller)
}

// A caller is a client with the moment from which its call's latency counts.
type caller struct {
	client int
	due    time.Duration // when the call was due; below zero: when it is sent
}

type queue []task

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(task)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// at puts a call into the queue.
func (e *engine) at(due time.Duration, do func(ctx context.Context, c caller)) {
	e.mu.Lock()
	heap.Push(&e.queue, task{due, do})
	first := e.queue[0].due == due
	e.mu.Unlock()
	if first {
		e.nudge()
	}
}

func (e *engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// next waits for the next call to make. ok is false when all is done.
func (e *engine) next(ctx context.Context, client int) (do func(context.Context, caller), ok bool) {
	for {
		wait, wake, over := idle, e.wake, false
		e.mu.Lock()
		if e.rests(client) {
			wake = nil // what wakes is for those who are active
		} else {
			do, wait, over = e.pick()
		}
		e.mu.Unlock()
		if do != nil || over {
			return do, !over
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, false
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// rests tells whether a client makes no calls now, since the storm abates. It
// does not where the calls have moments of their own, or come to an end.
func (e *engine) rests(client int) bool {
	return e.options.Rate <= 0 && !e.closed() && e.calm == nil && client > e.pace.active(e.now())
}

// pick chooses what is most urgent: what is due, a new operation, or one more
// look at one that is under way. Otherwise it tells how long to wait.
func (e *engine) pick() (do func(context.Context, caller), wait time.Duration, over bool) {
	now := e.now()
	first := e.calm != nil && e.mayStart(now) // in a round no call has to meet a moment
	if !first && len(e.queue) > 0 && (e.queue[0].due <= now || e.hurry) {
		e.pace.due()
		return heap.Pop(&e.queue).(task).do, 0, false
	}
	if e.mayStart(now) {
		index := e.started*e.options.Shards + e.options.Shard - 1
		e.started++
		e.starting++
		e.undone++
		if e.calm == nil {
			e.peak = max(e.peak, e.undone)
			e.pace.started(now)
		} else {
			e.pace.next = now + e.calm.every
		}
		return func(ctx context.Context, c caller) { e.start(ctx, c, index) }, 0, false
	}
	if len(e.order) > 0 && !e.closing && e.refused == 0 { // else it has too much to do
		e.pace.spare()
		return e.hottest(now).glance, 0, false
	}
	if len(e.queue) == 0 && e.starting == 0 && len(e.live) == 0 && e.closed() {
		return nil, 0, true
	}
	wait = idle
	if len(e.queue) > 0 {
		wait = min(wait, e.queue[0].due-now)
	}
	if !e.closed() && e.pace.next > now {
		wait = min(wait, e.pace.next-now)
	}
	return nil, wait, false
}

// idle is for how long a client waits at most before it looks again for what
// there is to do.
const idle = 50 * time.Millisecond

func (e *engine) closed() bool { return e.closing || e.used() }

// used tells whether as many operations were started as may be.
func (e *engine) used() bool { return e.options.Operations > 0 && e.started >= e.share() }

// share is how many of the operations this shard starts.
func (e *engine) share() int {
	n, s := e.options.Operations, e.options.Shards
	share := n / s
	if e.options.Shard <= n%s {
		share++
	}
	return share
}

func (e *engine) mayStart(now time.Duration) bool {
	if e.closed() || now < e.pace.next {
		return false
	}
	if e.calm != nil {
		return e.mayStartCalm()
	}
	return float64(len(e.live)-e.resting+e.starting) < e.pace.room
}

// hottest picks an operation for one more look: of a few, the one whose state
// is most likely to change about now.
func (e *engine) hottest(now time.Duration) *episode {
	best := e.order[rand.IntN(len(e.order))]
	for range 3 {
		if p := e.order[rand.IntN(len(e.order))]; p.hot.distance(now) < best.hot.distance(now) {
			best = p
		}
	}
	return best
}
