package interop_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets/reference"
)

// patience is the time that a cancelled operation gets to end, and pause the
// time between two looks at it.
const (
	patience = 10 * time.Second
	pause    = 5 * time.Millisecond
)

// standard has the REST bindings of google/longrunning/operations.proto, which
// client libraries use where a service does not change them.
func standard() reference.Options {
	return reference.Options{Base: "/v1", Template: "operations/**"}
}

// endpoints are the addresses of one server.
type endpoints struct {
	rest string // http://host:port
	grpc string // host:port
}

// A server is a reference server on loopback that ends with its test.
type server struct {
	endpoints
	reference *reference.Server
}

// serve runs a reference server.
func serve(t *testing.T, o reference.Options) *server {
	s, err := reference.New(o)
	require.NoError(t, err)
	ended := make(chan error, 2)
	listen := func(serve func(net.Listener) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() { ended <- serve(l) }()
		return l.Addr().String()
	}
	e := endpoints{rest: "http://" + listen(s.ServeREST), grpc: listen(s.ServeGRPC)}
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		assert.NoError(t, <-ended)
		assert.NoError(t, <-ended)
	})
	return &server{endpoints: e, reference: s}
}

// start starts an operation that runs until it is cancelled, and returns its
// name again.
func (s *server) start(t *testing.T, name string) string {
	parent, id, ok := strings.Cut("/"+name, "/operations/")
	require.True(t, ok, "%s is no name of an operation", name)
	op, err := s.reference.Service().Start(t.Context(), reference.StartRequest{
		Parent: strings.TrimPrefix(parent, "/"), ID: id, Kind: reference.Running})
	require.NoError(t, err)
	require.Equal(t, name, op.GetName())
	return name
}
