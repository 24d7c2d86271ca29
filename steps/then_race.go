package steps

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// thenOneTerminalResult judges the histories by the oracle of the semantics.
// What shows without a race as well has requirements of its own.
func thenOneTerminalResult(ctx context.Context) error {
	w := of(ctx)
	all, _ := w.facts["contests"].([]*contest)
	free, _ := w.facts["free"].([]*operation)
	control, _ := w.facts["control"].(*operation)
	for _, op := range append([]*operation{control}, free...) {
		if v, ok := w.judgeHistory(op, "no race").(*violation); ok {
			return inconclusive("what every operation keeps is broken without a race as well: %s", v.Message)
		}
	}
	for _, c := range all {
		if c.op == nil {
			continue
		}
		if err := w.judgeContest(ctx, c, all); err != nil {
			return w.unlessOneDoes(ctx, targets.Running, w.unlessEarlyToo(ctx, c.op, free[0], w.unlessFinishedToo(ctx, free[0], w.unlessForgotten(ctx, c.op, err))))
		}
	}
	return w.enough(all)
}

// unlessFinishedToo keeps a finding only where the cancel of an operation that
// has long ended changes nothing, and what was cancelled keeps its result:
// cancel.finished.* and operation.terminal.* own that.
func (w *world) unlessFinishedToo(ctx context.Context, op *operation, finding error) error {
	if !isViolation(finding) {
		return finding
	}
	end := op.snapshots[len(op.snapshots)-1]
	w.cancel(ctx, op)
	err := w.staysAs(ctx, op, end)
	if isViolation(err) {
		return inconclusive("the cancel of an operation that has long ended changes it as well (see cancel.finished.*)")
	}
	if err != nil {
		return err
	}
	// What is cancelled long before its end may change by itself, too.
	if op, err = w.cancelled(ctx, targets.Running); err != nil {
		return finding
	}
	if end, _ := op.end(); isViolation(w.staysAs(ctx, op, end)) {
		return inconclusive("an operation that was cancelled does not keep its result without a race either (see operation.terminal.*)")
	}
	return finding
}

// unlessEarlyToo keeps a finding about an operation whose cancel raced its end only
// where another of its role, cancelled long before that, keeps its result past its own,
// for as long as the finding took: a worker that missed a cancel writes its result over
// it then, race or not, and operation.terminal.* own that. free tells how long one lasts
// that nobody cancels. What cannot be cancelled so early tells nothing.
func (w *world) unlessEarlyToo(ctx context.Context, raced, free *operation, finding error) error {
	if !isViolation(finding) || w.run.scarce(raced.role) {
		return finding
	}
	end, _ := free.end()
	lasts := end.received.Sub(free.begun)
	seen := raced.snapshots[len(raced.snapshots)-1].received.Sub(raced.begun)
	for range transientTries {
		op, err := w.cancelled(ctx, raced.role)
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		if err != nil || 2*op.acceptedAt().Sub(op.begun) >= lasts {
			continue
		}
		err = w.lookOn(ctx, op, max(seen, lasts)-time.Since(op.begun))
		if err == nil {
			own, _ := op.end()
			err = gravest([]error{w.staysAs(ctx, op, own), w.judgeHistory(op, "an early cancel")})
		}
		if isViolation(err) {
			return inconclusive("an operation that was cancelled long before its end does not keep its result either (see operation.terminal.*)")
		}
		return finding
	}
	return finding
}

// enough rules on races that were no races.
func (w *world) enough(all []*contest) error {
	if early(all) >= needed {
		return nil
	}
	var odd error
	for _, c := range all {
		if odd == nil {
			odd = c.err
		}
	}
	if odd != nil {
		return odd
	}
	return inconclusive("only %d of %d cancels were answered before the operation was seen done; %d are needed", early(all), len(all), needed)
}

// met counts the contests in which the cancel came before the end.
func met(all []*contest) int {
	n := 0
	for _, c := range all {
		if c.early && c.cancel.Accepted() && !c.itself {
			n++
		}
	}
	return n
}

// early counts the contests whose cancel was answered before done was seen.
func early(all []*contest) int {
	n := 0
	for _, c := range all {
		if c.early {
			n++
		}
	}
	return n
}

func (w *world) judgeContest(ctx context.Context, c *contest, all []*contest) error {
	const how = "its cancel raced its end"
	if err := w.judgeHistory(c.op, how); err != nil {
		return err
	}
	if len(c.op.snapshots) == 0 || c.cancel.Method == "" {
		return nil
	}
	last := c.op.snapshots[len(c.op.snapshots)-1]
	switch {
	case c.lost != nil:
		return w.fail(c.lost.call, "the operation, as it ended", "the operation is gone after its cancel raced its end")
	case c.cancel.Accepted() && last.withoutResult() && w.freeHaveResults():
		return w.failAt(last, "an error or a response, as those have that nobody cancelled", "the operation has ended with neither result, after %s", how)
	case c.cancel.Accepted() && last.done && last.hasResponse:
		w.observe("cancel.race.ok-then-success", "a cancel near the end was accepted, and the operation ended with its response")
	case w.deniesEffect(c.cancel) && last.cancelled():
		return w.failAt(last, "the operation ends by itself: its only cancel was answered "+c.cancel.Status(), "a cancel near the end was refused, and has taken effect")
	case c.cancel.Accepted() && !c.ended && c.err == nil && w.run.target.Guaranteed && endedAfterCancel(all):
		return w.neverEnds(ctx, c.op)
	}
	return nil
}

// freeHaveResults tells whether the operations that nobody cancelled have ended with
// results: some services might not provide them, but a cancelled operation has one
// (semantics, history oracle 4).
func (w *world) freeHaveResults() bool {
	free, _ := w.facts["free"].([]*operation)
	return !slices.ContainsFunc(free, func(op *operation) bool {
		end, ended := op.end()
		return !ended || end.withoutResult()
	})
}

// neverEnds judges an operation whose end no client has seen. All of settle must
// have gone by before it is looked at for the last time: a server that stood
// still for a while has not kept the operation from ending.
func (w *world) neverEnds(ctx context.Context, op *operation) error {
	var last look
	late, err := w.poll(ctx, op, max(0, w.settleFor()-time.Since(op.acceptedAt())), func(l look) (bool, error) {
		last = l
		return l.done || !l.found || l.garbled, nil
	})
	if err != nil || !late {
		return err
	}
	return w.failAt(last.snapshot, fmt.Sprintf("done within settle (%v), as the others", w.settleFor()), "an operation never ends, after its cancel raced its end")
}

// endedAfterCancel tells whether any operation ended whose cancel was accepted
// before: then cancelling near the end does not always stop at nothing.
func endedAfterCancel(all []*contest) bool {
	return slices.ContainsFunc(all, func(c *contest) bool { return c.early && c.ended && c.cancel.Accepted() })
}

// thenLegalAroundEnd judges the answers to cancels that came when the operation was
// ending, or had just ended. An operation that was still in progress after the
// answer was no finished one.
func thenLegalAroundEnd(ctx context.Context) error {
	w := of(ctx)
	all, _ := w.facts["contests"].([]*contest)
	var judged bool
	for _, c := range all {
		if c.cancel.Method == "" || c.cancel.err != nil || !c.ended || c.op.inProgressAfter(c.cancel.End()) {
			continue
		}
		judged = true
		legal := c.cancel.Accepted() || transient(c.cancel.Exchange) || unimplemented(c.cancel.Exchange) ||
			isCode(c.cancel.Exchange, codes.FailedPrecondition, codes.Aborted, codes.InvalidArgument, codes.PermissionDenied)
		if legal || notFound(c.cancel.Exchange) && !c.op.foundAfter(c.cancel.End()) {
			continue
		}
		if w.someCancel(ctx, func(other call) bool {
			return other.err == nil && other.HTTP == c.cancel.HTTP && other.Code == c.cancel.Code
		}) {
			return inconclusive("the cancel of an operation in progress is answered %s now and then as well (see cancel.accept.in-progress)", c.cancel.Status())
		}
		return w.fail(c.cancel, legalFinishedCodes, "the cancel of an operation that has just ended, or was about to, has an answer that is not legal")
	}
	if !judged {
		return inconclusive("no cancel came when an operation was ending, or had just ended")
	}
	return nil
}

// deniesEffect tells whether an answer says that the cancel has had no effect.
func (w *world) deniesEffect(c call) bool {
	if c.err != nil || c.Accepted() || transient(c.Exchange) || serverFault(c.Exchange) {
		return false
	}
	if c.Transport == targets.REST {
		switch c.HTTP {
		case 400, 401, 403, 404, 405, 411, 412, 413, 415, 422, 501:
			return true
		}
		return false
	}
	return isCode(c.Exchange, codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.NotFound,
		codes.FailedPrecondition, codes.Unimplemented)
}
