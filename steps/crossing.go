package steps

import (
	"context"
	"time"

	"github.com/lro-tools/conform/targets"
)

// whenCancelsCrossing cancels an operation over the transport of the case, and
// again over the other. A transient answer to the second is repeated with a fresh
// operation.
func whenCancelsCrossing(ctx context.Context) error {
	w := of(ctx)
	ep, err := w.otherEnd()
	if err != nil {
		return err
	}
	_, c, err := w.afresh(ctx, w.it, func(op *operation) (call, error) {
		w.it = op
		w.appearsAcross(ctx, ep, w.it)
		if _, err := w.cancelIt(ctx); err != nil {
			return call{}, err
		}
		return w.across(ctx, ep, targets.Cancel, cancelRequest(w.it.name)), nil
	})
	w.facts["second"] = c
	if err != nil {
		return err
	}
	return toldNothing(ctx, c, "the cancel over "+string(c.Transport))
}

// thenRepeatLegalAcross judges the answer to a cancel of what was cancelled over
// the other transport: as a repetition over one it may be refused, and is never a
// fault. Where one is so over one transport as well, that is no matter of two.
func thenRepeatLegalAcross(ctx context.Context) error {
	w := of(ctx)
	second, _ := w.facts["second"].(call)
	if !neverLegal(second.Exchange) {
		return nil
	}
	ep, err := w.otherEnd()
	if err != nil {
		return err
	}
	return w.alwaysCrossing(ctx, second, func() (call, error) {
		op, err := w.startInProgress(ctx, w.it.role)
		if err != nil {
			return call{}, err
		}
		w.appearsAcross(ctx, ep, op)
		if op, _, err = w.cancelOnce(ctx, op); err != nil {
			return call{}, err
		}
		return w.across(ctx, ep, targets.Cancel, cancelRequest(op.name)), nil
	}, func() (call, error) {
		op, err := w.acceptedAcross(ctx, ep, w.it.role)
		if err != nil {
			return call{}, err
		}
		return w.across(ctx, ep, targets.Cancel, cancelRequest(op.name)), nil
	}, "cancel.repeat.code-legal")
}

// unlessCrossing keeps a ruling on a cancel of a finished operation that is
// answered wrongly, but where it is so only for what was cancelled over the other
// transport: no requirement about one transport finds that.
func (w *world) unlessCrossing(ctx context.Context, c call, ruling error) error {
	if c.Method != targets.Cancel || w.facts["whom"] != "it" || c.Transport == w.plan.transport || !neverLegal(c.Exchange) {
		return ruling
	}
	if end, _ := w.it.end(); !end.cancelled() {
		return ruling
	}
	ep, err := w.otherEnd()
	if err != nil {
		return err
	}
	again := func(op *operation) (call, error) {
		w.appearsAcross(ctx, ep, op)
		return w.repeatTransient(ctx, func() call { return w.across(ctx, ep, targets.Cancel, cancelRequest(op.name)) })
	}
	return w.alwaysCrossing(ctx, c, func() (call, error) {
		op, err := w.cancelled(ctx, w.it.role)
		if err != nil {
			return call{}, err
		}
		return again(op)
	}, func() (call, error) {
		op, c, err := w.cancelAcross(ctx, ep, w.it.role)
		if err != nil {
			return call{}, err
		}
		if !c.Accepted() {
			return call{}, ruling
		}
		if late, err := w.poll(ctx, op, w.settleFor(), func(l look) (bool, error) { return l.cancelled(), nil }); err != nil || late {
			return call{}, ruling
		}
		return again(op)
	}, statusLegal)
}

// alwaysCrossing accuses a call over the other transport whose answer no cancel may
// have: where it is so again for a fresh operation, and never, in as many tries,
// for one that was cancelled over that transport alone.
func (w *world) alwaysCrossing(ctx context.Context, shown call, crossing, alone func() (call, error), owner string) error {
	for range confirmations {
		for _, over := range []bool{true, false} {
			call := alone
			if over {
				call = crossing
			}
			c, err := call()
			switch {
			case ctx.Err() != nil:
				return stopped(ctx)
			case err != nil:
				return err
			case c.err != nil:
				return inconclusive("the cancel over %s brought no answer: %v", c.Transport, c.err)
			case over && !neverLegal(c.Exchange):
				return inconclusive("over %s a cancel of what was cancelled over %s is answered %s once, and then %s", c.Transport, w.plan.transport, shown.Status(), c.Status())
			case !over && neverLegal(c.Exchange):
				return inconclusive("over %s a cancel of what was cancelled there is answered %s as well (see %s)", c.Transport, c.Status(), owner)
			}
		}
		if !sleep(ctx, time.Millisecond) {
			return stopped(ctx)
		}
	}
	return w.fail(shown, legalOrEnded, "over %s a cancel of what was cancelled over %s has an answer that is not legal, while that of what was cancelled there has", shown.Transport, w.plan.transport)
}
