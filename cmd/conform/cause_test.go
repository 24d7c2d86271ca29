package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// A server that fails just what a mutant breaks is said to behave like it, or
// like others that break the same.
func TestEveryMutantIsRecognised(t *testing.T) {
	catalogue, err := features.Requirements()
	require.NoError(t, err)
	for _, m := range reference.Mutants() {
		r := &reports.Report{Target: reports.Target{Profile: targets.ProfileLRO}}
		for _, tr := range targets.Transports() {
			broken := m.Broken(tr, catalogue)
			for _, q := range catalogue {
				c := reports.Case{ID: q.ID + "/" + string(tr) + "/x", Requirement: q.ID, Transport: tr, Verdict: reports.Passed}
				if slices.Contains(broken, q.ID) {
					c.Verdict, c.Reason = reports.Failed, "broken"
				}
				if q.On(string(tr)) {
					r.Cases = append(r.Cases, c)
				}
			}
		}
		reports.Conclude(r, catalogue, reports.Criteria{Guaranteed: true, RunningConfigured: true})
		require.NoError(t, diagnose(r))
		for _, q := range r.Requirements {
			if q.Verdict == reports.Failed {
				assert.True(t, strings.HasPrefix(q.LikelyCause, "the server behaves like ") &&
					(strings.Contains(q.LikelyCause, "`"+m.Name+"`") || strings.HasSuffix(q.LikelyCause, " more")), "%s: %s: %s", m.Name, q.ID, q.LikelyCause)
			}
		}
	}
}
