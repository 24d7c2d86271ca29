package targets

import (
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
)

// An Exchange is one call: the request as it was sent and the answer as it
// came. It is what a client returns, what is judged, and what reports print.
type Exchange struct {
	Transport Transport
	Method    Method    // "" for a call that is none of the five methods
	Start     time.Time // just before sending (monotonic)
	Elapsed   time.Duration
	At        time.Duration // from the start of the case to Start; set by the recorder of the case
	Note      string        // why the call was made, where its line does not tell
	Principal Principal     // with whose credentials

	Request  Message
	Response Message // zero where none arrived

	// Problem tells why no answer arrived; "" where one did.
	Problem string

	// Code is the canonical status. Over gRPC it is the status that the server
	// sent; over REST see HTTPCode. Meaningless where Problem is set.
	Code codes.Code
	// HTTP is the HTTP status, over gRPC :status.
	HTTP int
	// Header is the response's header (REST), keys in canonical form; over
	// gRPC headers and trailers together, keys in lower case.
	Header map[string][]string
	// Body is the response body as received (REST, content encoding undone) or
	// the one response message (gRPC). Truncated tells that there was more
	// than the bound.
	Body      []byte
	Truncated bool
	// Doc is the decoded answer: over REST the JSON value of the body; over
	// gRPC the message in its ProtoJSON form, rendered from the wire by field
	// number, so that both results of an Operation show where both were sent.
	// Maps are map[string]any, numbers json.Number. Nil with DocErr set where
	// the bytes are no such document.
	Doc    any
	DocErr error
	// Reused tells that another call had been made on the connection (REST).
	Reused bool

	GRPC *GRPCAnswer // gRPC only
}

// GRPCAnswer is what only gRPC has.
type GRPCAnswer struct {
	Messages     int      // response messages received
	Payloads     [][]byte // their bytes, two at most
	HasStatus    bool     // grpc-status with a code of gRPC was received, in trailers or in a trailers-only answer
	StatusFault  string   // what is wrong with the grpc-status that was received; "" where nothing is
	StatusDetail string   // grpc-message
	FrameFault   string   // why what came before the trailers is no sequence of messages; "" where it is one
	DetailsBin   []byte   // grpc-status-details-bin, decoded from base64; nil where absent
	DetailsFault string   // why grpc-status-details-bin is nothing that can be decoded; "" where it can, or is absent
	Unknown      int      // bytes of the message that its type does not account for
}

// A Message is one side of an exchange as reports show it, secrets removed.
type Message struct {
	Line    string            `json:"line"` // "POST /v1/operations/x:cancel", "200 OK", "grpc-status 5 NOT_FOUND"
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// Accepted tells whether the call was answered with success: any 2xx, or gRPC
// OK. A gRPC answer that brought a message and then ended without grpc-status
// counts as well: the missing status is one fault, not a refusal beside it.
func (e Exchange) Accepted() bool {
	if e.Problem != "" {
		return false
	}
	if e.Transport == REST {
		return e.HTTP >= 200 && e.HTTP < 300
	}
	if e.GRPC == nil || !e.GRPC.HasStatus {
		return e.GRPC != nil && e.HTTP == 200 && e.GRPC.Messages > 0
	}
	return e.Code == codes.OK
}

// Spoilt tells of an answer to a Get that may be owed to what another call has left
// in the connection: a server that does not read the body of a
// request takes it for the beginning of the next one (RFC 9112, section 9.3), which
// it then does not understand. The REST client uses no connection twice once Get
// was answered so.
func (e Exchange) Spoilt() bool {
	return e.Transport == REST && e.Method == Get && e.Reused && e.DocErr != nil && (e.HTTP == 400 || e.HTTP == 405 || e.HTTP == 501)
}

// Answered tells whether an answer arrived.
func (e Exchange) Answered() bool { return e.Problem == "" }

// End is when the answer had arrived.
func (e Exchange) End() time.Time { return e.Start.Add(e.Elapsed) }

// Status is the answer's status in words: "HTTP 404 NOT_FOUND", "gRPC NOT_FOUND",
// or why there is none.
func (e Exchange) Status() string {
	switch {
	case e.Problem != "":
		return "no answer: " + e.Problem
	case e.Transport == REST && e.Accepted():
		return fmt.Sprintf("HTTP %d", e.HTTP)
	case e.Transport == REST:
		return fmt.Sprintf("HTTP %d %s", e.HTTP, CodeName(e.Code))
	case e.GRPC != nil && e.GRPC.StatusFault != "" && !e.GRPC.HasStatus:
		return fmt.Sprintf("HTTP %d without a valid grpc-status", e.HTTP)
	case e.GRPC != nil && !e.GRPC.HasStatus:
		return fmt.Sprintf("HTTP %d without grpc-status", e.HTTP)
	default:
		return "gRPC " + CodeName(e.Code)
	}
}

// exchangeJSON is the form of an Exchange in a report.
type exchangeJSON struct {
	AtMS      float64   `json:"at_ms"`
	ElapsedMS float64   `json:"elapsed_ms"`
	Method    Method    `json:"method"`
	Transport Transport `json:"transport,omitempty"`
	Note      string    `json:"note,omitempty"`
	Principal Principal `json:"principal,omitempty"`
	Request   Message   `json:"request"`
	Response  *Message  `json:"response,omitempty"`
	Problem   string    `json:"problem,omitempty"`
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// MarshalJSON writes the exchange as reports show it.
func (e Exchange) MarshalJSON() ([]byte, error) {
	x := exchangeJSON{AtMS: milliseconds(e.At), ElapsedMS: milliseconds(e.Elapsed), Method: e.Method,
		Transport: e.Transport, Note: e.Note, Principal: e.Principal, Request: e.Request, Problem: e.Problem}
	if x.Request.Headers == nil {
		x.Request.Headers = map[string]string{}
	}
	if e.Problem == "" {
		r := e.Response
		if r.Headers == nil {
			r.Headers = map[string]string{}
		}
		x.Response = &r
	}
	return json.Marshal(x)
}

// UnmarshalJSON reads what MarshalJSON wrote; what only judging needs is lost.
func (e *Exchange) UnmarshalJSON(data []byte) error {
	var x exchangeJSON
	if err := json.Unmarshal(data, &x); err != nil {
		return err
	}
	*e = Exchange{At: time.Duration(x.AtMS * float64(time.Millisecond)), Elapsed: time.Duration(x.ElapsedMS * float64(time.Millisecond)),
		Method: x.Method, Transport: x.Transport, Note: x.Note, Principal: x.Principal, Request: x.Request, Problem: x.Problem}
	if x.Response != nil {
		e.Response = *x.Response
	}
	return nil
}

// Why no answer arrived.
type NoAnswerKind string

// The kinds of NoAnswer.
const (
	Unreachable NoAnswerKind = "unreachable" // name resolution, connection refused, TLS: no connection was made
	TimedOut    NoAnswerKind = "timed out"   // the deadline of the call passed
	Reset       NoAnswerKind = "reset"       // the connection or stream broke after the call was sent
	Aborted     NoAnswerKind = "aborted"     // the caller gave up: its context was cancelled
)

// NoAnswer is the error of a call that brought no answer. It says nothing
// about the server's conformance by itself.
type NoAnswer struct {
	Kind NoAnswerKind
	Err  error
}

func (e *NoAnswer) Error() string { return fmt.Sprintf("%s: %v", e.Kind, e.Err) }

// Unwrap returns the cause.
func (e *NoAnswer) Unwrap() error { return e.Err }

var codeNames = [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

// CodeName is the name of a code in google/rpc/code.proto, or its number.
func CodeName(c codes.Code) string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint32(c))
}

// CodeByName finds a code of google/rpc/code.proto by its name.
func CodeByName(name string) (codes.Code, bool) {
	for i, n := range codeNames {
		if n == name {
			return codes.Code(i), true
		}
	}
	return 0, false
}

// HTTPStatus is the HTTP status that google/rpc/code.proto maps a code to.
func HTTPStatus(c codes.Code) int {
	m := [...]int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}
	if int(c) < len(m) {
		return m[c]
	}
	return 500
}

// HTTPCode reads the canonical code of a REST answer. The error.status of the
// envelope decides where its mapping is the HTTP status; else the code of a
// raw google.rpc.Status body where its mapping is; else the HTTP status alone
// (so that a wrong name in the envelope is one fault, not two).
func HTTPCode(status int, doc any) codes.Code {
	if status >= 200 && status < 300 {
		return codes.OK
	}
	m, _ := doc.(map[string]any)
	if env, ok := m["error"].(map[string]any); ok {
		if name, ok := env["status"].(string); ok {
			if c, ok := CodeByName(name); ok && HTTPStatus(c) == status {
				return c
			}
		}
	} else if n, ok := m["code"].(json.Number); ok {
		if i, err := n.Int64(); err == nil && i > 0 && i < int64(len(codeNames)) && HTTPStatus(codes.Code(i)) == status {
			return codes.Code(i)
		}
	}
	switch status {
	case 400, 411, 413, 414, 415, 422, 431:
		return codes.InvalidArgument
	case 401:
		return codes.Unauthenticated
	case 403:
		return codes.PermissionDenied
	case 404, 410:
		return codes.NotFound
	case 405, 501:
		return codes.Unimplemented
	case 409:
		return codes.Aborted
	case 412:
		return codes.FailedPrecondition
	case 429:
		return codes.ResourceExhausted
	case 499:
		return codes.Canceled
	case 503:
		return codes.Unavailable
	case 504:
		return codes.DeadlineExceeded
	case 500:
		return codes.Internal
	}
	return codes.Unknown
}
