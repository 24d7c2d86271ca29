package steps

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

func tempTarget(t testing.TB, s *reference.Server) *targets.Target {
	rl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go s.ServeREST(rl)
	go s.ServeGRPC(gl)
	rc, err := targets.NewREST(targets.Connection{Addresses: []string{"http://" + rl.Addr().String() + "/v1beta"}, Timeout: 2 * time.Second})
	require.NoError(t, err)
	gc, err := targets.NewGRPC(targets.Connection{Addresses: []string{gl.Addr().String()}, Timeout: 2 * time.Second})
	require.NoError(t, err)
	tt := &targets.Target{Name: "ref", Profile: "lro", Guaranteed: true, Cancel: "auto", MetadataState: "/value/state", Confirmed: true,
		Timeouts: targets.Timeouts{Request: 2 * time.Second, Settle: 2 * time.Second, Observe: 100 * time.Millisecond},
		Endpoints: map[targets.Transport]*targets.Endpoint{
			targets.REST: {Client: rc, Address: "x", Judge: true, Loopback: true, NamePattern: "projects/*/operations/**", List: "projects/demo", HasList: true},
			targets.GRPC: {Client: gc, Address: "x", Judge: true, Loopback: true, NamePattern: "projects/*/operations/**", List: "projects/demo", HasList: true},
		}, Roles: map[targets.Role]targets.Availability{}}
	for _, r := range targets.Roles() {
		tt.Roles[r] = targets.Availability{Configured: true}
	}
	tt.Starter = targets.StartFunc(func(ctx context.Context, r targets.StartRequest) (targets.Started, error) {
		k := reference.Kind(r.Role)
		if r.Role == targets.Chosen {
			k = reference.Running
		}
		op, err := s.Service().Start(reference.WithCall(ctx, reference.Call{Caller: reference.Owner}), reference.StartRequest{Parent: "projects/demo", ID: r.ID, Kind: k})
		if err != nil {
			return targets.Started{}, err
		}
		return targets.Started{Name: op.Name}, nil
	})
	return tt
}
