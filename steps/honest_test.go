package steps

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// reference target for tests
func honest(t *testing.T, o reference.Options) *targets.Target {
	t.Helper()
	s, err := reference.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	target := tempTarget(t, s)
	return target
}

func TestHonestServerFailsNothing(t *testing.T) {
	r, err := Run(context.Background(), honest(t, reference.Options{}), Options{Level: "should"})
	require.NoError(t, err)
	for _, c := range r.Cases {
		if c.Verdict == reports.Failed || c.Verdict == reports.Inconclusive || len(c.Broke) > 0 {
			t.Errorf("%s: %s: %s broke %v", c.ID, c.Verdict, c.Reason, c.Broke)
		}
	}
}
