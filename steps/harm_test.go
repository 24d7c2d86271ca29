package steps

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// A watched service records which operations were started, and which were
// cancelled or deleted.
type watched struct {
	reference.Service

	mu               sync.Mutex
	touched, started []string
}

func (s *watched) note(list *[]string, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, name)
}

// Cancel implements reference.Service.
func (s *watched) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	s.note(&s.touched, r.GetName())
	return s.Service.Cancel(ctx, r)
}

// Delete implements reference.Service.
func (s *watched) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	s.note(&s.touched, r.GetName())
	return s.Service.Delete(ctx, r)
}

// Start implements reference.Service.
func (s *watched) Start(ctx context.Context, r reference.StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err == nil {
		s.note(&s.started, op.GetName())
	}
	return op, err
}

// watch makes an honest server whose calls are recorded.
func watch(t *testing.T, o reference.Options) (*reference.Server, *watched) {
	t.Helper()
	w := &watched{}
	s, err := reference.NewVariant(o, reference.Variant{Fault: reference.Fault{Service: func(inner reference.Service) reference.Service {
		w.Service = inner
		return w
	}}})
	require.NoError(t, err)
	return s, w
}

func asOwner(t *testing.T) context.Context {
	return reference.WithCall(t.Context(), reference.Call{Caller: reference.Owner})
}

// unfinished are the operations that run on a server.
func unfinished(t *testing.T, s reference.Service) []string {
	t.Helper()
	var out []string
	for token := ""; ; {
		page, err := s.List(asOwner(t), &longrunningpb.ListOperationsRequest{Name: "projects/demo", Filter: "done=false", PageSize: 1000, PageToken: token})
		require.NoError(t, err)
		for _, op := range page.Operations {
			out = append(out, op.GetName())
		}
		if token = page.GetNextPageToken(); token == "" {
			return out
		}
	}
}

// startOthers starts operations that are no business of a run.
func startOthers(t *testing.T, s reference.Service, n int) []string {
	t.Helper()
	var out []string
	for range n {
		op, err := s.Start(asOwner(t), reference.StartRequest{Parent: "projects/demo", Kind: reference.Running})
		require.NoError(t, err)
		out = append(out, op.GetName())
	}
	return out
}

// fromFile is the target of a file for a server's REST side.
func fromFile(t *testing.T, s *reference.Server, more string, o targets.LoadOptions) (*targets.Target, *atomic.Int64) {
	t.Helper()
	requests := new(atomic.Int64)
	address := serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		s.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	target, err := targets.Parse("t.yaml", fmt.Appendf(nil, "rest: {url: \"http://%s/v1beta\"}\ntimeouts: {request: 5s, settle: 2s, observe: 20ms}\n%s", address, more), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	return target, requests
}

// A run that is interrupted at any moment leaves nothing running that its
// report does not list.
func TestInterruptedRunLeavesNothingUnsaid(t *testing.T) {
	for range 10 {
		at := time.Duration(rand.IntN(2000)) * time.Millisecond
		t.Run(at.String(), func(t *testing.T) {
			t.Parallel()
			s, w := watch(t, reference.Options{SlowStop: 50 * time.Millisecond})
			target := describe(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), at)
			defer cancel()
			r, err := Run(ctx, target, Options{})
			require.NoError(t, err)
			assert.EventuallyWithT(t, func(c *assert.CollectT) {
				for _, name := range unfinished(t, w.Service) {
					assert.True(c, slices.ContainsFunc(r.Leftover, func(l string) bool { return strings.HasPrefix(l, name) }), "%s runs and is not listed", name)
				}
			}, 5*time.Second, 20*time.Millisecond)
		})
	}
}

// A start whose answer is on its way when the run is interrupted is awaited.
func TestInterruptedStart(t *testing.T) {
	s, w := watch(t, reference.Options{})
	target := describe(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	inner := target.Starter
	target.Starter = targets.StartFunc(func(own context.Context, r targets.StartRequest) (targets.Started, error) {
		started, err := inner.Start(own, r)
		cancel()
		if own.Err() != nil {
			return targets.Started{}, context.Cause(own)
		}
		return started, err
	})
	r, err := Run(ctx, target, Options{})
	require.NoError(t, err)
	assert.Equal(t, reports.Interrupted, r.Outcome)
	assert.NotEmpty(t, w.started)
	assert.EventuallyWithT(t, func(c *assert.CollectT) { assert.Empty(c, unfinished(t, w.Service)) }, 5*time.Second, 20*time.Millisecond)
}

// What a server does not let end is listed.
func TestLeftoverIsListed(t *testing.T) {
	t.Parallel()
	s, err := reference.NewVariant(reference.Options{}, reference.Variant{Fault: reference.Fault{Service: func(inner reference.Service) reference.Service {
		return ignoring{inner}
	}}})
	require.NoError(t, err)
	target := describe(t, s)
	target.Timeouts.Settle = 300 * time.Millisecond
	r, err := Run(t.Context(), target, Options{Run: []string{"cancel.effect.best-effort", "cancel.state.done"}})
	require.NoError(t, err)
	running := unfinished(t, s.Service())
	assert.NotEmpty(t, running)
	assert.Len(t, r.Leftover, len(running))
}

// ignoring accepts every cancel and does nothing.
type ignoring struct{ reference.Service }

// Cancel implements reference.Service.
func (ignoring) Cancel(context.Context, *longrunningpb.CancelOperationRequest) error { return nil }

// What was seen in progress after its cancel is listed, though the time is over
// in the middle of the next look.
func TestLeftoverIsListedWhereTheTimeEndsInALook(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	s, err := reference.NewVariant(reference.Options{}, reference.Variant{Fault: reference.Fault{Service: func(inner reference.Service) reference.Service {
		return secondLook{ignoring{inner}, new(atomic.Int64), end}
	}}})
	require.NoError(t, err)
	target := describe(t, s)
	started, err := target.Starter.Start(t.Context(), targets.StartRequest{Role: targets.Running})
	require.NoError(t, err)
	r := newRun(target, Options{}, nil)
	left := r.bringDown(ctx, map[string]bool{started.Name: true})
	assert.Contains(t, left[started.Name], "still in progress")
}

// A secondLook ignores cancels, and calls end in the second Get, which is not
// answered.
type secondLook struct {
	ignoring
	looks *atomic.Int64
	end   func()
}

// Get implements reference.Service.
func (s secondLook) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if s.looks.Add(1) == 2 {
		s.end()
		<-ctx.Done()
	}
	return s.Service.Get(ctx, r)
}

// What ends between the look and the cancel, which is refused for that, is not
// left behind; what is refused otherwise is.
func TestRefusedAtTheEnd(t *testing.T) {
	t.Parallel()
	for ends, listed := range map[bool]int{true: 0, false: 1} {
		s, err := reference.NewVariant(reference.Options{}, reference.Variant{Fault: reference.Fault{Service: func(inner reference.Service) reference.Service {
			return refusing{inner, ends}
		}}})
		require.NoError(t, err)
		target := describe(t, s)
		started, err := target.Starter.Start(t.Context(), targets.StartRequest{Role: targets.Running})
		require.NoError(t, err)
		left := newRun(target, Options{}, nil).bringDown(t.Context(), map[string]bool{started.Name: true})
		assert.Len(t, left, listed)
		for _, why := range left {
			assert.Contains(t, why, "FAILED_PRECONDITION")
		}
	}
}

// A refusing service refuses every cancel, also, where it ends, one that comes
// just before the end.
type refusing struct {
	reference.Service
	ends bool
}

// Cancel implements reference.Service.
func (s refusing) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if s.ends {
		if err := s.Service.Cancel(ctx, r); err != nil {
			return err
		}
		wait := &longrunningpb.WaitOperationRequest{Name: r.GetName(), Timeout: durationpb.New(time.Minute)}
		if _, err := s.Wait(ctx, wait); err != nil {
			return err
		}
	}
	return status.Error(codes.FailedPrecondition, "it is not running")
}

// Nothing but what a run started is ever cancelled or deleted, over either
// transport; all other names are of operations that do not exist.
func TestOperationsOfOthersAreNotTouched(t *testing.T) {
	t.Parallel()
	s, w := watch(t, reference.Options{})
	others := startOthers(t, w.Service, 40)
	_, err := Run(t.Context(), describe(t, s), Options{Level: reports.LevelShould})
	require.NoError(t, err)
	assert.NotEmpty(t, w.touched)
	for _, name := range w.touched {
		if !slices.Contains(w.started, name) {
			_, err := w.Service.Get(asOwner(t), &longrunningpb.GetOperationRequest{Name: name})
			assert.Error(t, err, "%s was not started by the run, but exists", name)
		}
	}
	assert.Subset(t, unfinished(t, w.Service), others)
}

// numbered is a service that numbers its operations.
type numbered struct {
	reference.Service
	last *atomic.Int64
}

// Start implements reference.Service.
func (n numbered) Start(ctx context.Context, r reference.StartRequest) (*longrunningpb.Operation, error) {
	if r.ID == "" && r.Kind != reference.Nested {
		r.ID = strconv.FormatInt(n.last.Add(1), 10)
	}
	return n.Service.Start(ctx, r)
}

// The operations of others may have numbers that are near those of the run's:
// what is cancelled besides its own is what nobody has.
func TestNumbersOfOthersAreNotTouched(t *testing.T) {
	w := &watched{}
	s, err := reference.NewVariant(reference.Options{}, reference.Variant{Fault: reference.Fault{Service: func(inner reference.Service) reference.Service {
		w.Service = numbered{inner, new(atomic.Int64)}
		return w
	}}})
	require.NoError(t, err)
	others := startOthers(t, w.Service, 120)
	r, err := Run(t.Context(), describe(t, s), Options{Level: reports.LevelShould,
		Run: []string{"cancel.rejected.no-effect", "cancel.unknown.*", "cancel.malformed.*", "cancel.state.done"}})
	require.NoError(t, err)
	assert.NotEmpty(t, w.touched)
	assert.NotContains(t, outcomes(r), reports.Failed)
	assert.Subset(t, unfinished(t, w.Service), others)
}

// Where operations are too few to find out whether there is a cancel, none is
// missed.
func TestFewOperationsDoNotShowWhetherThereIsACancel(t *testing.T) {
	s, w := watch(t, reference.Options{NoCancel: true})
	names := startOthers(t, w.Service, 12)
	more := fmt.Sprintf("operations:\n  running: {names: [%s]}\n", strings.Join(names, ", "))
	target, _ := fromFile(t, s, more, targets.LoadOptions{AllowForeign: true})
	r, err := Run(t.Context(), target, Options{Run: []string{"cancel.accept.in-progress", "cancel.unimplemented.*"}})
	require.NoError(t, err)
	assert.NotContains(t, outcomes(r), reports.Failed)
	assert.Equal(t, reports.Incomplete, r.Outcome)
}

// outcomes are the verdicts of a report.
func outcomes(r *reports.Report) []reports.Verdict {
	var out []reports.Verdict
	for _, q := range r.Requirements {
		out = append(out, q.Verdict)
	}
	return out
}

// Names that are given need a word, and only they are used.
func TestForeignOperations(t *testing.T) {
	s, w := watch(t, reference.Options{})
	names := startOthers(t, w.Service, 12)
	more := fmt.Sprintf("operations:\n  running: {names: [%s]}\n", strings.Join(names[:8], ", "))
	_, err := targets.Parse("t.yaml", []byte("rest: {url: \"http://127.0.0.1:1/v1\"}\n"+more), targets.LoadOptions{})
	require.ErrorContains(t, err, "--allow-foreign")
	target, _ := fromFile(t, s, more, targets.LoadOptions{AllowForeign: true})
	r, err := Run(t.Context(), target, Options{})
	require.NoError(t, err)
	assert.NotEmpty(t, w.touched)
	assert.Subset(t, unfinished(t, w.Service), names[8:], "those that were not named go on")
	assert.Empty(t, r.Leftover, "they are not the run's to end")
}

// More than 50 operations on a machine that is not this one need a word.
func TestManyOperationsElsewhereNeedAWord(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"unasked": {}, "with --yes": {Yes: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, w := watch(t, reference.Options{})
			target := describe(t, s)
			target.Confirmed = false
			for _, ep := range target.Endpoints {
				ep.Loopback = false
			}
			r, err := Run(t.Context(), target, o)
			require.NoError(t, err)
			if o.Yes {
				assert.Greater(t, len(w.started), foreignLimit)
				return
			}
			assert.LessOrEqual(t, len(w.started), foreignLimit)
			assert.Equal(t, reports.Incomplete, r.Outcome)
			assert.True(t, slices.ContainsFunc(r.Cases, func(c reports.Case) bool { return strings.Contains(c.Reason, "--yes") }))
		})
	}
}

// A rate holds over everything that is sent: calls, recipes and what ends them.
func TestRateBoundsEveryRequest(t *testing.T) {
	const perSecond = 100
	s, _ := watch(t, reference.Options{})
	target, requests := fromFile(t, s, "operations: {running: {http: {path: \"projects/demo/jobs:start\"}}}\n", targets.LoadOptions{Rate: perSecond})
	began := time.Now()
	_, err := Run(t.Context(), target, Options{Run: []string{"cancel.accept.in-progress", "cancel.state.done"}})
	require.NoError(t, err)
	n := requests.Load()
	require.Greater(t, n, int64(5))
	assert.GreaterOrEqual(t, time.Since(began), time.Duration(n-1)*time.Second/perSecond)
}
