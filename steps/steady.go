package steps

import (
	"context"
)

// steadyLooks is how many more Gets must show an operation's end as the others
// did before anything is told from it: one in several may not.
const steadyLooks = 20

// steady rules on an operation whose end Get, asked some more times, has shown in
// two ways: nothing can be told from either.
func (w *world) steady(ctx context.Context, op *operation) error {
	for i := 0; ; i++ {
		if err := op.contradicted(); err != nil || i == steadyLooks {
			return err
		}
		if _, err := w.mustFind(ctx, op); err != nil {
			return err
		}
	}
}

// unlessUnsteady keeps a finding about the end of an operation only where Get
// shows that end again and again. Other errors stay.
func (w *world) unlessUnsteady(ctx context.Context, op *operation, finding error) error {
	if isViolation(finding) {
		if err := w.steady(ctx, op); err != nil {
			return err
		}
	}
	return finding
}

// contradicted is a ruling on an operation whose end Get has shown in two ways.
func (op *operation) contradicted() error {
	op.looking.Lock()
	defer op.looking.Unlock()
	var first *snapshot
	for i, s := range op.snapshots {
		switch {
		case s.waited:
		case first == nil:
			if s.done {
				first = &op.snapshots[i]
			}
		case s.done && !sameResult(*first, s):
			return inconclusive("Get itself has shown two results (see operation.terminal.result-immutable)")
		case !s.done && first.received.Before(s.sent):
			return inconclusive("Get itself has shown the end, and then none (see operation.terminal.done-monotonic)")
		}
	}
	return nil
}

// partialView tells whether an entry leaves members out that Get shows, and
// contradicts it in none: a done operation without its result, or one without
// its metadata and all else but the name.
func partialView(got, s snapshot) bool {
	bare := !s.hasError && !s.hasResponse
	if s.done {
		return bare && (got.hasError || got.hasResponse)
	}
	return bare && s.doc["metadata"] == nil && got.doc["metadata"] != nil
}
