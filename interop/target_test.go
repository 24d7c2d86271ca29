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
	options := []targets.Option{
		targets.WithREST(rest + "/" + version), targets.WithGRPC(s.grpc),
		targets.WithNamePattern("projects/*/operations/**"), targets.WithList(project),
		targets.WithGuaranteed(), targets.WithMetadataState("/value/state"),
		targets.WithTimeouts(targets.Timeouts{Request: 2 * time.Second, Settle: 4 * time.Second, Observe: 100 * time.Millisecond}),
	}
	for _, r := range targets.Roles() {
		options = append(options, targets.WithStarter(r, s.startRole))
	}
	judged, err := targets.NewTarget(t.Name(), options...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, judged.Close()) })
	return judged
}

// startRole starts an operation of any role on the reference server itself.
func (s *server) startRole(ctx context.Context, r targets.StartRequest) (targets.Started, error) {
	kind := reference.Kind(r.Role)
	if r.Role == targets.Chosen {
		kind = reference.Running
	}
	op, err := s.reference.Service().Start(ctx, reference.StartRequest{Parent: project, ID: r.ID, Kind: kind})
	return targets.Started{Name: op.GetName()}, err
}
