package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

// start starts an operation of a role for a case and enters it in the ledger.
func (w *world) start(ctx context.Context, role targets.Role, id string) (*operation, error) {
	r := w.run
	if err := r.role(role); err != nil {
		return nil, err
	}
	if op := w.takeSpare(role, id); op != nil {
		return op, nil
	}
	if n := r.started.Add(1); n > foreignLimit && !r.mayStartMany() {
		return nil, inconclusive("more than %d operations on a target that is not loopback need --yes or confirm: true", foreignLimit)
	}
	begun := time.Now()
	r.starting.Add(1)
	defer r.starting.Add(-1)
	beside := w.othersGoOn()
	started, err := r.tryStart(ctx, role, id)
	if err != nil && w.makesRoom(ctx) {
		started, err = r.tryStart(ctx, role, id)
	}
	if started.Exchange.Request.Line != "" {
		w.record(started.Exchange, "start of role "+string(role))
	}
	if err != nil {
		return nil, w.notStarted(ctx, role, started, beside, err)
	}
	op := &operation{name: started.Name, role: role, started: started, begun: begun}
	w.enter(op)
	if id == "" { // the server's choice
		r.namesakes.give(op.name, begun, w.mistaken)
	}
	return op, nil
}

// enter enters an operation that the case has started in the ledger.
func (w *world) enter(op *operation) {
	r := w.run
	r.mu.Lock()
	r.owned[op.name] = true
	r.ran = r.ran || op.role == targets.Running
	if !r.target.Roles[op.role].Foreign {
		r.open[op.name] = false
	}
	r.mu.Unlock()
	w.mu.Lock()
	w.mine = append(w.mine, op)
	w.mu.Unlock()
}

// notStarted rules on a start that failed; beside tells that there were operations of
// other cases when it was asked for.
func (w *world) notStarted(ctx context.Context, role targets.Role, refused targets.Started, beside bool, err error) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	w.pulse(ctx, err)
	if role == targets.Running {
		w.run.setProblem(fmt.Sprintf("an operation of the role running cannot be started: %v", err))
	}
	var none *targets.NoAnswer
	beside = (beside || w.othersGoOn()) && !errors.As(err, &none)
	if beside {
		w.run.tellCrowded()
		w.crowded.Store(true)
	}
	return inconclusive("an operation of the role %s cannot be started: %v%s", role, err, w.advice(refused, beside))
}

// advice goes with a start that failed while operations were in progress: those of
// other cases, beside it, or of this one.
func (w *world) advice(refused targets.Started, beside bool) string {
	if !w.run.seats.Load().single() {
		switch {
		case !beside:
			return ""
		case transient(refused.Exchange):
			return " (where the target runs few operations at a time, use --concurrency 1; where it takes few calls a second, --rate)"
		}
		return " (where the target runs one operation at a time, use --concurrency 1)"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.ContainsFunc(w.mine, func(op *operation) bool { return !op.over.Load() && !op.lastDone() }) {
		return ""
	}
	return " (while another of the scenario was in progress: a target that runs one operation at a time cannot show what takes two; exclude takes the requirement out)"
}

// makesRoom brings down, where one case is at work at a time, what others have
// left behind: the target may run no more than one operation. Elsewhere it ends what
// only grows old. It tells whether there was any.
func (w *world) makesRoom(ctx context.Context) bool {
	r := w.run
	if !r.seats.Load().single() {
		return w.makesRoomOfAged(ctx)
	}
	open := w.openElsewhere()
	ctx, cancel := context.WithTimeout(ctx, w.settleFor())
	defer cancel()
	left := r.bringDown(ctx, open)
	for name := range open {
		if _, runs := left[name]; !runs {
			r.ended(name)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.support {
		s.spare = nil
	}
	return len(open) > 0
}

// takeSpare gives the case the operation that was started before the first
// case and only looked at since.
func (w *world) takeSpare(role targets.Role, id string) *operation {
	if role != targets.Running || id != "" {
		return nil
	}
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	s := w.run.support[w.plan.transport]
	op := s.spare
	if op == nil {
		return nil
	}
	s.spare = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mine = append(w.mine, op)
	return op
}

// startTries is how often the start of an operation is asked for whose refusal is
// transient.
const startTries = 3

// tryStart starts one operation. A transient refusal, which tells of nothing that
// was started, is tried again: as long as the server may be warming up, else three
// times in all.
func (r *run) tryStart(ctx context.Context, role targets.Role, id string) (targets.Started, error) {
	warm := r.warmAt()
	for try := 1; ; try++ {
		started, err := r.begin(ctx, targets.StartRequest{Role: role, ID: id})
		if err == nil && strings.TrimSpace(started.Name) == "" {
			err = errors.New("the recipe gave no name")
		}
		pause := time.Duration(try) * 100 * time.Millisecond
		if err == nil || !transient(started.Exchange) || try >= startTries && time.Until(warm) < pause || !sleep(ctx, pause) {
			return started, err
		}
	}
}

// warmAt is when a server that refuses to start anything for now has had the time
// to warm up: settle after the first start was asked for. It is no more than one
// such time in a run, and none once an operation was started.
func (r *run) warmAt() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.owned) > 0 {
		return time.Time{}
	}
	if r.warm.IsZero() {
		r.warm = time.Now().Add(r.target.Timeouts.Settle)
	}
	return r.warm
}
