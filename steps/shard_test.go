package steps

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets/reference"
)

// timeless is what a report says without times, the names of operations, and
// the calls and messages in which both stand, as JSON.
func timeless(t *testing.T, r *reports.Report) string {
	t.Helper()
	out := *r
	out.Started, out.ElapsedMS, out.Target.REST, out.Target.GRPC, out.Leftover = "", 0, "", "", nil
	out.Requirements, out.Cases = slices.Clone(r.Requirements), slices.Clone(r.Cases)
	for i := range out.Requirements {
		// Which of several legal readings is seen is left to the race.
		out.Requirements[i].Observed, out.Requirements[i].Notes = "", nil
		if q := &out.Requirements[i]; q.Verdict == reports.Failed {
			q.Reason, q.Reasons = "", nil
		}
	}
	for i := range out.Cases {
		c := &out.Cases[i]
		c.ElapsedMS, c.Exchanges, c.Breaches, c.Repeat = 0, nil, nil, nil
		c.Observed, c.Notes = nil, nil
		c.Held = nil // an invariant of a state that a case may just miss
		c.Steps = slices.Clone(c.Steps)
		if c.Verdict == reports.Failed {
			c.Reason = ""
			for j := range c.Steps {
				c.Steps[j].Message = ""
			}
		}
	}
	data, err := json.MarshalIndent(out, "", " ")
	require.NoError(t, err)
	return regexp.MustCompile(`[0-9.]+(m|µ)?s\b`).ReplaceAllString(string(data), "TIME")
}

// lines are what a report says, line by line.
func lines(t *testing.T, r *reports.Report) []string {
	t.Helper()
	return strings.Split(timeless(t, r), "\n")
}

// TestShardsMakeTheWholeReport runs the suite whole and in parts, each on a
// server of its own, and demands one report of both. The server's fault is one
// that every look at a cancelled operation shows, whenever it comes. Where a
// busy machine leaves something open in one run alone, they are run once more, and
// held to agree on the rest.
func TestShardsMakeTheWholeReport(t *testing.T) {
	catalogue, err := features.Requirements()
	require.NoError(t, err)
	m, ok := reference.Lookup("cancel-without-message")
	require.True(t, ok)
	run := func(o Options) *reports.Report {
		// What is cancelled twice must not sometimes have stopped in between.
		s, err := reference.NewMutant(reference.Options{CancelDelay: 300 * time.Millisecond}, m)
		require.NoError(t, err)
		return judge(t, describe(t, s), o)
	}
	var whole, merged *reports.Report
	for range 2 {
		const shards = 3
		var parts []*reports.Report
		judged := map[string]int{}
		for i := range shards {
			part := run(Options{Shard: i + 1, Shards: shards})
			parts = append(parts, part)
			for _, c := range part.Cases {
				if c.Reason != reports.DeselectedByShard {
					judged[c.ID]++
				}
			}
		}
		merged, err = reports.Merge(catalogue, parts...)
		require.NoError(t, err)
		whole = run(Options{})
		assert.Len(t, judged, len(whole.Cases))
		assert.Equal(t, 1, slices.Max(slices.Collect(maps.Values(judged))), "no case is in two shards")
		if slices.Equal(open(whole), open(merged)) {
			break
		}
	}
	if !slices.Equal(open(whole), open(merged)) {
		for _, q := range whole.Requirements {
			if got := merged.Requirement(q.ID).Verdict; q.Verdict != reports.Inconclusive && got != reports.Inconclusive {
				assert.Equal(t, q.Verdict, got, q.ID)
			}
		}
		return
	}
	want, got := lines(t, whole), lines(t, merged)
	for i := range min(len(want), len(got)) {
		require.Equal(t, want[i], got[i], "line %d, after\n%s", i+1, strings.Join(want[max(0, i-8):i], "\n"))
	}
	assert.Len(t, got, len(want))
}

// open are the cases in which a run could not tell.
func open(r *reports.Report) []string {
	var out []string
	for _, c := range r.Cases {
		if c.Verdict == reports.Inconclusive {
			out = append(out, c.ID)
		}
	}
	return slices.Sorted(slices.Values(out))
}
