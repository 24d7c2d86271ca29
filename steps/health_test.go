package steps

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// TestSilentCallsAreNoSilentTarget tells a target that lets some of its calls
// hang from one that is gone.
func TestSilentCallsAreNoSilentTarget(t *testing.T) {
	for name, row := range map[string]struct {
		method      targets.Method
		alive, lost bool
	}{
		"Cancel":                             {method: targets.Cancel},
		"Wait":                               {method: targets.Wait},
		"Get":                                {method: targets.Get, lost: true},
		"Get of some operations, not others": {method: targets.Get, alive: true},
	} {
		method, lost := row.method, row.lost
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			h := newHealth(0, &severed{})
			h.gone, h.pulse = cancel, func(context.Context) bool { return row.alive }
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

// TestFewThreads judges a server whose threads are all taken when several cases
// call Wait: it does not answer then, and is there nevertheless.
func TestFewThreads(t *testing.T) {
	t.Parallel()
	at := slices.IndexFunc(reference.Variants(), func(v reference.Variant) bool { return v.Name == "has-four-threads" })
	require.GreaterOrEqual(t, at, 0)
	s, err := reference.NewVariant(reference.Options{}, reference.Variants()[at])
	require.NoError(t, err)
	target := describe(t, s)
	target.Timeouts.Request = time.Second
	const id = "wait.released-on-cancel"
	r := judge(t, target, Options{Transport: "rest", Run: []string{id, "wait.equals-get", "wait.timeout-bound"}})
	for _, c := range r.Cases {
		if c.Requirement == id && c.Transport == targets.REST {
			assert.Equal(t, reports.Passed, c.Verdict, "%s: %s", c.ID, c.Reason)
		}
	}
}
