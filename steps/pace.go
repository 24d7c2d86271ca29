package steps

import (
	"context"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// paces are those of a run, by what is called: many servers count that apart.
type paces struct {
	mu     sync.Mutex
	called map[targets.Method]*pace
}

// startOf is the name of the starts among the methods.
const startOf targets.Method = "start"

func newPaces() *paces { return &paces{called: map[targets.Method]*pace{}} }

// of is the pace of a method.
func (p *paces) of(m targets.Method) *pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.called[m] == nil {
		p.called[m] = newPace()
	}
	return p.called[m]
}

// kept are the calls per second that the run keeps to, by method, where it has to.
func (p *paces) kept() map[string]float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out map[string]float64
	for m, pace := range p.called {
		if !pace.on() {
			continue
		}
		if out == nil {
			out = map[string]float64{}
		}
		out[string(m)] = math.Round(float64(pace.limiter.Limit()))
	}
	return out
}

// A pace keeps the calls of one method below the rate from which on the server refuses
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

// A period has a number of calls, unless these are few.
const (
	pacePeriod    = 250 * time.Millisecond
	paceCalls     = 20
	longestPeriod = 2 * time.Second
)

const (
	// paceFrom is how many calls of a period, and which part of them, are refused
	// where the pace comes in; keptFrom is the part that slows it down later.
	paceFrom     = 5
	paceFromPart = 0.05
	keptFromPart = 0.02
	// slowing is the step by which a pace becomes slower, and hastening the part by
	// which it becomes faster in a second, hastenedMost in a period.
	slowing      = 0.8
	hastening    = 0.2
	hastenedMost = 0.25
	// slowedInVain is how often calls become fewer before refusals count as owed to
	// something else.
	slowedInVain = 6
	// slowestPace is what no pace goes below, in calls per second.
	slowestPace = 5
)

func newPace() *pace { return &pace{limiter: rate.NewLimiter(rate.Inf, 1)} }

// wait returns when the next call is due, or ctx ends.
func (p *pace) wait(ctx context.Context) {
	if p.on() {
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
	elapsed := now.Sub(p.since)
	if elapsed >= pacePeriod && p.answered >= paceCalls || elapsed >= longestPeriod {
		p.change(float64(p.refused)/float64(p.answered), float64(p.answered-p.refused)/elapsed.Seconds(), elapsed)
		p.since, p.answered, p.refused = now, 0, 0
	}
}

// change sets the pace after a period in which a part of the calls was refused;
// accepted is the number of the others per second.
func (p *pace) change(part, accepted float64, period time.Duration) {
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
		p.limiter.SetLimit(rate.Limit(limit * (1 + min(hastening*period.Seconds(), hastenedMost))))
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
