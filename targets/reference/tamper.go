package reference

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// A draft is an answer that has not been sent yet: of REST, or of one unary
// gRPC call. Faults change it.
type draft struct {
	status  int
	header  http.Header
	body    []byte
	trailer http.Header // gRPC only
}

// A draftWriter records an answer instead of sending it.
type draftWriter struct {
	header http.Header
	sent   http.Header // as it was when the body began
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *draftWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *draftWriter) WriteHeader(status int) {
	if w.sent == nil {
		w.status, w.sent = status, w.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (w *draftWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush implements http.Flusher, which the gRPC server asks for.
func (w *draftWriter) Flush() { w.WriteHeader(http.StatusOK) }

// record has next answer the request into a draft.
func record(next http.Handler, r *http.Request) *draft {
	w := &draftWriter{header: http.Header{}}
	next.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	d := &draft{status: w.status, header: w.sent, body: w.body.Bytes(), trailer: http.Header{}}
	for _, k := range d.header.Values("Trailer") {
		if v := w.header.Values(k); len(v) > 0 {
			d.trailer[http.CanonicalHeaderKey(k)] = v
		}
	}
	d.header.Del("Trailer")
	for k, v := range w.header {
		if name, ok := strings.CutPrefix(k, http.TrailerPrefix); ok {
			d.trailer[name] = v
			d.header.Del(k)
		}
	}
	return d
}

// send answers with the draft.
func (d *draft) send(w http.ResponseWriter) {
	for k, v := range d.header {
		w.Header()[k] = v
	}
	for k := range d.trailer {
		w.Header().Add("Trailer", k)
	}
	w.WriteHeader(d.status)
	if len(d.body) > 0 {
		// A failed write means that the client has gone.
		_, _ = w.Write(d.body)
	}
	for k, v := range d.trailer {
		w.Header()[k] = v
	}
}

// doc decodes a JSON body; nil if it is no object.
func (d *draft) doc() map[string]any {
	decoder := json.NewDecoder(bytes.NewReader(d.body))
	decoder.UseNumber()
	var out map[string]any
	if err := decoder.Decode(&out); err != nil {
		return nil
	}
	return out
}

// setDoc replaces a JSON body.
func (d *draft) setDoc(doc any) {
	if data, err := json.Marshal(doc); err == nil {
		d.body = data
	}
}

// messages returns the messages of a gRPC answer.
func (d *draft) messages() [][]byte {
	var out [][]byte
	for rest := d.body; len(rest) >= 5; {
		n := int(binary.BigEndian.Uint32(rest[1:5]))
		if len(rest) < 5+n {
			break
		}
		out = append(out, rest[5:5+n])
		rest = rest[5+n:]
	}
	return out
}

// setMessages replaces the messages of a gRPC answer, uncompressed.
func (d *draft) setMessages(messages ...[]byte) {
	d.body = nil
	for _, m := range messages {
		d.body = append(d.body, 0)
		d.body = binary.BigEndian.AppendUint32(d.body, uint32(len(m)))
		d.body = append(d.body, m...)
	}
}

// ok tells whether the gRPC answer is a success.
func (d *draft) ok() bool { return d.trailer.Get("Grpc-Status") == "0" }

// restMethod is the method that a REST request calls, going by its ends.
func restMethod(r *http.Request) targets.Method {
	path := rawPath(r.URL)
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(path, ":cancel"):
		return targets.Cancel
	case r.Method == http.MethodPost && strings.HasSuffix(path, ":wait"):
		return targets.Wait
	case r.Method == http.MethodGet && strings.HasSuffix(path, "/operations"):
		return targets.List
	case r.Method == http.MethodGet:
		return targets.Get
	case r.Method == http.MethodDelete:
		return targets.Delete
	}
	return ""
}

// wireMethod is the method of google.longrunning.Operations that a gRPC
// request calls; "" for all else.
func wireMethod(r *http.Request) targets.Method {
	name, ok := strings.CutPrefix(r.URL.Path, "/google.longrunning.Operations/")
	if !ok {
		return ""
	}
	return targets.Method(name)
}

// A methodOf tells which method a request calls.
type methodOf func(*http.Request) targets.Method

// answers decorates a handler so that edit changes its answers to a method.
func answers(of methodOf, m targets.Method, edit func(d *draft)) func(http.Handler) http.Handler {
	return requests(of, m, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		d := record(next, r)
		edit(d)
		d.send(w)
	})
}

// requests decorates a handler so that serve answers the requests of a method.
func requests(of methodOf, m targets.Method, serve func(next http.Handler, w http.ResponseWriter, r *http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if of(r) == m {
				serve(next, w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// cancelRequests decorates the REST side so that serve sees the cancels, with
// their bodies; the body can be read again.
func cancelRequests(serve func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte)) func(http.Handler) http.Handler {
	return requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		body, err := readBody(r)
		if err != nil {
			writeError(w, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		serve(next, w, r, body)
	})
}
