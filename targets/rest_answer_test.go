package targets

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestRESTAnswers(t *testing.T) {
	envelope := `{"error":{"code":404,"status":"NOT_FOUND","message":"no"}}`
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		status  int
		code    codes.Code
		body    string
		doc     any
		docErr  string
	}{
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(307)
		}, 307, codes.Unknown, "", nil, "end of text"},
		{"envelope", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); io.WriteString(w, envelope) }, 404, codes.NotFound, envelope,
			map[string]any{"error": map[string]any{"code": json.Number("404"), "status": "NOT_FOUND", "message": "no"}}, ""},
		{"html", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502); io.WriteString(w, "<html>") }, 502, codes.Unknown, "<html>", nil, "want a value"},
		{"no content", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }, 204, codes.OK, "", nil, "end of text"},
		{"duplicate names", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"a":1,"a":1}`) }, 200, codes.OK, `{"a":1,"a":1}`, nil, "stands twice"},
		{"gzip unasked", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(zipped(t, []byte(`{"done":true}`)))
		}, 200, codes.OK, `{"done":true}`, map[string]any{"done": true}, ""},
		{"gzip that is none", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "{}")
		}, 200, codes.OK, "{}", nil, "gzip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, err := restAt(t, Connection{Addresses: []string{serve(t, c.handler)}}).Raw(t.Context(), RawRequest{HTTPMethod: "GET", Target: "/x"})
			require.NoError(t, err)
			assert.Equal(t, c.status, x.HTTP)
			assert.Equal(t, c.code, x.Code)
			assert.Equal(t, c.body, string(x.Body))
			assert.Equal(t, c.body, x.Response.Body)
			assert.Equal(t, c.doc, x.Doc)
			assert.Equal(t, fmt.Sprintf("%d %s", c.status, http.StatusText(c.status)), x.Response.Line)
			assert.NotEmpty(t, x.Header["Date"])
			if c.docErr != "" {
				assert.ErrorContains(t, x.DocErr, c.docErr)
			} else {
				assert.NoError(t, x.DocErr)
			}
		})
	}
}

func TestRESTBounds(t *testing.T) {
	bomb := zipped(t, make([]byte, 64<<20))
	endless := listen(t, func(c net.Conn) {
		drip(c, "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 8<<10), time.Microsecond)
	})
	for name, url := range map[string]string{
		"endless body": "http://" + endless,
		"gzip bomb": serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			x, err := restAt(t, Connection{Addresses: []string{url}}).Raw(t.Context(), RawRequest{HTTPMethod: "GET", Target: "/"})
			require.NoError(t, err)
			assert.True(t, x.Truncated)
			assert.Len(t, x.Body, 1<<20)
			assert.ErrorContains(t, x.DocErr, "longer than 1048576 bytes")
			assert.Less(t, len(x.Response.Body), 17<<10)
		})
	}
	t.Run("just the bound", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"a":1}`) })
		x, err := restAt(t, Connection{Addresses: []string{url}, MaxBody: 7}).Raw(t.Context(), RawRequest{HTTPMethod: "GET", Target: "/"})
		require.NoError(t, err)
		assert.False(t, x.Truncated)
		assert.NotNil(t, x.Doc)
	})
}

func TestRESTNoAnswer(t *testing.T) {
	aborted, abort := context.WithCancel(t.Context())
	for _, c := range []struct {
		name    string
		address string
		ctx     context.Context
		timeout time.Duration
		kind    NoAnswerKind
	}{
		{name: "dead port", address: deadPort, kind: Unreachable},
		{name: "closed at once", address: listen(t, func(c net.Conn) { bufio.NewReader(c).ReadString('\n') }), kind: Reset},
		{name: "reset inside the body", address: listen(t, func(c net.Conn) {
			bufio.NewReader(c).ReadString('\n')
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
			c.(*net.TCPConn).SetLinger(0)
		}), kind: Reset},
		{name: "no http", address: listen(t, func(c net.Conn) { bufio.NewReader(c).ReadString('\n'); io.WriteString(c, "SSH-2.0-x\r\n") }), kind: Reset},
		{name: "header flood", address: listen(t, func(c net.Conn) {
			drip(c, "HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("a", 4000)+"\r\n", time.Microsecond)
		}), kind: Reset},
		{name: "drip", address: listen(t, func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\n\r\n", "x", 10*time.Millisecond) }), timeout: 100 * time.Millisecond, kind: TimedOut},
		{name: "silence", address: listen(t, func(c net.Conn) { io.Copy(io.Discard, c) }), timeout: 100 * time.Millisecond, kind: TimedOut},
		{name: "aborted", address: listen(t, func(c net.Conn) {
			bufio.NewReader(c).ReadString('\n')
			abort()
			io.Copy(io.Discard, c)
		}), ctx: aborted, kind: Aborted},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ctx == nil {
				c.ctx = t.Context()
			}
			client := restAt(t, Connection{Addresses: []string{"http://" + c.address}, Timeout: c.timeout})
			x, err := client.Call(c.ctx, Cancel, &longrunningpb.CancelOperationRequest{Name: "n"})
			var none *NoAnswer
			require.ErrorAs(t, err, &none)
			assert.Equal(t, c.kind, none.Kind, "%v", err)
			assert.Equal(t, err.Error(), x.Problem)
			assert.Equal(t, "POST /n:cancel", x.Request.Line)
			assert.False(t, x.Accepted())
			assert.Zero(t, x.Response)
		})
	}
}

func TestRESTConnectionsByNumber(t *testing.T) {
	peers := make(chan string, 4)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { peers <- r.RemoteAddr; io.WriteString(w, "{}") })
	client := restAt(t, Connection{Addresses: []string{url}})
	var seen []string
	for _, n := range []int{0, 1, 1, 0} {
		_, err := client.Raw(t.Context(), RawRequest{HTTPMethod: "POST", Target: "/x", Connection: n})
		require.NoError(t, err)
		seen = append(seen, <-peers)
	}
	assert.NotEqual(t, seen[0], seen[1])
	assert.Equal(t, seen[1], seen[2], "one number keeps its connection")
	assert.Equal(t, seen[0], seen[3])
}

func TestRESTTakesNoOtherProtocol(t *testing.T) {
	address := listen(t, func(c net.Conn) {
		bufio.NewReader(c).ReadString('\n')
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		io.Copy(io.Discard, c)
	})
	x, err := restAt(t, Connection{Addresses: []string{"http://" + address}}).Raw(t.Context(), RawRequest{HTTPMethod: "GET", Target: "/"})
	require.NoError(t, err)
	assert.Equal(t, 101, x.HTTP)
	assert.Empty(t, x.Body)
}

func TestRESTRotatesAddresses(t *testing.T) {
	var hits [2]atomic.Int64
	var urls []string
	for i := range hits {
		urls = append(urls, serve(t, func(w http.ResponseWriter, r *http.Request) { hits[i].Add(1) }))
	}
	client := restAt(t, Connection{Addresses: urls})
	for range 4 {
		_, err := client.Raw(t.Context(), RawRequest{HTTPMethod: "GET", Target: "/"})
		require.NoError(t, err)
	}
	assert.Equal(t, int64(2), hits[0].Load())
	assert.Equal(t, int64(2), hits[1].Load())
}

func TestRESTOverTLSUsesHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "{%q:%q}", r.Proto, r.RequestURI)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	client := restAt(t, Connection{Addresses: []string{s.URL + "/v1"}, TLS: s.Client().Transport.(*http.Transport).TLSClientConfig})
	for _, chunked := range []bool{false, true} {
		x, err := client.Raw(t.Context(), RawRequest{HTTPMethod: "POST", Target: "/a/../%2F:cancel?x", Chunked: chunked})
		require.NoError(t, err)
		assert.Equal(t, map[string]any{"HTTP/2.0": "/v1/a/../%2F:cancel?x"}, x.Doc)
	}
	_, err := restAt(t, Connection{Addresses: []string{s.URL}}).Raw(t.Context(), RawRequest{HTTPMethod: "GET", Target: "/"})
	var none *NoAnswer
	require.ErrorAs(t, err, &none)
	assert.Equal(t, Unreachable, none.Kind, "the certificate is not trusted")
}

func TestRESTWaitExtendsTheDeadline(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(300 * time.Millisecond):
		}
		io.WriteString(w, "{}")
	})
	client := restAt(t, Connection{Addresses: []string{url}, Timeout: 100 * time.Millisecond})
	_, err := client.Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "x"})
	assert.Error(t, err)
	_, err = client.Call(t.Context(), Wait, &longrunningpb.WaitOperationRequest{Name: "x", Timeout: durationpb.New(20 * time.Second)})
	assert.NoError(t, err)
}

func TestRESTBeforeKeepsACallFromBeingMade(t *testing.T) {
	stop := errors.New("the run is over")
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("a request was sent") })
	client := restAt(t, Connection{Addresses: []string{url}, Before: func(context.Context) error { return stop }})
	x, err := client.Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "x"})
	assert.ErrorIs(t, err, stop)
	assert.Equal(t, "GET /x", x.Request.Line)
}
