package reference

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lro-tools/conform/targets"
)

// refused decorates the gRPC side so that edit changes the errors of Get and
// Cancel.
func refused(edit func(d *draft)) func(http.Handler) http.Handler {
	only := func(d *draft) {
		if s := d.trailer.Get("Grpc-Status"); s != "" && s != "0" {
			edit(d)
		}
	}
	return func(next http.Handler) http.Handler {
		return answers(wireMethod, targets.Get, only)(answers(wireMethod, targets.Cancel, only)(next))
	}
}

// statusMutants are wrong about how gRPC tells the status of a call.
func statusMutants() []Mutant {
	const trailers, details, unknown = "grpc.status-in-trailers", "error.grpc.status-details", "grpc.unknown-method"
	wire := func(name, doc, breaks string, hook func(http.Handler) http.Handler) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{Wire: hook}}
	}
	numbers := map[string]string{"3": "400", "5": "404", "9": "400"}
	return []Mutant{
		wire("refusals-without-status", "Ends refused cancels without a status.", trailers, answers(wireMethod, targets.Cancel, func(d *draft) {
			if !d.ok() {
				d.trailer = http.Header{}
			}
		})),
		wire("refusals-reset", "Resets the stream of a cancel that it refuses.", trailers, answers(wireMethod, targets.Cancel, func(d *draft) {
			if !d.ok() {
				panic(http.ErrAbortHandler)
			}
		})),
		wire("status-by-name", "Writes the name of the code into grpc-status.", trailers, refused(func(d *draft) { d.trailer.Set("Grpc-Status", "REFUSED") })),
		wire("status-of-http", "Writes the HTTP status into grpc-status.", trailers, refused(func(d *draft) {
			if n := numbers[d.trailer.Get("Grpc-Status")]; n != "" {
				d.trailer.Set("Grpc-Status", n)
			}
		})),
		wire("status-twice", "Adds a status of its own to that of the library.", trailers, refused(func(d *draft) {
			d.trailer["Grpc-Status"] = []string{d.trailer.Get("Grpc-Status"), "2"}
		})),
		wire("status-before-the-end", "Writes the status of errors into headers, and ends the stream after them.", trailers, statusBeforeEnd(nil)),
		wire("status-before-the-end-of-nothing", "Writes the status of errors into headers, which say that nothing follows, and ends the stream after them.", trailers,
			statusBeforeEnd(http.Header{"Content-Length": {"0"}})),
		wire("errors-plain-400", "Answers the errors of Get and Cancel with plain HTTP 400.", trailers, refused(func(d *draft) {
			d.status, d.header, d.trailer, d.body = http.StatusBadRequest, http.Header{"Content-Type": {"text/plain"}}, http.Header{}, []byte("bad request")
		})),
		wire("details-as-json", "Writes grpc-status-details-bin as JSON, and not in base64.", details, refused(func(d *draft) {
			d.trailer.Set("Grpc-Status-Details-Bin", `{"code":5}`)
		})),
		wire("details-added", "Adds the details of another error to those of the library.", details, refused(func(d *draft) {
			d.trailer.Add("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString([]byte{0x08, 0x02}))
		})),
		wire("unknown-method-500", "Fails on methods that it does not have, by plain HTTP 500.", unknown, notOffered(func(*http.Request) *draft {
			return &draft{status: http.StatusInternalServerError, header: http.Header{"Content-Type": {"text/plain"}}, body: []byte("no handler")}
		})),
		wire("unknown-method-reset", "Resets the stream of a method that it does not have.", unknown, notOffered(func(*http.Request) *draft {
			panic(http.ErrAbortHandler)
		})),
		wire("event-after-repeat", "Streams an event after the Empty of a cancel that was sent before.", "grpc.unary", repeatedly(func(d *draft, _ []byte) {
			d.setMessages(nil, []byte{0x08, 0x01})
		})),
		wire("operation-after-repeat", "Answers a cancel that was sent before with the operation.", "grpc.returns-empty", repeatedly(func(d *draft, request []byte) {
			d.setMessages(request)
		})),
	}
}

// statusBeforeEnd sends the status of errors in a header, with more beside it, that
// does not end the stream: an empty DATA frame does.
func statusBeforeEnd(more http.Header) func(http.Handler) http.Handler {
	of := func(m targets.Method) func(http.Handler) http.Handler {
		return requests(wireMethod, m, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			d := record(next, r)
			if d.ok() {
				d.send(w)
				return
			}
			for _, h := range []http.Header{d.header, d.trailer, more} {
				for k, v := range h {
					w.Header()[k] = v
				}
			}
			w.WriteHeader(d.status)
			_ = http.NewResponseController(w).Flush() // a failure means that the client has gone
		})
	}
	return around(of(targets.Get), of(targets.Cancel))
}

// repeatedly decorates the gRPC side so that edit changes the success of a
// cancel whose name was cancelled before. It is given the request as well.
func repeatedly(edit func(d *draft, request []byte)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var seen sync.Map
		return requests(wireMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			m := payloadOf(r)
			d := record(next, r)
			if _, again := seen.LoadOrStore(string(nameField(m)), true); again && d.ok() {
				edit(d, m)
			}
			d.send(w)
		})(next)
	}
}

// nameField is the first field of a request, which is its name; nil where there
// is none.
func nameField(m []byte) []byte {
	number, kind, n := protowire.ConsumeTag(m)
	if n < 0 || number != 1 || kind != protowire.BytesType {
		return nil
	}
	name, _ := protowire.ConsumeBytes(m[n:])
	return bytes.Clone(name)
}
