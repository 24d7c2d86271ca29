package steps

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// stalls is a service whose first Get after a cancel takes its time.
type stalls struct {
	reference.Service
	next *atomic.Bool
	time time.Duration
}

// Cancel implements reference.Service.
func (s stalls) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	defer s.next.Store(true)
	return s.Service.Cancel(ctx, r)
}

// Get implements reference.Service.
func (s stalls) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Get(ctx, r)
	if s.next.Swap(false) {
		<-time.After(s.time)
	}
	return op, err
}

// TestSettleGivesBackTheTimeOfAStall holds that an operation is not found to go on
// for ever because nobody could look at it.
func TestSettleGivesBackTheTimeOfAStall(t *testing.T) {
	const settle = 300 * time.Millisecond
	s, err := reference.NewVariant(reference.Options{CancelDelay: settle + 200*time.Millisecond},
		reference.Variant{Fault: reference.Fault{Service: func(inner reference.Service) reference.Service {
			return stalls{inner, new(atomic.Bool), settle + 50*time.Millisecond}
		}}})
	require.NoError(t, err)
	target := describe(t, s)
	target.Timeouts.Settle = settle
	w := newWorld(newRun(target, Options{}, nil), &planned{transport: targets.GRPC})
	op, err := w.startInProgress(t.Context(), targets.Running)
	require.NoError(t, err)
	op, _, err = w.cancelOnce(t.Context(), op)
	require.NoError(t, err)
	end, err := w.settle(t.Context(), op)
	require.NoError(t, err)
	assert.Equal(t, endedCancelled, end.end)
}

// That cancels of queued operations have no effect is taken for granted when it
// was seen often enough, but where it is what is judged.
func TestEffectIsAwaitedWhereItIsJudged(t *testing.T) {
	t.Parallel()
	m, ok := reference.Lookup("pending-never-ends")
	require.True(t, ok)
	s, err := reference.NewMutant(reference.Options{}, m)
	require.NoError(t, err)
	target := describe(t, s)
	target.Timeouts.Settle = 300 * time.Millisecond
	r := judge(t, target, Options{Run: []string{"cancel.accept.pending"}, Repeat: 2 * ineffectiveUntilKnown, Concurrency: 1})
	seen := 0
	for _, c := range r.Cases {
		if strings.Contains(c.ID, "ends-like") {
			seen++
			assert.Equal(t, reports.Failed, c.Verdict, "%s: %s", c.ID, c.Reason)
		}
	}
	assert.Equal(t, 2*2*ineffectiveUntilKnown, seen)
}
