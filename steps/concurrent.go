package steps

import (
	"context"
	"slices"

	"github.com/lro-tools/conform/targets"
)

// parallel is how many clients cancel one operation at once.
const parallel = 16

// whenCancelsAtOnce sends many cancels of one operation at a time.
func whenCancelsAtOnce(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	bystander, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	out, err := w.burst(ctx, w.it, bystander)
	w.facts["repetitions"] = out
	if err != nil {
		return err
	}
	for _, r := range out {
		if r.Accepted() {
			w.facts["call"] = r.call
			w.it.over.Store(true)
			return nil
		}
	}
	for _, r := range out {
		if r.err == nil && !transient(r.Exchange) && !serverFault(r.Exchange) {
			return w.refusedAtOnce(ctx, r.call)
		}
	}
	return nil
}

// burst cancels an operation by many clients at once, while another operation
// is looked at: its answers tell a call that hangs from a target that is gone.
func (w *world) burst(ctx context.Context, op, bystander *operation) ([]repetition, error) {
	out := make([]repetition, parallel)
	stop := w.watch(ctx, bystander, w.requestFor()/20)
	_ = together(parallel, func(i int) error {
		out[i] = repetition{call: w.asSilence(w.cancel(ctx, op)), op: op}
		return nil
	})
	stop()
	if ctx.Err() != nil {
		return out, stopped(ctx)
	}
	return out, w.followAll(ctx, op, out)
}

// followAll looks at the operation after cancels at once of which some were
// refused: where it is in progress, it was so when each was answered.
func (w *world) followAll(ctx context.Context, op *operation, all []repetition) error {
	refused := func(r repetition) bool {
		return r.err == nil && !r.Accepted() && !transient(r.Exchange) && !serverFault(r.Exchange)
	}
	first := slices.IndexFunc(all, refused)
	if first < 0 {
		return nil
	}
	if err := w.follow(ctx, &all[first]); err != nil {
		return err
	}
	for i := range all {
		if refused(all[i]) {
			all[i].next, all[i].during = all[first].next, all[first].during
		}
	}
	return nil
}

// thenNoServerFault judges that cancels at once do not break the server. A
// connection that the server drops is a fault as well.
func thenNoServerFault(ctx context.Context) error {
	w := of(ctx)
	const want = "success, or a refusal that is no server fault"
	for _, r := range w.repetitions() {
		if r.err == nil && serverFault(r.Exchange) {
			finding := w.fail(r.call, want, "one of %d cancels at once is answered with a server fault", parallel)
			return w.unlessRepeatsToo(ctx, w.unlessFinishedSo(ctx, r, finding))
		}
	}
	for _, r := range w.repetitions() {
		if r.err != nil && r.err.Kind == targets.Reset {
			if err := w.burstSilence(ctx, r, targets.Reset); err != nil {
				return err
			}
			return w.unlessRepeatsToo(ctx, w.fail(r.call, want, "the server drops the connection of one of %d cancels at once, again on fresh operations", parallel))
		}
		if r.err != nil {
			return inconclusive("a cancel brought no answer: %v (see cancel.concurrent.single-outcome)", r.err)
		}
	}
	return nil
}

// burstSilence decides whether cancels at once that bring no answer are a
// finding.
func (w *world) burstSilence(ctx context.Context, r repetition, kind targets.NoAnswerKind) error {
	return w.silent(ctx, r.call, func() (call, error) {
		op, err := w.startInProgress(ctx, w.it.role)
		if err != nil {
			return call{}, err
		}
		bystander, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return call{}, err
		}
		again, err := w.burst(ctx, op, bystander)
		if err != nil {
			return call{}, err
		}
		for _, a := range again {
			if a.err != nil && a.err.Kind == kind {
				return a.call, nil
			}
		}
		return again[0].call, nil
	}, w.plainCancel(ctx, targets.Running))
}
