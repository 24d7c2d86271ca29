package steps

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// cutShort is the request that ends within a name.
const cutShort = "a name that is cut short"

// cutShort is the payload of a cancel that ends within a name. What is left of it
// is longer than the operation's own name, and nobody's: a shorter one may be
// that of another operation, where they are numbered.
func (w *world) cutShort(ctx context.Context, op *operation) ([]byte, error) {
	left := op.name + "-cu"
	if err := w.nobodys(ctx, left); err != nil {
		return nil, err
	}
	whole := payload(left + "t")
	return whole[:len(whole)-1], nil
}

// nobodys is nil where Get does not find an operation of that name.
func (w *world) nobodys(ctx context.Context, name string) error {
	c := w.call(ctx, targets.Get, getRequest(name), "is the name unknown?")
	switch {
	case c.err != nil:
		return inconclusive("Get of a name that no operation has brought no answer: %v", c.err)
	case c.Accepted():
		return inconclusive("Get of %s answered %s", name, c.Status())
	}
	return nil
}

// odd is the payload of a cancel that names no operation as a client would.
// The error is a ruling where it cannot be made.
func (w *world) odd(ctx context.Context, what string, op *operation) ([]byte, error) {
	switch what {
	case "no name", "an empty name":
		if !w.ep.Loopback && !w.run.target.Confirmed {
			return nil, untested("confirm", "an empty name is sent only to loopback, or with confirm: true: a faulty server might cancel everybody's operations")
		}
		if what == "no name" {
			return nil, nil
		}
		return payload(""), nil
	case "bytes that are no message":
		return []byte{0xff, 0xff}, nil
	case "its name, followed by bytes that are no field":
		return payload(op.name, 0xff, 0xff), nil
	case cutShort:
		return w.cutShort(ctx, op)
	case "its name with a percent-encoded character":
		return w.percentName(op, theFirst())
	case "its name with every letter and digit of its id percent-encoded":
		return w.percentName(op, func(byte) bool { return true })
	case "its name with a slash percent-encoded":
		i := strings.LastIndexByte(op.name, '/')
		if i < 0 {
			return nil, inapplicable("the name %s has no slash", op.name)
		}
		return payload(op.name[:i] + "%2F" + op.name[i+1:]), nil
	case "its name with the verb behind it":
		return payload(op.name + ":cancel"), w.nobodys(ctx, op.name+":cancel")
	case "its name with a slash behind it":
		return payload(op.name + "/"), w.nobodys(ctx, op.name+"/")
	case "its name with a parameter behind it":
		return payload(op.name + "?alt=json"), w.nobodys(ctx, op.name+"?alt=json")
	}
	return nil, inconclusive("suite error: no cancel is called %q", what)
}

// percentName percent-encodes the characters of the id that choose says.
func (w *world) percentName(op *operation, choose func(c byte) bool) ([]byte, error) {
	p, err := w.pathOf(op.name)
	if err != nil {
		return nil, err
	}
	id, changed := encode(p.id(), choose, false)
	if !changed {
		return nil, inapplicable("the id %s has no letter and no digit", p.id())
	}
	p.segments = append(append([]string(nil), p.segments[:p.collection+1]...), id)
	return payload(p.name()), nil
}

// whenSendsOdd sends such a cancel. Transient answers are repeated in place:
// it must not have an effect.
func whenSendsOdd(ctx context.Context, what string) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	w.facts["odd"] = what
	for try := 1; ; try++ {
		c, err := w.sendOdd(ctx, w.it, what)
		if err != nil {
			return err
		}
		if c.err != nil && ctx.Err() != nil {
			return stopped(ctx)
		}
		w.facts["call"] = c
		if c.err != nil || !transient(c.Exchange) {
			return nil
		}
		if try == transientTries || !sleep(ctx, firstPause*20) {
			return inconclusive("%s answered %s, %d times", c.Method, c.Status(), try)
		}
	}
}

func (w *world) sendOdd(ctx context.Context, op *operation, what string) (call, error) {
	data, err := w.odd(ctx, what, op)
	if err != nil {
		return call{}, err
	}
	op.attempt()
	op.formed = true
	return w.raw(ctx, targets.RawRequest{Method: targets.Cancel, FullMethod: cancelMethod, Payload: data, Connection: oddConnection}, "cancel of "+what), nil
}

// repeatOdd sends the scenario's cancel for a fresh operation.
func (w *world) repeatOdd(ctx context.Context) (*operation, error) {
	op, err := w.startInProgress(ctx, w.it.role)
	if err != nil {
		return nil, err
	}
	_, err = w.sendOdd(ctx, op, w.facts["odd"].(string))
	return op, err
}

// oddSilent judges that an odd cancel brought no answer.
func (w *world) oddSilent(ctx context.Context, first call, want string) error {
	what := w.facts["odd"].(string)
	err := w.silent(ctx, first, func() (call, error) {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return call{}, err
		}
		return w.sendOdd(ctx, op, what)
	}, w.plainCancel(ctx, targets.Running))
	if err != nil {
		return err
	}
	return w.fail(first, want, "a cancel of %s brings no answer, again and again, while the plain cancel is answered", what)
}

// refusedUntouched judges an odd cancel: it is refused with one of the legal
// codes, and touches nothing. Other codes are the scenario's to judge (found
// is false).
func (w *world) refusedUntouched(ctx context.Context, want string, legal ...codes.Code) (found bool, err error) {
	c := w.theCall()
	if c.err != nil {
		return true, w.oddSilent(ctx, c, want)
	}
	if err := w.unaffected(ctx, w.it, fmt.Sprintf("a cancel of %s (%s)", w.facts["odd"], c.Status())); err != nil {
		switch {
		case !isViolation(err):
		case endangers(w.plan) != "":
			err = w.unlessReachedOnce(ctx, err, func() error {
				_, err := w.sendOdd(ctx, w.it, w.facts["odd"].(string))
				return err
			})
		default:
			err = w.confirmed(ctx, err, w.repeatOdd)
		}
		return true, err
	}
	switch {
	case isCode(c.Exchange, legal...):
		return true, nil
	case !c.GRPC.HasStatus && !c.Accepted():
		return true, inconclusive("the answer has no grpc-status (see grpc.status-in-trailers)")
	case isCode(c.Exchange, codes.PermissionDenied, codes.Unimplemented):
		w.note("a cancel of %s is answered %s", w.facts["odd"], c.Status())
		return true, nil
	}
	return false, nil
}

func thenEmptyNameRejected(ctx context.Context) error {
	w := of(ctx)
	const want = "INVALID_ARGUMENT or NOT_FOUND"
	if found, err := w.refusedUntouched(ctx, want, codes.InvalidArgument, codes.NotFound); found {
		return err
	}
	c := w.theCall()
	if !c.Accepted() { // other cases may have sent the same meanwhile
		again, err := w.sendOdd(ctx, w.it, w.facts["odd"].(string))
		if err != nil {
			return err
		}
		if again.err == nil && isCode(again.Exchange, codes.InvalidArgument, codes.NotFound) {
			return inconclusive("a cancel without a name is answered %s once, and then %s", c.Status(), again.Status())
		}
	}
	if err := w.unlessPlainToo(ctx, c); err != nil {
		return err
	}
	return w.fail(c, want, "a cancel without a name is not rejected as one")
}

// thenNameLiteral judges that no percent sequence is decoded, and that nothing
// behind a name is left out: no operation has that name. A server that answers all
// unknown names alike is judged by cancel.unknown.not-found.
func thenNameLiteral(ctx context.Context) error {
	w := of(ctx)
	const want = "NOT_FOUND, and the operation goes on"
	if found, err := w.refusedUntouched(ctx, want, codes.NotFound, codes.InvalidArgument); found {
		return err
	}
	c := w.theCall()
	if err := w.unlessUnknownToo(ctx, c, targets.Running); err != nil {
		return err
	}
	if control, err := w.cancelMalformed(ctx, "of another collection"); err == nil && control.err == nil && control.Accepted() == c.Accepted() && control.Code == c.Code {
		return inconclusive("the cancel of a name of another collection is answered %s as well (see cancel.malformed.rejected)", control.Status())
	}
	return w.fail(c, want, "what is not the operation's name to the letter is not taken for the name of no operation")
}

// thenUndecodableRefused judges a request that is no message.
func thenUndecodableRefused(ctx context.Context) error {
	w := of(ctx)
	const want = "INTERNAL or INVALID_ARGUMENT, and nothing is cancelled"
	if found, err := w.refusedUntouched(ctx, want, codes.Internal, codes.InvalidArgument); found {
		return err
	}
	c := w.theCall()
	if isCode(c.Exchange, codes.NotFound) && w.facts["odd"] == cutShort {
		w.note("a name that is cut short is taken for what is left of it: some libraries read what is there of a field")
		return nil
	}
	if isCode(c.Exchange, codes.Unknown) {
		w.note("a request that cannot be decoded is answered UNKNOWN: some libraries do so for every error while parsing")
		return nil
	}
	if w.facts["odd"] == cutShort { // which such libraries may take for an unknown name
		if err := w.unlessUnknownToo(ctx, c, targets.Running); err != nil {
			return err
		}
	}
	if err := w.unlessPlainToo(ctx, c); err != nil {
		return err
	}
	return w.fail(c, want, "a request that cannot be decoded is not refused as such")
}
