package storm

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// part is the report of one shard, as it is read back from its JSON form.
func part(t *testing.T, shard string, durations ...time.Duration) *Report {
	t.Helper()
	traffic := newTraffic()
	for _, d := range durations {
		traffic.Calls++
		traffic.Starting++
		traffic.Accepted++
		traffic.Methods[targets.Cancel]++
		traffic.Cancel.add(d)
	}
	r := &Report{Schema: Schema, Shards: []string{shard}, Level: "must", Clients: 4, Running: true, StartingMS: 2000,
		Operations: map[targets.Role]int{targets.Running: len(durations)}, Traffic: map[targets.Transport]*Traffic{targets.REST: traffic}}
	r.conclude()
	data, err := json.Marshal(r)
	require.NoError(t, err)
	back, ok, err := Decode(data)
	require.NoError(t, err)
	require.True(t, ok)
	return back
}

// TestReasonTellsWhatIsMissing demands that what does not count is told, and which
// calls brought no answer, also of merged reports.
func TestReasonTellsWhatIsMissing(t *testing.T) {
	r := part(t, "1/2", time.Millisecond)
	r.Violations = []Violation{{Requirement: "b", Level: reports.Should}}
	r.conclude()
	assert.Equal(t, "no violation that counts at level must in 1 operation; broken besides: 1 requirement", r.Reason)
	r.Traffic[targets.REST].lost(targets.Cancel, targets.Reset, 2)
	other := part(t, "2/2", time.Millisecond)
	other.Traffic[targets.REST].lost(targets.Cancel, targets.TimedOut, 1)
	merged, err := Merge(r, other)
	require.NoError(t, err)
	assert.Equal(t, "incomplete: over rest there was no answer to 3 of 2 CancelOperation (1 timed out, 2 reset)", merged.Reason)
}

// TestMergeIsExact demands of the reports of shards what one report of all
// durations says.
func TestMergeIsExact(t *testing.T) {
	var all, odd, even []time.Duration
	for i := range 2000 {
		d := time.Duration(i*i) * time.Microsecond
		all = append(all, d)
		if i%2 == 0 {
			even = append(even, d)
		} else {
			odd = append(odd, d)
		}
	}
	merged, err := Merge(part(t, "2/2", odd...), part(t, "1/2", even...))
	require.NoError(t, err)
	whole := part(t, "1/1", all...)
	assert.Equal(t, whole.Traffic, merged.Traffic)
	assert.Equal(t, whole.Operations, merged.Operations)
	assert.Equal(t, reports.Conformant, merged.Outcome)
	assert.Equal(t, 8, merged.Clients)
	assert.InDelta(t, 1000, merged.CallsPerSecond(targets.REST), 0, "2000 calls in two seconds")
	assert.Zero(t, merged.CallsPerSecond(targets.GRPC))
}

func TestMergeMissesAShard(t *testing.T) {
	merged, err := Merge(part(t, "1/3", time.Millisecond), part(t, "3/3", time.Millisecond))
	require.NoError(t, err)
	assert.Equal(t, reports.Incomplete, merged.Outcome)
	_, err = Merge(part(t, "1/3", time.Millisecond), part(t, "1/3", time.Millisecond))
	assert.ErrorContains(t, err, "shard 1/3 is there twice")
}

func TestOutcomeOfAStorm(t *testing.T) {
	must, should := Violation{Requirement: "a", Level: reports.Must}, Violation{Requirement: "b", Level: reports.Should}
	for _, c := range []struct {
		name   string
		change func(r *Report)
		want   reports.Outcome
		code   int
	}{
		{"nothing broken", func(*Report) {}, reports.Conformant, 0},
		{"a must", func(r *Report) { r.Violations = []Violation{must} }, reports.Nonconformant, 1},
		{"a should does not count", func(r *Report) { r.Violations = []Violation{should} }, reports.Conformant, 0},
		{"a should counts", func(r *Report) { r.Violations, r.Level = []Violation{should}, "should" }, reports.Nonconformant, 1},
		{"gone before anything was judged", func(r *Report) { r.Problem, r.Operations = "gone", nil }, reports.Error, 4},
		{"gone", func(r *Report) { r.Problem = "gone" }, reports.Incomplete, 3},
		{"no cancel accepted", func(r *Report) { r.Traffic[targets.REST].Accepted = 0 }, reports.Incomplete, 3},
		{"no cancel accepted over one transport", func(r *Report) { r.Traffic[targets.GRPC] = newTraffic() }, reports.Incomplete, 3},
		{"calls without an answer", func(r *Report) { r.Traffic[targets.REST].lost(targets.Cancel, targets.TimedOut, 1) }, reports.Incomplete, 3},
		{"no role running", func(r *Report) { r.Running = false }, reports.Incomplete, 3},
		{"what was started is one", func(r *Report) { r.Operations, r.Again = nil, 9 }, reports.Incomplete, 3},
		{"interrupted", func(r *Report) { r.Signal = 15 }, reports.Interrupted, 143},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := part(t, "1/1", time.Millisecond)
			c.change(r)
			r.conclude()
			assert.Equal(t, c.want, r.Outcome, r.Reason)
			assert.Equal(t, c.code, r.ExitCode())
		})
	}
}
