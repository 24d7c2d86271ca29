package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

func TestWhatBecameOfAReplayedCase(t *testing.T) {
	const id = "a/rest/case"
	const passed, failed, inconclusive = reports.Passed, reports.Failed, reports.Inconclusive
	tests := []struct {
		name     string
		verdicts []reports.Verdict
		want     string
	}{
		{"passed", []reports.Verdict{passed}, "FIXED"},
		{"passed each time", []reports.Verdict{passed, passed, passed}, "FIXED"},
		{"failed each time", []reports.Verdict{failed, failed}, "STILL FAILS"},
		{"failed at times", []reports.Verdict{passed, failed, passed}, "FLAKY (1 of 3)"},
		{"failed where judged", []reports.Verdict{inconclusive, failed}, "STILL FAILS"},
		{"not judged", []reports.Verdict{inconclusive, inconclusive}, "CANNOT REPLAY"},
		{"passed, but not each time judged", []reports.Verdict{passed, inconclusive}, "CANNOT REPLAY"},
		{"gone", nil, "CANNOT REPLAY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &reports.Report{Cases: []reports.Case{{ID: "other/rest/case", Verdict: failed}}}
			for i, v := range tt.verdicts {
				c := reports.Case{ID: id, Verdict: v}
				if i > 0 {
					c.ID = fmt.Sprintf("%s#%d", id, i+1)
				}
				r.Cases = append(r.Cases, c)
			}
			_, line := outcomeOf(id, r).inWords()
			assert.Equal(t, tt.want, line)
		})
	}
	beside := &reports.Report{Cases: []reports.Case{{ID: id, Verdict: passed, Broke: []string{"b"}, Breaches: []reports.Breach{{Requirement: "b", Message: "null"}}}}}
	o := outcomeOf(id, beside)
	assert.Equal(t, 1, o.failed, "what it broke beside is a failure")
	assert.Equal(t, "b: null", o.finding)
}

func TestASecretThatWasSetHasToBeGivenAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "target.yaml")
	require.NoError(t, os.WriteFile(file, []byte("rest: {url: \"http://127.0.0.1:1/v1\"}\n"), 0o600))
	target, err := targets.Load(file, targets.LoadOptions{Set: []string{"auth.bearer=sesame", "name=mine", "rest.headers.X-Key=sesame"}})
	require.NoError(t, err)
	require.NoError(t, target.Close())
	assert.Equal(t, file, target.File)
	assert.Equal(t, []string{"auth.bearer=" + targets.Redacted, "name=mine", "rest.headers.X-Key=" + targets.Redacted}, target.Set)

	old := &reports.Report{Target: reports.Target{File: target.File, Set: target.Set}}
	_, err = (&replayFlags{}).target(old)
	assert.ErrorContains(t, err, "--set auth.bearer=VALUE")
	again, err := (&replayFlags{set: []string{"auth.bearer=sesame", "rest.headers.X-Key=sesame"}}).target(old)
	require.NoError(t, err)
	assert.Equal(t, "mine", again.Name, "what was set before, and is no secret, is set again")
	require.NoError(t, again.Close())
}
