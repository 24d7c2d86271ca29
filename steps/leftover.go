package steps

import (
	"context"
	"sync/atomic"

	"github.com/lro-tools/conform/targets"
)

// leftoverSteps are about what a cancel leaves behind in its connection.
func leftoverSteps() []definition {
	return []definition{
		step(`the client cancels it by an empty object, and asks for it on the same connection`, whenCancelsAndAsks),
		step(`nothing of the cancel is left in the connection`, thenNothingLeft),
	}
}

// ownConnections counts the connections that one scenario alone uses.
var ownConnections atomic.Int64

// ownConnection is the number of a connection that no other call uses.
func ownConnection() int { return -int(ownConnections.Add(1)) }

// whenCancelsAndAsks makes two calls on a connection that no other call uses.
func whenCancelsAndAsks(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	return w.cancelAndAsk(ctx, w.it)
}

// cancelAndAsk cancels an operation with a body and asks for it, both on a
// connection of their own.
func (w *world) cancelAndAsk(ctx context.Context, op *operation) error {
	var next call
	op, c, err := w.afresh(ctx, op, func(op *operation) (call, error) {
		connection := ownConnection()
		op.attempt()
		c := w.raw(ctx, targets.RawRequest{Method: targets.Cancel, Message: cancelRequest(op.name), Connection: connection}, "on a connection of its own")
		if op.acceptedBy(c); c.err == nil {
			next = w.raw(ctx, targets.RawRequest{Method: targets.Get, Message: getRequest(op.name), Connection: connection}, "on the same connection")
		}
		return c, nil
	})
	if err == nil {
		err = toldNothing(ctx, c, "the cancel")
	}
	w.it, w.facts["call"], w.facts["next"] = op, c, next
	return err
}

// thenNothingLeft judges that a call is understood which follows a cancel on its
// connection, as a server must read the whole of a request or close the connection
// (RFC 9112, section 9.3): one that does not has not taken the body that the cancel
// has. The control is the same call on another connection.
func thenNothingLeft(ctx context.Context) error {
	w := of(ctx)
	for again := false; ; again = true {
		c, next := w.theCall(), w.facts["next"].(call)
		switch {
		case !c.Accepted():
			return w.refused(c)
		case next.err != nil:
			return toldNothing(ctx, next, "the Get on the same connection")
		case !next.Spoilt():
			return nil
		}
		if l, err := w.get(ctx, w.it); err != nil || !l.found {
			return inconclusive("Get answered %s on another connection as well", l.Status())
		}
		if again {
			return w.fail(next, "the operation, as on any other connection", "what follows a cancel on its connection is not understood, twice: the body is left there")
		}
		op, err := w.startInProgress(ctx, w.it.role)
		if err != nil {
			return err
		}
		if err := w.cancelAndAsk(ctx, op); err != nil {
			return err
		}
	}
}
