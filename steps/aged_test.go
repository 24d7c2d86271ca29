package steps

import (
	"context"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// ofOldOnes are the cases of a report about operations that were started before all
// others.
func ofOldOnes(r *reports.Report) []reports.Case {
	var out []reports.Case
	for _, c := range r.Cases {
		if _, ok := (&planned{steps: c.Steps}).ofAge(); ok && c.Verdict != reports.Deselected {
			out = append(out, c)
		}
	}
	return out
}

// A short-lived service keeps what succeeds for a time only, from its start.
type shortLived struct {
	reference.Service
	keeps time.Duration
	mu    sync.Mutex
	until map[string]time.Time
}

// Start implements reference.Service.
func (s *shortLived) Start(ctx context.Context, r reference.StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err == nil && r.Kind == reference.Succeeding {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.until[op.GetName()] = time.Now().Add(s.keeps)
	}
	return op, err
}

// Get implements reference.Service.
func (s *shortLived) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	s.mu.Lock()
	until, ok := s.until[r.GetName()]
	s.mu.Unlock()
	if ok && time.Now().After(until) {
		return nil, status.Errorf(codes.NotFound, "operation %q is not found", r.GetName())
	}
	return s.Service.Get(ctx, r)
}

// A tired service has an answer of its own for every cancel when it has been at work
// for a time.
type tired struct {
	reference.Service
	after  time.Time
	answer error
}

// Cancel implements reference.Service.
func (s *tired) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if time.Now().After(s.after) {
		return s.answer
	}
	return s.Service.Cancel(ctx, r)
}

// TestOldOnesTellNothing demands that nothing is told of old operations, and nothing
// left open, where there is none any more: what has ended is not kept for so long, is
// gone just when its cancel is looked after, or none was kept; and where fresh ones
// fare no better.
func TestOldOnesTellNothing(t *testing.T) {
	t.Parallel()
	finished := []string{"cancel.finished.preserves-success", "cancel.finished.status-legal"}
	running := []string{"cancel.accept.in-progress", "cancel.effect.best-effort"}
	const natural = 200 * time.Millisecond
	kept := func(windows time.Duration) reference.Variant {
		return reference.Variant{Fault: reference.Fault{Service: func(next reference.Service) reference.Service {
			return &shortLived{Service: next, keeps: natural + windows*100*time.Millisecond/2, until: map[string]time.Time{}}
		}}}
	}
	wearing := func(answer error) reference.Variant {
		return reference.Variant{Fault: reference.Fault{Service: func(next reference.Service) reference.Service {
			return &tired{next, time.Now().Add(400 * time.Millisecond), answer}
		}}}
	}
	for name, c := range map[string]struct {
		variant reference.Variant
		o       Options
		judged  bool // some may be, as the time in which they are gone is short
	}{
		"forgotten":      {kept(6), Options{Run: finished}, false},
		"gone meanwhile": {kept(2*agedAfter + 1), Options{Run: finished[:1]}, true},
		"refuses all":    {wearing(status.Error(codes.FailedPrecondition, "no worker")), Options{Run: running[:1]}, false},
		"loses all":      {wearing(nil), Options{Run: running[1:]}, false},
		"repeated":       {reference.Variant{}, Options{Run: running, Repeat: 2}, false},
		"one at a time":  {reference.Variant{}, Options{Run: running, Concurrency: 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := reference.NewVariant(reference.Options{Natural: natural}, c.variant)
			require.NoError(t, err)
			r := judge(t, describe(t, s), c.o)
			assert.NotEmpty(t, ofOldOnes(r))
			for _, got := range ofOldOnes(r) {
				if !c.judged || got.Verdict != reports.Passed {
					assert.Equal(t, reports.Inapplicable, got.Verdict, "%s: %s", got.ID, got.Reason)
				}
			}
		})
	}
}

// TestOldOnesAreJudged demands that a run on the reference server judges them all, and
// ends them, and that none is started for nothing. No other test runs beside it: where
// the machine answers late, old ones make room.
func TestOldOnesAreJudged(t *testing.T) {
	s, w := watch(t, reference.Options{Natural: 400 * time.Millisecond})
	r := judge(t, describe(t, s), Options{Run: []string{"cancel.accept.in-progress", "cancel.effect.best-effort", "cancel.finished.*"}})
	for _, c := range ofOldOnes(r) {
		assert.Equal(t, reports.Passed, c.Verdict, "%s: %s", c.ID, c.Reason)
	}
	assert.NotEmpty(t, ofOldOnes(r))
	assert.Empty(t, r.Leftover)
	assert.Empty(t, unfinished(t, w.Service))
}

// growing is a suite in which an operation grows old over REST.
func growing(t *testing.T, target *targets.Target) *suite {
	r := newRun(target, Options{Concurrency: 2}, nil)
	s := &suite{run: r, ctxs: map[targets.Transport]context.Context{targets.REST: t.Context()}}
	s.growOld([]*planned{{transport: targets.REST, steps: []reports.Step{{Text: "a running operation that was started before all others"}}}})
	require.Len(t, r.age[targets.REST].waiting[targets.Running], 1)
	return s
}

// TestOldOnesMakeRoom demands that nothing is kept from being started by what only
// grows old.
func TestOldOnesMakeRoom(t *testing.T) {
	t.Parallel()
	target := honest(t, reference.Options{})
	target.Starter = &single{Starter: target.Starter, client: target.Endpoints[targets.REST].Client}
	delete(target.Roles, targets.Succeeding)
	r := growing(t, target).run
	old := r.age[targets.REST].waiting[targets.Running][0]
	<-old.ready
	require.NoError(t, old.err)
	w := r.prelude(targets.REST)
	_, err := w.start(t.Context(), targets.Running, "")
	require.NoError(t, err)
	assert.Nil(t, r.age[targets.REST].take(targets.Running))
	w.cleanup(t.Context())
}

// TestOldOnesDoNotStarveOthers demands that nothing is kept from ending by what only
// grows old, where the target has few workers.
func TestOldOnesDoNotStarveOthers(t *testing.T) {
	t.Parallel()
	target := honest(t, reference.Options{Natural: time.Hour})
	target.Timeouts.Settle = 200 * time.Millisecond
	r := growing(t, target).run
	old := r.age[targets.REST].waiting[targets.Running][0]
	<-old.ready
	require.NoError(t, old.err)
	assert.Eventually(t, func() bool {
		ex, _, err := r.look(t.Context(), old.op.name)
		return err == nil && readOperation(ex, -1, object(ex.Doc)).done
	}, 5*time.Second, 20*time.Millisecond)
}
