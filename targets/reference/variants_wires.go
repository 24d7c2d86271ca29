package reference

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/lro-tools/conform/targets"
)

// wiresVariants send what they have to say in unusual forms, or at unusual times.
func wiresVariants() []Variant {
	return append(append(httpVariants(), grpcVariants()...), append(answerVariants(), timeVariants()...)...)
}

// unroutedAsPage answers paths that have no route as a web server does.
func unroutedAsPage(d *draft) {
	if reasonOf(d) == "PATH_NOT_FOUND" {
		d.header.Set("Content-Type", "text/html")
		d.body = []byte("<h1>404 Not Found</h1>")
	}
}

func httpVariants() []Variant {
	writers := sync.Pool{New: func() any { return newGzipWriter() }} // each is most of a megabyte
	onCancel := func(when func(r *http.Request) bool, answer http.HandlerFunc) func(http.Handler) http.Handler {
		return requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if when(r) {
				answer(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	return []Variant{
		{Name: "gzips", Doc: "Compresses every answer.", Fault: Fault{REST: reform(func(d *draft) {
			z := writers.Get().(*gzip.Writer)
			defer writers.Put(z)
			gzipBy(z, d)
		})}},
		{Name: "sends-in-chunks", Doc: "Sends every byte of an answer in a chunk of its own.", Fault: Fault{REST: inChunks}},
		{Name: "closes-connections", Doc: "Closes the connection after every answer.",
			Fault: Fault{REST: reform(func(d *draft) { d.header.Set("Connection", "close") })}},
		{Name: "unrouted-as-page", Doc: "Answers paths that it has no route for with a page.", Fault: Fault{REST: reform(unroutedAsPage)}},
		{Name: "cleans-paths", Doc: "Redirects from paths with empty segments to those without.",
			Fault: Fault{REST: onCancel(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "//") }, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/v1beta/operations", http.StatusMovedPermanently)
			})}},
		{Name: "long-path-414", Doc: "Has a front end that answers 414 to a long path.",
			Fault: Fault{REST: onCancel(func(r *http.Request) bool { return len(r.URL.Path) > longID }, func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "too long", http.StatusRequestURITooLong)
			})}},
		{Name: "hangs-up-on-nul", Doc: "Has a front end that closes the connection on %00: a note.",
			Fault: Fault{REST: onCancel(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "\x00") }, func(http.ResponseWriter, *http.Request) {
				panic(http.ErrAbortHandler)
			})}},
		{Name: "no-utf8-500", Doc: "Fails over REST on a name that is no UTF-8: a note in the profile lro.",
			Fault: Fault{REST: onCancel(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "\xff") }, func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "invalid UTF-8", http.StatusInternalServerError)
			})}},
	}
}

// inChunks sends answers byte by byte.
func inChunks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := record(next, r)
		for k, v := range d.header {
			w.Header()[k] = v
		}
		w.WriteHeader(d.status)
		c := http.NewResponseController(w)
		for i := range d.body {
			// A failed write means that the client has gone.
			_, _ = w.Write(d.body[i : i+1])
			if i < 16 {
				_ = c.Flush()
			}
		}
	})
}

func grpcVariants() []Variant {
	plain404 := func(next http.Handler) http.Handler {
		return requests(wireMethod, targets.Cancel, func(_ http.Handler, w http.ResponseWriter, r *http.Request) {
			_ = payloadOf(r)
			http.NotFound(w, r)
		})(next)
	}
	headersFirst := func(next http.Handler) http.Handler {
		for _, m := range []targets.Method{targets.Get, targets.Cancel, targets.List, targets.Delete} {
			next = answers(wireMethod, m, func(d *draft) { d.header.Set("X-Served-By", "a") })(next)
		}
		return next
	}
	return []Variant{
		{Name: "headers-before-errors", Doc: "Sends headers before the trailers of an error as well.", Fault: Fault{Wire: headersFirst}},
		{Name: "empty-with-unknown-fields", Doc: "Answers a cancel with an Empty that has a field of a later version: a note.",
			Fault: Fault{Wire: answers(wireMethod, targets.Cancel, func(d *draft) {
				if d.ok() {
					d.setMessages([]byte{0xba, 0x3e, 2, 'o', 'k'})
				}
			})}},
		{Name: "no-cancel-not-routed", Alone: true, Doc: "Has no cancel; over gRPC a proxy says so by plain HTTP 404: a note.",
			Fault: Fault{Options: noCancel, Wire: plain404}},
		{Name: "cancels-over-rest-alone", Alone: true, Doc: "Has a cancel over REST; that of gRPC is there, and says that it is not supported.",
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if CallOf(ctx).Transport == targets.GRPC {
					return unimplemented("CancelOperation")
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "asks-before-methods", Doc: "Answers UNAUTHENTICATED to unknown methods, before it looks for them: a note.",
			Fault: Fault{Wire: notOffered(func(*http.Request) *draft { return grpcRefusal("16", "who are you") })}},
		{Name: "unknown-method-404", Doc: "Sits behind a proxy that answers plain HTTP 404 to unknown methods: a note.",
			Fault: Fault{Wire: notOffered(func(*http.Request) *draft {
				return &draft{status: http.StatusNotFound, header: http.Header{"Content-Type": {"text/plain"}}}
			})}},
		{Name: "unknown-method-401", Doc: "Sits behind a proxy that answers plain HTTP 401 to unknown methods: a note.",
			Fault: Fault{Wire: notOffered(func(*http.Request) *draft {
				return &draft{status: http.StatusUnauthorized, header: http.Header{"Content-Type": {"text/plain"}}}
			})}},
		{Name: "repeats-status", Doc: "Sends the status of errors twice, the same each time, and their details padded.", Fault: Fault{Wire: refused(func(d *draft) {
			d.trailer["Grpc-Status"] = []string{d.trailer.Get("Grpc-Status"), d.trailer.Get("Grpc-Status")}
			if raw, err := base64.RawStdEncoding.DecodeString(d.trailer.Get("Grpc-Status-Details-Bin")); err == nil && len(raw) > 0 {
				d.trailer.Set("Grpc-Status-Details-Bin", base64.StdEncoding.EncodeToString(raw))
			}
		})}},
		{Name: "malformed-payload-unknown", Doc: "Has a library that answers UNKNOWN to what it cannot decode: a note.",
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if proto.Unmarshal(payloadOf(r), new(longrunningpb.CancelOperationRequest)) != nil {
					grpcRefusal("2", "application error").send(w)
					return
				}
				next.ServeHTTP(w, r)
			})}},
		{Name: "percent-name-invalid", Doc: "Answers INVALID_ARGUMENT to a percent sign in a gRPC name.",
			Fault: Fault{Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if strings.Contains(r.GetName(), "%") {
					return invalid("NAME_MALFORMED", "a name has no percent sign")
				}
				return next.Cancel(ctx, r)
			})}},
	}
}

// largeMetadata is the size of metadata that is large, in bytes; hugeMetadata that
// of what nobody would read.
const (
	largeMetadata = 64 << 10
	hugeMetadata  = 1<<20 + largeMetadata
)

// shuffled packs a Struct anew, its entries in any order.
func shuffled(a *anypb.Any, extra bool) *anypb.Any {
	s := new(structpb.Struct)
	if a.UnmarshalTo(s) != nil {
		return a
	}
	if s.Fields == nil {
		s.Fields = map[string]*structpb.Value{}
	}
	for i := 0; extra && i < 8; i++ {
		s.Fields[fmt.Sprintf("part%d", i)] = structpb.NewNumberValue(float64(i))
	}
	out := new(anypb.Any)
	if anypb.MarshalFrom(out, s, proto.MarshalOptions{}) != nil {
		return a
	}
	return out
}

// numbersInTurn adds a number to each response, and writes it in one way and in
// another in turn.
func numbersInTurn(next http.Handler) http.Handler {
	var answers atomic.Int64
	return operationDocs(func(op map[string]any) {
		response, _ := op["response"].(map[string]any)
		if value, ok := response["value"].(map[string]any); ok {
			value["ratio"] = json.RawMessage([]string{"1.5", "1.50e0"}[answers.Add(1)%2])
		}
	})(next)
}

// durationsInTurn makes each response a Duration, spelt in one way and in another
// in turn.
func durationsInTurn(next http.Handler) http.Handler {
	var answers atomic.Int64
	return operationDocs(func(op map[string]any) {
		if op["response"] != nil {
			op["response"] = map[string]any{"@type": "type.googleapis.com/google.protobuf.Duration",
				"value": []string{"1.5s", "1.500s"}[answers.Add(1)%2]}
		}
	})(next)
}

func answerVariants() []Variant {
	onError := func(edit func(e map[string]any)) func(http.Handler) http.Handler {
		return operationDocs(func(op map[string]any) {
			if e, ok := op["error"].(map[string]any); ok {
				edit(e)
			}
		})
	}
	const unknownType = "type.googleapis.com/demo.v1.JobMetadata"
	return []Variant{
		{Name: "code-as-text", Doc: "Writes the code of an error as a string, which ProtoJSON parsers accept: a note.",
			Fault: Fault{REST: onError(func(e map[string]any) { e["code"] = fmt.Sprint(e["code"]) })}},
		{Name: "error-names-code", Doc: "Names the code beside its number in an operation's error: a note.",
			Fault: Fault{REST: onError(func(e map[string]any) { e["status"] = "CANCELLED" })}},
		{Name: "error-without-details-member", Doc: "Writes details: [] in an operation's error.",
			Fault: Fault{REST: onError(func(e map[string]any) { e["details"] = []any{} })}},
		{Name: "rewords-messages", Doc: "Words the message of an error anew each time.",
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) {
				if op.GetError() != nil {
					op.GetError().Message = fmt.Sprintf("stopped, as of %s", time.Now().Format(time.RFC3339Nano))
				}
			})}},
		{Name: "repacks-in-any-order", Doc: "Packs metadata and responses anew for each answer, the entries of maps in any order.",
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) {
				op.Metadata = shuffled(op.GetMetadata(), false)
				if op.GetResponse() != nil {
					op.Result = &longrunningpb.Operation_Response{Response: shuffled(op.GetResponse(), true)}
				}
			})}},
		{Name: "writes-numbers-in-turn", Doc: "Writes the numbers of a response in two ways, each as often.",
			Fault: Fault{REST: numbersInTurn}},
		{Name: "spells-durations-in-turn", Doc: "Answers the response as a Duration, which ProtoJSON spells in several ways.",
			Fault: Fault{REST: durationsInTurn}},
		{Name: "large-metadata", Doc: "Has metadata of 64 KiB.",
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) {
				editMetadata(op, func(fields map[string]*structpb.Value) {
					fields["log"] = structpb.NewStringValue(strings.Repeat("x", largeMetadata))
				})
			})}},
		{Name: "huge-log-when-cancelled", Alone: true, Doc: "Keeps the log of the work in the metadata of a cancelled operation: more than 1 MiB.",
			Fault: Fault{Service: func(next Service) Service {
				return thief{Service: next, get: func(op *longrunningpb.Operation) error {
					if isCancelled(op) {
						editMetadata(op, func(fields map[string]*structpb.Value) {
							fields["log"] = structpb.NewStringValue(strings.Repeat("x", hugeMetadata))
						})
					}
					return nil
				}}
			}}},
		{Name: "many-steps-when-cancelled", Alone: true, Doc: "Lists 60,000 steps of the work in the metadata of a cancelled operation.",
			Fault: Fault{REST: answers(restMethod, targets.Get, func(d *draft) {
				op := d.doc()
				if m, ok := op["metadata"].(map[string]any); ok && op["error"] != nil {
					m["steps"] = make([]int, 60_000)
					d.setDoc(op)
				}
			})}},
		{Name: "speaks-another-language", Doc: "Words its errors in another language than English, with line feeds and percent signs.",
			Fault: Fault{Service: errorsAs(func(s *rpcstatus.Status) {
				s.Message = "100 %: нет такой операции\n操作が見つかりません "
			})}},
		{Name: "metadata-of-its-own-type", Doc: "Has metadata of a type that nobody else knows.",
			Fault: Fault{REST: operationDocs(func(op map[string]any) {
				if op["metadata"] != nil {
					op["metadata"] = map[string]any{"@type": unknownType, "progress": 3}
				}
			}), Wire: operationBytes(func(op []byte) []byte {
				m := new(longrunningpb.Operation)
				if proto.Unmarshal(op, m) != nil || m.GetMetadata() == nil {
					return op
				}
				m.Metadata = &anypb.Any{TypeUrl: unknownType, Value: []byte{0x08, 0x03}}
				if out, err := proto.Marshal(m); err == nil {
					return out
				}
				return op
			})}},
		{Name: "several-details", Doc: "Sends several details with an error, each of a type of its own.",
			Fault: Fault{Service: errorsAs(func(s *rpcstatus.Status) {
				more, err := status.FromProto(s).WithDetails(&errdetails.LocalizedMessage{Locale: "en", Message: "sorry"},
					&errdetails.Help{Links: []*errdetails.Help_Link{{Description: "more", Url: "https://reference.conform.example"}}})
				if err == nil {
					s.Details = more.Proto().GetDetails()
				}
			})}},
		{Name: "unknown-names-invalid", Doc: "Finds that made-up names have no checksum, and answers INVALID_ARGUMENT to their cancel: a note.",
			Fault: Fault{Service: unknownCancelled(func(_ context.Context, _ Service, name string) error {
				return invalid("NAME_MALFORMED", "name %q has no valid checksum", name)
			})}},
		{Name: "opaque-ids", Doc: "Names operations by base64 text with padding.", Fault: Fault{Service: func(next Service) Service { return opaque{next} }}},
	}
}

// An opaque Service chooses ids of base64.
type opaque struct{ Service }

// Start implements Service.
func (o opaque) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.ID == "" && r.Kind != Nested {
		r.ID = base64.URLEncoding.EncodeToString([]byte(rand.Text())[:10])
	}
	return o.Service.Start(ctx, r)
}

// A moody Service calls before for each call; an error is the answer.
type moody struct {
	Service
	before func(ctx context.Context, m targets.Method) error
}

// Get implements Service.
func (m moody) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if err := m.before(ctx, targets.Get); err != nil {
		return nil, err
	}
	return m.Service.Get(ctx, r)
}

// List implements Service.
func (m moody) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	if err := m.before(ctx, targets.List); err != nil {
		return nil, err
	}
	return m.Service.List(ctx, r)
}

// Wait implements Service.
func (m moody) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	if err := m.before(ctx, targets.Wait); err != nil {
		return nil, err
	}
	return m.Service.Wait(ctx, r)
}

// Cancel implements Service.
func (m moody) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if err := m.before(ctx, targets.Cancel); err != nil {
		return err
	}
	return m.Service.Cancel(ctx, r)
}

// Delete implements Service.
func (m moody) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	if err := m.before(ctx, targets.Delete); err != nil {
		return err
	}
	return m.Service.Delete(ctx, r)
}

// pause waits, or ends with the call.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// slowCancel and slowGet are the times that calls take on a slow server.
const (
	slowCancel = time.Second
	slowGet    = 50 * time.Millisecond
)

func timeVariants() []Variant {
	takes := func(name, doc string, m targets.Method, d time.Duration) Variant {
		return Variant{Name: name, Doc: doc, Alone: true, Slow: true, Fault: Fault{Service: func(next Service) Service {
			return moody{next, func(ctx context.Context, called targets.Method) error {
				if called == m {
					pause(ctx, d)
				}
				return nil
			}}
		}}}
	}
	alternating := func(next Service) Service {
		var calls atomic.Int64
		return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if peek(ctx, next, r.GetName()).GetDone() && calls.Add(1)%2 == 0 {
				return nil
			}
			return next.Cancel(ctx, r)
		}}
	}
	return []Variant{
		takes("cancel-takes-a-second", "Takes a second to answer a cancel.", targets.Cancel, slowCancel),
		takes("get-takes-time", "Takes 50 ms to answer a Get.", targets.Get, slowGet),
		{Name: "fifth-call-unavailable", Alone: true, Slow: true, Doc: "Is overloaded at every fifth call.", Fault: Fault{Service: func(next Service) Service {
			var calls atomic.Int64
			return moody{next, func(context.Context, targets.Method) error {
				if calls.Add(1)%5 == 0 {
					return refuse(codes.Unavailable, "OVERLOADED", "try again")
				}
				return nil
			}}
		}}},
		{Name: "finished-in-turn", Doc: "Answers the cancel of a finished operation OK and FAILED_PRECONDITION in turn.", Fault: Fault{Service: alternating}},
	}
}
