package steps

import (
	"context"
	"strings"

	"github.com/lro-tools/conform/targets"
)

func isolationSteps() []definition {
	return []definition{
		step(`the client cancels it and starts another, again and again`, whenStartsAfter),
		step(`the others? go(?:es)? on`, thenOthersGoOn),
		step(`the other succeeds`, thenOtherSucceeds),
	}
}

// thenOthersGoOn judges that the bystanders were not touched by the cancel of
// another operation, which must have been accepted.
func thenOthersGoOn(ctx context.Context) error {
	w := of(ctx)
	err := together(len(w.others), func(i int) error {
		return w.unaffected(ctx, w.others[i], "the cancel of another operation")
	})
	if pair, paired := w.facts["another pair"].(func(context.Context) error); paired && isViolation(err) {
		err = w.confirmed(ctx, err, func(ctx context.Context) (*operation, error) {
			if err := pair(ctx); err != nil {
				return nil, err
			}
			_, err := w.cancelIt(ctx)
			return w.others[0], err
		})
	}
	return w.unlessMisrouted(ctx, err)
}

// followers is how many operations are started each after the cancel of another:
// the first may have been started by another case, or taken up by another worker.
const followers = 4

// whenStartsAfter cancels operations, and starts another after each: at once, or
// when it has stopped.
func whenStartsAfter(ctx context.Context) error {
	w := of(ctx)
	for i := range followers {
		if i > 0 {
			op, err := w.startInProgress(ctx, w.it.role)
			if err != nil {
				return err
			}
			w.it = op
		}
		cancelled, err := w.cancelIt(ctx)
		if err == nil && i%2 == 1 {
			_, err = w.becomesCancelled(ctx, cancelled)
		}
		if err != nil {
			return err
		}
		op, err := w.startNew(ctx)
		if err == nil { // it may become visible late, and be done by then
			_, err = w.mustFind(ctx, op)
		}
		if err != nil {
			return err
		}
		w.others = append(w.others, op)
	}
	return nil
}

// unlessMisrouted keeps a finding about a cancel over REST of a name with several
// segments only where such a cancel reaches what it names:
// cancel.route.multi-segment-name owns that. Other errors stay.
func (w *world) unlessMisrouted(ctx context.Context, finding error) error {
	if w.it == nil { // what was cancelled does not exist
		return finding
	}
	p, err := w.pathOf(w.it.name)
	reached := w.settled().end != endedNever && w.settled().end != endedKnownEffect
	if !isViolation(finding) || !w.rest() || err != nil || !strings.Contains(p.id(), "/") || reached {
		return finding
	}
	return w.unlessNestedMisrouted(ctx, finding)
}

// unlessNestedMisrouted keeps a finding only where the cancel of a name with
// several segments reaches the operation that it names, if there are such. Other
// errors stay.
func (w *world) unlessNestedMisrouted(ctx context.Context, finding error) error {
	if !isViolation(finding) || w.run.role(targets.Nested) != nil || w.run.scarce(targets.Nested) {
		return finding
	}
	op, err := w.startInProgress(ctx, targets.Nested)
	if err != nil {
		return err
	}
	c := w.cancel(ctx, op)
	if c.Accepted() {
		if s, err := w.settle(ctx, op); err != nil || s.end == endedCancelled {
			return finding
		}
	}
	return inconclusive("no cancel of a name with several segments reaches the operation that it names (see cancel.route.multi-segment-name): %v", finding)
}
