package reference

import (
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func TestTargetStartsEveryRole(t *testing.T) {
	for _, o := range []Options{{}, {Template: "operations/**", Base: "/v1"}, guarded()} {
		s, err := New(o)
		require.NoError(t, err)
		target, err := s.Target()
		require.NoError(t, err)
		for _, role := range targets.Roles() {
			started, err := target.Starter.Start(testContext(t), targets.StartRequest{Role: role, ID: map[bool]string{true: "Op/x"}[role == targets.Chosen]})
			require.NoError(t, err, role)
			for _, transport := range targets.Transports() {
				e, err := target.Endpoints[transport].Client.Call(testContext(t), targets.Get, &longrunningpb.GetOperationRequest{Name: started.Name})
				require.NoError(t, err)
				assert.Equal(t, codes.OK, e.Code, "%s over %s: %s", role, transport, e.Status())
			}
		}
		assert.Equal(t, o.Tokens != nil, target.Principals[targets.Stranger].Configured)
		require.NoError(t, target.Close())
	}
}

func TestTargetWithoutNestedNames(t *testing.T) {
	s, err := New(Options{Template: "projects/*/locations/*/operations/*"})
	require.NoError(t, err)
	target, err := s.Target()
	require.NoError(t, err)
	assert.NotEmpty(t, target.Roles[targets.Nested].Unavailable)
	assert.Equal(t, "projects/demo/locations/demo", target.Endpoints[targets.REST].List)
	require.NoError(t, target.Close())
}

func TestTargetKnowsTheStateOverGRPC(t *testing.T) {
	op := newOperation(t)
	doc, ok := linkedTypes{}.Decode(op.GetMetadata().GetTypeUrl(), op.GetMetadata().GetValue())
	require.True(t, ok)
	assert.Equal(t, "RUNNING", doc.(map[string]any)["value"].(map[string]any)["state"])
	_, ok = linkedTypes{}.Decode("type.googleapis.com/no.such.Type", nil)
	assert.False(t, ok)
}

func newOperation(t *testing.T) *longrunningpb.Operation {
	s, err := New(Options{})
	require.NoError(t, err)
	defer s.Close()
	op, err := s.Service().Start(t.Context(), StartRequest{Parent: "projects/p"})
	require.NoError(t, err)
	return op
}
