package reference

import (
	"net/http"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lro-tools/conform/targets"
)

// answeredWith decorates the REST side so that edit changes the answers of one
// status to a method.
func answeredWith(m targets.Method, code int, edit func(d *draft)) func(http.Handler) http.Handler {
	return answers(restMethod, m, func(d *draft) {
		if d.status == code {
			edit(d)
		}
	})
}

// bare replaces an error by its message.
func bare(d *draft) { d.body = []byte(`{"message":"that went wrong"}`) }

// detailed replaces the details of a status by one.
func detailed(detail *errdetails.ErrorInfo) func(s *rpcstatus.Status) {
	return func(s *rpcstatus.Status) {
		with, err := status.New(codes.Code(s.GetCode()), s.GetMessage()).WithDetails(detail)
		if err == nil {
			s.Details = with.Proto().GetDetails()
		}
	}
}

// errorKindMutants make some errors in a wrong form: those of one method, of
// one reason, or the details of all.
func errorKindMutants() []Mutant {
	const envelope, info = "error.http.json-envelope", "error.http.errorinfo"
	rest := func(name, doc string, hook func(http.Handler) http.Handler, breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: Fault{REST: hook}}
	}
	helpOnly := func(s *rpcstatus.Status) {
		with, err := status.New(codes.Code(s.GetCode()), s.GetMessage()).WithDetails(&errdetails.Help{})
		if err == nil {
			s.Details = with.Proto().GetDetails()
		}
	}
	return append([]Mutant{
		rest("wait-errors-bare", "Writes the errors of Wait as a bare message.", answeredWith(targets.Wait, http.StatusNotFound, bare), envelope),
		rest("delete-errors-bare", "Writes the errors of Delete as a bare message.", answeredWith(targets.Delete, http.StatusNotFound, bare), envelope),
		rest("delete-errors-with-200", "Sends the errors of Delete with the status of success.",
			answeredWith(targets.Delete, http.StatusNotFound, func(d *draft) { d.status = http.StatusOK }), "error.http.no-2xx-error"),
		{Name: "keeps-running-with-200", Doc: "Sends the refusal to delete what is in progress with the status of success.",
			Breaks: []string{"error.http.no-2xx-error"},
			Fault: Fault{Service: keepsRunning, REST: answeredWith(targets.Delete, http.StatusBadRequest, func(d *draft) {
				if reasonOf(d) == "OPERATION_RUNNING" {
					d.status = http.StatusOK
				}
			})}},
		{Name: "delete-errors-without-status", Doc: "Ends the errors of Delete without a status.", Breaks: []string{"grpc.status-in-trailers"},
			Fault: Fault{Wire: answers(wireMethod, targets.Delete, func(d *draft) {
				if !d.ok() {
					d.trailer = http.Header{}
				}
			})}},
		rest("finished-error-bare", "Writes the refusal of what has ended as a bare message, which leaves open which code it has.",
			answeredWith(targets.Cancel, http.StatusBadRequest, func(d *draft) {
				if reasonOf(d) == "OPERATION_FINISHED" {
					bare(d)
				}
			}), envelope),
		rest("error-message-null", "Writes null for the message that it does not have.",
			missingError(func(e map[string]any) { e["message"] = nil }), "error.http.message"),
		rest("error-details-twice-in-disguise", "Repeats a detail under the URL of another registry of types.", missingError(func(e map[string]any) {
			if d, ok := e["details"].([]any); ok && len(d) > 0 {
				again := map[string]any{"@type": "types.example.com/google.rpc.ErrorInfo", "reason": "OPERATION_MISSING", "domain": errorDomain}
				e["details"] = append(d, again)
			}
		}), "error.http.details-unique"),
		{Name: "error-info-without-domain", Doc: "Sends an ErrorInfo that does not say whose its reason is.", Breaks: []string{info},
			Fault: Fault{Target: asGoogle, Service: errorsAs(detailed(&errdetails.ErrorInfo{Reason: "OPERATION_REFUSED"}))}},
		{Name: "error-with-help-only", Doc: "Sends details with its errors, but no ErrorInfo among them.", Breaks: []string{info},
			Fault: Fault{Target: asGoogle, Service: errorsAs(helpOnly)}},
	}, errorSuccessMutants()...)
}

// errorSuccessMutants send errors with the status of success, in several forms.
func errorSuccessMutants() []Mutant {
	const no2xx = "error.http.no-2xx-error"
	withSuccess := func(body string) func(d *draft) {
		return func(d *draft) {
			d.status = http.StatusOK
			if body != "" {
				d.body = []byte(body)
			}
		}
	}
	// every error of Cancel, whatever its reason
	all := func(body string) func(http.Handler) http.Handler {
		return answers(restMethod, targets.Cancel, func(d *draft) {
			if d.status >= http.StatusBadRequest {
				withSuccess(body)(d)
			}
		})
	}
	rest := func(name, doc string, hook func(http.Handler) http.Handler, breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: Fault{REST: hook}}
	}
	protected := rest("protected-errors-with-200", "Sends every error of a cancel with the status of success, denials too.", all(""), no2xx)
	protected.Options = protect
	denials := rest("denials-with-200", "Sends denials with the status of success.", answers(restMethod, targets.Cancel, func(d *draft) {
		if d.status == http.StatusUnauthorized || d.status == http.StatusForbidden {
			withSuccess("")(d)
		}
	}), "auth.missing-credentials", "auth.insufficient")
	denials.Options = protect
	onREST := func(m Mutant) Mutant {
		m.BreaksOn = map[targets.Transport][]string{targets.GRPC: {}}
		return m
	}
	return []Mutant{
		rest("errors-as-text-with-200", "Answers every refused cancel with success, and a text for the error.", all(`{"error":"cannot cancel"}`), no2xx),
		rest("error-beside-effect", "Cancels, and then answers 200 with the error of a step that comes later.", answers(restMethod, targets.Cancel, func(d *draft) {
			if d.status == http.StatusOK {
				d.setDoc(envelope{envelopeError{Code: 409, Message: "the operation is changing", Status: "ABORTED"}})
			}
		}), no2xx),
		rest("errors-as-status-with-200", "Answers every refused cancel with success, and a google.rpc.Status.", all(`{"code":5,"message":"cannot cancel"}`), no2xx),
		rest("errors-in-array-with-200", "Answers every refused cancel with success, and the error in an array, as streams have it.",
			all(`[{"error":{"code":404,"message":"cannot cancel","status":"NOT_FOUND"}}]`), no2xx),
		rest("malformed-body-error-with-200", "Sends the error of a body that is no JSON object with the status of success.",
			answers(restMethod, targets.Cancel, func(d *draft) {
				if strings.HasPrefix(reasonOf(d), "BODY_") {
					withSuccess("")(d)
				}
			}), "cancel.request.malformed-body", "cancel.request.unknown-body-field"),
		onREST(protected), onREST(denials),
	}
}
