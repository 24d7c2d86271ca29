package steps

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// asStranger ends the names of paths that the stranger asks for.
const asStranger = ", as a stranger"

// thenUntouched judges that a request which is no cancel touches nothing.
func thenUntouched(ctx context.Context) error {
	w := of(ctx)
	form, _ := w.facts["form"].(string)
	how := form + " on the path of its cancel"
	posted := isPath(form)
	if posted {
		how = "a POST to " + form
	}
	ops := append([]*operation{w.it}, w.others...)
	err := together(len(ops), func(i int) error { return w.unaffected(ctx, ops[i], how) })
	switch {
	case err == nil:
	case !isViolation(err):
		return err
	case endangers(w.plan) != "":
		return w.unlessReachedOnce(ctx, err, func() error { return whenPosts(ctx, form) })
	case strings.HasSuffix(form, asStranger):
		return w.unlessStrangerMay(ctx, err)
	default:
		err = w.confirmed(ctx, err, w.repeatMiss)
		if form == underLikeParent {
			err = w.unlessIDFoldsToo(ctx, err)
		}
		return err
	}
	for _, c := range w.posted() {
		switch {
		case c.err != nil:
			return inconclusive("nothing happened, but the request brought no answer: %v", c.err)
		case transient(c.Exchange):
			return inconclusive("nothing happened, but the request was answered %s", c.Status())
		case posted && (c.Accepted() || faulty(c)):
			w.note("%s is answered %s", how, c.Status())
		}
	}
	return nil
}

// isPath tells whether a form is that of a path that is POSTed to, and not another
// method.
func isPath(form string) bool { return form != anyMethod && strings.Contains(form, " ") }

// repeatMiss sends the scenario's request for a fresh operation.
func (w *world) repeatMiss(ctx context.Context) (*operation, error) {
	op, err := w.freshLike(ctx, w.it)
	if err != nil {
		return nil, err
	}
	w.it = op
	if form := w.facts["form"].(string); isPath(form) {
		err = whenPosts(ctx, form)
	} else {
		err = whenWrongMethod(ctx, form)
	}
	return op, err
}

// unlessStrangerMay keeps a finding about a stranger's way round only where
// the stranger's plain cancel is refused.
func (w *world) unlessStrangerMay(ctx context.Context, finding error) error {
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	r := plainForm(op)
	r.Principal = targets.Stranger
	c := w.raw(ctx, r, "control: may the stranger cancel?")
	if c.err != nil {
		return inconclusive("the stranger's plain cancel brought no answer: %v", c.err)
	}
	touched, err := w.touched(ctx, op)
	switch {
	case err != nil:
		return err
	case touched || c.Accepted():
		return inconclusive("the stranger may cancel by the plain path as well (see auth.permission-denied)")
	}
	return finding
}

// unlessIDFoldsToo keeps a finding about parents with a name like that of its own
// only where the cancel of the id in the other case does nothing:
// cancel.unknown.not-found owns names that are compared without regard to case.
// Other errors stay.
func (w *world) unlessIDFoldsToo(ctx context.Context, finding error) error {
	if !isViolation(finding) {
		return finding
	}
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	p, err := w.pathOf(op.name)
	if err != nil {
		return err
	}
	other, err := w.nearName("differs only in case from", p)
	if err != nil {
		return finding
	}
	op.attempt()
	c, err := w.cancelOfUnknown(ctx, other)
	if err != nil {
		return err
	}
	if c.Accepted() {
		return inconclusive("the cancel of an id in the other case is accepted as well (see %s): %v", unknownNotFound, finding)
	}
	return finding
}

// refusal tells whether a status is that of a request which no route takes.
func refusal(status int) bool {
	return status == 400 || status == 404 || status == 405 || status == 501
}

// thenWrongMethodStatus judges the status of another HTTP method on the path
// of a cancel. What it does is the business of cancel.route.wrong-method-no-effect.
func thenWrongMethodStatus(ctx context.Context) error {
	w := of(ctx)
	method, _ := w.facts["form"].(string)
	return w.refusedStatus(ctx, method+" on the path of a cancel", method == "HEAD" || method == "OPTIONS" || method == "DELETE",
		func(op *operation) []targets.RawRequest { return w.wrongMethod(method, op) })
}

// thenEmptyIDRefused judges the status of a cancel with an empty id.
func thenEmptyIDRefused(ctx context.Context) error {
	w := of(ctx)
	what, _ := w.facts["form"].(string)
	return w.refusedStatus(ctx, "a cancel with an empty id", false, func(op *operation) []targets.RawRequest {
		p, err := w.pathOf(op.name)
		if err != nil {
			p = namePath{segments: []string{"operations"}}
		}
		return emptyID(what, p, plainForm(op))
	})
}

// refusedStatus judges the status of requests that are no cancel: 400, 404,
// 405 or 501. Success is legal where mayAccept says so; any other
// status below 500 is a note.
func (w *world) refusedStatus(ctx context.Context, what string, mayAccept bool, requests func(*operation) []targets.RawRequest) error {
	for i, c := range w.posted() {
		err := w.refusedStatusOf(ctx, c, what, mayAccept, func(op *operation) targets.RawRequest { return requests(op)[i] })
		if r := requests(w.it)[i]; isViolation(err) && r.HTTPMethod == "POST" && r.Body == nil {
			err = w.unlessBareToo(ctx, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unlessBareToo keeps a finding about a POST without a body only where cancels
// without one do what plain ones do: the cancel.request.zero-bytes-* own what they
// do wrong, and be it now and then. Other errors stay.
func (w *world) unlessBareToo(ctx context.Context, finding error) error {
	if err := w.formCancels(ctx, bare); err != nil {
		return err
	}
	return w.unlessNowAndThen(ctx, bare, finding)
}

// refusedStatusOf judges the status of one of them.
func (w *world) refusedStatusOf(ctx context.Context, c call, what string, mayAccept bool, request func(*operation) targets.RawRequest) error {
	const want = "HTTP 400, 404, 405 or 501"
	switch {
	case c.err != nil:
		err := w.silent(ctx, c, func() (call, error) {
			op, err := w.startInProgress(ctx, w.it.role)
			if err != nil {
				return call{}, err
			}
			return w.raw(ctx, request(op), ""), nil
		}, w.plainCancel(ctx, targets.Running))
		if err != nil {
			return err
		}
		return w.fail(c, want, "%s brings no answer, again with fresh operations, while cancels are answered", what)
	case transient(c.Exchange):
		return inconclusive("%s is answered %s", what, c.Status())
	case c.Accepted() && mayAccept, refusal(c.HTTP):
	case c.Accepted():
		if err := w.unlessErrorsSucceed(ctx, c); err != nil {
			return err
		}
		return w.fail(c, want, "%s is answered with success", what)
	case c.HTTP >= 500:
		if err := w.controlAccepted(ctx); err != nil {
			return err
		}
		if err := w.unlessGetFaultsToo(ctx, c); err != nil {
			return err
		}
		return w.fail(c, want, "%s is answered with a server fault", what)
	default:
		w.note("%s is answered %s", what, c.Status())
	}
	return nil
}

// unlessGetFaultsToo is a ruling on the fault that answers a GET, where it also
// answers the Get of a name that no operation has: the path of a cancel may be
// such a name, and cancel.deleted.not-found owns what Get says of one, if it can
// be judged.
func (w *world) unlessGetFaultsToo(ctx context.Context, c call) error {
	if !strings.HasPrefix(c.Request.Line, "GET ") || w.offered(ctx, targets.Delete) != nil {
		return nil
	}
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	control := w.call(ctx, targets.Get, getRequest(unlike(op.name, 0)), "control: the Get of an unknown name")
	if control.err == nil && control.HTTP == c.HTTP {
		return inconclusive("the Get of any unknown name is answered %s (see cancel.deleted.not-found)", control.Status())
	}
	return nil
}

// thenRecorded records whether a spelling that may mean a cancel does.
func thenRecorded(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	form, _ := w.facts["form"].(string)
	if c.err != nil {
		return inconclusive("the request brought no answer: %v", c.err)
	}
	touched, err := w.touched(ctx, w.it)
	if err != nil {
		return err
	}
	if w.plan.requirement.ID == "cancel.route.version-neutral" && !touched {
		return inapplicable("the operation is not addressed under another version: %s", c.Status())
	}
	reading := "not taken for cancel"
	switch {
	case touched && c.Accepted():
		reading = "taken for cancel"
	case touched:
		reading = "refused, and yet taken for cancel"
	case c.Accepted():
		reading = "answered with success, without effect"
	}
	w.observe(w.plan.requirement.ID, fmt.Sprintf("%s: %s (%s)", form, reading, c.Status()))
	if serverFault(c.Exchange) {
		w.note("a POST to %s is answered %s", form, c.Status())
	}
	return nil
}

// otherVersion is the cancel below another version of the API, where the
// base URL ends in one: v1, or v1beta beside v1.
func (w *world) otherVersion(r targets.RawRequest) ([]targets.RawRequest, error) {
	name := strings.TrimSuffix(r.Target, ":cancel")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ex := range w.exchanges {
		_, target, _ := strings.Cut(ex.Request.Line, " ")
		base, found := strings.CutSuffix(target, name)
		if ex.Method != targets.Get || !found {
			continue
		}
		parent, version := base[:strings.LastIndexByte(base, '/')+1], base[strings.LastIndexByte(base, '/')+1:]
		if !regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]*)?$`).MatchString(version) {
			break
		}
		other := "v1"
		if version == other {
			other = "v1beta"
		}
		r.Target, r.Absolute = parent+other+r.Target, true
		return []targets.RawRequest{r}, nil
	}
	return nil, inapplicable("the base URL does not end in a version")
}
