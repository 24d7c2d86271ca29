package steps

import (
	"context"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

// siblings is the requirement that a cancel reaches one operation only.
const siblings = "cancel.isolation.siblings"

// A leakProbe is how closely operations are looked at that nobody cancels.
type leakProbe struct {
	wait  time.Duration // for the cancelled ones to end
	looks int
}

// probeLeak finds out, before the first case, whether a cancel reaches other
// operations: cases run side by side, and each would see the cancels of the
// others. cancelled are those that were cancelled just now, idle those that were
// not. What is found is made sure of once more, after a while in which nothing is
// cancelled and nothing ends, by as many cancels as there are probes, and one of
// each other kind: it may be the doing of one in several, or of a kind alone.
func (r *run) probeLeak(ctx context.Context, w *world, p leakProbe, cancelled, idle []*operation) {
	found := w.touchedAny(ctx, p, cancelled, idle)
	if found == nil {
		return
	}
	age := found.age
	fresh := make([]*operation, probes+1)
	for i := range fresh {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return
		}
		fresh[i] = op
	}
	// Operations that end by themselves, however short they last, do so now.
	if 2*age > w.settleFor() || age > 0 && !sleep(ctx, 2*age) {
		return
	}
	toCancel := slices.Clone(fresh[1:])
	for _, op := range cancelled {
		if op.role != targets.Running {
			other, err := w.startInProgress(ctx, op.role)
			if err != nil {
				return
			}
			toCancel = append(toCancel, other)
		}
	}
	p = w.closeLooks()
	others := slices.DeleteFunc(slices.Clone(idle), func(op *operation) bool {
		return w.touchedAny(ctx, leakProbe{looks: 1}, nil, []*operation{op}) != nil
	})
	others = append(others, fresh...)
	if w.touchedAny(ctx, p, nil, others) != nil {
		return
	}
	for _, op := range toCancel {
		others = slices.DeleteFunc(others, func(o *operation) bool { return o == op })
		if c := w.cancel(ctx, op); !c.Accepted() {
			return
		}
		if found := w.touchedAny(ctx, p, []*operation{op}, others); found != nil {
			if isViolation(w.unlessIdleToo(ctx, found.op, found.violation)) {
				r.support[w.plan.transport].leak = found.violation
			}
			return
		}
	}
}

// cancelOtherKinds cancels an operation of each other kind whose cancel may reach
// running ones, and returns those whose cancel was accepted.
func (w *world) cancelOtherKinds(ctx context.Context) []*operation {
	kinds := [...]targets.Role{targets.Pending, targets.Nested}
	var all [len(kinds)]*operation
	_ = together(len(kinds), func(i int) error {
		if w.run.role(kinds[i]) != nil || w.run.scarce(kinds[i]) {
			return nil
		}
		op, err := w.startInProgress(ctx, kinds[i])
		if err != nil {
			return err
		}
		if w.cancel(ctx, op).Accepted() {
			op.over.Store(true)
			all[i] = op
		}
		return nil
	})
	return slices.DeleteFunc(all[:], func(op *operation) bool { return op == nil })
}

// closeLooks are those that show what a cancel reaches sooner or later.
func (w *world) closeLooks() leakProbe { return leakProbe{w.observeFor(), 3} }

// A touch is what shows that an operation was touched which nobody cancelled;
// age is how old it was if it ended otherwise than cancelled.
type touch struct {
	*violation
	op  *operation
	age time.Duration
}

// touchedAny looks at operations that nobody cancels, when those that were
// cancelled have ended and for a while after, and returns what shows that one
// of them was touched as well: cancelled, lost, or ended otherwise.
func (w *world) touchedAny(ctx context.Context, p leakProbe, cancelled, others []*operation) *touch {
	if together(len(cancelled), func(i int) error {
		_, err := w.poll(ctx, cancelled[i], p.wait, func(l look) (bool, error) { return l.done || !l.found, nil })
		return err
	}) != nil {
		return nil
	}
	const how = "the cancel of another operation"
	for i := range p.looks {
		if i > 0 && !sleep(ctx, min(w.observeFor()/8, 50*time.Millisecond)) {
			return nil
		}
		for _, op := range others {
			if op == nil {
				continue
			}
			l, err := w.get(ctx, op)
			if err != nil || l.garbled {
				continue
			}
			if v, ok := w.judgeUnaffected(op, l, how).(*violation); ok {
				return &touch{v, op, 0}
			}
			if l.found && l.done {
				v, _ := w.failAt(l.snapshot, "the operation goes on as if nothing had been sent", "the operation ended after %s", how).(*violation)
				return &touch{v, op, time.Since(op.begun)}
			}
		}
	}
	return nil
}

// idleElsewhere are the operations that were started for the other transports,
// and that this one shows in progress: nobody has asked for more than a look at
// them either.
func (w *world) idleElsewhere(ctx context.Context) []*operation {
	var out []*operation
	for t, s := range w.run.support {
		if t == w.plan.transport || s.spare == nil {
			continue
		}
		op := &operation{name: s.spare.name, role: s.spare.role, begun: s.spare.begun}
		if l, err := w.get(ctx, op); err == nil && l.found && !l.garbled && !l.done {
			out = append(out, op)
		}
	}
	return out
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
