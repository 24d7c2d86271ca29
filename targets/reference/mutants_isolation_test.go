package reference

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
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

// An arrivals tells of each Wait that has come.
type arrivals struct {
	Service
	waits chan struct{}
}

// Wait implements Service.
func (a arrivals) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	a.waits <- struct{}{}
	return a.Service.Wait(ctx, r)
}

func TestDisconnectCancels(t *testing.T) {
	m, ok := Lookup("disconnect-cancels")
	require.True(t, ok)
	for _, transport := range targets.Transports() {
		come := make(chan struct{}, 1)
		target := subject(t, Fault{Service: func(next Service) Service { return m.Fault.Service(arrivals{next, come}) }})
		name := startRole(t, target, targets.Running)
		ctx, abort := context.WithCancel(testContext(t))
		aborted := make(chan struct{})
		go func() {
			defer close(aborted)
			<-come
			abort()
		}()
		_, err := target.Endpoints[transport].Client.Call(ctx, targets.Wait, &longrunningpb.WaitOperationRequest{Name: name})
		require.Error(t, err)
		<-aborted
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
	for mutant, kind := range map[string]Kind{"late-worker-succeeds": Succeeding, "late-worker-fails": Failing} {
		m, ok := Lookup(mutant)
		require.True(t, ok)
		synctest.Test(t, func(t *testing.T) {
			s, err := newServer(Options{}, m.Fault)
			require.NoError(t, err)
			defer func() { assert.NoError(t, s.Close()) }()
			ctx := asOwner(t.Context())
			op, err := s.Service().Start(ctx, StartRequest{Parent: "projects/demo", Kind: kind})
			require.NoError(t, err)
			require.NoError(t, plainCancel(ctx, s.Service(), op.GetName()))
			op, err = s.Service().Wait(ctx, &longrunningpb.WaitOperationRequest{Name: op.GetName()})
			require.NoError(t, err)
			assert.Equal(t, cancelled, stateOf(op), mutant)
			time.Sleep(s.Options().Natural)
			op, err = s.Service().Get(ctx, &longrunningpb.GetOperationRequest{Name: op.GetName()})
			require.NoError(t, err)
			assert.Equal(t, map[Kind]phase{Succeeding: succeeded, Failing: failed}[kind], stateOf(op), mutant)
		})
	}
}

func TestSlowAnswerStillComes(t *testing.T) {
	target := mutantTarget(t, "waits-for-the-end")
	name := startRole(t, target, targets.Running)
	assert.True(t, callOn(t, target, targets.REST, targets.Cancel, name).Accepted())
	assert.Equal(t, "CANCELLED", member(callOn(t, target, targets.REST, targets.Get, name), "metadata", "value", "state"))
}
