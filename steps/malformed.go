package steps

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func malformedSteps() []definition {
	return []definition{
		step(`the client cancels a name (.+)`, whenCancelsMalformed),
		step(`the name is rejected`, thenMalformedRejected),
		step(`the name is not accepted`, thenStrangeRefused),
		step(`it is no fault of the server, which goes on`, thenNoCrash),
	}
}

// illegal are characters that no path of a URL has (RFC 3986, section 2).
const illegal = `"<>\^`

// longIDBytes is the length of an id that no server need take.
const longIDBytes = 4 << 10

// malformed makes a name that is no operation's, or a strange one, from the
// name of one of ours. Strange ones are those of no operation even without what
// is strange, but where that is all that they have beside the name of one; and no
// two cases send the same: what the cancel of one leaves behind is not met by
// another. The error is a ruling where it cannot be made.
func (w *world) malformed(what string) (string, error) {
	name := w.it.name
	none := unlike(name, 2)
	switch what {
	case "of slashes":
		return "///", nil
	case "with illegal characters":
		return name + illegal, nil
	case "of 4 KiB":
		return none + strings.Repeat("a", longIDBytes), nil
	case "with a NUL":
		return none + "\x00b", nil
	case "that is no UTF-8":
		return none + "\xffb", nil
	case "with an emoji":
		return none + "😀b", nil
	case "of an operation with a space":
		return name + " ", nil
	case "of an operation with a line feed":
		return name + "\n", nil
	case "of an operation with a NUL":
		return name + "\x00", nil
	}
	p, err := w.pathOf(name)
	if err != nil {
		return "", err
	}
	switch what {
	case "of another collection":
		p.segments = append([]string(nil), p.segments...)
		p.segments[p.collection] = "assets"
		return p.name(), nil
	case "of the collection alone":
		if !w.ep.Loopback && !w.run.target.Confirmed {
			return "", untested("confirm", "a name without an id is sent only to loopback, or with confirm: true: a faulty server might cancel everybody's operations")
		}
		if w.rest() {
			return "", inapplicable("over REST that is judged by cancel.route.zero-segment-name")
		}
		return p.segments[p.collection], nil
	}
	return "", inconclusive("suite error: no name is called %q", what)
}

// whenCancelsMalformed cancels such a name.
func whenCancelsMalformed(ctx context.Context, what string) error {
	w := of(ctx)
	w.facts["what"] = what
	c, err := w.cancelMalformed(ctx, what)
	if err != nil {
		return err
	}
	w.facts["call"] = c
	return nil
}

// cancelMalformed sends the cancel; transient answers are repeated.
func (w *world) cancelMalformed(ctx context.Context, what string) (call, error) {
	name, err := w.malformed(what)
	if err != nil {
		return call{}, err
	}
	r := targets.RawRequest{Method: targets.Cancel, FullMethod: cancelMethod, Payload: payload(name), Connection: oddConnection}
	if w.rest() {
		r = plainForm(&operation{name: name})
	}
	for try := 1; ; try++ {
		c := w.raw(ctx, r, "cancel of a name "+what)
		if c.err != nil && ctx.Err() != nil {
			return c, stopped(ctx)
		}
		if c.err != nil || !transient(c.Exchange) {
			return c, nil
		}
		if try == transientTries || !sleep(ctx, firstPause*20) {
			return c, inconclusive("cancel answered %s, %d times", c.Status(), try)
		}
	}
}

// malformedSilent rules on a cancel of such a name that brought no answer; nil
// where it is a finding: again and again, while that of a well-formed name is
// answered.
func (w *world) malformedSilent(ctx context.Context, first call) error {
	what := w.facts["what"].(string)
	name := unlike(w.it.name, 1)
	return w.silent(ctx, first, func() (call, error) { return w.cancelMalformed(ctx, what) }, func() (call, error) {
		return w.call(ctx, targets.Cancel, cancelRequest(name), "control: is any cancel answered?"), nil
	})
}

// thenMalformedRejected judges the answer to the cancel of a name that no
// operation can have. Over REST the router may reject it, in its own words.
func thenMalformedRejected(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	what := w.facts["what"].(string)
	const want = "INVALID_ARGUMENT or NOT_FOUND"
	switch {
	case c.err != nil:
		if err := w.malformedSilent(ctx, c); err != nil {
			return err
		}
		return w.fail(c, want, "the cancel of a name %s brings no answer, again and again, while other cancels are answered", what)
	case c.Accepted():
		if err := w.unlessErrorsSucceed(ctx, c); err != nil {
			return err
		}
		if err := w.unlessAnyName(ctx); err != nil {
			return err
		}
		return w.fail(c, want, "the cancel of a name %s is accepted", what)
	case unimplemented(c.Exchange) && w.unsupported():
		return inapplicable("the server does not support cancel: %s", c.Status())
	case w.rest() && c.HTTP == 400 && namesCode(c.Exchange) && !isCode(c.Exchange, codes.InvalidArgument):
		// Not the router's words: the service says what it takes the name for.
	case notFound(c.Exchange), isCode(c.Exchange, codes.InvalidArgument, codes.PermissionDenied), w.rest() && refusal(c.HTTP):
		return nil
	case w.rest() && c.HTTP >= 300 && c.HTTP < 400, isCode(c.Exchange, codes.Unimplemented), !w.rest() && !c.GRPC.HasStatus && c.HTTP != 200:
		w.note("the cancel of a name %s is answered %s", what, c.Status())
		return nil
	case !w.rest() && !c.GRPC.HasStatus:
		return inconclusive("the answer has no grpc-status (see grpc.status-in-trailers)")
	}
	if err := w.unlessCommon(ctx, c); err != nil {
		return err
	}
	return w.fail(c, want, "the cancel of a name %s is not rejected as such", what)
}

// thenStrangeRefused judges that a strange name, which no operation has, is not
// accepted. How it is refused is the business of cancel.malformed.no-crash.
func thenStrangeRefused(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	what := w.facts["what"].(string)
	switch {
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v (see cancel.malformed.no-crash)", c.err)
	case c.Accepted() && w.rest() && envelope(object(c.Doc)):
		return inconclusive("an error was sent with success (see error.http.no-2xx-error)")
	case !c.Accepted():
		return nil
	}
	if err := w.unlessAnyName(ctx); err != nil {
		return err
	}
	if err := w.unlessGetTakesIt(ctx, what); err != nil {
		return err
	}
	return w.fail(c, "INVALID_ARGUMENT or NOT_FOUND", "the cancel of a name %s, which no operation has, is accepted", what)
}

// unlessGetTakesIt is a ruling where Get finds an operation by the strange name as
// well: a service may read every name so.
func (w *world) unlessGetTakesIt(ctx context.Context, what string) error {
	name, err := w.malformed(what)
	if err != nil {
		return err
	}
	c, err := w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.Get, getRequest(name), "control: does Get find the name?")
	})
	if err == nil && c.Accepted() && !errorAsSuccess(c.Exchange) {
		err = inconclusive("Get takes the name for that of an operation as well")
	}
	return err
}

// unlessAnyName is a ruling where the cancel of a well-formed name of no
// operation is accepted as well.
func (w *world) unlessAnyName(ctx context.Context) error {
	unknown, err := w.unknownName(ctx)
	if err != nil {
		return err
	}
	control, err := w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.Cancel, cancelRequest(unknown), "control: is the name of no operation accepted?")
	})
	if err == nil && control.Accepted() {
		err = inconclusive("the cancel of any name of no operation is accepted (see cancel.unknown.not-found)")
	}
	return err
}

// unlessCommon is a ruling where names that are not strange have the same
// answer: unknown ones, or over REST any that is percent-encoded.
func (w *world) unlessCommon(ctx context.Context, c call) error {
	if err := w.unlessUnknownToo(ctx, c, targets.Running); err != nil || !w.rest() {
		return err
	}
	return w.unlessEncodedToo(ctx, c)
}

// unlessEncodedToo is a ruling where the cancel of an operation in progress whose id
// is percent-encoded has the same answer over REST.
func (w *world) unlessEncodedToo(ctx context.Context, c call) error {
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	last := strings.LastIndexByte(op.name, '/') + 1
	r := plainForm(op)
	id, _ := encode(op.name[last:], func(byte) bool { return true }, false)
	r.Target = "/" + targets.EscapeName(op.name[:last]) + id + ":cancel"
	op.attempt()
	control := w.raw(ctx, r, "control: the cancel of an operation whose id is percent-encoded")
	if control.err == nil && control.HTTP == c.HTTP {
		return inconclusive("the cancel of any name that is percent-encoded is answered %s (see cancel.route.percent-decode-unreserved)", control.Status())
	}
	return nil
}

// noUTF8 and withNUL are the names that libraries and front ends refuse by
// themselves.
const (
	noUTF8  = "that is no UTF-8"
	withNUL = "with a NUL"
)

// thenNoCrash judges that a strange name is no fault of the server, and that
// it answers the next Get as it did before.
func thenNoCrash(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	what := w.facts["what"].(string)
	const want = "an answer that is no server fault, and the next Get works"
	if err := w.goesOnAfter(ctx, what, want); err != nil {
		return err
	}
	switch {
	case c.err != nil && w.rest() && (what == noUTF8 || what == withNUL):
		w.note("a request with a name %s brings no answer: its connection is closed", what)
		return nil
	case c.err != nil:
		if err := w.malformedSilent(ctx, c); err != nil {
			return err
		}
		if what == noUTF8 && w.undecodable(ctx).err != nil {
			return inconclusive("nothing that cannot be decoded is answered (see grpc.malformed-payload)")
		}
		return w.fail(c, want, "the cancel of a name %s brings no answer, again and again, while other cancels are answered", what)
	case w.rest() && c.HTTP >= 500 && c.HTTP != 501:
		if what == noUTF8 && w.run.target.Profile != targets.ProfileGoogle {
			w.note("a name that is no UTF-8 is answered %s", c.Status())
			return nil
		}
	case what == noUTF8 && isCode(c.Exchange, codes.Internal), !serverFault(c.Exchange):
		return nil
	case what == noUTF8: // a library that refuses it answers as to any request that it cannot decode
		control := w.undecodable(ctx)
		if control.err == nil && control.Code == c.Code {
			w.note("a name that is no UTF-8 is answered %s, as what cannot be decoded", c.Status())
			return nil
		}
	}
	if err := w.unlessCommon(ctx, c); err != nil {
		return err
	}
	return w.fail(c, want, "the cancel of a name %s is a fault of the server", what)
}

// undecodable sends a request that is no message, as libraries take a name that
// is no UTF-8 for one.
func (w *world) undecodable(ctx context.Context) call {
	return w.raw(ctx, targets.RawRequest{Method: targets.Cancel, FullMethod: cancelMethod, Payload: []byte{0xff, 0xff}, Connection: oddConnection},
		"control: a request that cannot be decoded")
}

// goesOnAfter judges that Get works after the strange name, as it did before.
// It is a finding only if it stops working twice, and works in between: a
// server that is gone for good ends the run.
func (w *world) goesOnAfter(ctx context.Context, what, want string) error {
	works := func() (look, bool, error) {
		l, err := w.get(ctx, w.it)
		switch r, _ := err.(*ruling); {
		case r != nil && r.silent != nil && ctx.Err() == nil:
			return l, false, nil
		case err != nil:
			return l, false, err
		}
		return l, l.found && !l.garbled, nil
	}
	l, ok, err := works()
	if ok || err != nil {
		return err
	}
	for range 2 {
		if _, ok, err = works(); err != nil {
			return err
		}
	}
	if !ok {
		return inconclusive("after the cancel of a name %s no Get works any more: %s", what, l.Status())
	}
	if _, err := w.cancelMalformed(ctx, what); err != nil {
		return err
	}
	again, ok, err := works()
	switch {
	case err != nil:
		return err
	case ok:
		return inconclusive("Get failed once after the cancel of a name %s (%s), but not again", what, l.Status())
	}
	return w.fail(again.call, want, "Get fails after the cancel of a name %s, again and again", what)
}
