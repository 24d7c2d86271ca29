package storm

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

// A plan is what is decided of an operation before it is started. It follows
// from the seed and the operation's number alone; where it says a part, that
// is one of a length which is known only when the operation has begun.
type plan struct {
	role    targets.Role
	cancels []int   // the transport of each, by number
	gap     float64 // part of sweepRepeat between two cancels
	aim     int     // 0 to 19: what of its life the first cancel aims at
	narrow  int     // how often the window around the end is halved
	early   bool    // its end and that of the work are to meet, not the cancel itself and that
	moment  float64 // part of what is aimed at
	waits   []float64
	list    float64
	dense   bool // looks follow one another without a pause where it matters
	after   bool // cancelled once more when it is finished
	remove  int  // 0: not deleted; 1: deleted; 2: at the same time as other calls
	last    int  // the transport of what comes after the end
	rest    float64
}

// No part: what it is a part of is left out.
const none = -1

// newPlan draws a plan. It draws the same number of times for each operation.
func newPlan(seed int64, index int, roles []targets.Role, transports int) plan {
	rng := rand.New(rand.NewPCG(uint64(seed), uint64(index)))
	some := func(one, of int) float64 {
		if part := rng.Float64(); rng.IntN(of) < one {
			return part
		}
		return none
	}
	p := plan{role: roles[rng.IntN(len(roles))], gap: max(some(1, 2), 0), aim: rng.IntN(20), narrow: rng.IntN(5), moment: rng.Float64(),
		list: some(1, 6), dense: rng.IntN(2) == 0, after: rng.IntN(3) == 0, remove: max(rng.IntN(8)-3, 0) / 2, last: rng.IntN(transports), rest: some(1, 2)}
	p.early = rng.IntN(2) == 0
	n := []int{1, 1, 1, 2, 2, 3, 4}[rng.IntN(7)]
	for range 4 {
		p.cancels = append(p.cancels, rng.IntN(transports))
	}
	p.cancels = p.cancels[:n]
	for range transports {
		p.waits = append(p.waits, some(2, 3))
	}
	return p
}

// plan makes an episode of the operation with an index.
func (e *engine) plan(index int) *episode {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &episode{engine: e, index: index, plan: newPlan(e.options.Seed, index, e.roles, len(e.transports)),
		rng:   rand.New(rand.NewPCG(uint64(e.options.Seed), ^uint64(index))),
		known: map[targets.Transport]*[]any{}, moment: never, sent: never, accepted: never, doneAt: never, doneOn: map[targets.Transport]bool{}}
	p.role, p.calm = p.plan.role, e.calm != nil
	if p.calm {
		p.plan = p.plan.calm()
	}
	p.follows = func(context.Context) { e.at(e.now(), p.tail) }
	for _, t := range e.transports {
		p.known[t] = &[]any{}
	}
	return p
}

// natural is what is known of how long operations of a role last: of those that
// end by themselves from their start, of the others from their cancel.
type natural struct {
	seen   []time.Duration // the last few, in order of arrival
	median time.Duration
	spread time.Duration // half the width of the window in which they end
}

const (
	naturalsKept = 31
	leastSpread  = time.Millisecond
)

func (n *natural) add(d time.Duration) {
	if n.seen = append(n.seen, d); len(n.seen) > naturalsKept {
		n.seen = n.seen[1:]
	}
	sorted := slices.Sorted(slices.Values(n.seen))
	n.median = sorted[len(sorted)/2]
	n.spread = max(leastSpread, (sorted[len(sorted)*9/10]-sorted[len(sorted)/10])/2)
}

// near tells whether what began at a time is about to end now.
func (n natural) near(began, now time.Duration) bool {
	if len(n.seen) == 0 {
		return now < began+sweepRepeat
	}
	return (now - began - n.median).Abs() < n.spread+leastSpread
}

// ends tells whether operations of a role end by themselves.
func ends(r targets.Role) bool { return r == targets.Succeeding || r == targets.Failing }

// along returns a time from a to b.
func along(f float64, a, b time.Duration) time.Duration {
	return a + time.Duration(f*float64(max(b-a, 0)))
}

// How cancels of operations that keep running are swept: over as long as work
// takes to get going, and repeated within as long as a cancel takes.
const (
	sweepRunning = 25 * time.Millisecond
	sweepRepeat  = 10 * time.Millisecond
)

// sweep chooses when the operation is cancelled, how often, and with what gap
// between the cancels. Most cancels of an operation that ends by itself meet
// its end, ever closer, as the lengths of the others become known. stop is how
// long it takes from a cancel to its effect.
func (p *episode) sweep(n, stop natural) (cancels []int, gap time.Duration) {
	l := p.plan
	gap = along(l.gap, 0, sweepRepeat)
	if !ends(p.role) {
		p.moment = p.base
		if l.aim >= 5 {
			p.moment += along(l.moment, 0, sweepRunning)
		}
		return l.cancels, gap
	}
	switch {
	case l.aim < 2 || n.median == 0 && l.aim < 12: // shows how long it lasts
		return nil, 0
	case n.median == 0:
		p.moment = p.base + along(l.moment, 0, time.Second)
	case l.aim < 16:
		width := n.spread >> l.narrow
		end := n.median
		if l.early {
			end = max(end-stop.median, 0)
		}
		p.moment = p.base + end + along(l.moment, -width, width)
	case l.aim < 19:
		p.moment = p.base + along(l.moment, 0, n.median)
	default:
		p.moment = p.base + n.median + along(l.moment, n.spread, 2*n.spread)
	}
	// A worker that does not look may end it once more, at its natural end.
	p.until = p.base + n.median + n.spread + p.between(5*time.Millisecond, 60*time.Millisecond)
	return l.cancels, gap
}
