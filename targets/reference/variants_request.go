package reference

import (
	"context"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/lro-tools/conform/targets"
)

// plainStatus answers with a status and a body of HTML, as front ends do.
func plainStatus(code int) func(next http.Handler, w http.ResponseWriter, r *http.Request) {
	return func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			_, _ = w.Write([]byte("<html></html>"))
		}
	}
}

// requestVariants take or refuse forms of the cancel request as they may.
func requestVariants() []Variant {
	noObject := func(_ *http.Request, body []byte) bool {
		_, ok := members(body)
		return len(body) > 0 && !ok
	}
	const project = "x-goog-user-project"
	denied := refuse(codes.PermissionDenied, "USER_PROJECT_DENIED", "the caller may not use the project")
	return []Variant{
		{Name: "refuses-body-name", Doc: "Refuses a name in the body, as it is bound to the path: a note.",
			Fault: Fault{REST: refuseIf(bad("BODY_MALFORMED", "name is no field of the body"), func(_ *http.Request, body []byte) bool { return nameIn(body) != "" })}},
		{Name: "demands-length", Doc: "Has a front end that answers 411 to a chunked body: a note.",
			Fault: Fault{REST: onForm(func(r *http.Request, _ []byte) bool { return r.ContentLength < 0 }, plainStatus(http.StatusLengthRequired))}},
		{Name: "malformed-body-415", Doc: "Answers 415 to a body that is no JSON object.",
			Fault: Fault{REST: onForm(noObject, plainStatus(http.StatusUnsupportedMediaType))}},
		{Name: "malformed-body-413", Doc: "Answers 413 to a body that is no JSON object.",
			Fault: Fault{REST: onForm(noObject, plainStatus(http.StatusRequestEntityTooLarge))}},
		{Name: "refuses-unknown-parameters", Doc: "Refuses query parameters that it does not know, and name.",
			Fault: Fault{REST: refuseIf(invalid("PARAMETER_UNKNOWN", "query parameter is not known"), func(r *http.Request, body []byte) bool {
				return unknownParameter(r, body) || r.URL.Query().Has("name")
			})}},
		{Name: "denies-user-project", Doc: "Denies the use of a project that is not the caller's to pay with.",
			Fault: Fault{
				REST: refuseIf(denied, func(r *http.Request, _ []byte) bool { return r.Header.Get(project) != "" }),
				Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if CallOf(ctx).Transport == targets.GRPC && len(metadata.ValueFromIncomingContext(ctx, project)) > 0 {
						return denied
					}
					return next.Cancel(ctx, r)
				})}},
		{Name: "busy-at-first", Doc: "Answers UNAVAILABLE to the first cancels of each form over REST.", Fault: Fault{REST: busyAtFirst}},
		{Name: "fails-once-on-bodies", Doc: "Fails on the first body that is no object, and refuses the others as it may.",
			Fault: Fault{REST: failsOnce(noObject)}},
		{Name: "trims-every-name", Doc: "Trims the names in all calls alike, so that Get finds what cancel finds.",
			Fault: Fault{Service: func(next Service) Service { return trimmer{next} }}},
		{Name: "parents-without-case", Doc: "Takes a parent for the same in small letters and in capitals, in all calls.",
			Fault: Fault{REST: where(func(r *http.Request) bool { return strings.Contains(rawPath(r.URL), "/projects/DEMO/") },
				func(next http.Handler, w http.ResponseWriter, r *http.Request) {
					out := r.Clone(r.Context())
					out.URL.Path, out.URL.RawPath = ownParent(r.URL.Path), ownParent(rawPath(r.URL))
					next.ServeHTTP(w, out)
				})}},
		{Name: "routes-own-children", Doc: "Has a route for the cancel of the children that it makes, and answers 501 to others, as grpc-gateway does where a path fits the template of Get alone.",
			Fault: Fault{REST: where(posted(func(p string) bool {
				return nestedCancel(p) && len(p[strings.LastIndexByte(p, '/')+1:]) < len("b123"+verbSuffix)
			}), answering(refuse(codes.Unimplemented, "NO_ROUTE", "method not allowed")))}},
		{Name: "compares-routing-header", Doc: "Refuses a routing header that names another operation than the path.",
			Fault: Fault{REST: refuseIf(invalid("ROUTING_HEADER_DIFFERS", "the routing header names another operation"), func(r *http.Request, _ []byte) bool {
				name := routedName(r.Header.Get("x-goog-request-params"))
				return name != "" && !strings.HasSuffix(decode(rawPath(r.URL)), "/"+name+verbSuffix)
			})}},
		{Name: "ignores-forms", Doc: "Does not read a form, and cancels what the path names.",
			Fault: Fault{REST: requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Content-Type") == formType {
					r = bodiless(r)
					r.Header.Del("Content-Type")
				}
				next.ServeHTTP(w, r)
			})}},
	}
}

// A trimmer is a Service that trims the names in what it is asked.
type trimmer struct{ Service }

func trimmed(name string) string { return strings.Trim(name, " \t\r\n\x00") }

// Get implements Service.
func (s trimmer) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	return s.Service.Get(ctx, &longrunningpb.GetOperationRequest{Name: trimmed(r.GetName())})
}

// Wait implements Service.
func (s trimmer) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	return s.Service.Wait(ctx, &longrunningpb.WaitOperationRequest{Name: trimmed(r.GetName()), Timeout: r.GetTimeout()})
}

// Cancel implements Service.
func (s trimmer) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	return plainCancel(ctx, s.Service, trimmed(r.GetName()))
}

// Delete implements Service.
func (s trimmer) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	return s.Service.Delete(ctx, &longrunningpb.DeleteOperationRequest{Name: trimmed(r.GetName())})
}

// failsOnce answers INTERNAL to the first cancel that applies.
func failsOnce(applies func(r *http.Request, body []byte) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var failed atomic.Bool
		return refuseIf(refuse(codes.Internal, "REQUEST_FAILED", "the request could not be handled"), func(r *http.Request, body []byte) bool {
			return applies(r, body) && failed.CompareAndSwap(false, true)
		})(next)
	}
}

// busyAtFirst answers 503 to the first cancel with each body, query and type.
func busyAtFirst(next http.Handler) http.Handler {
	var mu sync.Mutex
	seen := map[string]bool{}
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		form := r.URL.RawQuery + "\n" + r.Header.Get("Content-Type") + "\n" + string(body)
		if nameIn(body) != "" || r.URL.Query().Has("name") {
			form = "name"
		}
		mu.Lock()
		first := !seen[form] && form != "\napplication/json\n{}"
		seen[form] = true
		mu.Unlock()
		if first {
			writeError(w, refuse(codes.Unavailable, "BUSY", "try again"))
			return
		}
		next.ServeHTTP(w, r)
	})(next)
}

// routeVariants route more than they must, or answer other requests than
// cancels in other ways.
func routeVariants() []Variant {
	unknown := func(r *http.Request) bool {
		v := verbOf(rawPath(r.URL))
		return r.Method == http.MethodPost && v != "cancel" && v != "wait" && v != "start"
	}
	lenient := func(r *http.Request) bool {
		return r.Method == http.MethodPost && leniently(rawPath(r.URL)) != rawPath(r.URL)
	}
	return []Variant{
		{Name: "unrouted-501", Doc: "Answers 501 to verbs and methods that it does not know, as grpc-gateway does.",
			Fault: Fault{REST: where(func(r *http.Request) bool { return unknown(r) || onVerb("PUT", "PATCH", "HEAD", "OPTIONS")(r) },
				plainStatus(http.StatusNotImplemented))}},
		{Name: "allows-origins", Doc: "Answers OPTIONS with 204, as CORS wants it.",
			Fault: Fault{REST: where(onVerb(http.MethodOptions), plainStatus(http.StatusNoContent))}},
		{Name: "head-and-delete-ok", Doc: "Answers 200 to HEAD, and to DELETE of what is not there.",
			Fault: Fault{REST: where(onVerb(http.MethodHead, http.MethodDelete), plainStatus(http.StatusOK))}},
		{Name: "denies-methods", Doc: "Has a front end that answers 403 to methods that it does not let through: a note.",
			Fault: Fault{REST: where(onVerb("PUT", "PATCH", "DELETE"), plainStatus(http.StatusForbidden))}},
		{Name: "unknown-verb-ok", Doc: "Answers a POST without a verb that it knows with success, and does nothing: a note.",
			Fault: Fault{REST: where(unknown, answering(nil))}},
		{Name: "spells-leniently", Doc: "Ignores the case of verbs and a slash at the end, and takes /cancel and %3Acancel as well.",
			Fault: Fault{REST: where(lenient, rewritten(http.MethodPost, leniently))}},
		{Name: "two-versions", Doc: "Serves v1 beside v1beta.",
			Fault: Fault{REST: where(posted(func(p string) bool { return strings.HasPrefix(p, "/v1/") }),
				rewritten(http.MethodPost, func(p string) string { return "/v1beta" + strings.TrimPrefix(p, "/v1") }))}},
		{Name: "decodes-slash-in-lro", Alone: true, Doc: "Decodes %2F to a slash, as grpc-gateway does by default: a note.", Fault: slashDecoded(targets.ProfileLRO)},
		{Name: "moves-dots", Doc: "Redirects from dot segments to the path without them.",
			Fault: Fault{Options: dotsResolved(nil).Options,
				REST: where(posted(func(p string) bool { return strings.Contains(p, "/.") || strings.Contains(p, "%2E") }), plainStatus(http.StatusPermanentRedirect))}},
		{Name: "dots-resolved-for-all", Doc: "Removes dot segments before it asks who calls.",
			Fault: Fault{Options: dotsResolved(nil).Options, REST: resolved}},
		{Name: "refuses-colon-ids", Doc: "Takes no id with a colon.", Fault: Fault{Service: func(next Service) Service { return plainIDs{next} }}},
		{Name: "empty-id-403", Doc: "Denies a cancel without an id: a note.",
			Fault: Fault{REST: where(posted(func(p string) bool { return strings.HasSuffix(p, "/operations"+verbSuffix) }), plainStatus(http.StatusForbidden))}},
	}
}

// resolved removes dot segments; who calls stays as it was.
func resolved(next http.Handler) http.Handler {
	return where(posted(func(p string) bool { return strings.Contains(p, "/.") || strings.Contains(p, "%2E") }),
		rewritten(http.MethodPost, func(p string) string { return path.Clean(strings.ReplaceAll(p, "%2E", ".")) }))(next)
}

// leniently is the path of the cancel that a path may stand for.
func leniently(p string) string {
	for _, ending := range [...]string{":CANCEL", ":cancel/", "/cancel", "%3Acancel"} {
		if name, ok := strings.CutSuffix(p, ending); ok {
			return name + verbSuffix
		}
	}
	return p
}

// A plainIDs is a Service that refuses ids with a colon.
type plainIDs struct{ Service }

// Start implements Service.
func (s plainIDs) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if strings.Contains(r.ID, ":") {
		return nil, invalid("ID_MALFORMED", "id %q has a colon", r.ID)
	}
	return s.Service.Start(ctx, r)
}
