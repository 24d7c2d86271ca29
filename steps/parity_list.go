package steps

import (
	"context"

	"github.com/lro-tools/conform/targets"
)

func parityListSteps() []definition {
	return []definition{
		step(`a running operation that is listed over both transports`, givenListedOverBoth),
		step(`it is listed as finished over both transports`, thenListedOverBoth),
	}
}

// givenListedOverBoth starts an operation and sees it in both lists while it is in
// progress. That of one transport may be limited to other operations.
func givenListedOverBoth(ctx context.Context) error {
	w := of(ctx)
	ep, err := w.otherEnd()
	if err != nil {
		return err
	}
	if err := givenListed(ctx, string(targets.Running)); err != nil {
		return err
	}
	_, shown, err := w.listedAcross(ctx, ep, w.it, func(snapshot) bool { return true })
	if err == nil && !shown {
		err = inapplicable("List over %s does not show what is in progress over %s", ep.Client.Transport(), w.plan.transport)
	}
	return err
}

// thenListedOverBoth judges that a cancelled operation which is listed as finished
// over the transport that it was cancelled over is so over the other, where what
// was cancelled over that is.
func thenListedOverBoth(ctx context.Context) error {
	w := of(ctx)
	if _, err := w.mustBeCancelled(); err != nil {
		return err
	}
	ep, err := w.otherEnd()
	if err != nil {
		return err
	}
	end, _ := w.it.end()
	finished := func(s snapshot) bool { return s.done || partialView(end, s) }
	last, shown, err := w.listedAcross(ctx, ep, w.it, finished)
	if err != nil || shown {
		return err
	}
	own, err := w.list(ctx, w.ep, "")
	if err != nil {
		return err
	}
	if s, listed := own.find(w.it); !listed || !finished(s) {
		return inconclusive("over %s the cancelled operation is not listed as finished either (see cancel.state.listed)", w.plan.transport)
	}
	if c, err := w.repeatTransient(ctx, func() call { return w.across(ctx, ep, targets.Get, getRequest(w.it.name)) }); err != nil {
		return err
	} else if !readOperation(c.Exchange, c.index, object(c.Doc)).cancelled() {
		return inconclusive("Get over %s does not show it as cancelled either", ep.Client.Transport())
	}
	op, err := w.acceptedAcross(ctx, ep, targets.Running)
	if err != nil {
		return err
	}
	if _, shown, err = w.listedAcross(ctx, ep, op, finished); err != nil {
		return err
	}
	if !shown {
		return inconclusive("List over %s does not show what was cancelled over it as finished either (see cancel.state.listed)", ep.Client.Transport())
	}
	return w.fail(last, "the operation, as finished", "List over %s does not show that an operation was cancelled over %s, %v after its end, while it does of what was cancelled over %s",
		last.Transport, w.plan.transport, w.settleFor(), last.Transport)
}

// listedAcross reads the list of the other transport until it shows an operation
// as wanted, or settle is over; shown tells the former.
func (w *world) listedAcross(ctx context.Context, ep *targets.Endpoint, op *operation, wanted func(snapshot) bool) (last call, shown bool, err error) {
	l, late, err := w.untilListed(ctx, ep, "", func(l listing) bool {
		s, listed := l.find(op)
		return listed && wanted(s)
	})
	if l.refused && notOffered(l.last) {
		err = inapplicable("List is not offered over %s: %s", l.last.Transport, l.last.Status())
	}
	return l.last, err == nil && !late, err
}
