package steps

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// TestSilentCallsAreNoSilentTarget tells a target that lets some of its calls
// hang from one that is gone.
func TestSilentCallsAreNoSilentTarget(t *testing.T) {
	for method, lost := range map[targets.Method]bool{targets.Cancel: false, targets.Wait: false, targets.Get: true} {
		t.Run(string(method), func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			h := newHealth(0)
			h.gone = cancel
			silent := call{err: &targets.NoAnswer{Kind: targets.TimedOut, Err: context.DeadlineExceeded}}
			silent.Method, silent.Transport = method, targets.REST
			for range unansweredUntilGone {
				h.tell(ctx, silent)
			}
			assert.Equal(t, lost, h.isLost())
			if !lost {
				require.NoError(t, ctx.Err())
				return
			}
			r, ok := stopped(ctx).(*ruling)
			require.True(t, ok)
			assert.Equal(t, reports.Inconclusive, r.verdict)
			assert.Contains(t, r.reason, "the target is gone over rest")
		})
	}
}
