package steps

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// A pace keeps the calls of a run below the rate from which on the server refuses
// them (RFC 6585, section 4: 429; google.rpc.Code: RESOURCE_EXHAUSTED), which is
// legal and no matter of cancel. It finds that rate by what the server answers, as
// clients of such services do, and is off where refusals are rare, or do not become
// rarer when there are fewer calls.
type pace struct {
	limiter *rate.Limiter // rate.Inf: off

	mu       sync.Mutex
	since    time.Time // when the period began
	answered int       // calls in the period
	refused  int       // those of them that were refused for their number
	part     float64   // of the calls that was refused before they became fewer
	slowed   int       // how often they were made fewer without an effect
	useless  bool
}

const (
	pacePeriod = 250 * time.Millisecond
	// paceFrom is how many calls of a period, and which part of them, are refused
	// where the pace comes in; keptFrom is the part that slows it down later.
	paceFrom     = 5
	paceFromPart = 0.05
	keptFromPart = 0.02
	// slowing and hastening are the steps by which a pace changes in a period.
	slowing   = 0.8
	hastening = 1.05
	// slowedInVain is how often calls become fewer before refusals count as owed to
	// something else.
	slowedInVain = 6
	// slowestPace is what no pace goes below, in calls per second.
	slowestPace = 5
)

func newPace() *pace { return &pace{limiter: rate.NewLimiter(rate.Inf, 1)} }

// wait returns when the next call is due, or ctx ends.
func (p *pace) wait(ctx context.Context) {
	if p.limiter.Limit() != rate.Inf {
		_ = p.limiter.Wait(ctx) // the call says that ctx has ended
	}
}

// on tells whether the calls of the run are kept back.
func (p *pace) on() bool { return p.limiter.Limit() != rate.Inf }

// tell takes note of the answer to a call.
func (p *pace) tell(ex targets.Exchange) {
	if !ex.Answered() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := ex.End()
	if p.since.IsZero() {
		p.since = now
	}
	p.answered++
	if isCode(ex, codes.ResourceExhausted) || ex.HTTP == 429 {
		p.refused++
	}
	if elapsed := now.Sub(p.since); elapsed >= pacePeriod {
		p.change(float64(p.refused)/float64(p.answered), float64(p.answered-p.refused)/elapsed.Seconds())
		p.since, p.answered, p.refused = now, 0, 0
	}
}

// change sets the pace after a period in which a part of the calls was refused;
// accepted is the number of the others per second.
func (p *pace) change(part, accepted float64) {
	limit := float64(p.limiter.Limit())
	switch {
	case p.useless:
		return
	case !p.on():
		if p.refused < paceFrom || part < paceFromPart {
			return
		}
		p.part, p.slowed = part, 0
		limit = accepted
	case p.refused == 0:
		p.slowed = 0
		p.limiter.SetLimit(rate.Limit(limit * hastening))
		return
	case part < keptFromPart:
		return
	case part > p.part/2:
		if p.slowed++; p.slowed > slowedInVain {
			p.useless = true
			p.limiter.SetLimit(rate.Inf)
			return
		}
	}
	p.limiter.SetLimit(rate.Limit(max(slowestPace, slowing*min(limit, accepted))))
}
