package steps

import (
	"context"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

// siblings is the requirement that a cancel reaches one operation only.
const siblings = "cancel.isolation.siblings"

// probeLeak finds out, before the first case, whether a cancel reaches other
// operations: cases run side by side, and each would see the cancels of the
// others. ops are fresh ones, of which the first was cancelled just now; spare
// is older. What is found is made sure of once more, after a while in which
// nothing is cancelled and nothing ends.
func (r *run) probeLeak(ctx context.Context, w *world, ops []*operation, spare *operation) {
	found, age := w.touchedAny(ctx, ops[0], append(slices.Clone(ops[1:]), spare))
	if found == nil {
		return
	}
	fresh := make([]*operation, len(ops)+1)
	for i := range fresh {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return
		}
		fresh[i] = op
	}
	others := append(slices.Clone(fresh[:1]), fresh[2:]...)
	// Operations that end by themselves, however short they last, do so now.
	if 2*age > w.settleFor() || age > 0 && !sleep(ctx, 2*age) {
		return
	}
	if found, _ := w.touchedAny(ctx, nil, others); found != nil {
		return
	}
	if c := w.cancel(ctx, fresh[1]); !c.Accepted() {
		return
	}
	if found, _ := w.touchedAny(ctx, fresh[1], others); found != nil {
		r.support[w.plan.transport].leak = found
	}
}

// touchedAny looks at operations that nobody cancels, until the one that was
// cancelled has ended and for a while after, and returns what shows that one
// of them was touched as well: cancelled, lost, or ended otherwise; then age is
// how old it was.
func (w *world) touchedAny(ctx context.Context, cancelled *operation, others []*operation) (found *violation, age time.Duration) {
	if cancelled != nil {
		if _, err := w.poll(ctx, cancelled, w.observeFor(), func(l look) (bool, error) { return l.done || !l.found, nil }); err != nil {
			return nil, 0
		}
	}
	const how = "the cancel of another operation"
	for range 3 {
		for _, op := range others {
			if op == nil {
				continue
			}
			l, err := w.get(ctx, op)
			if err != nil || l.garbled {
				continue
			}
			if v, ok := w.judgeUnaffected(op, l, how).(*violation); ok {
				return v, 0
			}
			if l.found && l.done {
				v, _ := w.failAt(l.snapshot, "the operation goes on as if nothing had been sent", "the operation ended after %s", how).(*violation)
				return v, time.Since(op.begun)
			}
		}
		if !sleep(ctx, min(w.observeFor()/8, 50*time.Millisecond)) {
			return nil, 0
		}
	}
	return nil, 0
}

// leaking ends a case on a server whose cancels reach other operations. The
// exchanges that show it are those before the first case.
func (w *world) leaking(found *violation) error {
	if w.plan.requirement.ID != siblings {
		return inconclusive("the cancel of one operation reaches others (see %s): nothing else can be told apart from that", siblings)
	}
	w.exchanges = append(w.exchanges, w.run.support[w.plan.transport].exchanges...)
	v := *found
	v.Requirement = siblings
	return &v
}
