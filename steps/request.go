package steps

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/lro-tools/conform/targets"
)

func requestSteps() []definition {
	return []definition{
		step(`an operation whose id has a colon`, givenColon),
		step(`the client cancels it by sending (.+)`, whenCancelsInForm),
		step(`the cancel counts like a plain one`, thenCountsLikePlain),
		step(`the cancel takes effect, or is refused and has none`, thenEffectOrRefusal),
		step(`nothing happens to the other one`, thenOtherUntouched),
	}
}

// givenColon starts an operation whose id has a colon, as the verb of a cancel
// has before it. A service that takes no such id is not concerned.
func givenColon(ctx context.Context) error {
	w := of(ctx)
	op, err := w.startColon(ctx)
	w.it = op
	return err
}

func (w *world) startColon(ctx context.Context) (*operation, error) {
	if err := w.run.role(targets.Chosen); err != nil {
		return nil, err
	}
	id := strings.ToLower(rand.Text())
	op, err := w.start(ctx, targets.Chosen, id[:8]+":"+id[8:16])
	if err != nil {
		if ctx.Err() != nil {
			return nil, stopped(ctx)
		}
		return nil, inapplicable("the service takes no id with a colon: %v", err)
	}
	if last := op.name[strings.LastIndexByte(op.name, '/')+1:]; !strings.Contains(last, ":") {
		return op, inapplicable("the service gives its operations names without the colon: %s", op.name)
	}
	return op, w.inProgress(ctx, op)
}

// whenCancelsInForm cancels the operation by a request of a certain form. A
// transient answer is repeated on a fresh operation; any other is the
// scenario's to judge.
func whenCancelsInForm(ctx context.Context, form string) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	for try := 1; ; try++ {
		c, err := w.cancelInForm(ctx, w.it, form)
		if err != nil {
			return err
		}
		if c.err != nil && ctx.Err() != nil {
			return stopped(ctx)
		}
		if c.err != nil || !transient(c.Exchange) {
			w.calls = append(w.calls, c.index)
			w.facts["call"], w.facts["form"] = c, form
			return nil
		}
		if try == transientTries {
			return inconclusive("cancel answered %s, %d times", c.Status(), try)
		}
		if w.it, err = w.freshLike(ctx, w.it); err != nil {
			return err
		}
	}
}

// freshLike starts another operation of the kind of one.
func (w *world) freshLike(ctx context.Context, op *operation) (*operation, error) {
	if op.role == targets.Chosen {
		return w.startColon(ctx)
	}
	return w.startInProgress(ctx, op.role)
}

// cancelInForm sends one cancel of an operation in a form. What comes of it
// says nothing about plain cancels.
func (w *world) cancelInForm(ctx context.Context, op *operation, form string) (call, error) {
	r, err := w.formed(form, op)
	if err != nil {
		return call{}, err
	}
	op.attempt()
	op.formed = true
	c := w.raw(ctx, r, "cancel by "+form)
	if c.Accepted() && op.accepted.IsZero() {
		op.accepted = c.End()
	}
	return c, nil
}

// plainForm is the cancel that every server takes: POST {name}:cancel, {}.
func plainForm(op *operation) targets.RawRequest {
	return targets.RawRequest{Method: targets.Cancel, HTTPMethod: "POST", Target: "/" + targets.EscapeName(op.name) + ":cancel",
		Header: map[string]string{"Content-Type": "application/json"}, Body: []byte("{}")}
}

// formed is the request of a form, for an operation. The error is a ruling
// where the operation cannot be cancelled in that form.
func (w *world) formed(form string, op *operation) (targets.RawRequest, error) {
	if header := w.clientHeader(form, op); header != nil {
		return targets.RawRequest{Method: targets.Cancel, Message: cancelRequest(op.name), Header: header}, nil
	}
	r := plainForm(op)
	if body, ok := w.body(form, op); ok {
		r.Body = []byte(body)
		return r, nil
	}
	switch form {
	case "no body and no content type":
		r.Body, r.Header = nil, nil
	case "no body and the content type of JSON":
		r.Body = nil
	case "no body, in chunks":
		r.Body, r.Header, r.Chunked = nil, nil, true
	case "a content type with a charset":
		r.Header["Content-Type"] = "application/json; charset=utf-8"
	case "a content type in capitals":
		r.Header = map[string]string{"CONTENT-TYPE": "application/json"}
	case "the system parameters":
		r.Target += "?alt=json&prettyPrint=false"
	case "an unknown parameter":
		r.Target += "?no_such=1"
	case "the name of the other as a parameter":
		r.Target += "?name=" + url.QueryEscape(w.others[0].name)
	default:
		return w.respelt(form, op, r)
	}
	return r, nil
}

// body is the body that a form is about.
func (w *world) body(form string, op *operation) (body string, ok bool) {
	switch form {
	case "an empty object", "its name and the verb":
		return `{}`, true
	case "an empty object with spaces":
		return ` { } `, true
	case "an empty object with a line feed":
		return "{\n}\n", true
	case "its own name in the body":
		return nameBody(op.name), true
	case "the name of the other in the body":
		return nameBody(w.others[0].name), true
	case "an unknown member":
		return `{"no_such_field":1}`, true
	case "an open brace for an object":
		return `{`, true
	case "an array for an object":
		return `[]`, true
	case "null for an object":
		return `null`, true
	case "a string for an object":
		return `"x"`, true
	}
	return "", false
}

// nameBody is the body that names an operation, as Google's Go client sends it.
func nameBody(name string) string {
	text, err := protojson.Marshal(cancelRequest(name))
	if err != nil {
		return "{}" // a name that is no UTF-8 cannot be in JSON
	}
	return string(text)
}

// clientHeader is the header that a form is about, as clients of Google's
// services send it (AIP-4222); nil for other forms.
func (w *world) clientHeader(form string, op *operation) map[string]string {
	switch form {
	case "the routing header":
		return map[string]string{"x-goog-request-params": "name=" + url.QueryEscape(op.name)}
	case "the header of a client library":
		h := map[string]string{"x-goog-api-client": "gl-go/1.26.0 gapic/1.0.0 gax/2.15.0 grpc/1.85.0"}
		if w.rest() {
			h["x-goog-api-client"] = "gl-go/1.26.0 gapic/1.0.0 gax/2.15.0 rest/1.0"
			h["User-Agent"] = "google-api-go-client/0.5"
		}
		return h
	case "the header of a project that pays":
		project := "conform"
		if s := strings.Split(op.name, "/"); s[0] == "projects" && len(s) > 1 {
			project = s[1]
		}
		return map[string]string{"x-goog-user-project": project}
	}
	return nil
}

// likePlain is what is expected of the forms that every server takes.
const likePlain = "success, as for the plain cancel"

// thenCountsLikePlain judges that a cancel in a form is accepted, and takes
// effect, where the plain cancel is accepted, and takes effect.
func thenCountsLikePlain(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if c.err != nil {
		return w.formSilent(ctx, c, likePlain)
	}
	if c.Accepted() {
		return w.formEffective(ctx, c)
	}
	if note := w.toleratedRefusal(c); note != "" {
		w.note("%s", note)
		return nil
	}
	l, err := w.get(ctx, w.it)
	if err != nil {
		return err
	}
	if l.done && !l.cancelled() {
		return w.tooSoon(w.it)
	}
	if err := w.controlAccepted(ctx); err != nil {
		return err
	}
	return w.fail(c, likePlain, "a cancel by %s is refused, while the plain cancel is accepted", w.facts["form"])
}

// toleratedRefusal tells why a form may be refused; "" where it may not.
func (w *world) toleratedRefusal(c call) string {
	switch w.plan.requirement.ID {
	case "cancel.request.body-name-same":
		if c.HTTP == 400 {
			return "the name in the body is refused, even the same as in the path: Google's Go REST client sends it"
		}
	case "cancel.request.chunked-empty":
		if c.HTTP == 411 {
			return "a chunked body is refused with 411 Length Required"
		}
	case "cancel.request.routing-headers":
		if w.facts["form"] == "the header of a project that pays" && isCode(c.Exchange, codes.PermissionDenied) {
			return "the project in x-goog-user-project is refused with PERMISSION_DENIED"
		}
	}
	return ""
}

// controlAccepted sees that the plain cancel of a fresh operation is accepted;
// else its form is not to blame.
func (w *world) controlAccepted(ctx context.Context) error {
	op, err := w.startInProgress(ctx, targets.Running)
	if err == nil {
		_, _, err = w.cancelOnce(ctx, op)
	}
	return err
}

// formEffective judges that a form that was accepted takes effect, where the
// effect is guaranteed and the plain cancel has it.
func (w *world) formEffective(ctx context.Context, c call) error {
	if w.rest() && envelope(object(c.Doc)) {
		return inconclusive("an error was sent with success (see error.http.no-2xx-error)")
	}
	s, err := w.settle(ctx, w.it)
	switch {
	case err != nil || s.end == endedCancelled:
		return err
	case s.end != endedNever || !w.run.target.Guaranteed || w.requested(s.snapshot):
		return inconclusive("%s", w.ineffective(w.it, s))
	}
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	if op, _, err = w.cancelOnce(ctx, op); err != nil {
		return err
	}
	if _, err = w.becomesCancelled(ctx, op); err != nil {
		return err
	}
	return w.failAt(s.snapshot, "done with error code 1, as after the plain cancel",
		"a cancel by %s is accepted and has no effect, while the plain cancel has", w.facts["form"])
}

// requested tells whether an operation's metadata shows that its cancellation
// was requested.
func (w *world) requested(s snapshot) bool {
	set, _ := requestedFlag(w.metadata(s))
	state := w.metadataState(s)
	return set || state == "CANCELLING" || state == "CANCELLED"
}

// formSilent judges a form that brought no answer: the plain cancel is the
// control.
func (w *world) formSilent(ctx context.Context, first call, want string) error {
	form, like := w.facts["form"].(string), w.it
	err := w.silent(ctx, first, func() (call, error) {
		op, err := w.freshLike(ctx, like)
		if err != nil {
			return call{}, err
		}
		w.it = op
		return w.cancelInForm(ctx, op, form)
	}, w.plainCancel(ctx))
	if err != nil {
		return err
	}
	return w.fail(first, want, "a cancel by %s brings no answer, again on fresh operations, while the plain cancel is answered", form)
}

// plainCancel is a control: the plain cancel of a fresh operation.
func (w *world) plainCancel(ctx context.Context) func() (call, error) {
	return func() (call, error) {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return call{}, err
		}
		return w.cancel(ctx, op), nil
	}
}

// thenEffectOrRefusal judges a cancel that a server may take or refuse: it has
// effect if and only if it is accepted, and is no reason for a server fault.
func thenEffectOrRefusal(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	const want = "success and the effect of a cancel, or HTTP 400 and none"
	switch {
	case c.err != nil:
		return w.formSilent(ctx, c, want)
	case c.Accepted():
		return w.formEffective(ctx, c)
	}
	err := w.unaffected(ctx, w.it, "a cancel that was refused with "+c.Status())
	if err != nil && !isViolation(err) {
		return err
	}
	if err == nil {
		switch c.HTTP {
		case 400:
			return nil
		case 413, 415, 422:
			w.note("a cancel by %s is refused with HTTP %d, where INVALID_ARGUMENT is 400", w.facts["form"], c.HTTP)
			return nil
		}
		err = w.fail(c, want, "a cancel by %s has an answer that is neither success nor INVALID_ARGUMENT", w.facts["form"])
	}
	if control := w.controlAccepted(ctx); control != nil {
		return control
	}
	return err
}

// thenOtherUntouched judges that an operation which only the body or the query
// of a cancel named goes on. Where a plain cancel touches other operations as
// well, the form is not to blame.
func thenOtherUntouched(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	err := w.unaffected(ctx, w.others[0], "a cancel of another operation, sent with "+w.facts["form"].(string))
	switch {
	case isViolation(err):
		return w.unlessShared(ctx, err)
	case err != nil:
		return err
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v", c.err)
	case serverFault(c.Exchange):
		w.note("a cancel by %s is answered %s", w.facts["form"], c.Status())
	case !c.Accepted():
		if touched, err := w.touched(ctx, w.it); err == nil && touched {
			w.note("a cancel by %s is refused with %s, but takes effect", w.facts["form"], c.Status())
		}
	}
	return nil
}

// unlessShared keeps a finding about a second operation only where the plain
// cancel of one leaves another alone.
func (w *world) unlessShared(ctx context.Context, finding error) error {
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	other, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	if _, _, err := w.cancelOnce(ctx, op); err != nil {
		return err
	}
	touched, err := w.touched(ctx, other)
	switch {
	case err != nil:
		return err
	case touched:
		return inconclusive("the plain cancel of one operation touches others as well")
	}
	return finding
}

// touched watches, for the observation window, whether an operation shows that
// it was cancelled, or is gone.
func (w *world) touched(ctx context.Context, op *operation) (bool, error) {
	touched := false
	_, err := w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) {
		err := w.judgeUnaffected(op, l, "that")
		if isViolation(err) {
			touched = true
			return true, nil
		}
		return false, err
	})
	return touched, err
}
