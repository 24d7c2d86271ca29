package steps

import "context"

// deletesAllTheSame tells whether a Delete that is answered NOT_FOUND, as where there
// is no such method, deletes.
func (w *world) deletesAllTheSame(ctx context.Context, op *operation, c call, how string) (bool, error) {
	if !notFound(c.Exchange) {
		return false, nil
	}
	if l, err := w.get(ctx, op); err != nil || !notFound(l.Exchange) {
		return false, err
	}
	return w.goesUnsaid(ctx, func() (*operation, error) { return w.finished(ctx, how) })
}

// unlessDeletes keeps the ruling on a Delete that is answered NOT_FOUND, and after
// which Get finds nothing either, but where it deletes for all that, which the
// finding says.
func (w *world) unlessDeletes(ctx context.Context, ruling error, fresh func() (*operation, error), finding error) error {
	for range 2 {
		gone, err := w.goesUnsaid(ctx, fresh)
		if err != nil {
			return err
		}
		if !gone {
			return ruling
		}
	}
	return finding
}

// goesUnsaid tells whether a fresh operation that has ended goes with a Delete that
// is answered NOT_FOUND. Another that ended before it, and was looked at as often,
// must stay: neither is so old that it may be forgotten.
func (w *world) goesUnsaid(ctx context.Context, fresh func() (*operation, error)) (bool, error) {
	kept, err := fresh()
	if err != nil {
		return false, err
	}
	op, err := fresh()
	if err != nil {
		return false, err
	}
	for _, o := range [...]*operation{kept, op} {
		if l, err := w.get(ctx, o); err != nil || !l.found || l.garbled {
			return false, err
		}
	}
	if c := w.delete(ctx, op, "does it go, and is it not found, again?"); c.err != nil || !notFound(c.Exchange) {
		return false, nil
	}
	gone := true
	if _, err := w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) {
		gone = !l.found && notFound(l.Exchange)
		return !gone, nil
	}); err != nil || !gone {
		return false, err
	}
	_, err = w.poll(ctx, kept, w.observeFor(), func(l look) (bool, error) {
		gone = gone && l.found
		return !gone, nil
	})
	return gone, err
}
