package reference

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lro-tools/conform/targets"
)

// successes decorates the REST side so that edit changes the success of a cancel.
func successes(edit func(d *draft)) func(http.Handler) http.Handler {
	return answers(restMethod, targets.Cancel, func(d *draft) {
		if d.status == http.StatusOK {
			edit(d)
		}
	})
}

// answersWith is a success with another status or body.
func answersWith(status int, body string) func(http.Handler) http.Handler {
	return successes(func(d *draft) {
		d.status, d.body = status, []byte(body)
		if status == http.StatusNoContent {
			d.header.Del("Content-Type")
		}
	})
}

// repeatedSuccesses decorates the REST side so that edit changes the success of
// a cancel whose path has been cancelled before.
func repeatedSuccesses(edit func(d *draft)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		cancelled := newNameSet()
		return requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			d := record(next, r)
			if d.status == http.StatusOK && cancelled.add(rawPath(r.URL)) > 1 {
				edit(d)
			}
			d.send(w)
		})(next)
	}
}

// successIn decorates the REST side so that edit changes the success of the
// cancels that apply; op is the operation as it was before.
func successIn(applies func(r *http.Request, body []byte, op map[string]any) bool, edit func(d *draft, body []byte)) func(http.Handler) http.Handler {
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		before := redirected(r, http.MethodGet, withoutVerb(rawPath(r.URL)))
		op := record(next, before).doc()
		d := record(next, r)
		if d.status == http.StatusOK && applies(r, body, op) {
			edit(d, body)
		}
		d.send(w)
	})
}

// ofKindREST is a fault by which edit changes the success of the first cancel
// of operations of a kind, which are remembered by their names.
func ofKindREST(k Kind, edit func(d *draft, body []byte)) Fault {
	var mine sync.Map
	return Fault{
		Service: func(next Service) Service { return noted{next, k, &mine} },
		REST: successIn(func(_ *http.Request, _ []byte, op map[string]any) bool {
			_, ok := mine.LoadAndDelete(op["name"])
			return ok
		}, edit),
	}
}

// A noted Service notes the names of the operations of one kind.
type noted struct {
	Service
	kind  Kind
	names *sync.Map
}

// Start implements Service.
func (n noted) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := n.Service.Start(ctx, r)
	if err == nil && r.Kind == n.kind {
		n.names.Store(op.GetName(), true)
	}
	return op, err
}

// stateIn is the state in the metadata of an operation's document.
func stateIn(op map[string]any) string {
	m, _ := op["metadata"].(map[string]any)
	if v, ok := m["value"].(map[string]any); ok {
		m = v
	}
	state, _ := m["state"].(string)
	return state
}

// someResponseMutants answer wrongly to cancels of a certain form, or of
// certain operations.
func someResponseMutants() []Mutant {
	const status, object, media = "cancel.response.status-200", "cancel.response.empty-json-object", "cancel.response.content-type-json"
	some := func(name, doc, breaks string, applies func(r *http.Request, body []byte, op map[string]any) bool, edit func(d *draft, body []byte)) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{REST: successIn(applies, edit)}}
	}
	bodiless := func(_ *http.Request, body []byte, _ map[string]any) bool { return len(body) == 0 }
	in := func(state phase) func(*http.Request, []byte, map[string]any) bool {
		return func(_ *http.Request, _ []byte, op map[string]any) bool { return stateIn(op) == string(state) }
	}
	deep := func(r *http.Request, _ []byte, _ map[string]any) bool { return nestedCancel(rawPath(r.URL)) }
	noContent := func(d *draft, _ []byte) { d.status, d.body = http.StatusNoContent, nil; d.header.Del("Content-Type") }
	accepted := func(d *draft, _ []byte) { d.status = http.StatusAccepted }
	text := func(d *draft, _ []byte) { d.header.Set("Content-Type", "text/plain") }
	operation := func(d *draft, _ []byte) { d.body = []byte(`{"name":"projects/demo/operations/x","done":false}`) }
	slow := func(name, doc, breaks string, edit func(d *draft, body []byte)) Mutant {
		m := some(name, doc, breaks, nil, edit)
		m.Fault = ofKindREST(Slow, edit)
		return m
	}
	return []Mutant{
		slow("slow-answers-202", "Answers 202 to the cancel of what is slow to stop.", status, accepted),
		slow("slow-answers-operation", "Answers the operation to the cancel of what is slow to stop.", object, operation),
		slow("slow-answers-text", "Answers a text of its own making to the cancel of what is slow to stop.", media, text),
		some("bodiless-answers-204", "Answers 204 to a cancel without a body: nothing for nothing.", status, bodiless, noContent),
		some("pending-answers-202", "Answers 202 to the cancel of what is queued, since its queue reads that later.", status, in(pending), accepted),
		some("nested-answers-204", "Has another handler for names of several segments, which answers 204.", status, deep, noContent),
		{Name: "finished-answers-204", Doc: "Answers 204 to the cancel of what has ended.", Breaks: []string{status},
			Fault: Fault{Options: func(o *Options) { o.FinishedOK = true }, REST: successIn(in(succeeded), noContent)}},
		some("echoes-body", "Answers with the body of the request.", object,
			func(_ *http.Request, body []byte, _ map[string]any) bool { return nameIn(body) != "" }, func(d *draft, body []byte) { d.body = body }),
		some("pending-answers-operation", "Answers the operation to the cancel of what is queued.", object, in(pending), operation),
		some("system-parameters-answer-null", "Renders the empty answer as null where alt=json asks for JSON.", object,
			func(r *http.Request, _ []byte, _ map[string]any) bool { return r.URL.Query().Has("alt") }, func(d *draft, _ []byte) { d.body = []byte("null") }),
		some("bodiless-answers-text", "Takes the type of its answer from the request, and answers text where there was none.", media, bodiless, text),
		some("charset-answers-204", "Has a filter for requests with a charset, which answers 204 for an empty object.", status,
			func(r *http.Request, _ []byte, _ map[string]any) bool {
				return strings.Contains(r.Header.Get("Content-Type"), "charset")
			}, noContent),
		some("client-library-answers-202", "Answers 202 to client libraries, which it sends to another version of itself.", status,
			func(r *http.Request, _ []byte, _ map[string]any) bool { return r.Header.Get("X-Goog-Api-Client") != "" }, accepted),
		{Name: "answers-202-without-body", Doc: "Answers 202 and no body (civis-python#287).", Breaks: []string{status}, Fault: Fault{REST: answersWith(http.StatusAccepted, "")}},
	}
}

// responseMutants cancel, and answer wrongly.
func responseMutants() []Mutant {
	const status, object, media = "cancel.response.status-200", "cancel.response.empty-json-object", "cancel.response.content-type-json"
	rest := func(name, doc, breaks string, hook func(http.Handler) http.Handler) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{REST: hook}}
	}
	return append(someResponseMutants(), []Mutant{
		rest("answers-204", "Answers 204, as REST habit has it for an empty answer; Google's JavaScript client fails on it.", status, answersWith(204, "")),
		rest("answers-202", "Answers 202, since the cancellation only starts.", status, answersWith(202, "{}")),
		rest("answers-201", "Answers 201.", status, answersWith(201, "{}")),
		rest("answers-nothing", "Answers 200 without a body; most generated clients fail on it.", object, answersWith(200, "")),
		rest("answers-null", "Answers null.", object, answersWith(200, "null")),
		rest("answers-list", "Answers an empty list.", object, answersWith(200, "[]")),
		rest("answers-string", "Answers an empty string.", object, answersWith(200, `""`)),
		rest("answers-typed-empty", "Answers the Empty as if it were packed in an Any.", object, answersWith(200, `{"@type":"type.googleapis.com/google.protobuf.Empty"}`)),
		rest("answers-operation", "Answers the operation.", object, answersWith(200, `{"name":"projects/demo/operations/x","done":false}`)),
		rest("answers-ended-operation", "Answers the operation as it has ended.", object,
			answersWith(200, `{"name":"projects/demo/operations/x","done":true,"error":{"code":1,"message":"cancelled"}}`)),
		rest("repeat-204", "Answers 204 to a second cancel, for which there is nothing to do.", status, repeatedSuccesses(func(d *draft) {
			d.status, d.body = http.StatusNoContent, nil
			d.header.Del("Content-Type")
		})),
		rest("repeat-answers-operation", "Answers a second cancel with the operation.", object, repeatedSuccesses(func(d *draft) {
			d.body = []byte(`{"name":"projects/demo/operations/x","done":false}`)
		})),
		rest("repeat-answers-text", "Answers a second cancel with a text of its own making.", media, repeatedSuccesses(func(d *draft) {
			d.header.Set("Content-Type", "text/plain; charset=utf-8")
		})),
		rest("answers-success-flag", "Answers a flag of its own.", object, answersWith(200, `{"success":true}`)),
		rest("answers-two-objects", "Answers two objects, one after the other.", object, answersWith(200, "{}{}")),
		rest("answers-text", "Answers {} as text/plain; the Earth Engine client in JavaScript refuses it.", media,
			successes(func(d *draft) { d.header.Set("Content-Type", "text/plain; charset=utf-8") })),
		rest("answers-html-type", "Answers {} as text/html.", media,
			successes(func(d *draft) { d.header.Set("Content-Type", "text/html") })),
		{Name: "waits-for-the-end", Doc: "Answers a cancel only when the work has stopped, or after 1.8 s.",
			Breaks: []string{"cancel.response.returns-promptly"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if err := next.Cancel(ctx, r); err != nil {
					return err
				}
				_, _ = next.Wait(ctx, &longrunningpb.WaitOperationRequest{Name: r.GetName(), Timeout: durationpb.New(1800 * time.Millisecond)})
				return nil
			})}},
	}...)
}
