package steps

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// A cold starter refuses to start operations for the first times that it is asked.
type cold struct {
	targets.Starter
	refusals int64
	refused  targets.Exchange
	asked    atomic.Int64
}

func (c *cold) Start(ctx context.Context, q targets.StartRequest) (targets.Started, error) {
	if c.asked.Add(1) > c.refusals {
		return c.Starter.Start(ctx, q)
	}
	return targets.Started{Exchange: c.refused}, assert.AnError
}

// A server that is not ready when the run begins is asked again until it is, and one
// that never is costs the run settle once. What no time mends is not asked again.
func TestWarmUp(t *testing.T) {
	const never = 1 << 20
	unavailable := targets.Exchange{Transport: targets.REST, HTTP: http.StatusServiceUnavailable, Code: codes.Unavailable}
	for name, row := range map[string]struct {
		refusals int64
		refused  targets.Exchange
		want     reports.Verdict
		most     int64 // starts
	}{
		"503 for a while":         {10, unavailable, reports.Passed, never},
		"UNAVAILABLE for a while": {10, targets.Exchange{Transport: targets.GRPC, HTTP: http.StatusOK, Code: codes.Unavailable, GRPC: &targets.GRPCAnswer{HasStatus: true}}, reports.Passed, never},
		"503 for ever":            {never, unavailable, reports.Inconclusive, 60},
		"403":                     {never, targets.Exchange{Transport: targets.REST, HTTP: http.StatusForbidden, Code: codes.PermissionDenied}, reports.Inconclusive, 12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := honest(t, reference.Options{})
			row.refused.Start = time.Now()
			starter := &cold{Starter: target.Starter, refusals: row.refusals, refused: row.refused}
			target.Starter = starter
			r := judge(t, target, Options{Run: []string{"cancel.accept.in-progress"}})
			q := r.Requirement("cancel.accept.in-progress")
			assert.Equal(t, row.want, q.Verdict, q.Reason)
			assert.LessOrEqual(t, starter.asked.Load(), row.most)
			if row.want != reports.Passed {
				assert.Contains(t, r.Problem, "cannot be started")
			}
		})
	}
}
