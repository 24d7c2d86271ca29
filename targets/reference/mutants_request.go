package reference

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/lro-tools/conform/targets"
)

// requestMutants are wrong about which forms of the cancel request they take.
func requestMutants() []Mutant {
	return append(bodyMutants(), parameterMutants()...)
}

// refuseIf answers a cancel with an error where it applies.
func refuseIf(err error, applies func(r *http.Request, body []byte) bool) func(http.Handler) http.Handler {
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		if applies(r, body) {
			writeError(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type withoutBodyKey struct{}

// withoutBody is a fault by which cancel answers the cancels over REST that bring
// zero bytes, with a Content-Type or without.
func withoutBody(typed bool, cancel func(ctx context.Context, next Service, h history, r *longrunningpb.CancelOperationRequest) error) Fault {
	return Fault{
		REST: marksWithoutBody(typed),
		Service: func(next Service) Service {
			known := newLedger(next)
			return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if ctx.Value(withoutBodyKey{}) == nil {
					return next.Cancel(ctx, r)
				}
				h, _ := known.of(r.GetName())
				return cancel(ctx, next, h, r)
			}}
		},
	}
}

// marksWithoutBody is a hook that lets the service know of such cancels.
func marksWithoutBody(typed bool) func(http.Handler) http.Handler {
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, _ []byte) {
		if r.ContentLength == 0 && (r.Header.Get("Content-Type") != "") == typed {
			r = r.WithContext(context.WithValue(r.Context(), withoutBodyKey{}, true))
		}
		next.ServeHTTP(w, r)
	})
}

// tooLate cancels as asked and then answers with an error where it applies.
func tooLate(applies func(r *http.Request, body []byte) bool) func(http.Handler) http.Handler {
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		if !applies(r, body) {
			next.ServeHTTP(w, r)
			return
		}
		r = r.Clone(r.Context())
		r.Body = http.NoBody
		if d := record(next, r); d.status != http.StatusOK {
			d.send(w)
			return
		}
		writeError(w, invalid("REQUEST_INVALID", "the request has a part that is not known"))
	})
}

// queuedAndRefused answers with an error where it applies, and cancels as asked a
// while later.
func queuedAndRefused(applies func(r *http.Request, body []byte) bool) func(http.Handler) http.Handler {
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		if !applies(r, body) {
			next.ServeHTTP(w, r)
			return
		}
		later := r.Clone(context.WithoutCancel(r.Context()))
		later.Body, later.ContentLength = http.NoBody, 0
		time.AfterFunc(observeTimeout/2, func() { record(next, later) })
		writeError(w, invalid("BODY_MALFORMED", "request body: an object is required"))
	})
}

// withName returns the request with the path of another operation.
func withName(r *http.Request, name string) *http.Request {
	out := r.Clone(r.Context())
	base, _, ok := strings.Cut(rawPath(r.URL), "/projects/")
	if !ok {
		base, _, _ = strings.Cut(rawPath(r.URL), "/operations/")
	}
	out.URL = &url.URL{Path: base + "/" + name + ":cancel"}
	return out
}

// members decodes a JSON object; ok is false for anything else.
func members(body []byte) (m map[string]any, ok bool) {
	ok = json.Unmarshal(body, &m) == nil && m != nil
	return m, ok
}

// nameIn returns the name in a body.
func nameIn(body []byte) string {
	m, _ := members(body)
	name, _ := m["name"].(string)
	return name
}

func unknownMember(_ *http.Request, body []byte) bool {
	m, ok := members(body)
	delete(m, "name")
	return ok && len(m) > 0
}

func bodyMutants() []Mutant {
	zero := func(r *http.Request, typed bool) bool {
		return r.ContentLength == 0 && (r.Header.Get("Content-Type") != "") == typed
	}
	noBody := invalid("BODY_REQUIRED", "a JSON body is required")
	crash := refuse(codes.Internal, "REQUEST_FAILED", "the request could not be handled")
	return []Mutant{
		{Name: "demands-content-type", Doc: "Refuses a cancel that has neither a body nor a Content-Type.",
			Breaks: []string{"cancel.request.zero-bytes-no-content-type"},
			Fault:  Fault{REST: refuseIf(invalid("CONTENT_TYPE_REQUIRED", "Content-Type is required"), func(r *http.Request, _ []byte) bool { return zero(r, false) })}},
		{Name: "demands-content-type-nested", Doc: "Has a binding of its own for names of several segments, which takes no cancel without a body and a Content-Type.",
			Breaks: []string{"cancel.request.zero-bytes-no-content-type"},
			Fault: withoutBody(false, func(ctx context.Context, next Service, h history, r *longrunningpb.CancelOperationRequest) error {
				if h.kind == Nested {
					return noBody
				}
				return next.Cancel(ctx, r)
			})},
		{Name: "parses-zero-bytes-for-the-queue", Doc: "Hands the cancel of what is queued to the queue as JSON, which zero bytes are not.",
			Breaks: []string{"cancel.request.zero-bytes-json-content-type"},
			Fault: withoutBody(true, func(ctx context.Context, next Service, h history, r *longrunningpb.CancelOperationRequest) error {
				if h.kind == Pending {
					return noBody
				}
				return next.Cancel(ctx, r)
			})},
		{Name: "waits-without-body", Doc: "Answers a cancel without a body when the work has stopped: the wish not to wait stands in the body.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.response.returns-promptly"}},
			Fault: withoutBody(false, func(ctx context.Context, next Service, _ history, r *longrunningpb.CancelOperationRequest) error {
				if err := next.Cancel(ctx, r); err != nil {
					return err
				}
				return untilDone(ctx, next, r.GetName())
			})},
		{Name: "parses-zero-bytes", Doc: "Parses a body of zero bytes as JSON where the Content-Type is JSON, and finds it malformed.",
			Breaks: []string{"cancel.request.zero-bytes-json-content-type"},
			Fault:  Fault{REST: refuseIf(noBody, func(r *http.Request, _ []byte) bool { return zero(r, true) })}},
		{Name: "demands-body", Doc: "Refuses every cancel without a body.",
			Breaks: []string{"cancel.request.zero-bytes-no-content-type", "cancel.request.zero-bytes-json-content-type", "cancel.request.chunked-empty"},
			Fault:  Fault{REST: refuseIf(noBody, func(_ *http.Request, body []byte) bool { return len(body) == 0 })}},
		{Name: "compares-body-bytes", Doc: "Knows the empty object by its two bytes, and refuses one with white space.",
			Breaks: []string{"cancel.request.empty-object"},
			Fault: Fault{REST: refuseIf(invalid("BODY_NOT_EMPTY", "the body is not {}"), func(_ *http.Request, body []byte) bool {
				m, ok := members(body)
				return ok && len(m) == 0 && string(body) != "{}"
			})}},
		{Name: "refuses-line-feed", Doc: "Takes what follows the empty object for a second one: printing a line adds a line feed.",
			Breaks: []string{"cancel.request.empty-object"},
			Fault: Fault{REST: refuseIf(invalid("TRAILING_DATA", "more than one value in the body"), func(_ *http.Request, body []byte) bool {
				return string(body) != "{}" && strings.TrimSpace(string(body)) == "{}"
			})}},
		{Name: "compares-content-type", Doc: "Compares the Content-Type as text, and refuses one with a charset.",
			Breaks: []string{"cancel.request.json-charset-param"},
			Fault: Fault{REST: refuseIf(invalid("CONTENT_TYPE_UNSUPPORTED", "Content-Type is not application/json"), func(r *http.Request, body []byte) bool {
				return len(body) > 0 && r.Header.Get("Content-Type") != "application/json"
			})}},
		{Name: "body-name-500", Doc: "Sets the name from the path and again from the body, and fails on the second.",
			Breaks: []string{"cancel.request.body-name-same"},
			Fault: Fault{REST: refuseIf(crash, func(r *http.Request, body []byte) bool {
				name := nameIn(body)
				return name != "" && strings.HasSuffix(decode(rawPath(r.URL)), "/"+name+":cancel")
			})}},
		{Name: "body-name-500-always", Doc: "Fails on a body with a name, whatever it is.",
			Breaks: []string{"cancel.request.body-name-same"},
			Fault:  Fault{REST: refuseIf(crash, func(_ *http.Request, body []byte) bool { return nameIn(body) != "" })}},
		{Name: "body-names-operation", Doc: "Cancels the operation that the body names, whatever the path says.",
			Breaks: []string{"cancel.request.path-name-authoritative"},
			Fault: Fault{REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
				if name := nameIn(body); name != "" {
					r = withName(r, name)
				}
				next.ServeHTTP(w, r)
			})}},
		{Name: "unknown-member-500", Doc: "Fails on a body with a member that it does not know.",
			Breaks: []string{"cancel.request.unknown-body-field"}, Fault: Fault{REST: refuseIf(crash, unknownMember)}},
		{Name: "unknown-member-too-late", Doc: "Cancels first, and then refuses a body with a member that it does not know.",
			Breaks:   []string{"cancel.request.unknown-body-field", "cancel.rejected.no-effect"},
			BreaksOn: map[targets.Transport][]string{targets.GRPC: nil}, Fault: Fault{REST: tooLate(unknownMember)}},
		{Name: "malformed-body-500", Doc: "Fails on a body that is no JSON object.",
			Breaks: []string{"cancel.request.malformed-body"},
			Fault: Fault{REST: refuseIf(crash, func(_ *http.Request, body []byte) bool {
				_, ok := members(body)
				return len(body) > 0 && !ok
			})}},
		{Name: "chunked-empty-400", Doc: "Takes a chunked body for one that has content, and refuses an empty one.",
			Breaks: []string{"cancel.request.chunked-empty"},
			Fault: Fault{REST: refuseIf(noBody, func(r *http.Request, body []byte) bool {
				return r.ContentLength < 0 && len(body) == 0
			})}},
	}
}

// unknownParameter tells whether the query has a parameter that is none of
// Google's system parameters and no field of the request.
func unknownParameter(r *http.Request, _ []byte) bool {
	for k := range r.URL.Query() {
		switch k {
		case "alt", "$alt", "prettyPrint", "$prettyPrint", "key", "quotaUser", "fields", "$fields", "$.xgafv", "access_token", "name":
		default:
			return true
		}
	}
	return false
}

func parameterMutants() []Mutant {
	crash := refuse(codes.Internal, "REQUEST_FAILED", "the request could not be handled")
	const routing = "x-goog-request-params"
	unroutable := invalid("ROUTING_HEADER_UNKNOWN", "header %s is not known", routing)
	return []Mutant{
		{Name: "query-names-operation", Doc: "Cancels the operation that the query names, whatever the path says.",
			Breaks: []string{"cancel.request.query-name-ignored"},
			Fault: Fault{REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, _ []byte) {
				if name := r.URL.Query().Get("name"); name != "" {
					r = withName(r, name)
				}
				next.ServeHTTP(w, r)
			})}},
		{Name: "refuses-system-parameters", Doc: "Refuses alt and prettyPrint, which Google's clients send with every call.",
			Breaks: []string{"cancel.request.system-params"},
			Fault: Fault{REST: refuseIf(invalid("PARAMETER_UNKNOWN", "query parameter is not known"), func(r *http.Request, _ []byte) bool {
				return r.URL.Query().Has("alt") || r.URL.Query().Has("prettyPrint")
			})}},
		{Name: "unknown-parameter-500", Doc: "Fails on a query parameter that it does not know.",
			Breaks: []string{"cancel.request.unknown-query-param"}, Fault: Fault{REST: refuseIf(crash, unknownParameter)}},
		{Name: "unknown-parameter-500-name-too", Doc: "Fails on a query parameter that is not of the system, and so on a name.",
			Breaks: []string{"cancel.request.unknown-query-param"}, Fault: Fault{REST: refuseIf(crash, func(r *http.Request, body []byte) bool {
				return unknownParameter(r, body) || r.URL.Query().Has("name")
			})}},
		{Name: "unknown-parameter-too-late", Doc: "Cancels first, and then refuses a query parameter that it does not know.",
			Breaks: []string{"cancel.request.unknown-query-param"}, Fault: Fault{REST: tooLate(unknownParameter)}},
		{Name: "refuses-routing-header", Doc: "Refuses the routing header that Google's clients send.",
			Breaks: []string{"cancel.request.routing-headers"},
			Fault: Fault{
				REST: refuseIf(unroutable, func(r *http.Request, _ []byte) bool { return r.Header.Get(routing) != "" }),
				Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if CallOf(ctx).Transport == targets.GRPC && len(metadata.ValueFromIncomingContext(ctx, routing)) > 0 {
						return unroutable
					}
					return next.Cancel(ctx, r)
				})}},
	}
}
