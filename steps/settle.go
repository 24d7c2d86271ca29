package steps

import (
	"context"
	"fmt"
	"time"
)

// An ending is what became of an operation whose cancel was accepted.
type ending int

const (
	endedCancelled   ending = iota // done, error code 1
	endedOtherwise                 // done, with a response or a valid code from 2 to 16
	endedWrongly                   // done with neither result, with both, or with a code that is none
	endedInName                    // error code 1, but done stays false
	endedNever                     // not done within settle
	endedVanished                  // Get says NOT_FOUND
	endedUnreadable                // Get fails otherwise, or its answer is no operation
	endedSilent                    // Get brings no answer
	endedKnownEffect               // not awaited: three cancels have shown to be ineffective
)

// A settled operation is what settle saw.
type settled struct {
	look  // the last one
	end   ending
	gap   *look         // a Get that did not find the operation, before one that did
	blind time.Duration // without a look before the first that did not find it
}

// settleIt settles the scenario's operation, whose cancel must have been
// accepted, if its When has not done so.
func (w *world) settleIt(ctx context.Context) (call, settled, error) {
	c, err := w.success()
	if err != nil {
		return c, settled{}, err
	}
	if s, ok := w.facts["settled"].(settled); ok {
		return c, s, nil
	}
	s, err := w.settle(ctx, w.it)
	return c, s, err
}

// cancelAndSettle cancels an operation, as cancelOnce does, and settles the one
// that was cancelled.
func (w *world) cancelAndSettle(ctx context.Context, op *operation) (*operation, settled, error) {
	op, _, err := w.cancelOnce(ctx, op)
	if err != nil {
		return op, settled{}, err
	}
	s, err := w.settle(ctx, op)
	return op, s, err
}

// judgesEffect tells whether a requirement is about whether a cancel has an
// effect: there, that it has none is awaited, however often it was seen.
func judgesEffect(id string) bool {
	return id == "cancel.effect.best-effort" || id == "cancel.route.multi-segment-name" || id == "cancel.accept.pending"
}

// settle polls an operation from its accepted cancel to its end. Where it could not be
// looked at for a good part of settle, as on a machine that stood still, that time is
// given back: nothing is told from time while Get is slow.
func (w *world) settle(ctx context.Context, op *operation) (settled, error) {
	s := &settling{world: w, op: op, out: settled{end: endedNever}, last: time.Now()}
	limit := w.settleFor()
	if accepted := op.acceptedAt(); !accepted.IsZero() {
		limit, s.last = max(limit-time.Since(accepted), 0), accepted
	}
	late, err := w.poll(ctx, op, limit, s.visit)
	if late && err == nil && s.blind > w.settleFor()/4 {
		late, err = w.poll(ctx, op, min(s.blind, w.settleFor()), s.visit)
	}
	if r, ok := err.(*ruling); ok && r.silent != nil {
		s.out.look, s.out.end, err = look{call: *r.silent}, endedSilent, nil
	}
	if err != nil {
		return s.out, err
	}
	if late && !s.since.IsZero() {
		s.out.end = s.doubt
	}
	fx := w.run.effects[w.plan.transport]
	switch s.out.end { // only what costs the whole of settle is taken for granted later
	case endedCancelled:
		fx.tell(op.role, "")
	case endedNever:
		if !op.formed { // a form that has no effect says nothing of the plain cancel
			fx.tell(op.role, w.ineffective(op, s.out))
		}
	}
	w.observeEnding(s.out)
	return s.out, nil
}

// A settling is what the looks at a cancelled operation have told until now.
type settling struct {
	world *world
	op    *operation
	out   settled
	last  time.Time     // when it was last looked at, or else when the time began
	blind time.Duration // the longest time without a look
	doubt ending        // what the last look showed that the operation may yet leave
	since time.Time     // since when; zero where it showed the operation in progress
	odd   *look         // the last that did not show it; nil once one has
}

// visit takes one look, and tells whether no other is needed.
func (s *settling) visit(l look) (enough bool, _ error) {
	w := s.world
	unseen := time.Since(s.last)
	s.blind, s.last = max(s.blind, unseen), time.Now()
	s.out.look = l
	if s.odd != nil && l.found && !l.garbled {
		s.out.gap, s.odd = s.odd, nil
	}
	end, final := classify(l)
	switch {
	case final:
	case end != endedNever:
		if !s.lasts(l, end, unseen) {
			return false, nil
		}
	default:
		s.since = time.Time{}
		if judgesEffect(w.plan.requirement.ID) || w.run.effects[w.plan.transport].known(s.op.role) == "" {
			return false, nil
		}
		end = endedKnownEffect
	}
	s.out.end = end
	return true, nil
}

// lasts takes what looks like an end that the operation may yet leave (not found,
// unreadable, an error before done), and tells whether it has been so for the
// observation window.
func (s *settling) lasts(l look, end ending, unseen time.Duration) bool {
	if s.odd == nil && end == endedVanished {
		s.out.blind = unseen
	}
	if end == endedVanished || end == endedUnreadable {
		s.odd = &l
	}
	if s.since.IsZero() || end != s.doubt {
		s.doubt, s.since = end, time.Now()
	}
	return time.Since(s.since) >= s.world.observeFor()
}

// classify reads one look; final where no later one can change it legally.
func classify(l look) (end ending, final bool) {
	switch {
	case !l.found && notFound(l.Exchange):
		return endedVanished, false
	case !l.found || l.garbled:
		return endedUnreadable, false
	case l.snapshot.cancelled():
		return endedCancelled, true // a response beside it is the business of cancel.state.no-response
	case l.done && l.hasError && !l.hasResponse && l.codeRead && l.code >= 2 && l.code <= 16, l.done && l.hasResponse && !l.hasError:
		return endedOtherwise, true
	case l.done:
		return endedWrongly, true
	case l.hasError && l.codeRead && l.code == 1:
		return endedInName, false
	}
	return endedNever, false
}

// observeEnding records which of the legal endings an accepted cancel had.
func (w *world) observeEnding(s settled) {
	switch {
	case s.end == endedOtherwise && s.hasResponse:
		w.observe("cancel.effect.may-complete", "an accepted cancel was followed by a response")
	case s.end == endedOtherwise:
		w.observe("cancel.effect.may-fail", fmt.Sprintf("an accepted cancel was followed by error code %d", s.code))
	}
}

// ineffective says why an accepted cancel did not bring about a cancelled
// operation; "" where it did.
func (w *world) ineffective(op *operation, l settled) string {
	switch l.end {
	case endedCancelled:
		return ""
	case endedOtherwise:
		return fmt.Sprintf("the accepted cancel of a %s operation did not make it cancelled: it ended with %s", op.role, l.result())
	case endedWrongly:
		return fmt.Sprintf("the cancelled operation ended with %s (see cancel.state.code-1)", l.result())
	case endedInName:
		return "error code 1 was shown while done stayed false (see cancel.state.done)"
	case endedVanished:
		return "Get answered NOT_FOUND after the accepted cancel (see cancel.state.not-deleted)"
	case endedUnreadable:
		return fmt.Sprintf("Get after the accepted cancel answered %s (see cancel.state.get-ok)", l.Status())
	case endedSilent:
		return fmt.Sprintf("Get after the accepted cancel brought no answer: %v (see cancel.state.get-ok)", l.err)
	case endedKnownEffect:
		return w.run.effects[w.plan.transport].known(op.role)
	}
	return fmt.Sprintf("the accepted cancel of a %s operation had no effect within settle (%v)", op.role, w.settleFor())
}

// becomesCancelled lets an accepted cancel take effect, or rules that nothing
// can be told of a cancelled operation.
func (w *world) becomesCancelled(ctx context.Context, op *operation) (settled, error) {
	s, err := w.settle(ctx, op)
	if err == nil && s.end != endedCancelled {
		err = inconclusive("%s", w.ineffective(op, s))
	}
	return s, err
}
