package steps

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets/reference"
)

// TestHarmIsRehearsed sees that cases which may harm each other are judged side
// by side where nothing happens, and by themselves where one of them did harm:
// each is told of once.
func TestHarmIsRehearsed(t *testing.T) {
	mutants := reference.Mutants()
	harmful := mutants[slices.IndexFunc(mutants, func(m reference.Mutant) bool { return m.Name == "empty-id-cancels-all" })]
	for name, row := range map[string]struct {
		mutant reference.Mutant
		again  string // the requirement whose cases are begun twice
	}{
		"honest":  {},
		"harmful": {harmful, "cancel.route.zero-segment-name"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := reference.NewMutant(reference.Options{}, row.mutant)
			require.NoError(t, err)
			var mu sync.Mutex
			begun, told := map[string]int{}, map[string]int{}
			r := judge(t, describe(t, s), Options{Run: []string{"cancel.route.zero-segment-name", "grpc.empty-name", consistent},
				OnStart: func(id string) {
					mu.Lock()
					defer mu.Unlock()
					begun[id]++
				},
				OnCase: func(done, planned int, c reports.Case) {
					told[c.ID]++
					assert.Len(t, told, done)
				}})
			seen, verdicts := 0, map[reports.Verdict]int{}
			for _, c := range r.Cases {
				if c.Verdict == reports.Deselected || c.Verdict == reports.Inapplicable {
					continue
				}
				seen++
				assert.Equal(t, 1, told[c.ID], c.ID)
				if row.again == "" {
					assert.Equal(t, 1, begun[c.ID], "%s: %s", c.ID, c.Reason)
				} else if strings.HasPrefix(c.ID, row.again) {
					assert.Equal(t, 2, begun[c.ID], c.ID)
					verdicts[c.Verdict]++
				} else {
					assert.Equal(t, reports.Passed, c.Verdict, "%s: %s", c.ID, c.Reason)
				}
			}
			assert.Greater(t, seen, 2)
			if row.again != "" { // one of the two does the harm, and what it did is not charged to the other
				assert.Equal(t, map[reports.Verdict]int{reports.Failed: 1, reports.Passed: 1}, verdicts)
			}
		})
	}
}

// TestHarmToOthersAlone sees that a cancel without a name that ends what somebody
// else has started is found, although its own cases see nothing.
func TestHarmToOthersAlone(t *testing.T) {
	mutants := reference.Mutants()
	oldest := mutants[slices.IndexFunc(mutants, func(m reference.Mutant) bool { return m.Name == "empty-name-cancels-oldest" })]
	for range 3 {
		s, err := reference.NewMutant(reference.Options{}, oldest)
		require.NoError(t, err)
		r := judge(t, describe(t, s), Options{Run: []string{"cancel.accept.in-progress", "cancel.malformed.*", "cancel.route.zero-segment-name", "grpc.empty-name", consistent}})
		assert.Equal(t, []string{"grpc.empty-name"}, failedOf(r))
	}
}

// A busy service is too busy for the cancels of queued operations, until it is
// told that it is not.
type busy struct {
	reference.Service
	calm *atomic.Bool
}

// Cancel implements reference.Service.
func (s busy) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	op, err := s.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()})
	if err == nil && !s.calm.Load() && strings.Contains(op.GetMetadata().String(), "PENDING") {
		return status.Error(codes.Unavailable, "busy")
	}
	return s.Service.Cancel(ctx, r)
}

// What could not be told is asked once more, when the others are done, and is
// told of once; but not where something was found.
func TestWhatCouldNotBeToldIsAskedOnceMore(t *testing.T) {
	broken, ok := reference.Lookup("cancel-without-message")
	require.True(t, ok)
	for name, row := range map[string]struct {
		calms  bool // when a case is begun for the second time
		broken reference.Fault
		begun  int
		want   reports.Verdict
	}{
		"moment": {calms: true, begun: 2, want: reports.Passed},
		"always": {begun: 2, want: reports.Inconclusive},
		"broken": {broken: broken.Fault, begun: 1, want: reports.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calm := new(atomic.Bool)
			s, err := reference.NewMutant(reference.Options{}, reference.Mutant{Fault: row.broken.And(reference.Fault{Service: func(inner reference.Service) reference.Service {
				return busy{inner, calm}
			}})})
			require.NoError(t, err)
			var mu sync.Mutex
			begun, told := map[string]int{}, map[string]int{}
			r := judge(t, describe(t, s), Options{Run: []string{"cancel.accept.pending", "cancel.state.error-message"},
				OnStart: func(id string) {
					mu.Lock()
					defer mu.Unlock()
					if begun[id]++; begun[id] > 1 && row.calms {
						calm.Store(true)
					}
				},
				OnCase: func(done, planned int, c reports.Case) {
					told[c.ID]++
					assert.LessOrEqual(t, done, planned)
				}})
			seen := 0
			for _, c := range r.Cases {
				if c.Requirement == "cancel.accept.pending" && c.Verdict != reports.Inapplicable {
					seen++
					assert.Equal(t, row.want, c.Verdict, "%s: %s", c.ID, c.Reason)
					assert.Equal(t, row.begun, begun[c.ID], c.ID)
					assert.Equal(t, 1, told[c.ID], c.ID)
				}
			}
			assert.GreaterOrEqual(t, seen, 2)
		})
	}
}

// A hasty service ends each operation of the kind at once, until it is told not
// to.
type hasty struct {
	reference.Service
	kind reference.Kind
	calm *atomic.Bool
}

// Start implements reference.Service.
func (s hasty) Start(ctx context.Context, r reference.StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err != nil || r.Kind != s.kind || s.calm.Load() {
		return op, err
	}
	if err := s.Service.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: op.GetName()}); err != nil {
		return op, err
	}
	return s.Service.Wait(ctx, &longrunningpb.WaitOperationRequest{Name: op.GetName()})
}

// A forgetful service shows errors without their messages, until it is told not
// to.
type forgetful struct {
	reference.Service
	calm *atomic.Bool
}

// Get implements reference.Service.
func (s forgetful) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Get(ctx, r)
	if err == nil && op.GetError() != nil && !s.calm.Load() {
		op = proto.CloneOf(op)
		op.GetError().Message = ""
	}
	return op, err
}

// Where the cancels of other cases may be the reason why a case could not tell,
// or found what it did, it is judged by itself; what is found without such
// cancels stands.
func TestWhatOthersMayHaveDoneIsJudgedByItself(t *testing.T) {
	fault := func(name string) reference.Fault {
		m, ok := reference.Lookup(name)
		require.True(t, ok, name)
		return m.Fault
	}
	const message, child = "cancel.state.error-message", "cancel.isolation.siblings/rest/the-cancel-of-an-operation-leaves-a-nested-one-alone/nested"
	hurries := func(calm *atomic.Bool) reference.Fault {
		return reference.Fault{Service: func(inner reference.Service) reference.Service { return hasty{inner, reference.Nested, calm} }}
	}
	forgets := func(calm *atomic.Bool) reference.Fault {
		return reference.Fault{Service: func(inner reference.Service) reference.Service { return forgetful{inner, calm} }}
	}
	for name, row := range map[string]struct {
		broken reference.Fault
		until  func(calm *atomic.Bool) reference.Fault // what is broken until the case is begun for the last time
		id     string                                  // how the case begins
		begun  int
		want   reports.Verdict
	}{
		"could not tell": {fault("cancel-stops-children"), hurries, child, 3, reports.Failed},
		"found":          {fault("cancel-stops-children"), forgets, message + "/rest/", 2, reports.Passed},
		"found alone":    {reference.Fault{}, forgets, message + "/rest/", 1, reports.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calm := new(atomic.Bool)
			s, err := reference.NewMutant(reference.Options{}, reference.Mutant{Fault: row.until(calm).And(row.broken)})
			require.NoError(t, err)
			var mu sync.Mutex
			begun, told := map[string]int{}, map[string]int{}
			r := judge(t, describe(t, s), Options{Run: []string{siblings, message}, Transport: "rest",
				OnStart: func(id string) {
					mu.Lock()
					defer mu.Unlock()
					if begun[id]++; strings.HasPrefix(id, row.id) && begun[id] == max(row.begun, 2) {
						calm.Store(true)
					}
				},
				OnCase: func(_, _ int, c reports.Case) { told[c.ID]++ }})
			seen := 0
			for _, c := range r.Cases {
				if strings.HasPrefix(c.ID, row.id) {
					seen++
					assert.Equal(t, row.want, c.Verdict, "%s: %s", c.ID, c.Reason)
					assert.Equal(t, row.begun, begun[c.ID], c.ID)
				}
				if begun[c.ID] > 0 {
					assert.Equal(t, 1, told[c.ID], c.ID)
				}
			}
			assert.Positive(t, seen)
		})
	}
}
