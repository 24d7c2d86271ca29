package reports

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

// shardOf is a report in which only the cases that keep says are judged.
func shardOf(whole *Report, keep func(i int) bool) *Report {
	r := *whole
	r.Cases = nil
	for i, c := range whole.Cases {
		if !keep(i) {
			other := newCase(c.Requirement, c.Transport, Deselected, DeselectedByShard)
			other.ID = c.ID
			c = other
		}
		r.Cases = append(r.Cases, c)
	}
	Conclude(&r, smallCatalogue(), whole.Criteria)
	return &r
}

func TestMergedShardsAreTheWholeRun(t *testing.T) {
	whole := sampleReport()
	for _, known := range [][]KnownFailure{nil, whole.Baseline(KnownFailure{Reason: "x"})} {
		c := whole.Criteria
		c.Baseline = known
		Conclude(whole, smallCatalogue(), c)
		odd := shardOf(whole, func(i int) bool { return i%2 == 1 })
		even := shardOf(whole, func(i int) bool { return i%2 == 0 })
		got, err := Merge(smallCatalogue(), even, odd)
		require.NoError(t, err)
		assert.Equal(t, whole, got)
	}
}

func TestMergeMissesAShard(t *testing.T) {
	r := &Report{Cases: []Case{newCase(probe, targets.REST, Passed, ""), newCase("cancel.state.code-1", targets.REST, Passed, "")}}
	Conclude(r, catalogueOf(probe, "cancel.state.code-1"), Criteria{RunningConfigured: true})
	shard := shardOf(r, func(i int) bool { return i == 0 })
	got, err := Merge(catalogueOf(probe, "cancel.state.code-1"), shard)
	require.NoError(t, err)
	assert.Equal(t, Incomplete, got.Outcome)
	assert.Equal(t, reasonShardMissing, got.Requirement("cancel.state.code-1").Reason)
}

func TestMergeKeepsTroubleOfAnyPart(t *testing.T) {
	a, b := sampleReport(), sampleReport()
	a.Cases, b.Cases = nil, nil
	b.Problem = "connection refused"
	got, err := Merge(smallCatalogue(), a, b)
	require.NoError(t, err)
	assert.Equal(t, Error, got.Outcome)
	b.Signal = 15
	got, err = Merge(smallCatalogue(), a, b)
	require.NoError(t, err)
	assert.Equal(t, 143, got.ExitCode())
}

func TestMergeRefusesStrangers(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Report)
		want   string
	}{
		{"suite", func(r *Report) { r.Suite.Version = "2" }, `suite version: got "2", want "1.2.3" as in the first`},
		{"catalogue", func(r *Report) { r.Suite.Catalogue = "x" }, `catalogue: got "x"`},
		{"target", func(r *Report) { r.Target.Name = "other" }, `target: got "other"`},
		{"profile", func(r *Report) { r.Target.Profile = "google" }, `profile: got "google"`},
		{"level", func(r *Report) { r.Level = LevelShould }, `level: got "should"`},
		{"promise", func(r *Report) { r.Criteria.Guaranteed = true }, `guaranteed cancellation: got "true"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			other := sampleReport()
			tt.change(other)
			_, err := Merge(smallCatalogue(), sampleReport(), other)
			assert.ErrorContains(t, err, tt.want)
		})
	}
	_, err := Merge(smallCatalogue())
	assert.ErrorContains(t, err, "there is no report")
}
