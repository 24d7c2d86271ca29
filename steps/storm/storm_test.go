package storm_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps/storm"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// served is a target on a server, which ends with the test.
func served(t testing.TB, s *reference.Server, err error) *targets.Target {
	t.Helper()
	require.NoError(t, err)
	target, err := s.Target()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	return target
}

func shown(t testing.TB, r *storm.Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, storm.WriteText(&b, r))
	return b.String()
}

func TestFindsEachRace(t *testing.T) {
	catalogue, err := features.Requirements()
	require.NoError(t, err)
	for _, m := range reference.StormMutants() {
		t.Run(m.Name, func(t *testing.T) {
			level := reports.LevelMust
			for _, q := range catalogue {
				if q.ID == m.Breaks[0] && q.Level == reports.Should && q.ID != "cancel.effect.best-effort" { // which is guaranteed here
					level = reports.LevelShould
				}
			}
			var r *storm.Report
			// With the race detector, on a machine that other tests keep busy, a
			// storm makes a fraction of the calls, and those come late. It may take
			// another, of few clients, whose calls do not wait for one another, or again
			// of many, where it takes many operations.
			for seed, clients := range []int{16, 2, 16, 2, 2} {
				s, err := reference.NewMutant(reference.Options{}, m)
				r, err = storm.Run(context.Background(), served(t, s, err),
					storm.Options{Seed: int64(seed), Clients: clients, Duration: 10 * time.Second, Level: level})
				require.NoError(t, err)
				t.Log(shown(t, r))
				if r.Outcome != reports.Conformant {
					break
				}
			}
			assert.Equal(t, reports.Nonconformant, r.Outcome)
			require.NotEmpty(t, r.Violations)
			for _, v := range r.Violations {
				assert.Contains(t, append(m.May, m.Breaks...), v.Requirement)
				assert.NotEmpty(t, v.Sequence)
			}
		})
	}
}

func TestHonestServersBreakNothing(t *testing.T) {
	for name, o := range map[string]reference.Options{
		"honest":      {},
		"at once":     {CancelDelay: -1, FinishedOK: true},
		"no options":  {NoWait: true, NoDelete: true, NoList: true},
		"slower stop": {CancelDelay: 60 * time.Millisecond, Natural: 210 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := reference.New(o)
			r, err := storm.Run(context.Background(), served(t, s, err), storm.Options{Seed: 1, Duration: time.Second, Level: reports.LevelShould})
			require.NoError(t, err)
			t.Log(shown(t, r))
			assert.Equal(t, reports.Conformant, r.Outcome, r.Reason)
			assert.Empty(t, r.Violations)
			assert.Empty(t, r.Leftover)
		})
	}
}

// TestStormsOnWhatSystemsDo lets a storm loose on servers that start what runs
// already, and that cancel by themselves: the report says so, and blames nothing.
func TestStormsOnWhatSystemsDo(t *testing.T) {
	for _, v := range reference.StormVariants() {
		t.Run(v.Name, func(t *testing.T) {
			s, err := reference.NewVariant(reference.Options{}, v)
			r, err := storm.Run(context.Background(), served(t, s, err), storm.Options{Seed: 1, Duration: time.Second, Level: reports.LevelShould})
			require.NoError(t, err)
			t.Log(shown(t, r))
			assert.Equal(t, reports.Conformant, r.Outcome, r.Reason)
			assert.Empty(t, r.Violations)
			assert.Positive(t, r.Again+r.Alone)
		})
	}
}

// TestVariantsBreakNothing lets a short storm loose on every server that is
// unusual but legal.
func TestVariantsBreakNothing(t *testing.T) {
	for _, v := range reference.Variants() {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			s, err := reference.NewVariant(reference.Options{}, v)
			r, err := storm.Run(context.Background(), served(t, s, err), storm.Options{Seed: 1, Clients: 4, Duration: 300 * time.Millisecond, Level: reports.LevelShould})
			require.NoError(t, err)
			assert.Empty(t, r.Violations, shown(t, r))
		})
	}
}
