package steps

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets/reference"
)

// TestReplicas judges two servers as replicas of one service: nothing fails
// where they share their state, and where each keeps its own it shows, as the
// calls of one case go to both.
//
// It runs beside no other test: what one replica remembers shows for a while only.
func TestReplicas(t *testing.T) {
	run := func(t *testing.T, fault *reference.ReplicaFault) *reports.Report {
		r, err := reference.NewReplicas(reference.Options{}, 2, fault)
		require.NoError(t, err)
		target, err := r.Target()
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, target.Close()) })
		return judge(t, target, Options{})
	}
	t.Run("honest", func(t *testing.T) {
		t.Parallel()
		for _, q := range run(t, nil).Requirements {
			assert.NotEqual(t, reports.Failed, q.Verdict, "%s: %s", q.ID, q.Reason)
		}
	})
	for _, f := range reference.ReplicaFaults() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			r := run(t, &f)
			assert.Equal(t, reports.Nonconformant, r.Outcome, r.Reason)
		})
	}
}
