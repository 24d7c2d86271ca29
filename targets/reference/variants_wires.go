package reference

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/proto"

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
