package reference

import (
	"context"
	"net/http"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lro-tools/conform/targets"
)

// answersMutants answer wrongly in further ways: each is another shape of a
// fault than those of the other tables.
func answersMutants() []Mutant {
	return append(append(successMutants(), docMutants()...), append(envelopeMutants(), refusalMutants()...)...)
}

func restOnly(name, doc string, hook func(http.Handler) http.Handler, breaks ...string) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: Fault{REST: hook},
		BreaksOn: map[targets.Transport][]string{targets.GRPC: nil}}
}

func successMutants() []Mutant {
	const object, media = "cancel.response.empty-json-object", "cancel.response.content-type-json"
	return []Mutant{
		restOnly("answers-byte-order-mark", "Sends a byte order mark before {}.", answersWith(200, "\ufeff{}"), object),
		restOnly("answers-null-member", "Answers a member that is null.", answersWith(200, `{"response":null}`), object),
		restOnly("answers-number", "Answers the number of operations that were cancelled.", answersWith(200, "1"), object),
		restOnly("answers-cut-short", "Sends half of the body.", answersWith(200, "{"), object),
		restOnly("answers-203", "Answers 203.", answersWith(203, "{}"), "cancel.response.status-200"),
		restOnly("answers-without-type", "Sends {} without a Content-Type.", successes(func(d *draft) { d.header["Content-Type"] = nil }), media),
		restOnly("answers-problem-type", "Sends {} as another kind of JSON.", successes(func(d *draft) { d.header.Set("Content-Type", "application/hal+json") }), media),
	}
}

// docMutants write operations wrongly in JSON.
func docMutants() []Mutant {
	cancelledDoc := func(edit func(op, e map[string]any)) func(http.Handler) http.Handler {
		return operationDocs(func(op map[string]any) {
			if e, ok := op["error"].(map[string]any); ok && e["message"] == cancelMessage {
				edit(op, e)
			}
		})
	}
	const isStatus, getOK = "operation.json.error-is-status", "cancel.state.get-ok"
	return []Mutant{
		restOnly("done-true-as-text", "Writes done: true as a string.", operationDocs(func(op map[string]any) {
			if op["done"] == true {
				op["done"] = "true"
			}
		}), "operation.json.done-boolean"),
		restOnly("error-code-as-name", "Writes the name of the code for its number.",
			cancelledDoc(func(_, e map[string]any) { e["code"] = "CANCELLED" }), isStatus),
		restOnly("error-as-text", "Writes the error of a cancelled operation as a string.",
			cancelledDoc(func(op, _ map[string]any) { op["error"] = cancelMessage }), isStatus),
		restOnly("error-of-http", "Writes the error of a cancelled operation as that of an HTTP answer.",
			cancelledDoc(func(_, e map[string]any) { e["code"], e["status"] = 499, "CANCELLED" }), isStatus, "cancel.state.code-1"),
		restOnly("response-beside-error", "Writes an empty response beside the error of a cancelled operation.",
			cancelledDoc(func(op, _ map[string]any) { op["response"] = map[string]any{} }), "operation.result.exclusive", "cancel.state.no-response"),
		restOnly("metadata-as-text", "Writes metadata as a string.", operationDocs(func(op map[string]any) {
			if op["metadata"] != nil {
				op["metadata"] = "RUNNING"
			}
		}), "operation.json.any-type"),
		restOnly("wait-response-without-type", "Writes the response that a Wait returns without its type.", answers(restMethod, targets.Wait, func(d *draft) {
			doc := d.doc()
			if response, ok := doc["response"].(map[string]any); ok {
				doc["response"] = response["value"]
				d.setDoc(doc)
			}
		}), "operation.json.any-type"),
		restOnly("null-when-done", "Writes the response of a cancelled operation as null.",
			cancelledDoc(func(op, _ map[string]any) { op["response"] = nil }), "operation.json.no-null"),
		restOnly("name-with-slash", "Begins names with a slash.", answers(restMethod, targets.Get, func(d *draft) {
			if doc := d.doc(); d.status == http.StatusOK && doc != nil {
				doc["name"] = "/" + doc["name"].(string)
				d.setDoc(doc)
			}
		}), "cancel.state.name-unchanged"),
		restOnly("cancelled-get-500", "Fails on the Get of a cancelled operation.", answers(restMethod, targets.Get, func(d *draft) {
			if strings.Contains(string(d.body), cancelMessage) {
				d.status = http.StatusInternalServerError
				d.setDoc(envelope{envelopeError{Code: 500, Message: "no result", Status: "INTERNAL"}})
			}
		}), getOK),
		restOnly("cancelled-get-bare-error", "Answers the Get of a cancelled operation with its error alone.", answers(restMethod, targets.Get, func(d *draft) {
			if strings.Contains(string(d.body), cancelMessage) {
				d.body = []byte(`null`)
			}
		}), getOK),
	}
}

// envelopeMutants make errors in wrong forms.
func envelopeMutants() []Mutant {
	const form, media, no2xx, infoFormat = "error.http.json-envelope", "error.http.content-type-json", "error.http.no-2xx-error", "error.http.errorinfo-format"
	ofMethod := func(m targets.Method, edit func(d *draft)) func(http.Handler) http.Handler {
		return answers(restMethod, m, func(d *draft) {
			if d.status == http.StatusNotFound {
				edit(d)
			}
		})
	}
	info := func(name, doc string, i *errdetails.ErrorInfo) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{infoFormat}, Fault: Fault{Service: errorsAs(func(s *rpcstatus.Status) {
			if d, err := status.New(codes.Code(s.GetCode()), s.GetMessage()).WithDetails(i); err == nil {
				s.Details = d.Proto().GetDetails()
			}
		})}}
	}
	return []Mutant{
		restOnly("error-code-as-text", "Writes the code of an error as a string.", missingError(func(e map[string]any) { e["code"] = "404" }), form),
		restOnly("error-list", "Writes a list of errors.", missing(func(d *draft) { d.body = []byte(`{"errors":[{"message":"not found"}]}`) }), form),
		restOnly("error-without-body", "Sends errors without a body.", missing(func(d *draft) { d.body = nil }), form),
		restOnly("error-empty", "Sends errors as a status alone, without a body and a type.", missing(func(d *draft) {
			d.body, d.header = nil, http.Header{}
		}), form),
		restOnly("cancel-error-as-page", "Answers the errors of Cancel alone with a page.", ofMethod(targets.Cancel, func(d *draft) {
			d.header.Set("Content-Type", "text/html")
			d.body = []byte("<h1>404</h1>")
		}), form, media),
		restOnly("get-error-as-problem", "Sends the errors of Get as application/problem+json.", ofMethod(targets.Get, func(d *draft) {
			d.header.Set("Content-Type", "application/problem+json")
		}), media),
		restOnly("get-error-with-200", "Sends the error of Get with the status of success.", ofMethod(targets.Get, func(d *draft) { d.status = http.StatusOK }), no2xx),
		restOnly("finished-error-with-200", "Sends the refusal to cancel what is finished with the status of success.",
			answers(restMethod, targets.Cancel, func(d *draft) {
				if reasonOf(d) == "OPERATION_ALREADY_DONE" || d.status == http.StatusBadRequest && strings.Contains(string(d.body), "FAILED_PRECONDITION") {
					d.status = http.StatusOK
				}
			}), no2xx),
		info("error-reason-too-long", "Writes a reason of more than 63 characters.", &errdetails.ErrorInfo{Reason: strings.Repeat("LONG_", 13) + "A", Domain: errorDomain}),
		info("error-info-key-too-long", "Writes metadata of an ErrorInfo under a key of more than 64 characters.",
			&errdetails.ErrorInfo{Reason: "NOT_FOUND", Domain: errorDomain, Metadata: map[string]string{strings.Repeat("k", 65): "v"}}),
	}
}

// refusalMutants refuse what they should not, or in the wrong words.
func refusalMutants() []Mutant {
	const unknown, accept = "cancel.unknown.not-found", "cancel.accept.in-progress"
	always := func(err error) func(context.Context, Service, string) error {
		return func(context.Context, Service, string) error { return err }
	}
	return []Mutant{
		{Name: "unknown-unimplemented", Doc: "Answers UNIMPLEMENTED to the cancel of an unknown name: no handler is registered for it.",
			Breaks: []string{unknown}, Fault: Fault{Service: unknownCancelled(always(unimplemented("CancelOperation")))}},
		{Name: "unknown-cancelled", Doc: "Answers CANCELLED to the cancel of an unknown name.",
			Breaks: []string{unknown}, Fault: Fault{Service: unknownCancelled(always(refuse(codes.Canceled, "CANCELLED", "cancelled")))}},
		{Name: "grpc-cancel-finds-nothing", Doc: "Answers NOT_FOUND to every cancel over gRPC.", Breaks: []string{accept},
			BreaksOn: map[targets.Transport][]string{targets.REST: nil},
			Fault: Fault{Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if peek(ctx, next, r.GetName()) == nil {
					return next.Cancel(ctx, r)
				}
				return notFound(r.GetName())
			})}},
		{Name: "cancel-fails", Doc: "Fails on every cancel.", Breaks: []string{accept},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if peek(ctx, next, r.GetName()) == nil {
					return next.Cancel(ctx, r)
				}
				return refuse(codes.Internal, "REQUEST_FAILED", "panic: nil map")
			})}},
		{Name: "finished-failed-500", Doc: "Fails on the cancel of an operation that has failed.", Breaks: []string{"cancel.finished.status-legal"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if op := peek(ctx, next, r.GetName()); op.GetError() != nil && !isCancelled(op) {
					return refuse(codes.Internal, "REQUEST_FAILED", "no result")
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "finished-deletes", Doc: "Removes an operation that has ended by itself when it is cancelled.",
			Breaks: []string{"cancel.finished.preserves-success", "cancel.finished.preserves-failure"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if op := peek(ctx, next, r.GetName()); op.GetDone() && !isCancelled(op) {
					return next.Delete(ctx, &longrunningpb.DeleteOperationRequest{Name: r.GetName()})
				}
				return next.Cancel(ctx, r)
			})}},
	}
}
