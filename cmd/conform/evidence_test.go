package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
)

// What a case had done when the process was killed is not lost.
func TestACaseThatWasRunningKeepsItsCalls(t *testing.T) {
	cases, err := steps.Cases("")
	require.NoError(t, err)
	done, running := cases[0], cases[1]
	done.Verdict, done.Reason = reports.Passed, ""
	call := &targets.Exchange{Transport: targets.REST, Method: targets.Cancel, Request: targets.Message{Line: "POST /v1/operations/a:cancel"}}
	var lines []string
	for _, v := range []event{
		{Event: runStarted, Run: &reports.Report{Schema: reports.Schema, Target: reports.Target{Name: "mine", Profile: "lro"}}},
		{Event: caseStarted, ID: done.ID}, {Event: caseStarted, ID: running.ID}, {Event: callMade, ID: running.ID, Call: call},
		{Event: caseEnded, ID: done.ID, Case: &done},
	} {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		lines = append(lines, string(data))
	}
	r, err := readEvidence([]byte(strings.Join(lines, "\n") + "\n" + `{"event":"case-ended","case":{"id":"`))
	require.NoError(t, err)
	assert.Equal(t, reports.Interrupted, r.Outcome)
	require.Len(t, r.Cases, len(cases))
	by := map[string]reports.Case{}
	for _, c := range r.Cases {
		by[c.ID] = c
	}
	assert.Equal(t, reports.Passed, by[done.ID].Verdict)
	assert.Equal(t, reports.Inconclusive, by[running.ID].Verdict)
	assert.Equal(t, "the run was interrupted while it ran", by[running.ID].Reason)
	require.Len(t, by[running.ID].Exchanges, 1)
	assert.Equal(t, targets.Cancel, by[running.ID].Exchanges[0].Method)
	assert.Equal(t, "the run was interrupted before", by[cases[2].ID].Reason)
}

func TestWhatIsNoEvidence(t *testing.T) {
	for text, want := range map[string]string{"": "no line tells of the run", "{": "line 1", `{"event":"case-started","id":"x"}`: "no line tells of the run"} {
		_, err := readEvidence([]byte(text))
		assert.ErrorContains(t, err, want)
	}
}
