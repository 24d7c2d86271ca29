package steps

import (
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// checkWire judges what every answer must keep on the wire, whatever was asked.
func (w *world) checkWire(c call) {
	if c.err != nil || c.Transport != targets.GRPC || c.GRPC == nil {
		return
	}
	const trailers, want = "grpc.status-in-trailers", "grpc-status in the trailers"
	switch {
	case c.HTTP != 200 && !c.GRPC.HasStatus && (c.Method == "" || c.Principal != targets.Owner || frontEnd(c.HTTP)):
		w.noteFor(trailers, "plain HTTP %d came in place of gRPC", c.HTTP)
		return
	case c.HTTP != 200 && !c.GRPC.HasStatus:
		w.aside(trailers, c.index, "", want, fmt.Sprintf("plain HTTP %d", c.HTTP), "the call is answered by an HTTP status, which is no status of gRPC")
		return
	case c.HTTP != 200:
		w.aside(trailers, c.index, "", ":status 200 with every grpc-status", fmt.Sprintf(":status %d", c.HTTP), "the HTTP status is not 200 although grpc-status is sent")
	case !c.GRPC.HasStatus && c.Method == "" && !spokeGRPC(c):
		return // what answers a method that is not there is judged by grpc.unknown-method
	case c.GRPC.StatusFault != "":
		w.aside(trailers, c.index, "", want, c.GRPC.StatusFault, "grpc-status is not what gRPC defines")
	case c.GRPC.HasStatus && !c.Accepted() && c.GRPC.FrameFault != "":
		w.aside(trailers, c.index, "", "the status alone, or messages before it", c.GRPC.FrameFault,
			"bytes that are no message stand before the grpc-status of an error, which clients do not come to read")
	case !c.GRPC.HasStatus && c.Truncated:
		return // it was not read to its end, where the status may stand
	case !c.GRPC.HasStatus:
		w.aside(trailers, c.index, "", want, "none", "the call ended without grpc-status")
	default:
		w.hold(trailers)
	}
	w.checkDetailsBin(c)
}

// checkDetailsBin judges grpc-status-details-bin, where it is sent, against the
// status beside it.
func (w *world) checkDetailsBin(c call) {
	const details = "error.grpc.status-details"
	switch why := detailsDiffer(c); {
	case !c.GRPC.HasStatus, c.GRPC.DetailsBin == nil && c.GRPC.DetailsFault == "":
	case why != "":
		w.aside(details, c.index, "", "a google.rpc.Status with the code and message of the trailers", why, "grpc-status-details-bin contradicts the status")
	default:
		w.hold(details)
	}
}

// frontEnd tells of HTTP statuses that come from what stands in front of a
// gRPC server and does not speak gRPC, and which clients know how to read (gRPC,
// HTTP to gRPC status mapping).
func frontEnd(status int) bool {
	switch status {
	case 401, 403, 404, 405, 407, 408, 411, 413, 414, 415, 421, 426, 429, 431, 502, 503, 504:
		return true
	}
	return status >= 300 && status < 400
}

// statusless tells whether a gRPC call was refused without a status, which is
// the finding of grpc.status-in-trailers: the refusal shows nothing else.
func statusless(ex targets.Exchange) bool {
	return ex.Transport == targets.GRPC && ex.Method != "" && ex.Answered() && ex.GRPC != nil && !ex.GRPC.HasStatus && !ex.Accepted() &&
		(ex.HTTP == 200 || ex.Principal == targets.Owner && !frontEnd(ex.HTTP))
}

// spokeGRPC tells whether an answer says that it is gRPC.
func spokeGRPC(c call) bool {
	v := c.Header["content-type"]
	return len(v) > 0 && strings.HasPrefix(strings.ToLower(v[0]), "application/grpc")
}

// errorNotJudged are statuses that come from front ends and HTTP layers, whose
// bodies are not the service's. No google.rpc.Code maps to any of them but 429,
// 503 and 504 (google/rpc/code.proto).
var errorNotJudged = [...]int{405, 408, 411, 413, 414, 415, 421, 425, 426, 429, 431, 502, 503, 504}

// wantsError judges the form of an answer that is to be an error; none says what
// it means where it is none, as it may be.
func (w *world) wantsError(c call, none string) error {
	if c.Accepted() && !errorAsSuccess(c.Exchange) {
		return inapplicable("%s: %s", none, c.Status())
	}
	w.checkError(c)
	return nil
}

// checkErrorAbout is checkError for an answer about an operation, where it is not
// the words of a router.
func (w *world) checkErrorAbout(op *operation, c call) {
	if !w.routerSpeaks(op, c) {
		w.checkError(c)
	}
}

// checkError judges the form of an error that answers a well-formed call
// (AIP-193; google/rpc/error_details.proto), and that success is none.
func (w *world) checkError(c call) {
	if c.err != nil || unread(c) != nil || c.Spoilt() {
		return
	}
	if c.Transport == targets.GRPC {
		w.checkErrorInfo(c, grpcDetails(c))
		return
	}
	doc := object(c.Doc)
	const no2xx = "error.http.no-2xx-error"
	if c.Accepted() {
		if errorAsSuccess(c.Exchange) && !resultAlone(c) {
			w.aside(no2xx, c.index, "/error", "an error status", c.Status(), "an error is sent with the status of success")
		}
		return
	}
	w.hold(no2xx)
	for _, s := range errorNotJudged {
		if c.HTTP == s {
			return
		}
	}
	if c.HTTP < 400 || c.Method == targets.Cancel && (c.HTTP == 501 || w.unsupported()) {
		return // redirects; and cancel.unimplemented.* own the answers of a server without cancel
	}
	w.checkEnvelope(c, doc)
}

func (w *world) checkEnvelope(c call, doc map[string]any) {
	const envelopeID, contentType = "error.http.json-envelope", "error.http.content-type-json"
	switch {
	case mediaType(c.Header) == "application/json":
		w.hold(contentType)
	case len(c.Header["Content-Type"]) == 0 && len(c.Body) == 0 && !c.Truncated: // there is nothing that could be of a type
	default:
		w.aside(contentType, c.index, "", "application/json", fmt.Sprintf("%q", mediaType(c.Header)), "an error does not say that it is JSON")
	}
	if rawStatus(doc) {
		text := "errors are raw google.rpc.Status bodies, not the envelope of AIP-193"
		if w.run.target.Profile == targets.ProfileGoogle {
			w.aside(envelopeID, c.index, "", envelopeForm, "a raw google.rpc.Status", "%s", text)
		} else {
			w.noteFor(envelopeID, "%s", text)
			w.hold(envelopeID)
		}
		list, _ := doc["details"].([]any)
		w.checkMessage(c, doc["message"], "/message")
		w.checkDetails(c, doc["details"], "/details")
		w.checkErrorInfo(c, list)
		return
	}
	e, ok := doc["error"].(map[string]any)
	if why := notEnvelope(e, ok, c); why != "" {
		w.aside(envelopeID, c.index, "", envelopeForm, why, "an error is not in the form of AIP-193")
		return
	}
	w.hold(envelopeID)
	if d, present := e["details"]; present && d == nil {
		w.noteFor(envelopeID, "error.details is null: ProtoJSON parsers take it for absent, serializers leave it out")
	}
	w.checkEnvelopeMembers(c, e)
}

const envelopeForm = `{"error": {"code": int, "message": string, "status": string, "details": […]}}`

// rawStatus tells whether a body is a bare google.rpc.Status, as grpc-gateway
// sends it; its first version says the message once more, as error. ProtoJSON
// leaves out a message that is empty: then nothing else than a Status may be there.
func rawStatus(doc map[string]any) bool {
	n, number := doc["code"].(json.Number)
	message, text := doc["message"].(string)
	if e, again := doc["error"].(string); !number || !text && !codeAlone(doc) || doc["error"] != nil && (!again || e != message) {
		return false
	}
	i, err := n.Int64()
	return err == nil && i >= 0 && i <= 16
}

// codeAlone tells whether a body has no message, and no member beside the code but
// the details of a google.rpc.Status.
func codeAlone(doc map[string]any) bool {
	for k := range doc {
		if k != "code" && k != "details" {
			return false
		}
	}
	return true
}

// resultAlone tells whether Get shows the error of a cancelled operation in
// place of the operation, be it as the member that it is; cancel.state.get-ok owns
// that. What has a status beside the code is the error of a call.
func resultAlone(c call) bool {
	doc := object(c.Doc)
	if e, ok := doc["error"].(map[string]any); ok && e["status"] == nil {
		doc = e
	}
	code, _ := readInt(doc["code"])
	return c.Method == targets.Get && rawStatus(doc) && code == int64(codes.Canceled)
}

func notEnvelope(e map[string]any, ok bool, c call) string {
	switch {
	case c.DocErr != nil:
		return "a body that is no JSON: " + c.DocErr.Error()
	case !ok:
		return "no object under error: " + clip(targets.Canonical(c.Doc))
	}
	if _, number := e["code"].(json.Number); !number {
		return "error.code is no number: " + targets.Canonical(e["code"])
	}
	if m := e["message"]; m != nil {
		if _, text := m.(string); !text {
			return "error.message is no string"
		}
	}
	if _, text := e["status"].(string); !text {
		return "error.status is no string: " + targets.Canonical(e["status"])
	}
	if d := e["details"]; d != nil {
		if _, list := d.([]any); !list {
			return "error.details is no array"
		}
	}
	return ""
}

func (w *world) checkEnvelopeMembers(c call, e map[string]any) {
	const equals, name = "error.http.code-equals-status", "error.http.status-name"
	if n, _ := readInt(e["code"]); n == int64(c.HTTP) {
		w.hold(equals)
	} else {
		w.aside(equals, c.index, "/error/code", fmt.Sprint(c.HTTP), targets.Canonical(e["code"]), "error.code is not the HTTP status")
	}
	status, _ := e["status"].(string)
	if code, known := targets.CodeByName(status); known && targets.HTTPStatus(code) == c.HTTP && code != codes.OK {
		w.hold(name)
	} else {
		w.aside(name, c.index, "/error/status", fmt.Sprintf("a google.rpc.Code name that maps to %d", c.HTTP), fmt.Sprintf("%q", status), "error.status does not go with the HTTP status")
	}
	w.checkMessage(c, e["message"], "/error/message")
	w.checkDetails(c, e["details"], "/error/details")
	list, _ := e["details"].([]any)
	w.checkErrorInfo(c, list)
}

func (w *world) checkMessage(c call, message any, at string) {
	const id = "error.http.message"
	if text, ok := message.(string); ok && strings.TrimSpace(text) != "" {
		w.hold(id)
		return
	}
	w.aside(id, c.index, at, "a text that is not empty", targets.Canonical(message), "the error has no message")
}

func (w *world) checkDetails(c call, details any, at string) {
	const anys, unique = "error.http.details-any", "error.http.details-unique"
	list, ok := details.([]any)
	if !ok || len(list) == 0 {
		return
	}
	types := map[string]bool{}
	twice := ""
	for i, d := range list {
		m, isMap := d.(map[string]any)
		t, isText := m["@type"].(string)
		if !isMap || !isText || t == "" {
			w.aside(anys, c.index, fmt.Sprintf("%s/%d", at, i), `an object with a string "@type"`, clip(targets.Canonical(d)), "an element of details is no google.protobuf.Any")
			return
		}
		// The type is what stands behind the last slash of its URL (google/protobuf/any.proto).
		name := t[strings.LastIndexByte(t, '/')+1:]
		if types[name] {
			twice = name
		}
		types[name] = true
	}
	w.hold(anys)
	if twice != "" {
		w.aside(unique, c.index, at, "each type of detail at most once", twice+" twice", "a type of detail occurs twice")
		return
	}
	w.hold(unique)
}
