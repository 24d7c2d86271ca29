package reference

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// wiresMutants are wrong about the gRPC method and its payload, about what differs
// between the transports, and about names that cannot be those of operations.
func wiresMutants() []Mutant {
	return append(append(grpcMethodMutants(), payloadMutants()...), append(differMutants(), malformedMutants()...)...)
}

// payloadOf reads the first message of a gRPC request; it can be read again.
func payloadOf(r *http.Request) []byte {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if m := (&draft{body: body}).messages(); len(m) > 0 {
		return m[0]
	}
	return nil
}

// answerRequest answers a success with the request as the message: its field 1
// is the name, as that of an Operation is.
func answerRequest(next http.Handler, w http.ResponseWriter, r *http.Request) {
	m := payloadOf(r)
	d := record(next, r)
	if d.ok() {
		d.setMessages(m)
	}
	d.send(w)
}

// otherPath has a gRPC call served under another path.
func otherPath(r *http.Request, path string) *http.Request {
	out := r.Clone(r.Context())
	out.URL = &url.URL{Path: path}
	return out
}

// grpcRefusal is a gRPC answer of a code.
func grpcRefusal(code, message string) *draft {
	return &draft{status: http.StatusOK, header: http.Header{"Content-Type": {"application/grpc"}},
		trailer: http.Header{"Grpc-Status": {code}, "Grpc-Message": {message}}}
}

// notOffered decorates the gRPC side so that answer replaces what it says to
// methods of google.longrunning that it does not have.
func notOffered(answer func(r *http.Request) *draft) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !offered(r) {
				if d := answer(r); d != nil {
					_ = payloadOf(r)
					d.send(w)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

func grpcMethodMutants() []Mutant {
	const path, empty, status, unknown = "grpc.method-path", "grpc.returns-empty", "grpc.status-in-trailers", "grpc.unknown-method"
	okEmpty := func(*http.Request) *draft {
		d := grpcRefusal("0", "")
		d.setMessages(nil)
		return d
	}
	success := func(name, doc, breaks string, edit func(d *draft)) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{Wire: answers(wireMethod, targets.Cancel, func(d *draft) {
			if d.ok() {
				edit(d)
			}
		})}}
	}
	return []Mutant{
		{Name: "method-elsewhere", Doc: "Serves CancelOperation in a service of its own package, and not in google.longrunning.Operations.", Breaks: []string{path},
			Fault: Fault{Wire: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/google.longrunning.Operations/CancelOperation":
						_ = payloadOf(r)
						grpcRefusal("12", "unknown method CancelOperation for service google.longrunning.Operations").send(w)
						return
					case "/demo.v1.Operations/CancelOperation":
						r = otherPath(r, "/google.longrunning.Operations/CancelOperation")
					}
					next.ServeHTTP(w, r)
				})
			}}},
		{Name: "method-not-routed", Doc: "Sits behind a proxy that has no route for CancelOperation and answers plain HTTP 404.", Breaks: []string{path},
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, func(_ http.Handler, w http.ResponseWriter, r *http.Request) {
				_ = payloadOf(r)
				http.NotFound(w, r)
			})}},
		success("garbage-for-empty", "Answers a cancel with bytes that are no message.", empty, func(d *draft) { d.setMessages([]byte{0x0a, 0x7f, 0x01}) }),
		success("text-for-empty", "Answers a cancel with the JSON of an Empty.", empty, func(d *draft) { d.setMessages([]byte("{}")) }),
		success("empty-and-event", "Streams an event after the Empty.", "grpc.unary", func(d *draft) { d.setMessages(nil, []byte{0x08, 0x01}) }),
		success("status-in-headers", "Sends the status of a cancel in the headers, before the message.", status, func(d *draft) {
			d.header.Set("Grpc-Status", "0")
			d.trailer = http.Header{}
		}),
		{Name: "errors-without-status", Doc: "Ends the errors of Get without a status.", Breaks: []string{status},
			Fault: Fault{Wire: answers(wireMethod, targets.Get, func(d *draft) {
				if !d.ok() {
					d.trailer = http.Header{}
				}
			})}},
		{Name: "text-before-status", Doc: "Writes the errors of a cancel as text into the stream, before the trailers with their status.", Breaks: []string{status},
			Fault: Fault{Wire: answers(wireMethod, targets.Cancel, func(d *draft) {
				if !d.ok() {
					d.body = []byte("the operation cannot be cancelled\n")
				}
			})}},
		{Name: "unknown-method-ok", Doc: "Has a handler for whatever is called, which answers OK.", Breaks: []string{unknown}, Fault: Fault{Wire: notOffered(okEmpty)}},
		{Name: "unknown-method-not-found", Doc: "Answers NOT_FOUND for a method that it does not have.", Breaks: []string{unknown},
			Fault: Fault{Wire: notOffered(func(*http.Request) *draft { return grpcRefusal("5", "no such method") })}},
		{Name: "unknown-service-unknown", Doc: "Answers UNKNOWN for a service that it does not have.", Breaks: []string{unknown},
			Fault: Fault{Wire: notOffered(func(r *http.Request) *draft {
				if wireMethod(r) != "" {
					return nil
				}
				return grpcRefusal("2", "no such service")
			})}},
		{Name: "unknown-method-page", Doc: "Answers calls of unknown methods with the start page of its web console.", Breaks: []string{unknown},
			Fault: Fault{Wire: notOffered(func(*http.Request) *draft {
				return &draft{status: http.StatusOK, header: http.Header{"Content-Type": {"text/html"}}, body: []byte("<html></html>")}
			})}},
	}
}

// cancelReadable has the name of a broken payload cancelled, as far as it can be read.
func cancelReadable(next http.Handler, w http.ResponseWriter, r *http.Request) {
	m := payloadOf(r)
	number, kind, n := protowire.ConsumeTag(m)
	if n < 0 || number != 1 || kind != protowire.BytesType {
		next.ServeHTTP(w, r)
		return
	}
	if name, size := protowire.ConsumeBytes(m[n:]); size > 0 {
		d := &draft{}
		d.setMessages(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), name))
		reread(r, d.body)
	}
	next.ServeHTTP(w, r)
}

// reread gives a request another body.
func reread(r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
}

func payloadMutants() []Mutant {
	const empty, literal, fields, broken = "grpc.empty-name", "grpc.name-literal", "grpc.unknown-fields", "grpc.malformed-payload"
	named := func(name, doc, breaks string, is func(name string) bool, answer error) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{
			Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if is(r.GetName()) {
					return answer
				}
				return next.Cancel(ctx, r)
			})}}
	}
	cuts := func(name, doc, breaks, suffix string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{
			Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				return next.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: strings.TrimSuffix(r.GetName(), suffix)})
			})}}
	}
	isEmpty := func(name string) bool { return name == "" }
	hasPercent := func(name string) bool { return strings.Contains(name, "%") }
	withFields := func(name, doc string, answer error) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{fields}, Fault: Fault{
			Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if len(r.ProtoReflect().GetUnknown()) > 0 {
					return answer
				}
				return next.Cancel(ctx, r)
			})}}
	}
	return []Mutant{
		named("empty-name-500", "Fails on a cancel without a name.", empty, isEmpty, refuse(codes.Internal, "REQUEST_FAILED", "index out of range")),
		named("empty-name-not-running", "Takes a cancel without a name for one of what has ended.", empty, isEmpty, refuse(codes.FailedPrecondition, "NOT_RUNNING", "not running")),
		named("percent-name-500", "Fails on a percent sign in a name.", literal, hasPercent, refuse(codes.Internal, "REQUEST_FAILED", "bad escape")),
		named("percent-name-ok", "Answers OK to a name with a percent sign, without effect.", literal, hasPercent, nil),
		cuts("grpc-cuts-verb", "Cuts the verb off gRPC names too, by code that both transports share.", literal, ":cancel"),
		cuts("grpc-cuts-slash", "Cuts a slash off the end of a name.", literal, "/"),
		cuts("grpc-cuts-query", "Parses names as URLs, and leaves out what is behind the question mark.", literal, "?alt=json"),
		{Name: "decodes-grpc-slashes", Doc: "Undoes the percent-encoding of slashes, as its gateway leaves them encoded.", Breaks: []string{literal},
			Fault: Fault{Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				return next.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: strings.ReplaceAll(r.GetName(), "%2F", "/")})
			})}},
		withFields("unknown-fields-500", "Fails on a request with a field that it does not know.", refuse(codes.Internal, "REQUEST_FAILED", "unknown field")),
		withFields("unknown-fields-ineffective", "Answers OK to a request with a field that it does not know, and drops it.", nil),
		{Name: "malformed-payload-cancels", Doc: "Reads as much of a broken request as it can, and cancels.", Breaks: []string{broken},
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, cancelReadable)}},
		{Name: "malformed-payload-empty", Doc: "Takes a request that it cannot decode for an empty one, which names nothing that it finds.", Breaks: []string{broken},
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if proto.Unmarshal(payloadOf(r), new(longrunningpb.CancelOperationRequest)) != nil {
					grpcRefusal("5", "no such operation").send(w)
					return
				}
				next.ServeHTTP(w, r)
			})}},
	}
}

// strange answers cancels of strange names, over both transports: over REST
// in front of the router.
func strange(name, doc, breaks string, is func(name string) bool, answer error) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{
		Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if is(r.GetName()) {
				return answer
			}
			return next.Cancel(ctx, r)
		}),
		REST: requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			_, name, _ := strings.Cut(strings.TrimSuffix(r.URL.Path, ":cancel"), "/v1beta/")
			switch {
			case !is(name):
				next.ServeHTTP(w, r)
			case answer != nil:
				writeError(w, answer)
			default:
				writeJSON(w, http.StatusOK, []byte("{}"))
			}
		})}}
}

func malformedMutants() []Mutant {
	const rejected, crash = "cancel.malformed.rejected", "cancel.malformed.no-crash"
	fails := refuse(codes.Internal, "REQUEST_FAILED", "invalid byte sequence")
	hangUp := func(long func(r *http.Request) bool) func(http.Handler) http.Handler {
		return requests(func(r *http.Request) targets.Method {
			if r.Method == http.MethodPost && (restMethod(r) == targets.Cancel || wireMethod(r) == targets.Cancel) {
				return targets.Cancel
			}
			return ""
		}, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if long(r) {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}
	return []Mutant{
		strange("slashes-ok", "Answers OK to a name of slashes alone.", rejected, func(name string) bool { return name != "" && strings.Trim(name, "/") == "" }, nil),
		strange("other-collection-500", "Fails on a name of another collection.", rejected,
			func(name string) bool { return strings.Contains(name, "/assets/") }, fails),
		{Name: "collection-busy", Doc: "Takes the name of the collection for that of a busy operation.", Breaks: []string{rejected},
			BreaksOn: map[targets.Transport][]string{targets.REST: nil},
			Fault: Fault{Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if r.GetName() == "operations" {
					return refuse(codes.Aborted, "BUSY", "busy")
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "strips-illegal-characters", Doc: "Takes the characters that no name has out of it, and cancels what is left.", Breaks: []string{rejected},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				clean := strings.Map(func(c rune) rune {
					if strings.ContainsRune(`"<>\^`, c) {
						return -1
					}
					return c
				}, r.GetName())
				return next.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: clean})
			})}},
		strange("nul-500", "Fails on a NUL, which its database does not store in a text.", crash, func(name string) bool { return strings.Contains(name, "\x00") }, fails),
		strange("emoji-500", "Fails on characters beyond the basic plane, which its database does not store.", crash,
			func(name string) bool { return strings.ContainsFunc(name, func(c rune) bool { return c > 0xffff }) }, fails),
		{Name: "no-utf8-unknown", Doc: "Fails over gRPC on a name that is no UTF-8, in code of its own.", Breaks: []string{crash},
			BreaksOn: map[targets.Transport][]string{targets.REST: nil},
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if m := payloadOf(r); len(m) > 2 && m[0] == 0x0a && int(m[1]) == len(m)-2 && !utf8.Valid(m[2:]) {
					grpcRefusal("2", "codec failed").send(w)
					return
				}
				next.ServeHTTP(w, r)
			})}},
		{Name: "long-name-hangs-up", Doc: "Crashes while it handles a long name, and drops the connection.", Breaks: []string{crash},
			Fault: Fault{REST: hangUp(func(r *http.Request) bool { return len(r.URL.Path) > longID }),
				Wire: hangUp(func(r *http.Request) bool { return len(payloadOf(r)) > longID })}},
	}
}
