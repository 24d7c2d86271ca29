package interop_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// project is the parent of every operation that is judged.
const project = "projects/demo"

// target is the server as the suite judges it, with its own gRPC side and the
// REST side of another server at the URL rest.
func (s *server) target(t *testing.T, rest string) *targets.Target {
	timeouts := targets.Timeouts{Request: 2 * time.Second, Settle: 2 * time.Second, Observe: 100 * time.Millisecond}
	overREST, err := targets.NewREST(targets.Connection{Addresses: []string{rest + "/" + version}, Timeout: timeouts.Request})
	require.NoError(t, err)
	overGRPC, err := targets.NewGRPC(targets.Connection{Addresses: []string{s.grpc}, Timeout: timeouts.Request})
	require.NoError(t, err)
	judged := &targets.Target{
		Name: t.Name(), Profile: targets.ProfileLRO, Cancel: targets.CancelAuto, Guaranteed: true, Confirmed: true,
		MetadataState: "/value/state", Timeouts: timeouts, Starter: s.starter(),
		Endpoints: map[targets.Transport]*targets.Endpoint{targets.REST: endpoint(overREST, rest), targets.GRPC: endpoint(overGRPC, s.grpc)},
		Roles:     map[targets.Role]targets.Availability{},
	}
	for _, r := range targets.Roles() {
		judged.Roles[r] = targets.Availability{Configured: true}
	}
	t.Cleanup(func() {
		assert.NoError(t, overREST.Close())
		assert.NoError(t, overGRPC.Close())
	})
	return judged
}

func endpoint(c targets.Client, address string) *targets.Endpoint {
	return &targets.Endpoint{Client: c, Address: address, Judge: true, Loopback: true,
		NamePattern: "projects/*/operations/**", List: project, HasList: true}
}

// starter starts operations of every role on the reference server itself.
func (s *server) starter() targets.Starter {
	return targets.StartFunc(func(ctx context.Context, r targets.StartRequest) (targets.Started, error) {
		kind := reference.Kind(r.Role)
		if r.Role == targets.Chosen {
			kind = reference.Running
		}
		op, err := s.reference.Service().Start(ctx, reference.StartRequest{Parent: project, ID: r.ID, Kind: kind})
		return targets.Started{Name: op.GetName()}, err
	})
}
