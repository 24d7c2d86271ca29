package reports

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	messages "github.com/cucumber/messages/go/v21"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

func object(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var doc map[string]any
	require.NoError(t, json.Unmarshal(data, &doc))
	return doc
}

func TestBadge(t *testing.T) {
	passed := newCase(probe, targets.REST, Passed, "")
	failed := newCase(probe, targets.REST, Failed, "bad")
	tests := []struct {
		name           string
		report         Report
		criteria       Criteria
		message, color string
	}{
		{"conformant", Report{Cases: []Case{passed}}, Criteria{RunningConfigured: true}, "conformant (MUST, conform 1.2.3, 2026-01-02)", "brightgreen"},
		{"known failure", Report{Cases: []Case{failed}}, Criteria{RunningConfigured: true, Level: LevelShould, Baseline: []KnownFailure{{Requirement: probe}}}, "conformant (SHOULD, 1 known failure, conform 1.2.3, 2026-01-02)", "green"},
		{"nonconformant", Report{Cases: []Case{failed}}, Criteria{RunningConfigured: true}, "nonconformant (MUST, conform 1.2.3, 2026-01-02)", "red"},
		{"incomplete", Report{Cases: []Case{passed}}, Criteria{}, "incomplete (MUST, conform 1.2.3, 2026-01-02)", "yellow"},
		{"error", Report{Problem: "gone"}, Criteria{}, "error (MUST, conform 1.2.3, 2026-01-02)", "lightgrey"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.report
			r.Suite.Version, r.Started = "1.2.3", "2026-01-02T03:04:05Z"
			Conclude(&r, catalogueOf(probe), tt.criteria)
			doc := object(t, render(t, Badge, &r))
			assert.Equal(t, 1.0, doc["schemaVersion"])
			assert.Equal(t, tt.message, doc["message"])
			assert.Equal(t, tt.color, doc["color"])
		})
	}
}

func TestMarkdownStaysUnderItsBound(t *testing.T) {
	r := hostileReport()
	var catalogue []features.Requirement
	for i := range 300 {
		id := fmt.Sprintf("made.up-%03d", i)
		catalogue = append(catalogue, features.Requirement{ID: id, Level: Must, Transports: []string{"rest"}, Statement: "A sentence."})
		c := r.Cases[0]
		c.ID, c.Requirement, c.Broke = id+"/rest/x", id, nil
		c.Breaches = []Breach{{Requirement: id, Message: strings.Repeat("long ", 1000), Exchange: 4}}
		if i%2 == 0 {
			c.Verdict, c.Breaches, c.Reason = Inconclusive, nil, fmt.Sprintf("reason %d %s", i, strings.Repeat("long ", 100))
		}
		r.Cases = append(r.Cases, c)
	}
	Conclude(r, catalogue, Criteria{RunningConfigured: true})
	out := string(render(t, Markdown, r))
	assert.Less(t, len(out), markdownBound)
	assert.Contains(t, out, "made.up-299", "every failure is named")
}

func TestCodeCannotBeLeft(t *testing.T) {
	tests := []struct{ in, want string }{
		{"a", "`a`"},
		{"a`b", "``a`b``"},
		{"``", "``` `` ```"},
		{"a\nb", "`a\\nb`"},
		{" ", "–"},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, code(tt.in))
	}
	assert.Equal(t, "````text\n```\n````", fence("text", "```"))
}

func TestGitHubAppendsItsSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.md")
	require.NoError(t, os.WriteFile(path, []byte("before\n"), 0o600))
	t.Setenv(summaryVariable, path)
	r := sampleReport()
	out := string(render(t, GitHub, r))
	summary, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "before\n"+string(render(t, Markdown, r)), string(summary))
	assert.Contains(t, out, "::error file=features/a.feature,line=7,title=cancel.state.code-1 MUST on REST::error.code is 10\n")
}

func TestGitHubWritesCommandsOnly(t *testing.T) {
	t.Setenv(summaryVariable, "")
	command := regexp.MustCompile(`^::(error|warning|notice) [^:]*::[^\r\n]*$`)
	for l := range strings.Lines(string(render(t, GitHub, hostileReport()))) {
		assert.Regexp(t, command, strings.TrimSuffix(l, "\n"))
	}
	r := sampleReport()
	Conclude(r, smallCatalogue(), Criteria{RunningConfigured: true, Baseline: r.Baseline(KnownFailure{Reason: "x"})})
	assert.Contains(t, string(render(t, GitHub, r)), "::warning file=")
	assert.NotContains(t, string(render(t, GitHub, r)), "::error file=")
}

// What the format demands and allows (ctrf.io, specification of the objects
// results, summary and test).
func TestCTRFHasItsStructure(t *testing.T) {
	doc := object(t, render(t, CTRF, sampleReport()))
	assert.Equal(t, "CTRF", doc["reportFormat"])
	assert.Regexp(t, `^\d+\.\d+\.\d+$`, doc["specVersion"])
	results := doc["results"].(map[string]any)
	summary := results["summary"].(map[string]any)
	tests := results["tests"].([]any)
	got := map[string]float64{}
	allowed := []string{"name", "status", "duration", "suite", "message", "trace", "rawStatus", "tags", "filePath", "line", "steps", "extra"}
	for _, one := range tests {
		test := one.(map[string]any)
		for key := range test {
			assert.Contains(t, allowed, key)
		}
		status := test["status"].(string)
		assert.True(t, slices.Contains([]string{"passed", "failed", "skipped", "pending", "other"}, status), status)
		assert.Equal(t, float64(int64(test["duration"].(float64))), test["duration"], "whole milliseconds")
		got[status]++
	}
	for _, status := range []string{"passed", "failed", "skipped", "pending", "other"} {
		assert.Equal(t, got[status], summary[status], status)
	}
	assert.Equal(t, float64(len(tests)), summary["tests"])
	assert.Equal(t, 4321.0, summary["stop"].(float64)-summary["start"].(float64))
}

func TestMessagesAreAStream(t *testing.T) {
	r := sampleReport()
	r.Cases[0].File, r.Cases[0].Line = firstScenario(t)
	r.Cases[0].Steps = []Step{{Keyword: "Given ", Text: "a running operation", Line: r.Cases[0].Line + 1, Status: "passed"}}
	statuses, nodes := map[string]messages.TestStepResultStatus{}, map[string]int{}
	pickles, testCases, starts := map[string]*messages.Pickle{}, map[string]*messages.TestCase{}, map[string]string{}
	var finished *messages.TestRunFinished
	s := bufio.NewScanner(bytes.NewReader(render(t, Messages, r)))
	s.Buffer(nil, 4<<20)
	for s.Scan() {
		d := json.NewDecoder(bytes.NewReader(s.Bytes()))
		d.DisallowUnknownFields()
		var e messages.Envelope
		require.NoError(t, d.Decode(&e))
		require.Nil(t, finished, "nothing comes after the end")
		switch {
		case e.Pickle != nil:
			pickles[e.Pickle.Id] = e.Pickle
			nodes[e.Pickle.Uri] += len(e.Pickle.AstNodeIds)
			require.Len(t, e.Pickle.Tags, 2)
		case e.TestCase != nil:
			require.Contains(t, pickles, e.TestCase.PickleId)
			require.Len(t, e.TestCase.TestSteps, len(pickles[e.TestCase.PickleId].Steps))
			testCases[e.TestCase.Id] = e.TestCase
		case e.TestCaseStarted != nil:
			require.Contains(t, testCases, e.TestCaseStarted.TestCaseId)
			starts[e.TestCaseStarted.Id] = pickles[testCases[e.TestCaseStarted.TestCaseId].PickleId].Tags[0].Name + " " + pickles[testCases[e.TestCaseStarted.TestCaseId].PickleId].Tags[1].Name
		case e.TestStepFinished != nil:
			id := starts[e.TestStepFinished.TestCaseStartedId]
			if st := e.TestStepFinished.TestStepResult.Status; st != messages.TestStepResultStatus_PASSED && statuses[id] != messages.TestStepResultStatus_FAILED || statuses[id] == "" {
				statuses[id] = st
			}
		case e.TestRunFinished != nil:
			finished = e.TestRunFinished
		}
	}
	require.NoError(t, s.Err())
	require.NotNil(t, finished)
	assert.False(t, finished.Success)
	assert.Equal(t, 1, nodes[r.Cases[0].File], "the scenario is found in its feature")
	assert.Len(t, starts, len(r.Cases))
	assert.Equal(t, messages.TestStepResultStatus_PASSED, statuses["@req:cancel.accept.in-progress @rest"])
	assert.Equal(t, messages.TestStepResultStatus_FAILED, statuses["@req:cancel.state.code-1 @rest"])
	assert.Equal(t, messages.TestStepResultStatus_PENDING, statuses["@req:cancel.state.error-message @grpc"])
	assert.Equal(t, messages.TestStepResultStatus_SKIPPED, statuses["@req:grpc.unary @grpc"])
}

// firstScenario is the file and line of a scenario of the contract.
func firstScenario(t *testing.T) (file string, line int) {
	t.Helper()
	files, err := features.Files()
	require.NoError(t, err)
	for i, l := range strings.Split(string(files[0].Contents), "\n") {
		if strings.Contains(l, "Scenario:") {
			return "features/" + files[0].Name, i + 1
		}
	}
	require.Fail(t, "there is no scenario", files[0].Name)
	return "", 0
}

func TestPaceIsTold(t *testing.T) {
	r := sampleReport()
	r.Pace = map[string]float64{"GetOperation": 40}
	for name, write := range map[string]Writer{"text": Text(false), "html": HTML} {
		assert.Contains(t, string(render(t, write, r)), "so many a second: GetOperation 40", name)
	}
}
