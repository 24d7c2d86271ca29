package steps

import (
	"context"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// An attack answers a call in a way that no client should have to bear.
type attack func(w http.ResponseWriter, r *http.Request)

// Which calls of an otherwise honest server are attacked.
type aim func(r *http.Request, nth int64) bool

func everyCall(*http.Request, int64) bool { return true }

// cancels are the calls of Cancel, whatever form they have.
func cancels(r *http.Request, _ int64) bool {
	return strings.HasSuffix(r.URL.Path, ":cancel") || strings.HasSuffix(r.URL.Path, "/CancelOperation")
}

// lists are the calls of List.
func lists(r *http.Request, _ int64) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/operations") || strings.HasSuffix(r.URL.Path, "/ListOperations")
}

// afterHalf are all calls from the 300th on.
func afterHalf(_ *http.Request, nth int64) bool { return nth > 300 }

// hostileTimeouts are short: what never answers is to cost little.
var hostileTimeouts = targets.Timeouts{Request: time.Second, Settle: time.Second, Observe: 50 * time.Millisecond}

// hostile is a target on an honest server whose aimed-at calls are attacked,
// on one transport. Nothing of it outlives the test.
func hostile(t testing.TB, on targets.Transport, a attack, when aim, more ...targets.Option) *targets.Target {
	t.Helper()
	s, err := reference.New(reference.Options{Natural: 60 * time.Millisecond, SlowStop: hostileTimeouts.Settle / 4})
	require.NoError(t, err)
	inner := s.Handler()
	if on == targets.GRPC {
		inner = grpcProxy(t, s)
	}
	var calls atomic.Int64
	address := serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if when(r, calls.Add(1)) {
			if cancels(r, 0) && honestly(w, r, inner) {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body) // so that the client's leaving is seen
			a(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return at(t, s, on, address, more...)
}

// honestly passes a cancel on, so that it has its effect, and tells whether it
// was refused, in which case the refusal stands.
func honestly(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
	answer := httptest.NewRecorder()
	inner.ServeHTTP(answer, r)
	got := answer.Result()
	isGRPC := strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
	if !isGRPC && got.StatusCode == http.StatusOK || isGRPC && got.Trailer.Get("Grpc-Status") == "0" {
		return false
	}
	maps.Copy(w.Header(), got.Header)
	w.WriteHeader(got.StatusCode)
	_, _ = w.Write(answer.Body.Bytes())
	for name, values := range got.Trailer {
		w.Header()[http.TrailerPrefix+name] = values
	}
	return true
}

// at describes a server that listens somewhere, of whose operations s starts.
func at(t testing.TB, s *reference.Server, on targets.Transport, address string, more ...targets.Option) *targets.Target {
	t.Helper()
	o := []targets.Option{targets.WithNamePattern("projects/*/operations/**"), targets.WithList("projects/demo"),
		targets.WithTimeouts(hostileTimeouts), targets.WithGuaranteed()}
	if on == targets.REST {
		o = append(o, targets.WithREST("http://"+address+"/v1beta"))
	} else {
		o = append(o, targets.WithGRPC(address))
	}
	for _, role := range targets.Roles() {
		o = append(o, targets.WithStarter(role, inProcess(s)))
	}
	target, err := targets.NewTarget("hostile", append(o, more...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	return target
}

// inProcess starts operations without a call over the wire.
func inProcess(s *reference.Server) targets.StartFunc {
	return func(ctx context.Context, r targets.StartRequest) (targets.Started, error) {
		kind := reference.Kind(r.Role)
		if r.Role == targets.Chosen {
			kind = reference.Running
		}
		ctx = reference.WithCall(ctx, reference.Call{Caller: reference.Owner})
		op, err := s.Service().Start(ctx, reference.StartRequest{Parent: "projects/demo", ID: r.ID, Kind: kind})
		return targets.Started{Name: op.GetName()}, err
	}
}

// serveBoth serves HTTP/1.1 and HTTP/2 without TLS on one loopback port.
func serveBoth(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	server.Config.Protocols = p
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // what aborts says so
	ctx, cancel := context.WithCancel(context.Background())
	server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Start()
	t.Cleanup(func() {
		cancel()
		server.CloseClientConnections()
		server.Close()
	})
	return server.Listener.Addr().String()
}

// grpcProxy passes calls on to the gRPC side of a server.
func grpcProxy(t testing.TB, s *reference.Server) http.Handler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- s.ServeGRPC(l) }()
	t.Cleanup(func() { assert.NoError(t, <-ended) })
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	wire := &http.Transport{Protocols: p, DisableCompression: true}
	t.Cleanup(wire.CloseIdleConnections)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: l.Addr().String()})
	proxy.Transport = wire // no FlushInterval: it could send a header that ends the stream without its end
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	return proxy
}
