package reference

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/lro-tools/conform/targets"
)

// onForm decorates the REST side so that serve answers the cancels that apply.
func onForm(applies func(r *http.Request, body []byte) bool, serve func(next http.Handler, w http.ResponseWriter, r *http.Request)) func(http.Handler) http.Handler {
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		if applies(r, body) {
			serve(next, w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// oneFormInThree is onForm for one in three of the cancels that apply.
func oneFormInThree(applies func(r *http.Request, body []byte) bool, serve func(next http.Handler, w http.ResponseWriter, r *http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var n atomic.Int64
		return onForm(func(r *http.Request, body []byte) bool { return applies(r, body) && n.Add(1)%3 == 0 }, serve)(next)
	}
}

// leavesBodies answers cancels without reading their bodies: what comes next on the
// same connection begins in the middle of them, and is not understood.
func leavesBodies(next http.Handler) http.Handler {
	var left sync.Map // addresses of clients
	leave := cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		if len(body) > 0 && !r.Close {
			left.Store(r.RemoteAddr, true)
		}
		next.ServeHTTP(w, bodiless(r))
	})(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, dirty := left.LoadAndDelete(r.RemoteAddr); dirty {
			w.Header().Set("Connection", "close")
			http.Error(w, "bad request: malformed method", http.StatusBadRequest)
			return
		}
		leave.ServeHTTP(w, r)
	})
}

// bodiless is a request without its body.
func bodiless(r *http.Request) *http.Request {
	out := r.Clone(r.Context())
	out.Body, out.ContentLength = http.NoBody, 0
	return out
}

// formMutants meet the forms of the cancel request with other faults than an
// error: silence, a broken connection, an answer without an effect, an effect
// in the wrong place.
func formMutants() []Mutant {
	const untyped, typed, chunked = "cancel.request.zero-bytes-no-content-type", "cancel.request.zero-bytes-json-content-type", "cancel.request.chunked-empty"
	empty := func(_ *http.Request, body []byte) bool { return len(body) == 0 }
	nothing := func(r *http.Request, _ []byte) bool { return r.ContentLength == 0 }
	noObject := func(_ *http.Request, body []byte) bool {
		_, ok := members(body)
		return len(body) > 0 && !ok
	}
	hangs := func(_ http.Handler, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	drops := func(http.Handler, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	crash := answering(refuse(codes.Internal, "REQUEST_FAILED", "the request could not be handled"))
	unsupported := plainStatus(http.StatusUnsupportedMediaType)
	named := func(_ *http.Request, body []byte) bool { return nameIn(body) != "" }
	queried := func(r *http.Request, _ []byte) bool { return r.URL.Query().Has("name") }
	differs := func(r *http.Request, body []byte) bool {
		name := nameIn(body)
		return name != "" && !strings.HasSuffix(decode(rawPath(r.URL)), "/"+name+verbSuffix)
	}
	return []Mutant{
		{Name: "waits-for-body", Doc: "Waits for a body that does not come (usnistgov/ACVP#346).",
			Breaks: []string{untyped, typed, chunked}, Fault: Fault{REST: onForm(empty, hangs)}},
		{Name: "json-waits-for-body", Doc: "Waits for the body of what is called JSON, chunked or not.",
			Breaks: []string{typed}, Fault: Fault{REST: onForm(func(r *http.Request, body []byte) bool {
				return empty(r, body) && r.Header.Get("Content-Type") != ""
			}, hangs)}},
		{Name: "empty-body-dropped", Doc: "Ends the connection where there is no body.",
			Breaks: []string{untyped, typed, chunked}, Fault: Fault{REST: onForm(empty, drops)}},
		{Name: "empty-body-ignored", Doc: "Answers success to a cancel without a body, and does nothing.",
			Breaks: []string{untyped, typed, chunked}, Fault: Fault{REST: onForm(empty, answering(nil))}},
		{Name: "untyped-body-ignored", Doc: "Answers success to a cancel without a body and a Content-Type, chunked or not, and does nothing.",
			Breaks: []string{untyped}, Fault: Fault{REST: onForm(func(r *http.Request, body []byte) bool {
				return empty(r, body) && r.Header.Get("Content-Type") == ""
			}, answering(nil))}},
		{Name: "zero-bytes-400-one-in-three", Doc: "Has three workers behind it, of which one is older and demands a body.",
			Breaks: []string{untyped, typed}, Fault: Fault{REST: oneFormInThree(nothing, answering(invalid("BODY_REQUIRED", "a JSON body is required")))}},
		{Name: "untyped-zero-bytes-400-one-in-three", Doc: "Has three workers behind it, of which one is older and demands a Content-Type.",
			Breaks: []string{untyped}, Fault: Fault{REST: oneFormInThree(func(r *http.Request, body []byte) bool {
				return nothing(r, body) && r.Header.Get("Content-Type") == ""
			}, answering(invalid("CONTENT_TYPE_REQUIRED", "Content-Type is required")))}},
		{Name: "zero-bytes-ignored-one-in-three", Doc: "Has three workers behind it, of which one is older and does nothing where there is no body.",
			Breaks: []string{untyped, typed}, Fault: Fault{REST: oneFormInThree(nothing, answering(nil))}},
		{Name: "demands-content-type-always", Doc: "Refuses every cancel that has no Content-Type, chunked or not.",
			Breaks: []string{untyped},
			Fault: Fault{REST: refuseIf(invalid("CONTENT_TYPE_REQUIRED", "Content-Type is required"), func(r *http.Request, _ []byte) bool {
				return r.Header.Get("Content-Type") == ""
			})}},
		{Name: "zero-bytes-page-400", Doc: "Has a framework that answers a body of zero bytes with a page, as Flask does.",
			Breaks: []string{untyped, typed, chunked}, Fault: Fault{REST: onForm(empty, plainStatus(http.StatusBadRequest))}},
		{Name: "untyped-body-page-500", Doc: "Has a framework without a parsed body where there is no Content-Type, as Express 5 has, and fails on that.",
			Breaks: []string{untyped}, Fault: Fault{REST: onForm(func(r *http.Request, body []byte) bool {
				return empty(r, body) && r.Header.Get("Content-Type") == ""
			}, plainStatus(http.StatusInternalServerError))}},
		{Name: "parses-zero-bytes-always", Doc: "Parses a body of zero bytes as JSON where it is called so, chunked or not.",
			Breaks: []string{typed},
			Fault: Fault{REST: refuseIf(invalid("BODY_MALFORMED", "unexpected end of JSON input"), func(r *http.Request, body []byte) bool {
				return r.Header.Get("Content-Type") != "" && len(body) == 0
			})}},
		{Name: "leaves-bodies", Doc: "Does not read the bodies of cancels, so that what follows on the connection is not understood.",
			Breaks: []string{"cancel.request.empty-object"}, May: []string{"cancel.request.malformed-body"}, Fault: Fault{REST: leavesBodies}},
		{Name: "charset-ignored", Doc: "Reads a JSON body with a charset as a form, finds nothing in it, and does nothing.",
			Breaks: []string{"cancel.request.json-charset-param"},
			Fault: Fault{REST: onForm(func(r *http.Request, body []byte) bool {
				return len(body) > 0 && strings.Contains(r.Header.Get("Content-Type"), ";")
			}, answering(nil))}},
		{Name: "body-name-ignored-cancel", Doc: "Takes a body with a name for another request, answers success, and does nothing.",
			Breaks: []string{"cancel.request.body-name-same"}, Fault: Fault{REST: onForm(named, answering(nil))}},
		{Name: "body-name-404", Doc: "Looks for the name of the body below that of the path.",
			Breaks: []string{"cancel.request.body-name-same"}, Fault: Fault{REST: onForm(named, answering(notFound("name in the body")))}},
		{Name: "body-name-cancels-both", Doc: "Cancels what the path names and what the body names.",
			Breaks: []string{"cancel.request.path-name-authoritative"},
			Fault: Fault{REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
				if name := nameIn(body); name != "" {
					record(next, bodiless(withName(r, name)))
				}
				next.ServeHTTP(w, bodiless(r))
			})}},
		{Name: "body-name-cancelled-then-400", Doc: "Cancels what the body names, and then finds that the path names something else.",
			Breaks: []string{"cancel.request.path-name-authoritative"},
			Fault: Fault{REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
				if name := nameIn(body); name != "" {
					record(next, bodiless(withName(r, name)))
				}
				next.ServeHTTP(w, r)
			})}},
		{Name: "body-name-second-choice", Doc: "Cancels what the body names where it does not find what the path names.",
			Breaks: []string{"cancel.request.path-name-authoritative"}, Fault: Fault{REST: secondChoice(http.StatusNotFound, func(_ *http.Request, body []byte) string { return nameIn(body) })}},
		{Name: "query-name-second-choice", Doc: "Cancels what the query names where it does not find what the path names.",
			Breaks: []string{"cancel.request.query-name-ignored"}, Fault: Fault{REST: secondChoice(http.StatusNotFound, func(r *http.Request, _ []byte) string { return r.URL.Query().Get("name") })}},
		{Name: "unknown-ok-without-body", Doc: "Has nothing to do for a cancel without a body that finds nothing, and answers OK.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.unknown.not-found"}}, Fault: Fault{REST: withoutBodyAnswered(http.StatusNotFound, "OPERATION_NOT_FOUND", nil)}},
		{Name: "finished-500-without-body", Doc: "Fails on a cancel without a body of what is finished.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.finished.status-legal"}}, Fault: Fault{REST: withoutBodyAnswered(http.StatusBadRequest, "OPERATION_FINISHED", refuse(codes.Internal, "REQUEST_FAILED", "no reason was given"))}},
		{Name: "repeat-500-without-body", Doc: "Fails on a second cancel without a body: it was to say why.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.repeat.code-legal"}}, Fault: Fault{REST: repeatedWithoutBody}},
		{Name: "query-name-cancels-both", Doc: "Cancels what the path names and what the query names.",
			Breaks: []string{"cancel.request.query-name-ignored"},
			Fault: Fault{REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, _ []byte) {
				if name := r.URL.Query().Get("name"); name != "" {
					record(next, bodiless(withName(r, name)))
				}
				next.ServeHTTP(w, r)
			})}},
		{Name: "unknown-member-ignored-cancel", Doc: "Answers success to a body with a member that it does not know, and does nothing.",
			Breaks: []string{"cancel.request.unknown-body-field"}, Fault: Fault{REST: onForm(unknownMember, answering(nil))}},
		{Name: "malformed-body-dropped", Doc: "Crashes over a body that is no JSON object.",
			Breaks: []string{"cancel.request.malformed-body"}, Fault: Fault{REST: onForm(noObject, drops)}},
		{Name: "malformed-body-too-late", Doc: "Cancels first, and then refuses a body that is no JSON object.",
			Breaks:   []string{"cancel.request.malformed-body", "cancel.rejected.no-effect"},
			BreaksOn: map[targets.Transport][]string{targets.GRPC: nil}, Fault: Fault{REST: tooLate(noObject)}},
		{Name: "string-body-too-late", Doc: "Puts a cancel into its queue before it finds that the body is a string, and refuses that.",
			Breaks:   []string{"cancel.request.malformed-body", "cancel.rejected.no-effect"},
			BreaksOn: map[targets.Transport][]string{targets.GRPC: nil}, Fault: Fault{REST: queuedAndRefused(func(_ *http.Request, body []byte) bool {
				return bytes.HasPrefix(body, []byte(`"`))
			})}},
		{Name: "number-body-too-late", Doc: "Puts a cancel into its queue before it finds that the body is a number, and refuses that.",
			Breaks:   []string{"cancel.rejected.no-effect"},
			BreaksOn: map[targets.Transport][]string{targets.GRPC: nil}, Fault: Fault{REST: queuedAndRefused(func(_ *http.Request, body []byte) bool {
				return string(body) == "1"
			})}},
		{Name: "null-body-500", Doc: "Follows the null in a body.",
			Breaks: []string{"cancel.request.malformed-body"},
			Fault:  Fault{REST: onForm(func(_ *http.Request, body []byte) bool { return string(body) == "null" }, crash)}},
		{Name: "query-hides-verb", Doc: "Looks for the verb at the end of the whole request target, and finds none where there is a query.",
			Breaks: []string{"cancel.request.system-params", "cancel.request.unknown-query-param"},
			Fault:  Fault{REST: onForm(func(r *http.Request, _ []byte) bool { return r.URL.RawQuery != "" }, answering(refuse(codes.NotFound, "PATH_NOT_FOUND", "no such path")))}},
		{Name: "query-names-operation-bodiless", Doc: "Reads the request from the query where there is no body, the name as well.",
			Breaks: []string{"cancel.request.query-name-ignored"},
			Fault: Fault{REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
				if name := r.URL.Query().Get("name"); name != "" && len(body) == 0 {
					r = withName(r, name)
				}
				next.ServeHTTP(w, r)
			})}},
		{Name: "query-name-500", Doc: "Finds the name in the path and in the query, and fails on the second.",
			Breaks: []string{"cancel.request.query-name-ignored"}, Fault: Fault{REST: onForm(queried, crash)}},
		{Name: "query-name-ignored-cancel", Doc: "Takes a cancel with another name in the query for that of nothing, and says OK.",
			Breaks: []string{"cancel.request.query-name-ignored"}, Fault: Fault{REST: onForm(queried, answering(nil))}},
		{Name: "query-name-too-late", Doc: "Cancels first, and then refuses a name in the query.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.rejected.no-effect"}}, Fault: Fault{REST: tooLate(queried)}},
		{Name: "body-name-too-late", Doc: "Cancels first, and then refuses the name in the body, even the same as in the path.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.rejected.no-effect"}},
			Fault:    Fault{REST: tooLate(func(r *http.Request, body []byte) bool { return named(r, body) && !differs(r, body) })}},
		{Name: "names-differ-too-late", Doc: "Cancels what the path names, and then refuses the body, which names something else.",
			Breaks:   []string{"cancel.request.path-name-authoritative", "cancel.rejected.no-effect"},
			BreaksOn: map[targets.Transport][]string{targets.GRPC: nil}, Fault: Fault{REST: tooLate(differs)}},
		{Name: "body-name-always-too-late", Doc: "Cancels first, and then refuses any name in the body.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.rejected.no-effect"}}, Fault: Fault{REST: tooLate(named)}},
		{Name: "names-differ-500", Doc: "Fails where body and path name different operations.",
			Breaks: []string{"cancel.request.path-name-authoritative"}, Fault: Fault{REST: onForm(differs, crash)}},
		{Name: "names-differ-ignored-cancel", Doc: "Looks for an operation of both names where body and path differ, finds none, and says OK.",
			Breaks: []string{"cancel.request.path-name-authoritative"}, Fault: Fault{REST: onForm(differs, answering(nil))}},
		{Name: "unknown-member-422", Doc: "Answers 422 to a body with a member that it does not know, as its framework does.",
			Breaks: []string{"cancel.request.unknown-body-field"}, Fault: Fault{REST: onForm(unknownMember, plainStatus(http.StatusUnprocessableEntity))}},
		{Name: "malformed-body-422", Doc: "Answers 422 to a body that is no JSON object, as its framework does.",
			Breaks: []string{"cancel.request.malformed-body"}, Fault: Fault{REST: onForm(noObject, plainStatus(http.StatusUnprocessableEntity))}},
		{Name: "malformed-body-failed-precondition", Doc: "Says that a body that is no JSON object has come at the wrong time.",
			Breaks: []string{"cancel.request.malformed-body"},
			Fault:  Fault{REST: onForm(noObject, answering(refuse(codes.FailedPrecondition, "BODY_MALFORMED", "the body is no object")))}},
		{Name: "charset-in-capitals-415", Doc: "Knows two spellings of the Content-Type, and none of them has a charset in capitals.",
			Breaks: []string{"cancel.request.json-charset-param"},
			Fault: Fault{REST: onForm(func(r *http.Request, body []byte) bool {
				return len(body) > 0 && strings.Contains(r.Header.Get("Content-Type"), "UTF-8")
			}, unsupported)}},
		{Name: "media-type-in-capitals-415", Doc: "Compares the media type as text.",
			Breaks: []string{"cancel.request.json-charset-param"},
			Fault: Fault{REST: onForm(func(r *http.Request, body []byte) bool {
				return strings.HasPrefix(r.Header.Get("Content-Type"), "Application/JSON")
			}, unsupported)}},
		{Name: "system-parameters-bodiless", Doc: "Reads the request from the query where there is no body, and knows no alt.",
			Breaks: []string{"cancel.request.system-params"},
			Fault: Fault{REST: refuseIf(invalid("PARAMETER_UNKNOWN", "query parameter is not known"), func(r *http.Request, body []byte) bool {
				return len(body) == 0 && r.URL.Query().Has("alt")
			})}},
		{Name: "untyped-chunks-400", Doc: "Demands a Content-Type where the body comes in chunks, even an empty one.",
			Breaks: []string{chunked}, Fault: Fault{REST: refuseIf(invalid("CONTENT_TYPE_REQUIRED", "Content-Type is required"), inEmptyChunks(false))}},
		{Name: "json-chunks-400", Doc: "Parses a body as JSON where it has no length and is called so, even an empty one.",
			Breaks: []string{chunked}, Fault: Fault{REST: refuseIf(invalid("BODY_MALFORMED", "unexpected end of JSON input"), inEmptyChunks(true))}},
		{Name: "system-parameters-ignored-cancel", Doc: "Answers alt=json with a description of the method, and success.",
			Breaks: []string{"cancel.request.system-params"},
			Fault:  Fault{REST: onForm(func(r *http.Request, _ []byte) bool { return r.URL.Query().Has("alt") }, answering(nil))}},
		{Name: "refuses-grpc-libraries", Doc: "Takes the User-Agent of gRPC libraries for that of robots, and refuses their cancels.",
			BreaksOn: map[targets.Transport][]string{targets.GRPC: {"cancel.request.routing-headers"}},
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Header.Get("User-Agent"), "grpc-") {
					_ = payloadOf(r)
					grpcRefusal("3", "no robots").send(w)
					return
				}
				next.ServeHTTP(w, r)
			})}},
		clientHeaderMutant("refuses-client-header", "Refuses the header by which client libraries tell who they are.", "x-goog-api-client"),
		clientHeaderMutant("refuses-user-project", "Fails on the header that names the project that pays.", "x-goog-user-project"),
	}
}

// secondChoice is a hook by which a cancel that is refused with a status cancels
// the operation that of says.
func secondChoice(refused int, of func(r *http.Request, body []byte) string) func(http.Handler) http.Handler {
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		d := record(next, bodiless(r))
		if name := of(r, body); d.status == refused && name != "" {
			d = record(next, bodiless(withName(r, name)))
		}
		d.send(w)
	})
}

// withoutBodyAnswered is a hook that answers a cancel without a body, which is
// refused with a status and a reason, otherwise.
func withoutBodyAnswered(status int, reason string, answer error) func(http.Handler) http.Handler {
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		d := record(next, r)
		if len(body) == 0 && d.status == status && reasonOf(d) == reason && !strings.Contains(rawPath(r.URL), "%") {
			answering(answer)(next, w, r)
			return
		}
		d.send(w)
	})
}

// repeatedWithoutBody is a hook that fails on the second cancel of a path that has
// no body.
func repeatedWithoutBody(next http.Handler) http.Handler {
	paths := newNameSet()
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		d := record(next, r)
		if d.status == http.StatusOK && paths.add(rawPath(r.URL)) > 1 && len(body) == 0 {
			writeError(w, refuse(codes.Internal, "REQUEST_FAILED", "no reason was given"))
			return
		}
		d.send(w)
	})(next)
}

// inEmptyChunks tells whether a body is empty and comes in chunks, with or
// without a Content-Type.
func inEmptyChunks(typed bool) func(r *http.Request, body []byte) bool {
	return func(r *http.Request, body []byte) bool {
		return r.ContentLength < 0 && len(body) == 0 && (r.Header.Get("Content-Type") != "") == typed
	}
}

// clientHeaderMutant fails on cancels with a header, over both transports.
func clientHeaderMutant(name, doc, header string) Mutant {
	crash := refuse(codes.Internal, "HEADER_UNKNOWN", "header %s could not be handled", header)
	return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.request.routing-headers"}, Fault: Fault{
		REST: refuseIf(crash, func(r *http.Request, _ []byte) bool { return r.Header.Get(header) != "" }),
		Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if CallOf(ctx).Transport == targets.GRPC && len(metadata.ValueFromIncomingContext(ctx, header)) > 0 {
				return crash
			}
			return next.Cancel(ctx, r)
		})}}
}
