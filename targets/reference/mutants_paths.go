package reference

import (
	"context"
	"net/http"
	"net/url"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/lro-tools/conform/targets"
)

// routedName is the name in a routing header, as Google's clients send it; ""
// where there is none (AIP-4222).
func routedName(header string) string {
	values, err := url.ParseQuery(header)
	if err != nil {
		return ""
	}
	return values.Get("name")
}

// formType is the media type of a form.
const formType = "application/x-www-form-urlencoded"

// pathCaseMutants read something else than the path, in some cases only: where
// the path names what has ended, by a header or a form, or for children.
func pathCaseMutants() []Mutant {
	const path, query = "cancel.request.path-name-authoritative", "cancel.request.query-name-ignored"
	const routing = "x-goog-request-params"
	return append([]Mutant{
		{Name: "finished-body-name-second-choice", Doc: "Cancels what the body names where the path names what has ended.",
			Breaks: []string{path}, Fault: Fault{REST: secondChoice(http.StatusBadRequest, func(_ *http.Request, body []byte) string { return nameIn(body) })}},
		{Name: "finished-query-name-second-choice", Doc: "Cancels what the query names where the path names what has ended.",
			Breaks: []string{query}, Fault: Fault{REST: secondChoice(http.StatusBadRequest, func(r *http.Request, _ []byte) string { return r.URL.Query().Get("name") })}},
		{Name: "routing-header-names-operation", Doc: "Cancels the operation that the routing header names, whatever the request says.",
			Breaks: []string{path}, BreaksOn: map[targets.Transport][]string{targets.GRPC: {"cancel.isolation.siblings"}},
			Fault: Fault{
				REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, _ []byte) {
					if name := routedName(r.Header.Get(routing)); name != "" {
						r = withName(r, name)
					}
					next.ServeHTTP(w, r)
				}),
				Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					for _, header := range metadata.ValueFromIncomingContext(ctx, routing) {
						if name := routedName(header); name != "" {
							return plainCancel(ctx, next, name)
						}
					}
					return next.Cancel(ctx, r)
				})}},
		{Name: "form-names-operation", Doc: "Asks its framework for the parameter name, which finds one in a form before that of the path.",
			Breaks: []string{path}, Fault: Fault{REST: requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Content-Type") == formType && r.PostFormValue("name") != "" {
					r = bodiless(withName(r, r.PostForm.Get("name")))
					r.Header.Del("Content-Type")
				}
				next.ServeHTTP(w, r)
			})}},
	}, nestedFormMutants()...)
}

// nestedFormMutants have a route of their own for names of several segments, which
// reads a request otherwise.
func nestedFormMutants() []Mutant {
	crash := answering(refuse(codes.Internal, "REQUEST_FAILED", "the request could not be handled"))
	mutant := func(name, doc, breaks string, applies func(r *http.Request, body []byte) bool, serve func(next http.Handler, w http.ResponseWriter, r *http.Request)) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{REST: onForm(func(r *http.Request, body []byte) bool {
			return nestedCancel(rawPath(r.URL)) && applies(r, body)
		}, serve)}}
	}
	redirecting := func(name, doc, breaks string, of func(r *http.Request, body []byte) string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
			if name := of(r, body); name != "" && nestedCancel(rawPath(r.URL)) {
				r = withName(r, name)
			}
			next.ServeHTTP(w, r)
		})}}
	}
	return []Mutant{
		mutant("nested-body-name-500", "Sets the name of a child from the path and again from the body, and fails on the second.", "cancel.request.body-name-same",
			func(_ *http.Request, body []byte) bool { return nameIn(body) != "" }, crash),
		mutant("nested-unknown-member-500", "Fails on a member that it does not know, in the cancel of a child.", "cancel.request.unknown-body-field", unknownMember, crash),
		mutant("nested-malformed-body-500", "Fails on a body that is no JSON, in the cancel of a child.", "cancel.request.malformed-body",
			func(_ *http.Request, body []byte) bool { _, ok := members(body); return len(body) > 0 && !ok }, crash),
		mutant("nested-charset-415", "Compares the Content-Type as text, in the cancel of a child.", "cancel.request.json-charset-param",
			func(r *http.Request, body []byte) bool {
				return len(body) > 0 && r.Header.Get("Content-Type") != "application/json"
			}, plainStatus(http.StatusUnsupportedMediaType)),
		mutant("nested-refuses-alt", "Reads the query of a child's cancel as fields of the request, and has none of the name alt.", "cancel.request.system-params",
			func(r *http.Request, _ []byte) bool { return r.URL.Query().Has("alt") },
			answering(invalid("PARAMETER_UNKNOWN", "query parameter is not known"))),
		mutant("nested-unknown-parameter-500", "Fails on a query parameter that it does not know, in the cancel of a child.", "cancel.request.unknown-query-param", unknownParameter, crash),
		redirecting("nested-body-names-operation", "Reads the name of a child from the body where it has one.", "cancel.request.path-name-authoritative",
			func(_ *http.Request, body []byte) string { return nameIn(body) }),
		redirecting("nested-query-names-operation", "Reads the name of a child from the query where it has one.", "cancel.request.query-name-ignored",
			func(r *http.Request, _ []byte) string { return r.URL.Query().Get("name") }),
	}
}
