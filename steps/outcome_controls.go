package steps

import (
	"context"
	"sync"
	"time"

	"github.com/lro-tools/conform/targets"
)

// unlessRepeatsToo keeps a finding only where as many cancels that follow one
// upon the other, each answered, do no such harm, nor do two or three without a
// pause: cancel.repeat.* owns that. Other errors stay.
func (w *world) unlessRepeatsToo(ctx context.Context, finding error) error {
	if !isViolation(finding) {
		return finding
	}
	roles := []targets.Role{targets.Running}
	if w.run.role(targets.Slow) == nil {
		roles[0] = targets.Slow // leaves time for repeated cancels
	}
	if w.it.role != roles[0] {
		roles = append(roles, w.it.role)
	}
	for _, role := range roles {
		for _, s := range [...]series{{parallel, repeatPause}, {2, 0}, {3, 0}} {
			if err := w.repeatsDoNoHarm(ctx, role, s); err != nil {
				return err
			}
		}
	}
	return finding
}

// A series is how many cancels follow one upon the other, with a pause before each
// but the first. Where a second takes the first back, what becomes of many depends on
// whether they are odd or even when the work hears of them.
type series struct {
	cancels int
	pause   time.Duration
}

// repeatsDoNoHarm cancels one operation as unlessRepeatsToo tells; the error is a
// ruling.
func (w *world) repeatsDoNoHarm(ctx context.Context, role targets.Role, s series) error {
	op, err := w.startInProgress(ctx, role)
	if err != nil {
		return err
	}
	defer w.watch(ctx, op, closely)()
	if op, _, err = w.cancelOnce(ctx, op); err != nil {
		return err
	}
	var all []repetition
	for range s.cancels - 1 {
		if !sleep(ctx, s.pause) {
			return stopped(ctx)
		}
		r, err := w.repeat(ctx, op)
		if err != nil {
			return err
		}
		all = append(all, r)
		if r.err != nil {
			break
		}
	}
	if err := w.doNoHarm(ctx, op, all); err != nil {
		return inconclusive("cancels that follow one upon the other are no better: %v", err)
	}
	return nil
}

// unlessAtOnceToo keeps a finding only where cancels at once that nobody gives
// up do no such harm: cancel.concurrent.* owns that. Other errors stay.
func (w *world) unlessAtOnceToo(ctx context.Context, finding error) error {
	if !isViolation(finding) {
		return finding
	}
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	bystander, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	defer w.watch(ctx, op, closely)()
	all, err := w.burst(ctx, op, bystander)
	if err != nil {
		return err
	}
	if err := w.doNoHarm(ctx, op, all); err != nil {
		return inconclusive("cancels at once are no better: %v", err)
	}
	return finding
}

// doNoHarm is nil where the cancels of a control are answered as they may be,
// and have the outcome of one cancel.
func (w *world) doNoHarm(ctx context.Context, op *operation, all []repetition) error {
	for _, r := range all {
		if err := w.legal(r); err != nil {
			return err
		}
	}
	s, err := w.becomesCancelled(ctx, op)
	if err != nil {
		return err
	}
	return gravest([]error{w.judgeHistory(op, "the cancels"), w.staysAs(ctx, op, s.snapshot)})
}

// unlessForgotten keeps a finding that comes long after the end of an operation only
// where another, which was cancelled once, is still there as long after its own:
// services keep what has ended as long as they say (AIP-151). Other errors stay.
func (w *world) unlessForgotten(ctx context.Context, op *operation, finding error) error {
	end, ended := op.end()
	age := time.Since(end.received)
	if !isViolation(finding) || !ended || age <= 2*w.observeFor() {
		return finding
	}
	other, err := w.cancelled(ctx, op.role)
	if err != nil {
		return err
	}
	own, _ := other.end()
	if !sleep(ctx, time.Until(own.received.Add(age))) {
		return stopped(ctx)
	}
	switch l, err := w.get(ctx, other); {
	case err != nil:
		return err
	case !l.found:
		return inconclusive("%v after its end an operation that was cancelled once is answered %s as well (see cancel.state.retention)", age.Round(time.Millisecond), l.Status())
	}
	return finding
}

// leftAlone is how many operations are left alone before it is said that none
// ends by itself.
const leftAlone = 8

// unlessEndsByItself keeps a finding about how an operation has ended only where
// none of several ends that nobody cancels, in as much time. Other errors stay.
func (w *world) unlessEndsByItself(ctx context.Context, op *operation, end snapshot, finding error) error {
	if !isViolation(finding) || w.run.scarce(op.role) {
		return finding
	}
	lasted := end.received.Sub(op.begun)
	if err := together(leftAlone, func(int) error {
		alone, err := w.startInProgress(ctx, op.role)
		if err != nil {
			return err
		}
		return w.leftAloneFor(ctx, alone, lasted)
	}); err != nil {
		return err
	}
	return finding
}

// leftAloneFor sees an operation in progress when it is as old as lasted says.
func (w *world) leftAloneFor(ctx context.Context, op *operation, lasted time.Duration) error {
	if !sleep(ctx, time.Until(op.begun.Add(lasted))) {
		return stopped(ctx)
	}
	return w.inProgress(ctx, op)
}

// oneDoes is how many operations are cancelled once each before it is said that
// one plain cancel does what several do not.
const oneDoes = 3

// unlessOneDoes keeps a finding only where one plain cancel brings about a
// cancelled operation that stays so, also when it is cancelled once more: what
// is broken without haste, be it now and then, has requirements of its own.
// Other errors stay.
func (w *world) unlessOneDoes(ctx context.Context, role targets.Role, finding error) error {
	if !isViolation(finding) {
		return finding
	}
	n := oneDoes
	if w.run.scarce(role) {
		n = 1
	}
	if err := together(n, func(int) error { return w.oneDoes(ctx, role) }); err != nil {
		return err
	}
	if w.run.effects[w.plan.transport].loses() {
		return inconclusive("a single cancel is refused or lost now and then as well (see cancel.accept.in-progress, cancel.effect.best-effort)")
	}
	return finding
}

// closely is the pause between the Gets of a control, which must not miss what
// the case has seen: some ends are taken back for some milliseconds only.
const closely = 5 * time.Millisecond

// watch looks at an operation, with a pause before each look, until stop is
// called. The last look is awaited: one that is given up may have an effect.
func (w *world) watch(ctx context.Context, op *operation, pause time.Duration) (stop func()) {
	over, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for sleep(over, pause) {
			if _, err := w.get(ctx, op); err != nil {
				return
			}
		}
	})
	return func() {
		end()
		wg.Wait()
	}
}

// oneDoes cancels one operation as unlessOneDoes tells; the error is a ruling.
func (w *world) oneDoes(ctx context.Context, role targets.Role) error {
	op, err := w.startInProgress(ctx, role)
	if err != nil {
		return err
	}
	defer w.watch(ctx, op, closely)()
	op, s, err := w.cancelAndSettle(ctx, op)
	if err != nil {
		return err
	}
	if s.end != endedCancelled {
		return inconclusive("one cancel is no better: %s", w.ineffective(op, s))
	}
	for _, again := range []bool{false, true} {
		if again {
			w.cancel(ctx, op)
		}
		err := w.staysAs(ctx, op, s.snapshot)
		if err = gravest([]error{w.judgeHistory(op, "one cancel"), err}); err != nil {
			return inconclusive("one cancel, or another after the end, is no better: %v", err)
		}
	}
	return nil
}
