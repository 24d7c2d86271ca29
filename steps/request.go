package steps

import (
	"context"
	"net/url"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/lro-tools/conform/targets"
)

func requestSteps() []definition {
	return []definition{
		step(`the client cancels that name by sending (.+)`, whenCancelsUnknownInForm),
		step(`the client cancels it by sending (.+)`, whenCancelsInForm),
		step(`the cancel counts like a plain one`, thenCountsLikePlain),
		step(`the cancel takes effect, or is refused and has none`, thenEffectOrRefusal),
		step(`only the operation in the path may be cancelled`, thenPathAlone),
		step(`the other is not cancelled`, thenOtherNotCancelled),
	}
}

// whenCancelsUnknownInForm cancels the name of no operation by a request of a
// certain form.
func whenCancelsUnknownInForm(ctx context.Context, form string) error {
	w := of(ctx)
	r, err := w.formed(form, w.unknownOperation())
	if err != nil {
		return err
	}
	c, err := w.repeatTransient(ctx, func() call { return w.raw(ctx, r, "cancel of what does not exist by "+form) })
	w.facts["call"], w.facts["form"] = c, form
	if err == nil && !formRefused(c) {
		w.checkErrorAbout(w.unknownOperation(), c)
	}
	return err
}

// formRefused tells whether the refusal of a cancel in a form may be the words of
// what stands in front of the service, a front end or a framework, and takes the
// form for none that it lets through: it is no JSON. Where the service itself
// answers so, the plain cancel of the same name shows that.
func formRefused(c call) bool {
	return c.Transport == targets.REST && !c.Accepted() && mediaType(c.Header) != "application/json"
}

// whenCancelsInForm cancels the operation by a request of a certain form. A
// transient answer is repeated on a fresh operation; any other is the
// scenario's to judge.
func whenCancelsInForm(ctx context.Context, form string) error {
	w := of(ctx)
	if !strings.HasPrefix(w.plan.requirement.ID, "cancel.unimplemented.") {
		if err := w.needCancel(); err != nil {
			return err
		}
	}
	if strings.HasSuffix(form, bodiless) {
		if err := w.formCancels(ctx, bare); err != nil {
			return err
		}
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

// bodiless ends the names of forms that have something else beside no body.
const bodiless = " and no body"

// formCancels sees that a cancel in a form does what the plain one does, to an
// operation in progress: else the form, and not what is beside it, is to blame.
func (w *world) formCancels(ctx context.Context, form string) error {
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	c, err := w.cancelInForm(ctx, op, form)
	switch {
	case err != nil:
		return err
	case c.err != nil || !c.Accepted() || errorAsSuccess(c.Exchange):
		return inconclusive("a cancel by %s is not accepted: %s (see cancel.request)", form, c.Status())
	case !w.run.target.Guaranteed:
		return nil
	}
	_, err = w.becomesCancelled(ctx, op)
	return err
}

// freshLike starts another operation of the kind of one, in the state that it had
// before anything was done to it.
func (w *world) freshLike(ctx context.Context, op *operation) (*operation, error) {
	if op.ended {
		return w.finishedLike(ctx, op)
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
	op.looking.Lock()
	op.formed = true
	op.looking.Unlock()
	c := w.raw(ctx, r, "cancel by "+form)
	op.acceptedBy(c)
	if owed(form) {
		w.lookAtSuccess(c)
	}
	return c, nil
}

// owed tells whether a cancel in the form is one that servers must take: its success
// looks like that of any other. What may be refused may as well be answered oddly.
func owed(form string) bool {
	for _, part := range []string{"unknown", " of the other", " for an object"} {
		if strings.Contains(form, part) {
			return false
		}
	}
	return true
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
	if data, ok := futureFields(form, op.name); ok {
		return targets.RawRequest{Method: targets.Cancel, FullMethod: cancelMethod, Payload: data}, nil
	}
	r := plainForm(op)
	if body, ok := w.body(form, op); ok {
		r.Body = []byte(body)
		return r, nil
	}
	switch form {
	case bare:
		r.Body, r.Header = nil, nil
	case bareJSON:
		r.Body = nil
	case untypedChunks:
		r.Body, r.Header, r.Chunked = nil, nil, true
	case jsonChunks:
		r.Body, r.Chunked = nil, true
	case "a content type with a charset":
		r.Header["Content-Type"] = "application/json; charset=utf-8"
	case "a content type with a charset in capitals":
		r.Header["Content-Type"] = "application/json;charset=UTF-8"
	case "a content type with other capitals":
		r.Header["Content-Type"] = "Application/JSON"
	case "a content type in capitals":
		r.Header = map[string]string{"CONTENT-TYPE": "application/json"}
	case "the system parameters":
		r.Target += "?alt=json&prettyPrint=false"
	case "the system parameters and no body":
		r.Target += "?alt=json&prettyPrint=false"
		r.Body, r.Header = nil, nil
	case "the name of the other in a form":
		r.Body = []byte("name=" + url.QueryEscape(w.others[0].name))
		r.Header["Content-Type"] = "application/x-www-form-urlencoded"
	case "an unknown parameter":
		r.Target += "?no_such=1"
	case "the name of the other as a parameter":
		r.Target += "?name=" + url.QueryEscape(w.others[0].name)
	case "the name of the other as a parameter and no body":
		r.Target += "?name=" + url.QueryEscape(w.others[0].name)
		r.Body, r.Header = nil, nil
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
	case "an empty object with white space within":
		return "{\n }", true
	case "an empty object with white space around": // as what prints lines writes it
		return " {}\n", true
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
	case "a request for gzip":
		return map[string]string{"Accept-Encoding": "gzip"}
	case "the routing header":
		return map[string]string{"x-goog-request-params": "name=" + url.QueryEscape(op.name)}
	case "the routing header of the other":
		return map[string]string{"x-goog-request-params": "name=" + url.QueryEscape(w.others[0].name)}
	case "the header of a client library":
		h := map[string]string{"x-goog-api-client": "gl-go/1.26.0 gapic/1.0.0 gax/2.15.0 grpc/1.85.0", "User-Agent": "grpc-go/1.85.0"}
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

// The forms of a cancel that sends nothing at all: without a type of it, and
// called JSON.
const (
	bare     = "no body and no content type"
	bareJSON = "no body and the content type of JSON"
)

// Forms of a body of zero chunks: what is left without ", in chunks," is the
// form of zero bytes of the same type.
const (
	untypedChunks = "no body, in chunks, and no content type"
	jsonChunks    = "no body, in chunks, and the content type of JSON"
)

func inChunks(form string) bool { return form == untypedChunks || form == jsonChunks }
