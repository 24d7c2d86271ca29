package reference

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

func newGzipWriter() *gzip.Writer {
	z, _ := gzip.NewWriterLevel(nil, gzip.HuffmanOnly) // the level that needs least memory
	return z
}

// gzipBy compresses an answer, and says so.
func gzipBy(z *gzip.Writer, d *draft) {
	var b bytes.Buffer
	z.Reset(&b)
	_, _ = z.Write(d.body) // into memory
	_ = z.Close()
	d.body = b.Bytes()
	d.header.Set("Content-Encoding", "gzip")
}

func gzipped(d *draft) { gzipBy(newGzipWriter(), d) }

// frontVariants have something in front of them that answers some calls for
// itself, in words that are not the service's.
func frontVariants() []Variant {
	slashes := func(r *http.Request, _ []byte) bool { return strings.Contains(strings.ToLower(r.URL.RawQuery), "%2f") }
	return []Variant{
		{Name: "front-blocks-queries", Doc: "Has a front end that answers 403 to a query with an encoded slash in it.",
			Fault: Fault{REST: onForm(slashes, plainStatus(http.StatusForbidden))}},
		{Name: "front-refuses-queries", Alone: true, Doc: "Has a front end that answers 400 to a query with an encoded slash in it.",
			Fault: Fault{REST: onForm(slashes, plainStatus(http.StatusBadRequest))}},
		{Name: "front-refuses-percent", Doc: "Has a front end that answers 400 to an encoded percent sign in the path of a POST.",
			Fault: Fault{REST: where(posted(twiceEncoded), plainStatus(http.StatusBadRequest))}},
		{Name: "decodes-all-twice", Doc: "Has a front end that decodes every path before the service does so again: Get finds what Cancel does.",
			Fault: Fault{REST: where(func(r *http.Request) bool { return strings.Contains(rawPath(r.URL), "%25") },
				func(next http.Handler, w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(w, redirected(r, r.Method, decode(rawPath(r.URL))))
				})}},
		{Name: "front-ends-waits", Alone: true, Doc: "Has a front end that answers 408 to a long Wait that has lasted for 300 ms.",
			Fault: Fault{REST: requests(restMethod, targets.Wait, endsLate)}},
		{Name: "content-type-twice", Doc: "Has a front end that repeats the content type of its answers.",
			Fault: Fault{REST: reform(func(d *draft) {
				if v := d.header["Content-Type"]; len(v) == 1 {
					d.header["Content-Type"] = append(v, v[0])
				}
			})}},
		{Name: "drops-deadlines", Doc: "Has a front end that does not pass the deadlines of calls over gRPC on.",
			Fault: Fault{Wire: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Header.Del("Grpc-Timeout")
					next.ServeHTTP(w, r)
				})
			}}},
		{Name: "gzips-when-asked", Doc: "Compresses the answers to those who ask for it.", Fault: Fault{REST: whereGzip(gzipped)}},
	}
}

// endsLate answers a long Wait that lasts, as a front end does that has a limit of
// its own.
func endsLate(next http.Handler, w http.ResponseWriter, r *http.Request) {
	const long, limit = 20 * time.Second, 300 * time.Millisecond
	body, err := readBody(r)
	if err != nil {
		writeError(w, err)
		return
	}
	reread(r, body)
	m, _ := members(body)
	text, _ := m["timeout"].(string)
	if asked, err := time.ParseDuration(text); err != nil || asked < long {
		next.ServeHTTP(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	d := record(next, r.WithContext(ctx))
	if ctx.Err() == nil {
		d.send(w)
		return
	}
	plainStatus(http.StatusRequestTimeout)(next, w, r)
}
