package steps

import (
	"context"

	"github.com/lro-tools/conform/targets"
)

// successAnyway is what becomes of an operation that ends with a response by itself.
const successAnyway = "the operation succeeds, as nobody has cancelled it"

// thenOtherSucceeds judges that a bystander ends with its response all the same,
// and stays so, after the cancel of another operation.
func thenOtherSucceeds(ctx context.Context) error {
	w := of(ctx)
	w.it = w.others[0] // nothing more is said of the one that was cancelled
	last, err := w.endsBeside(ctx, w.it)
	switch {
	case isViolation(err):
		return w.unlessIdleToo(ctx, w.it, err)
	case err != nil:
		return err
	case !last.done:
		return w.unlessOthersToo(ctx, w.failAt(last.snapshot, successAnyway, "an operation never ends after the cancel of another one, again and again, while those that were left alone succeed"),
			"%s never ends: the operation was still in progress after settle", w.it.role)
	case !last.hasResponse:
		return w.unlessOthersToo(ctx, w.failAt(last.snapshot, successAnyway, "an operation does not succeed after the cancel of another one, again and again, while those that were left alone do"),
			"succeeding does not behave as declared: the operation ended with %s, not with a response", last.result())
	}
	end, _ := w.it.end()
	finding := w.keeps(ctx, w.it, end, w.observeFor())
	if isViolation(finding) {
		return w.unlessAlone(ctx, end, finding)
	}
	return finding
}

// endsBeside follows a bystander to its end, until settle, and returns the last look.
// That it was cancelled is a finding.
func (w *world) endsBeside(ctx context.Context, op *operation) (last look, err error) {
	_, err = w.poll(ctx, op, w.settleFor(), func(l look) (bool, error) {
		switch last = l; {
		case !l.found || l.garbled:
			return false, inconclusive("Get answered %s", l.Status())
		case l.cancelled():
			return false, w.failAt(l.snapshot, successAnyway, "the operation was cancelled by the cancel of another one")
		}
		return l.done, nil
	})
	return last, err
}

// endsOtherwise is how often a bystander more must not succeed, each after one or two
// that were left alone and did: workers may take operations by turns.
const endsOtherwise = 3

// unlessOthersToo keeps the finding that a bystander did not succeed only where it is
// so again, while operations succeed that are started and followed when nothing is
// cancelled. Where none is seen to succeed, the role is not as it was declared; where
// others cancel meanwhile, the case is tried once more by itself.
func (w *world) unlessOthersToo(ctx context.Context, finding error, ruling string, args ...any) error {
	if w.run.scarce(targets.Succeeding) || w.run.scarce(targets.Running) {
		return inconclusive(ruling, args...)
	}
	for i := range endsOtherwise {
		for range 1 + i%2 {
			if _, err := w.finished(ctx, "succeeded"); err != nil {
				return disturbed(ruling, args...)
			}
		}
		beside, err := w.start(ctx, targets.Succeeding, "")
		if err == nil {
			_, err = w.mustFind(ctx, beside)
		}
		if err != nil {
			return err
		}
		if _, err := w.cancelFresh(ctx, targets.Running); err != nil {
			return err
		}
		last, err := w.endsBeside(ctx, beside)
		if err != nil {
			return err
		}
		if last.done && last.hasResponse {
			return disturbed(ruling, args...)
		}
	}
	if _, err := w.finished(ctx, "succeeded"); err != nil {
		return disturbed(ruling, args...)
	}
	return finding
}
