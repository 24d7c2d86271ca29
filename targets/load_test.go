package targets

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestClientsUnderLoad shows that 64 workers share connections instead of
// opening one for each call, and that closing a client leaves nothing running.
func TestClientsUnderLoad(t *testing.T) {
	const workers, calls = 64, 20
	for _, transport := range Transports() {
		t.Run(string(transport), func(t *testing.T) {
			var opened atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if transport == GRPC {
					answer(200, nil, message(0, nil), map[string]string{"Grpc-Status": "0"})(w, r)
					return
				}
				w.Write([]byte("{}"))
			}))
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetHTTP1(true)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					opened.Add(1)
				}
			}
			s.Start()
			before := runtime.NumGoroutine()
			client, err := NewREST(Connection{Addresses: []string{s.URL}})
			if transport == GRPC {
				client, err = NewGRPC(Connection{Addresses: []string{strings.TrimPrefix(s.URL, "http://")}})
			}
			require.NoError(t, err)
			var group sync.WaitGroup
			for range workers {
				group.Go(func() {
					for range calls {
						x, err := client.Call(t.Context(), Cancel, &longrunningpb.CancelOperationRequest{Name: "x"})
						assert.NoError(t, err)
						assert.True(t, x.Accepted())
					}
				})
			}
			group.Wait()
			assert.LessOrEqual(t, opened.Load(), int64(2*workers))
			require.NoError(t, client.Close())
			s.Close()
			assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before }, 20*time.Second, 5*time.Millisecond, "goroutines end")
		})
	}
}

func TestGRPCOverTLS(t *testing.T) {
	start := func(http2 bool) (string, *tls.Config) {
		s := httptest.NewUnstartedServer(answer(200, nil, message(0, field(nil, 1, 'x')), map[string]string{"Grpc-Status": "0"}))
		s.EnableHTTP2 = http2
		s.StartTLS()
		t.Cleanup(s.Close)
		config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		config.NextProtos = nil
		return strings.TrimPrefix(s.URL, "https://"), config
	}
	address, config := start(true)
	x, err := grpcAt(t, Connection{Addresses: []string{address}, TLS: config}).Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "x"})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"name": "x"}, x.Doc)
	assert.True(t, x.Accepted())

	address, config = start(false)
	_, err = grpcAt(t, Connection{Addresses: []string{address}, TLS: config}).Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "x"})
	var none *NoAnswer
	require.ErrorAs(t, err, &none, "a server without HTTP/2 speaks no gRPC")
	assert.Contains(t, []NoAnswerKind{Unreachable, Reset}, none.Kind)
}
