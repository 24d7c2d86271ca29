package steps

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// TestTimeTellsNothingWhileTheTargetStandsStill holds that a call is not late
// where another operation could not be looked at meanwhile.
func TestTimeTellsNothingWhileTheTargetStandsStill(t *testing.T) {
	w := newWorld(newRun(honest(t, reference.Options{}), Options{}, nil), &planned{transport: targets.GRPC})
	op, err := w.startInProgress(t.Context(), targets.Running)
	require.NoError(t, err)
	stop := w.control(t.Context())
	took := stop()
	assert.Positive(t, took)
	assert.Equal(t, took, stop(), "stopping twice is stopping once")
	assert.NoError(t, w.prompt(t.Context(), op, 0))
	assert.ErrorContains(t, w.prompt(t.Context(), op, leastSlack), "nothing can be told from time")
}
