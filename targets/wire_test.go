package targets

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
)

// TestNoConnection tells a server that cannot be reached from a caller that
// did not wait: only the first says something about the server.
func TestNoConnection(t *testing.T) {
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	soon, stop := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer stop()
	lost := func(ctx context.Context) error { return errors.Join(ctx.Err(), errors.New("no turn")) }
	for _, c := range []struct {
		name   string
		ctx    context.Context
		before func(context.Context) error
		want   NoAnswerKind
	}{
		{"the whole timeout", t.Context(), nil, Unreachable},
		{"the caller's shorter deadline", soon, nil, TimedOut},
		{"a caller that gave up", cancelled, nil, Aborted},
		{"not sent", t.Context(), lost, Unreachable},
		{"not sent, the caller's deadline passed", soon, lost, TimedOut},
		{"not sent, the caller gave up", cancelled, lost, Aborted},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, open := range []func(Connection) Client{
				func(n Connection) Client { n.Addresses = []string{"http://" + deadPort}; return restAt(t, n) },
				func(n Connection) Client { n.Addresses = []string{deadPort}; return grpcAt(t, n) },
			} {
				client := open(Connection{Dial: hang, Timeout: 150 * time.Millisecond, Before: c.before})
				x, err := client.Call(c.ctx, Get, &longrunningpb.GetOperationRequest{Name: "x"})
				var none *NoAnswer
				require.ErrorAs(t, err, &none)
				assert.Equal(t, c.want, none.Kind, "%s: %v", client.Transport(), err)
				assert.Equal(t, client.Transport(), x.Transport)
				assert.False(t, x.Answered())
			}
		})
	}
}

// TestGRPCRequestOfAnotherService shows that any message can be sent to any
// method, and is shown in hexadecimal where JSON cannot say it.
func TestGRPCRequestOfAnotherService(t *testing.T) {
	address, _ := serveGRPC(t)
	x, err := grpcAt(t, Connection{Addresses: []string{address}}).Raw(t.Context(),
		RawRequest{FullMethod: "/example.Jobs/Start", Message: &anypb.Any{TypeUrl: "x/example.Unknown"}})
	require.NoError(t, err)
	assert.Equal(t, "0a11782f6578616d706c652e556e6b6e6f776e", x.Request.Body)
	assert.Equal(t, "/example.Jobs/Start", x.Request.Line)
	assert.True(t, x.GRPC.HasStatus)
}

func TestGunzipOfWhatWasCutOff(t *testing.T) {
	noise := make([]byte, 8<<10)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	packed := zipped(t, noise)
	plain, truncated, err := gunzip(packed[:6<<10], true, 1<<20)
	require.NoError(t, err)
	assert.True(t, truncated)
	assert.Equal(t, noise[:len(plain)], plain)
	_, _, err = gunzip(packed[:6<<10], false, 1<<20)
	assert.ErrorContains(t, err, "gzip: unexpected EOF", "a body that is whole has to be whole gzip")
}
