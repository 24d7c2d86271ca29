package reference

import (
	"context"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func mutantTarget(t *testing.T, name string) *targets.Target {
	t.Helper()
	m, ok := Lookup(name)
	require.True(t, ok, name)
	return subject(t, m.Fault)
}

func TestIsolationMutants(t *testing.T) {
	target := mutantTarget(t, "cancels-by-slot")
	var names []string
	for range 4 {
		names = append(names, startRole(t, target, targets.Running))
	}
	callOn(t, target, targets.GRPC, targets.Cancel, names[0])
	for i, want := range []bool{true, false, true, false} {
		assert.Equal(t, want, requested(t, target, names[i]), "slot %d", i)
	}

	for mutant, ids := range map[string][3]string{"cancels-by-prefix": {"op1", "op10", "op2"}, "cancels-any-case": {"op", "OP", "op/a"}} {
		target := mutantTarget(t, mutant)
		a, hit, spared := chooseID(t, target, ids[0]), chooseID(t, target, ids[1]), chooseID(t, target, ids[2])
		callOn(t, target, targets.REST, targets.Cancel, a)
		assert.True(t, requested(t, target, hit), mutant)
		assert.False(t, requested(t, target, spared), mutant)
	}

	target = mutantTarget(t, "polling-cancels")
	name := startRole(t, target, targets.Running)
	for range pollsToCancel {
		require.False(t, requested(t, target, name))
	}
	callOn(t, target, targets.REST, targets.Get, name)
	assert.True(t, requested(t, target, name))
}

func TestDisconnectCancels(t *testing.T) {
	for _, transport := range targets.Transports() {
		target := mutantTarget(t, "disconnect-cancels")
		name := startRole(t, target, targets.Running)
		ctx, abort := context.WithTimeout(testContext(t), 20*time.Millisecond)
		_, err := target.Endpoints[transport].Client.Call(ctx, targets.Wait, &longrunningpb.WaitOperationRequest{Name: name})
		abort()
		require.Error(t, err)
		assert.Eventually(t, func() bool { return requested(t, target, name) }, 10*time.Second, time.Millisecond)
	}
}

func TestUnknownNameMutants(t *testing.T) {
	tests := []struct {
		mutant, id string
		want       codes.Code
	}{
		{"unknown-ok", "ABCDEFGHIJKLMNOPQRSTUVWX01", codes.OK},
		{"unknown-ok", "none", codes.NotFound},
		{"unknown-500", "ABCDEFGHIJKLMNOPQRSTUVWX01", codes.Internal},
		{"unknown-failed-precondition", "ABCDEFGHIJKLMNOPQRSTUVWX01", codes.FailedPrecondition},
		{"cancel-creates", "ABCDEFGHIJKLMNOPQRSTUVWX01", codes.NotFound},
		{"malformed-ok", "none", codes.NotFound},
		{"long-name-500", strings.Repeat("x", longID), codes.Internal},
	}
	for _, tt := range tests {
		for _, transport := range targets.Transports() {
			target := mutantTarget(t, tt.mutant)
			startRole(t, target, targets.Running)
			name := "projects/demo/operations/" + tt.id
			assert.Equal(t, tt.want, callOn(t, target, transport, targets.Cancel, name).Code, "%s over %s", tt.mutant, transport)
			created := callOn(t, target, transport, targets.Get, name).Accepted()
			assert.Equal(t, tt.mutant == "cancel-creates", created, tt.mutant)
		}
	}
	for _, transport := range targets.Transports() {
		target := mutantTarget(t, "malformed-ok")
		assert.Equal(t, codes.OK, callOn(t, target, transport, targets.Cancel, "projects/p/assets/x").Code)
		target = mutantTarget(t, "cancel-finds-deleted")
		name := startRole(t, target, targets.Running)
		_, err := target.Endpoints[transport].Client.Call(testContext(t), targets.Delete, &longrunningpb.DeleteOperationRequest{Name: name})
		require.NoError(t, err)
		assert.Equal(t, codes.NotFound, callOn(t, target, transport, targets.Get, name).Code)
		assert.Equal(t, codes.OK, callOn(t, target, transport, targets.Cancel, name).Code)
		target = mutantTarget(t, "refuses-and-cancels")
		name = startRole(t, target, targets.Running)
		assert.Equal(t, codes.FailedPrecondition, callOn(t, target, transport, targets.Cancel, name).Code)
		assert.True(t, requested(t, target, name))
	}
}

func TestLateWorkersOverwrite(t *testing.T) {
	for mutant, role := range map[string]targets.Role{"late-worker-succeeds": targets.Succeeding, "late-worker-fails": targets.Failing} {
		target := mutantTarget(t, mutant)
		name := startRole(t, target, role)
		callOn(t, target, targets.REST, targets.Cancel, name)
		e := callOn(t, target, targets.REST, targets.Wait, name)
		assert.Equal(t, "CANCELLED", member(e, "metadata", "value", "state"), mutant)
		want := map[targets.Role]string{targets.Succeeding: "SUCCEEDED", targets.Failing: "FAILED"}[role]
		assert.Eventually(t, func() bool {
			return member(callOn(t, target, targets.REST, targets.Get, name), "metadata", "value", "state") == want
		}, 10*time.Second, 5*time.Millisecond, mutant)
	}
}

func TestSlowAnswerStillComes(t *testing.T) {
	target := mutantTarget(t, "waits-for-the-end")
	name := startRole(t, target, targets.Running)
	assert.True(t, callOn(t, target, targets.REST, targets.Cancel, name).Accepted())
	assert.Equal(t, "CANCELLED", member(callOn(t, target, targets.REST, targets.Get, name), "metadata", "value", "state"))
}
