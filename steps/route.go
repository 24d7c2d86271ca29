package steps

import (
	"context"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func routeSteps() []definition {
	return []definition{
		step(`the client sends (GET|HEAD|PUT|PATCH|DELETE|OPTIONS|any other method) in place of the POST of a cancel`, whenWrongMethod),
		step(`the client posts to (.+)`, whenPosts),
		step(`nothing happens to it`, thenUntouched),
		step(`the answer says that this is no cancel`, thenWrongMethodStatus),
		step(`the answer refuses the empty id`, thenEmptyIDRefused),
		step(`whether that is a cancel is recorded`, thenRecorded),
	}
}

// respelt is the plain cancel with its name spelt in another way.
func (w *world) respelt(form string, op *operation, r targets.RawRequest) (targets.RawRequest, error) {
	p, err := w.pathOf(op.name)
	if err != nil {
		return r, err
	}
	var id string
	changed := true
	switch form {
	case "its whole name":
		return r, nil
	case "one letter or digit of its id percent-encoded":
		id, changed = encode(p.id(), theFirst(), false)
	case "every letter and digit of its id percent-encoded", "every letter and digit of its id percent-encoded" + bodiless:
		id, changed = encode(p.id(), func(byte) bool { return true }, false)
	case "every mark of its id percent-encoded":
		id, changed = encode(p.id(), func(c byte) bool { return strings.IndexByte("-._~", c) >= 0 }, false)
	case "a letter or digit of its parent percent-encoded":
		return encodedParent(p, r)
	case "a percent-encoding with small letters":
		id, changed = encode(p.id(), func(c byte) bool { return c&15 > 9 }, true)
	default:
		return r, inconclusive("suite error: no form of a cancel is called %q", form)
	}
	if !changed {
		return r, inapplicable("the id %s has no character for that", p.id())
	}
	r.Target = p.target(id) + ":cancel"
	if strings.HasSuffix(form, bodiless) {
		r = withoutBody(r)
	}
	return r, nil
}

// encodedParent is the plain cancel with a character of the parent's id
// percent-encoded: the parent is part of the name.
func encodedParent(p namePath, r targets.RawRequest) (targets.RawRequest, error) {
	if len(p.parents) == 0 {
		return r, inapplicable("the name %s has no parent", p.name())
	}
	at := p.parents[len(p.parents)-1]
	id, changed := encode(p.segments[at], theFirst(), false)
	if !changed {
		return r, inapplicable("the parent's id %s has no character for that", p.segments[at])
	}
	r.Target = p.to(at) + "/" + id + "/" + targets.EscapeName(strings.Join(p.segments[at+1:], "/")) + ":cancel"
	return r, nil
}

// whenWrongMethod sends another HTTP method to the path of a cancel.
func whenWrongMethod(ctx context.Context, method string) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	w.facts["form"] = method
	return w.post(ctx, w.wrongMethod(method, w.it)...)
}

// anyMethod stands for every method that is not the one of a cancel.
const anyMethod = "any other method"

// wrongMethod is another HTTP method on the path of a cancel, twice: those that
// may have a body are sent with one and without.
func (w *world) wrongMethod(method string, op *operation) []targets.RawRequest {
	if method == anyMethod {
		var all []targets.RawRequest
		for _, m := range []string{"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"} {
			all = append(all, w.wrongMethod(m, op)...)
		}
		return all
	}
	r := plainForm(op)
	r.Method, r.HTTPMethod = "", method
	if method == "PUT" || method == "PATCH" {
		return []targets.RawRequest{r, withoutBody(r)}
	}
	return []targets.RawRequest{withoutBody(r), withoutBody(r)}
}

func withoutBody(r targets.RawRequest) targets.RawRequest {
	r.Body, r.Header = nil, nil
	return r
}

// whenPosts posts to a path that is like that of a cancel, and is none.
func whenPosts(ctx context.Context, what string) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	w.facts["form"] = what
	list, err := w.misses(ctx, what)
	if err != nil {
		return err
	}
	return w.post(ctx, list...)
}

// post sends requests that are to touch nothing. Transient answers are
// repeated; the calls are the scenario's, above all the last.
func (w *world) post(ctx context.Context, list ...targets.RawRequest) error {
	var calls []call
	for _, r := range list {
		w.it.attempt()
		w.it.formed = true
		for try := 1; ; try++ {
			c := w.raw(ctx, r, "")
			if c.err != nil && ctx.Err() != nil {
				return stopped(ctx)
			}
			if c.err != nil || !transient(c.Exchange) || try == transientTries || !sleep(ctx, firstPause*20) {
				calls = append(calls, c)
				break
			}
		}
	}
	w.facts["calls"], w.facts["call"] = calls, calls[len(calls)-1]
	return nil
}

// posted are the calls that post made.
func (w *world) posted() []call {
	calls, _ := w.facts["calls"].([]call)
	return calls
}

// misses are the requests to a path that is no cancel of the operation, or
// need not be one.
func (w *world) misses(ctx context.Context, what string) ([]targets.RawRequest, error) {
	r := plainForm(w.it)
	name := strings.TrimSuffix(r.Target, ":cancel")
	if ending, ok := spellings[what]; ok {
		r.Target = name + ending
		return []targets.RawRequest{r}, nil
	}
	var near []targets.RawRequest
	for _, form := range slices.Sorted(maps.Keys(nearMisses)) {
		if form == what || what == "its name with anything that is nearly the verb" {
			r.Target = name + nearMisses[form]
			near = append(near, r, withoutBody(r))
		}
	}
	if near != nil {
		return near, nil
	}
	p, err := w.pathOf(w.it.name)
	if err != nil {
		return nil, err
	}
	switch what {
	case "its id under another parent":
		return w.otherParents(ctx, p)
	case underLikeParent:
		return w.likeParents(ctx, p)
	case "its name with %2F for a slash of its id", "its name with %2f in small letters for a slash of its id":
		i := strings.LastIndexByte(name, '/')
		if i <= len(p.to(p.collection+1)) {
			return nil, inapplicable("the id %s has one segment", p.id())
		}
		slash := strings.Fields(what)[3]
		r.Target = name[:i] + slash + name[i+1:] + ":cancel"
	case "the empty id beside it", "the empty id behind a slash beside it":
		if !w.ep.Loopback && !w.run.target.Confirmed {
			return nil, untested("confirm", "an empty id is sent only to loopback, or with confirm: true: a faulty server might cancel everybody's operations")
		}
		return emptyID(what, p, r), nil
	case "its name under another version":
		return w.otherVersion(r)
	default:
		return w.dotted(what, p, r)
	}
	return []targets.RawRequest{r}, nil
}

// emptyID is a cancel whose path has no id, with a body and without.
func emptyID(what string, p namePath, r targets.RawRequest) []targets.RawRequest {
	r.Target = p.to(p.collection + 1)
	if strings.Contains(what, "slash") {
		r.Target += "/"
	}
	r.Target += ":cancel"
	return []targets.RawRequest{r, withoutBody(r)}
}

// nearMisses are what stands in place of the verb of a cancel, and is none.
var nearMisses = map[string]string{
	"its name with a misspelt verb":         ":cancle",
	"its name without a verb":               "",
	"its name with the verb as a parameter": "?cancel",
	"its name with a longer verb":           ":cancelled",
	"its name with a shorter verb":          ":cance",
	"its name with a verb that ends alike":  ":uncancel",
}

// spellings are other ways to write the verb, which a server is free to take.
var spellings = map[string]string{
	"its name and the verb in capitals":    ":CANCEL",
	"its name and the verb before a slash": ":cancel/",
	"its name and the verb behind a slash": "/cancel",
	"its name and the verb behind %3A":     "%3Acancel",
}

// otherParents are the cancels of the operation's id under parents that do not
// exist, one for each parent in its name.
func (w *world) otherParents(ctx context.Context, p namePath) ([]targets.RawRequest, error) {
	if len(p.parents) == 0 {
		return nil, inapplicable("the name %s has no parent", w.it.name)
	}
	var out []targets.RawRequest
	for _, parent := range p.parents {
		// The made-up parent is nobody's, unless Get finds the id there and
		// not under a second one: then the operation is somebody else's.
		found := 0
		for try := range 2 {
			c := w.call(ctx, targets.Get, getRequest(p.elsewhere(parent, try).name()), "is there such a parent?")
			if c.err != nil {
				return nil, inconclusive("Get of a name that no operation has brought no answer: %v", c.err)
			}
			if c.Accepted() && !errorAsSuccess(c.Exchange) {
				found++
			}
		}
		if found == 1 {
			return nil, inconclusive("the id of the operation exists under another parent as well")
		}
		r := plainForm(&operation{name: p.elsewhere(parent, 0).name()})
		out = append(out, r, withoutBody(r))
	}
	return out, nil
}

const underLikeParent = "its id under a parent with a name like that of its own"

// likeParents are the cancels of the operation's id under parents whose ids are
// like those in its name. Where Get finds the id there, it is somebody else's, or
// the spelling is another of the same name.
func (w *world) likeParents(ctx context.Context, p namePath) ([]targets.RawRequest, error) {
	if len(p.parents) == 0 {
		return nil, inapplicable("the name %s has no parent", w.it.name)
	}
	var out []targets.RawRequest
	for _, parent := range p.parents {
		for _, other := range p.alike(parent) {
			c := w.call(ctx, targets.Get, getRequest(other.name()), "is there such a parent?")
			if c.err != nil {
				return nil, inconclusive("Get of a name that no operation has brought no answer: %v", c.err)
			}
			if notFound(c.Exchange) || isCode(c.Exchange, codes.PermissionDenied) {
				out = append(out, plainForm(&operation{name: other.name()}))
			}
		}
	}
	if out == nil {
		return nil, inconclusive("under each parent whose name is like that of its own, Get may have found an operation")
	}
	return out, nil
}

// dotted is the cancel by the stranger, on a way with dot segments.
func (w *world) dotted(what string, p namePath, r targets.RawRequest) ([]targets.RawRequest, error) {
	if len(p.parents) == 0 {
		return nil, inapplicable("the name %s has no parent", w.it.name)
	}
	r.Principal = targets.Stranger
	switch what {
	case "its name through another parent, as a stranger":
		r.Target = p.around("..") + ":cancel"
	case "its name through another parent by %2E%2E, as a stranger":
		r.Target = p.around("%2E%2E") + ":cancel"
	case "its name through a dot segment, as a stranger":
		r.Target = p.to(p.collection+1) + "/./" + targets.EscapeName(p.id()) + ":cancel"
	default:
		return nil, inconclusive("suite error: no path is called %q", what)
	}
	return []targets.RawRequest{r}, nil
}
