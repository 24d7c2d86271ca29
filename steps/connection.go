package steps

import (
	"context"

	"github.com/lro-tools/conform/targets"
)

// connectionSteps are about cancels that follow one another on one connection.
func connectionSteps() []definition {
	return []definition{
		step(`the client cancels it on a connection on which it has cancelled another`, whenCancelsAfterAnother),
		step(`the cancel is accepted as on a connection of its own`, thenAcceptedOnConnection),
	}
}

// whenCancelsAfterAnother cancels two operations on a connection that no other call
// uses.
func whenCancelsAfterAnother(ctx context.Context) error {
	w := of(ctx)
	c, err := w.cancelAfterAnother(ctx, w.it)
	w.facts["call"] = c
	return err
}

// cancelAfterAnother cancels a fresh operation and then the other, both on a
// connection of their own, and returns the second answer. Nothing is said of what
// follows a cancel that was not accepted.
func (w *world) cancelAfterAnother(ctx context.Context, op *operation) (call, error) {
	before, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return call{}, err
	}
	connection := ownConnection()
	if c := w.cancelOn(ctx, before, connection); !c.Accepted() {
		return c, notToldOfConnection(ctx, c, "the first cancel on it")
	}
	return w.cancelOn(ctx, op, connection), nil
}

// cancelOn sends the plain cancel on a connection.
func (w *world) cancelOn(ctx context.Context, op *operation, connection int) call {
	op.attempt()
	c := w.raw(ctx, targets.RawRequest{Method: targets.Cancel, Message: cancelRequest(op.name), Connection: connection}, "on a connection of its own")
	w.answeredCancel(op, c)
	return c
}

// notToldOfConnection rules on a case that cannot tell of a second cancel. Other
// cases tell of cancels, so that nothing of the requirement is left open.
func notToldOfConnection(ctx context.Context, c call, what string) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	answer := c.Status()
	if c.err != nil {
		answer = c.err.Error()
	}
	return inapplicable("nothing can be told of what follows on a connection: %s, %s", what, answer)
}

// thenAcceptedOnConnection judges a cancel that follows another on its connection.
// A server need not keep one, so that an end of it says nothing; silence, or a
// refusal, does, three times in all, while the cancel on another one is accepted
// each time.
func thenAcceptedOnConnection(ctx context.Context) error {
	w := of(ctx)
	for try := 1; ; try++ {
		c := w.theCall()
		switch {
		case c.Accepted() && try == 1:
			return nil
		case c.Accepted():
			return inconclusive("not accepted once on a connection, but then")
		case ctx.Err() != nil, c.err != nil && c.err.Kind != targets.TimedOut, c.Spoilt(), transient(c.Exchange):
			return notToldOfConnection(ctx, c, "the second cancel on it")
		}
		var finding error = w.fail(c, acceptance, "a cancel brings no answer on a connection on which another was cancelled before, again and again, while it is accepted on others")
		if c.err == nil {
			finding = w.mustAccept(ctx, w.it, c)
		}
		control, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return err
		}
		if alone := w.cancelOn(ctx, control, ownConnection()); !alone.Accepted() {
			return notToldOfConnection(ctx, alone, "a cancel on another one")
		}
		if try > 2 || !isViolation(finding) {
			return finding
		}
		if w.it, err = w.startInProgress(ctx, targets.Running); err != nil {
			return err
		}
		if w.facts["call"], err = w.cancelAfterAnother(ctx, w.it); err != nil {
			return err
		}
	}
}
