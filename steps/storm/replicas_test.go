package storm_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps/storm"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// replicas is a target of two replicas, which end with the test.
func replicas(t *testing.T, fault *reference.ReplicaFault) *targets.Target {
	t.Helper()
	r, err := reference.NewReplicas(reference.Options{}, 2, fault)
	require.NoError(t, err)
	target, err := r.Target()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	return target
}

func TestFindsStateThatIsKeptPerReplica(t *testing.T) {
	for _, f := range reference.ReplicaFaults() {
		t.Run(f.Name, func(t *testing.T) {
			r, err := storm.Run(context.Background(), replicas(t, &f), storm.Options{Seed: 1})
			require.NoError(t, err)
			t.Log(shown(t, r))
			assert.Equal(t, reports.Nonconformant, r.Outcome)
			broken := map[string]bool{}
			for _, v := range r.Violations {
				broken[v.Requirement] = true
			}
			found := false
			for _, id := range f.Breaks {
				found = found || broken[id]
			}
			assert.True(t, found, "broken: %v", broken)
		})
	}
}

func TestReplicasThatShareBreakNothing(t *testing.T) {
	r, err := storm.Run(context.Background(), replicas(t, nil), storm.Options{Seed: 1, Duration: time.Second, Level: reports.LevelShould})
	require.NoError(t, err)
	assert.Equal(t, reports.Conformant, r.Outcome, shown(t, r))
}
