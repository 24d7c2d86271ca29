package steps

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func rejectedSteps() []definition {
	return []definition{
		step(`the client tries to cancel it (.+)`, whenSendsRefusable),
		step(`a refused cancel has changed nothing`, thenRefusedChangedNothing),
	}
}

// oddCancel is a cancel of the operation that a server may refuse, for a
// reason in words; ok is false where the suite knows no such cancel.
func (w *world) oddCancel(reason string) (targets.RawRequest, bool) {
	plain := targets.RawRequest{Method: targets.Cancel, Message: cancelRequest(w.it.name)}
	post := targets.RawRequest{Method: targets.Cancel, HTTPMethod: "POST", Target: "/" + targets.EscapeName(w.it.name) + ":cancel",
		Header: map[string]string{"Content-Type": "application/json"}}
	switch reason {
	case "as any other":
		return plain, true
	case "without credentials":
		plain.Principal = targets.Nobody
		return plain, true
	case "as a stranger":
		plain.Principal = targets.Stranger
		return plain, true
	case "with a member that is not known":
		post.Body = []byte(`{"no_such_field":1}`)
	case "with a body that is no JSON":
		post.Body = []byte(`{`)
	case "with a string for its body":
		post.Body = []byte(`"x"`)
	case "with an array for its body":
		post.Body = []byte(`[]`)
	case "with a number for its body":
		post.Body = []byte(`1`)
	case "with a body of another media type":
		post.Body, post.Header = []byte("{}"), map[string]string{"Content-Type": "text/plain"}
	case "with a form for its body":
		post.Body, post.Header = []byte("reason=none"), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	case "with its own name in its body":
		post.Body = []byte(nameBody(w.it.name))
	case "with the name of another operation in its body":
		post.Body = []byte(nameBody(w.others[0].name))
	case "with the name of another operation as a parameter":
		post.Target += "?name=" + url.QueryEscape(w.others[0].name)
	default:
		return plain, false
	}
	return post, true
}

// whenSendsRefusable sends a cancel that may be refused. The catalogue lets both
// happen; what counts is that a refused one does nothing.
func whenSendsRefusable(ctx context.Context, reason string) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	w.facts["again"] = func() error { return whenSendsRefusable(ctx, reason) }
	name := w.it.name
	switch reason {
	case "by a name made from its own":
		return w.cancelNearby(ctx, longer(name), name[:len(name)-1], unlike(name, 2), name+illegal)
	case "by its name with blanks added":
		return w.cancelNearby(ctx, name+" ", name+"\n", name+"\x00")
	}
	r, ok := w.oddCancel(reason)
	if !ok {
		return fmt.Errorf("no cancel is known that is sent %s", reason)
	}
	if err := w.mayCall(r.Principal); err != nil {
		return err
	}
	op, c, err := w.afresh(ctx, w.it, func(op *operation) (call, error) {
		w.it = op
		op.attempt()
		r, _ := w.oddCancel(reason)
		return w.raw(ctx, r, ""), nil
	})
	w.it = op
	w.facts["call"] = c
	w.facts["calls"] = []call{c}
	return err
}

// mayCall rules on a caller that the target file does not have.
func (w *world) mayCall(p targets.Principal) error {
	t := w.run.target
	a := t.Principals[p]
	switch {
	case p == targets.Owner:
		return nil
	case !t.Authenticated:
		return inapplicable("the target file sets no auth: the server is not protected")
	case p == targets.Nobody && t.ClientCertOnly:
		return untested("auth", "the callers are told by client certificates alone")
	case p == targets.Nobody:
		return nil
	case a.Unavailable != "":
		return inapplicable("principals.%s is unavailable: %s", p, a.Unavailable)
	case !a.Configured:
		return untested("principals."+string(p), "principals.%s is not configured", p)
	}
	return nil
}

// longer is a name that begins with another. What follows a number is so long
// that no service is about to give the number out.
func longer(name string) string {
	if id := name[strings.LastIndexByte(name, '/')+1:]; strings.Trim(id, "0123456789") == "" {
		return name + "0000000"
	}
	return name + "0"
}

// cancelNearby cancels names of no operation that a careless lookup takes for
// the operation's, such as one that is longer, or has characters that no name has.
// A name that Get finds is somebody's, and one without an id is everybody's.
// Nothing is said by what brings no answer, or none that denies an effect, to
// characters that front ends do not let pass.
func (w *world) cancelNearby(ctx context.Context, names ...string) error {
	var all []call
	for _, n := range names {
		strange := strings.ContainsAny(n, illegal+" \n\x00")
		if w.run.owns(n) || strings.HasSuffix(n, "/") {
			continue
		}
		got, err := w.repeatTransient(ctx, func() call { return w.call(ctx, targets.Get, getRequest(n), "is the name unknown?") })
		if err != nil && strange && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return err
		}
		malformed := isCode(got.Exchange, codes.InvalidArgument) && strange
		if !notFound(got.Exchange) && !malformed && !(got.Accepted() && envelope(object(got.Doc))) {
			continue
		}
		c, err := w.repeatTransient(ctx, func() call {
			return w.raw(ctx, targets.RawRequest{Method: targets.Cancel, Message: cancelRequest(n)}, "the name of no operation")
		})
		if err != nil && ctx.Err() != nil {
			return err
		}
		if strange && !c.Accepted() && (c.err != nil || !w.deniesEffect(c)) {
			continue
		}
		all = append(all, c)
	}
	w.facts["calls"] = all
	if len(all) == 0 {
		return inconclusive("each of the names that are near that of the operation may be somebody's")
	}
	return nil
}

// thenRefusedChangedNothing judges that after a refused cancel every operation
// of the scenario is as it was.
func thenRefusedChangedNothing(ctx context.Context) error {
	w := of(ctx)
	calls, _ := w.facts["calls"].([]call)
	if calls == nil {
		calls = []call{w.theCall()}
	}
	if err := w.needCancel(); err != nil {
		return err
	}
	for _, c := range calls {
		if err := w.refusedWithoutEffect(c); err != nil {
			return err
		}
	}
	how := "a cancel that was answered " + calls[len(calls)-1].Status()
	ops := append([]*operation{w.it}, w.others...)
	errs := make([]error, len(ops))
	_ = together(len(ops), func(i int) error { errs[i] = w.unaffected(ctx, ops[i], how); return nil })
	err := gravest(errs)
	again, known := w.facts["again"].(func() error)
	if !isViolation(err) || !known {
		return err
	}
	touched := slices.IndexFunc(errs, isViolation)
	return w.confirmed(ctx, err, func(ctx context.Context) (*operation, error) {
		return w.refusedOnceMore(ctx, touched, again)
	})
}

// refusedOnceMore has a cancel refused once more, with fresh operations in the
// place of those of the scenario, and returns one of them.
func (w *world) refusedOnceMore(ctx context.Context, which int, again func() error) (*operation, error) {
	for i, op := range append([]*operation{w.it}, w.others...) {
		fresh, err := w.freshLike(ctx, op)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			w.it = fresh
		} else {
			w.others[i-1] = fresh
		}
	}
	if err := again(); err != nil {
		return nil, err
	}
	return append([]*operation{w.it}, w.others...)[which], nil
}

// refusedWithoutEffect is nil where the answer to a cancel says that it has had no
// effect, and a ruling elsewhere.
func (w *world) refusedWithoutEffect(c call) error {
	switch {
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v", c.err)
	case c.Accepted():
		return inapplicable("the cancel was accepted: %s", c.Status())
	case !w.deniesEffect(c):
		return inconclusive("the answer %s says nothing about an effect", c.Status())
	}
	return nil
}
