package steps

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// answer is an attack by an ordinary answer with an odd body.
func answer(contentType string, body []byte) attack {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	}
}

// onWire is an attack by bytes that no HTTP library would send. The connection
// is closed afterwards, or kept open until the client gives up.
func onWire(text string, keep, reset bool) attack {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, text)
		if keep {
			defer context.AfterFunc(r.Context(), func() { _ = conn.Close() })()
			_, _ = io.Copy(io.Discard, conn)
		}
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
	}
}

// endless writes a piece again and again until the client has gone.
func endless(contentType, encoding string, piece []byte, pause time.Duration) attack {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		if encoding != "" {
			w.Header().Set("Content-Encoding", encoding)
		}
		for r.Context().Err() == nil {
			if _, err := w.Write(piece); err != nil {
				return
			}
			if pause > 0 {
				_ = http.NewResponseController(w).Flush()
				if !sleep(r.Context(), pause) {
					return
				}
			}
		}
	}
}

// bomb is a gzip member of 32 MiB of spaces; members may follow one another.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	space := bytes.Repeat([]byte(" "), 1<<20)
	for range 32 {
		_, _ = z.Write(space)
	}
	_ = z.Close()
	return b.Bytes()
})

func neverAnswers(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func headerFlood(w http.ResponseWriter, _ *http.Request) {
	for i := range 20_000 {
		w.Header().Set(fmt.Sprintf("X-Flood-%d", i), strings.Repeat("x", 100))
	}
	_, _ = io.WriteString(w, "{}")
}

func hints(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Link", "</"+strings.Repeat("x", 1000)+">")
	for r.Context().Err() == nil {
		w.WriteHeader(http.StatusEarlyHints)
	}
}

// restAttacks are answers to a call over REST.
func restAttacks() map[string]attack {
	const kind = "application/json"
	return map[string]attack{
		"never answers":    neverAnswers,
		"never ends":       endless(kind, "", []byte(" "), time.Hour),
		"drips":            endless(kind, "", []byte(" "), 5*time.Millisecond),
		"gigabytes":        endless(kind, "", bytes.Repeat([]byte(" "), 1<<16), 0),
		"compression bomb": endless(kind, "gzip", bomb(), 0),
		"not gzip": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			answer(kind, []byte("{}"))(w, r)
		},
		"200,000 levels":           answer(kind, bytes.Repeat([]byte("["), 200_000)),
		"200,000 levels of member": answer(kind, []byte(`{"metadata":`+strings.Repeat(`{"a":`, 200_000)+"1"+strings.Repeat("}", 200_001))),
		"a wide document":          answer(kind, []byte("["+strings.Repeat("[],", 300_000)+"[]]")),
		"a huge exponent":          answer(kind, []byte(`{"error":{"code":1e5000000,"message":"x"},"done":true}`)),
		"a huge number":            answer(kind, []byte(`{"error":{"code":`+strings.Repeat("9", 500_000)+`},"done":true}`)),
		"duplicate keys":           answer(kind, []byte(`{"done":true,"done":false,"name":"a","name":"b"}`)),
		"invalid UTF-8":            answer(kind, []byte("{\"name\":\"\xff\xfe\"}")),
		"half a surrogate":         answer(kind, []byte(`{"name":"\ud800"}`)),
		"half a document":          answer(kind, []byte(`{"name":"projects/demo/oper`)),
		"other types":              answer(kind, []byte(`{"name":[1],"done":{"a":1},"error":7,"response":"x","metadata":[]}`)),
		"tokens without end":       answer(kind, []byte(`"`+strings.Repeat("bearer eyJ", 90_000)+`"`)),
		"terminal escapes":         answer("text/html\x1b[2J", []byte("\x1b]0;owned\a\x1b[31m<script>alert(1)</script>")),
		"truncated body":           onWire("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"name\":", false, false),
		"reset in the middle":      onWire("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"name\":", false, true),
		"reset at once":            onWire("", false, true),
		"closes at once":           onWire("", false, false),
		"half a header":            onWire("HTTP/1.1 200 OK\r\nContent-Ty", true, false),
		"another protocol":         onWire("SSH-2.0-OpenSSH_9.6\r\n", true, false),
		"broken chunks":            onWire("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n{}\r\n", false, false),
		"a chunk of 16 EiB":        onWire("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}", true, false),
		"two lengths":              onWire("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", false, false),
		"a strange status":         onWire("HTTP/1.1 999 \x1b[2J\r\nContent-Length: 0\r\n\r\n", false, false),
		"switches protocols":       onWire("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", true, false),
		"header flood":             headerFlood,
		"a header of 10 MB":        func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Big", strings.Repeat("x", 10<<20)) },
		"early hints without end":  hints,
	}
}

// frame is a gRPC message with a length that may be a lie.
func frame(flag byte, length uint32, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, length), data...)
}

// grpcAnswer is an attack by DATA and trailers; "" leaves grpc-status out.
func grpcAnswer(data []byte, status string, more ...string) attack {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		for i := 0; i+1 < len(more); i += 2 {
			w.Header().Set(more[i], more[i+1])
		}
		_, _ = w.Write(data)
		_ = http.NewResponseController(w).Flush()
		if status != "" {
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
		}
	}
}

// grpcAttacks are answers to a call over gRPC.
func grpcAttacks() map[string]attack {
	const kind = "application/grpc"
	deep := bytes.Repeat([]byte{0x0b}, 200_000) // field 1, start of a group
	return map[string]attack{
		"never answers":       neverAnswers,
		"never ends":          endless(kind, "", frame(0, 0, nil), time.Hour),
		"drips":               endless(kind, "", []byte{0}, 5*time.Millisecond),
		"gigabytes":           endless(kind, "", frame(0, 1<<16, make([]byte, 1<<16)), 0),
		"messages of nothing": endless(kind, "", bytes.Repeat(frame(0, 0, nil), 1000), 0),
		"RST_STREAM":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"RST_STREAM in the middle": func(w http.ResponseWriter, r *http.Request) {
			grpcAnswer(frame(0, 100, []byte("x")), "")(w, r)
			panic(http.ErrAbortHandler)
		},
		"another content type":   answer("text/html", []byte("<html>\x1b[2J</html>")),
		"no content type":        answer("", []byte("x")),
		"missing trailers":       grpcAnswer(frame(0, 0, nil), ""),
		"nothing at all":         grpcAnswer(nil, ""),
		"a message of 4 GiB":     endless(kind, "", append(frame(0, 1<<32-1, nil), make([]byte, 1<<16)...), 0),
		"a length that is a lie": grpcAnswer(frame(0, 1<<32-1, []byte("x")), "0"),
		"a frame cut short":      grpcAnswer([]byte{0, 0}, "0"),
		"a compression bomb":     grpcAnswer(frame(1, uint32(len(bomb())), bomb()), "0", "Grpc-Encoding", "gzip"),
		"an unknown flag":        grpcAnswer(frame(0x80, 2, []byte("xx")), "0"),
		"no protobuf":            grpcAnswer(frame(0, 4, []byte("\xff\xff\xff\xff")), "0"),
		"200,000 groups":         grpcAnswer(frame(0, uint32(len(deep)), deep), "0"),
		"a status of its own":    grpcAnswer(nil, "99"),
		"a status that is none":  grpcAnswer(nil, "\x1b[2Jfive"),
		"a huge status":          grpcAnswer(nil, strings.Repeat("9", 100_000)),
		"a message without end":  grpcAnswer(nil, "5", "Grpc-Message", strings.Repeat("%1b%ff", 30_000)),
		"details that are none":  grpcAnswer(nil, "5", "Grpc-Status-Details-Bin", "!!!!"),
		"header flood":           headerFlood,
		"HTTP 502":               func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	}
}

// underAttack judges a hostile target and holds the run to its bounds.
func underAttack(t *testing.T, target *targets.Target, o Options) *reports.Report {
	t.Helper()
	o.Timeout, o.Level = 20*time.Second, reports.LevelShould
	began := time.Now()
	r, err := Run(t.Context(), target, o)
	require.NoError(t, err)
	// The end cleans up, on a machine that judges several such servers at a time.
	assert.Less(t, time.Since(began), o.Timeout+30*time.Second, "the run ends with its timeout")
	require.NotEmpty(t, r.Outcome)
	for _, c := range r.Cases {
		assert.False(t, c.SuiteBug, "%s: %s", c.ID, c.Reason)
		if c.Verdict != reports.Passed {
			assert.NotEmpty(t, c.Reason, "%s is %s without a reason", c.ID, c.Verdict)
		}
	}
	return r
}

func failedOf(r *reports.Report) []string {
	var out []string
	for _, q := range r.Requirements {
		if q.Verdict == reports.Failed {
			out = append(out, q.ID)
		}
	}
	return out
}

// aboutAnswers are the requirements that a hostile answer to a cancel breaks:
// those of the answer's own form, and that a cancel is answered at all.
var aboutAnswers = []string{"cancel.accept.in-progress", "cancel.response.empty-json-object",
	"grpc.returns-empty", "grpc.status-in-trailers", "grpc.unary"}

// Nothing of a server that is hostile throughout can be judged, but for what
// its wire shows. The run says so, with a reason, and soon.
func TestHostileFromTheFirstCall(t *testing.T) {
	honest := map[string]bool{"missing trailers": true, "messages of nothing": true, "other types": true} // an answer all the same, which can be judged
	for on, attacks := range map[targets.Transport]map[string]attack{targets.REST: restAttacks(), targets.GRPC: grpcAttacks()} {
		for name, a := range attacks {
			t.Run(string(on)+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := underAttack(t, hostile(t, on, a, everyCall), Options{})
				assert.Contains(t, []reports.Outcome{reports.Error, reports.Nonconformant}, r.Outcome, r.Reason)
				if !honest[name] {
					assert.Subset(t, []string{"grpc.status-in-trailers"}, failedOf(r))
				}
			})
		}
	}
}

// An honest server whose answer to an accepted cancel is hostile is blamed for
// that answer, and for nothing else.
func TestHostileAnswersToCancel(t *testing.T) {
	o := Options{Run: []string{"cancel.accept.in-progress", "cancel.response.*", "cancel.state.code-1", "cancel.unknown.not-found",
		"get.after-cancel.*", "grpc.returns-empty", "grpc.status-in-trailers", "grpc.unary"}}
	for on, attacks := range map[targets.Transport]map[string]attack{targets.REST: restAttacks(), targets.GRPC: grpcAttacks()} {
		for name, a := range attacks {
			t.Run(string(on)+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := underAttack(t, hostile(t, on, a, cancels), o)
				assert.Subset(t, aboutAnswers, failedOf(r))
				assert.NotEqual(t, reports.Conformant, r.Outcome)
			})
		}
	}
}

// A list that never ends is inconclusive, and no fault of anything else.
func TestHostileList(t *testing.T) {
	var page int
	var mu sync.Mutex
	pages := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		page++
		token := page
		mu.Unlock()
		answer("application/json", fmt.Appendf(nil, `{"operations":[],"nextPageToken":"%d"}`, token))(w, r)
	}
	for name, a := range map[string]attack{"pages without end": pages,
		"the same page again": answer("application/json", []byte(`{"nextPageToken":"again"}`)),
		"gigabytes":           restAttacks()["gigabytes"], "other types": answer("application/json", []byte(`{"operations":{"a":[]},"nextPageToken":7}`))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := underAttack(t, hostile(t, targets.REST, a, lists), Options{Run: []string{"list.*", "cancel.state.listed", "cancel.accept.in-progress", "cancel.response.*"}})
			assert.Subset(t, []string{"list.consistent-with-get", "cancel.state.listed"}, failedOf(r))
		})
	}
}

// A redirect is an answer: nothing is sent to where it points, least of all
// credentials.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Int64
	elsewhere := serveBoth(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(func() { assert.Zero(t, followed.Load()) })
	for _, code := range []int{301, 302, 303, 307, 308} {
		redirect := func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+elsewhere+r.URL.Path, code)
		}
		for when, aimed := range map[string]aim{"every": everyCall, "cancels": cancels} {
			t.Run(fmt.Sprint(code, when), func(t *testing.T) {
				t.Parallel()
				r := underAttack(t, hostile(t, targets.REST, redirect, aimed, targets.WithBearer("credential-canary")), Options{Run: []string{"cancel.accept.in-progress", "cancel.response.*"}})
				assert.NotEqual(t, reports.Conformant, r.Outcome)
				if when == "every" {
					assert.Equal(t, reports.Error, r.Outcome)
					assert.Contains(t, r.Reason, fmt.Sprintf("HTTP %d", code))
				}
			})
		}
	}
}

// A target that goes in the middle of a run ends it with one reason.
func TestTargetThatGoes(t *testing.T) {
	for _, on := range targets.Transports() {
		for name, a := range map[string]attack{"silent": neverAnswers, "reset": restAttacks()["reset at once"]} {
			if on == targets.GRPC && name == "reset" {
				a = grpcAttacks()["RST_STREAM"]
			}
			t.Run(string(on)+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := underAttack(t, hostile(t, on, a, afterHalf), Options{})
				if !assert.Empty(t, failedOf(r), "what is gone breaks nothing") {
					assert.NoError(t, reports.Text(true)(t.Output(), r))
				}
				assert.NotEqual(t, reports.Conformant, r.Outcome)
			})
		}
	}
}
