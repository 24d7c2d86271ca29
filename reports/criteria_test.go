package reports

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/lro-tools/conform/schemas"
	"github.com/lro-tools/conform/targets"
)

func TestBaselineIsWrittenAndRead(t *testing.T) {
	r := sampleReport()
	add := KnownFailure{Reason: "mended in 2.1", Issue: "https://example.com/12", Expires: "2026-12-31"}
	known := r.Baseline(add)
	require.Len(t, known, 2)
	for i, id := range []string{"cancel.state.code-1", "operation.json.no-null"} {
		assert.Regexp(t, "^[0-9a-f]{12}$", known[i].Fingerprint)
		want := add
		want.Requirement, want.Transport, want.Fingerprint = id, targets.REST, known[i].Fingerprint
		assert.Equal(t, want, known[i])
	}
	var b bytes.Buffer
	require.NoError(t, WriteBaseline(&b, known))
	back, err := ReadBaseline("known.yaml", b.Bytes(), smallCatalogue())
	require.NoError(t, err)
	known[0].Where, known[1].Where = "known.yaml:3", "known.yaml:9"
	assert.Equal(t, known, back)

	Conclude(r, smallCatalogue(), Criteria{RunningConfigured: true, Baseline: back})
	assert.True(t, r.Requirement("cancel.state.code-1").Known)
	for _, w := range []Writer{Text(false), Markdown, HTML} {
		assert.Contains(t, string(render(t, w, r)), "mended in 2.1, https://example.com/12, until 2026-12-31")
	}
	assert.Equal(t, Failed, r.Requirement("cancel.state.code-1").Verdict)
	assert.Empty(t, r.StaleBaseline)
	assert.Equal(t, known, r.PrunedBaseline())
}

func TestReadBaselineRefuses(t *testing.T) {
	tests := []struct{ name, doc, want string }{
		{"unknown requirement", "known: [{requirement: nope, reason: x}]", `b.yaml:1: requirement: got "nope"`},
		{"unknown key", "known:\n- {requirement: grpc.unary, because: x}", "line 2: field because not found"},
		{"transport", "known: [{requirement: grpc.unary, transport: soap, reason: x}]", `transport: got "soap"`},
		{"day", "known:\n\n- {requirement: grpc.unary, expires: tomorrow, reason: x}", `b.yaml:3: expires: got "tomorrow"`},
		{"no reason", "known: [{requirement: grpc.unary}]", "reason: missing"},
		{"no link", "known: [{requirement: grpc.unary, reason: x, issue: 12}]", `issue: got "12", want a link`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadBaseline("b.yaml", []byte(tt.doc), smallCatalogue())
			assert.ErrorContains(t, err, tt.want)
		})
	}
	known, err := ReadBaseline("b.yaml", nil, smallCatalogue())
	require.NoError(t, err)
	assert.Empty(t, known)
}

func TestAFailureOfAnotherKindIsNotKnown(t *testing.T) {
	failing := func(message, actual string) Case {
		c := newCase(probe, targets.REST, Failed, message)
		c.Breaches = []Breach{{Requirement: probe, Message: message, Actual: actual, Exchange: -1}}
		return c
	}
	judged := func(c Case, known []KnownFailure) *Report {
		r := &Report{Started: "2026-01-02T03:04:05Z", Cases: []Case{c}}
		Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true, Baseline: known})
		return r
	}
	known := judged(failing(`operation "a/1" ended after 12.5 ms`, "HTTP 404 NOT_FOUND"), nil).Baseline(KnownFailure{Reason: "x"})
	require.Len(t, known, 1)
	known[0].Where = "known.yaml:3"
	tests := []struct {
		name string
		c    Case
		same bool
	}{
		{"other names and numbers", failing(`operation "b/2" ended after 3 ms`, "HTTP 404 NOT_FOUND: gone"), true},
		{"another message", failing("the server is down", "HTTP 404 NOT_FOUND"), false},
		{"another status", failing(`operation "a/1" ended after 12.5 ms`, "HTTP 500 INTERNAL"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := judged(tt.c, known)
			assert.Equal(t, tt.same, r.Requirements[0].Known)
			if tt.same {
				assert.Empty(t, r.StaleBaseline)
				return
			}
			assert.Equal(t, Nonconformant, r.Outcome)
			require.Len(t, r.StaleBaseline, 1)
			assert.Contains(t, r.StaleBaseline[0], "known.yaml:3: "+probe+" on rest: fails differently over REST")
			assert.Contains(t, r.StaleBaseline[0], "write fingerprint: "+r.Cases[0].Breaches[0].Fingerprint)
		})
	}
}

func TestAnExpiredEntryMakesTheRunRed(t *testing.T) {
	r := &Report{Started: "2026-01-02T03:04:05Z", Cases: []Case{newCase(probe, targets.REST, Failed, "bad")}}
	Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true,
		Baseline: []KnownFailure{{Requirement: probe, Reason: "x", Expires: "2026-01-01", Where: "known.yaml:3"}}})
	assert.Equal(t, Nonconformant, r.Outcome)
	assert.False(t, r.Requirements[0].Known)
	assert.Equal(t, []string{"known.yaml:3: " + probe + ": expired on 2026-01-01; mend the server, or give expires a later day"}, r.StaleBaseline)
	assert.Empty(t, r.PrunedBaseline())
}

func TestStaleBaseline(t *testing.T) {
	entry := []KnownFailure{{Requirement: probe, Transport: targets.REST}}
	tests := []struct {
		name  string
		cases []Case
		stale bool
	}{
		{"it passed", []Case{newCase(probe, targets.REST, Passed, "")}, true},
		{"it failed", []Case{newCase(probe, targets.REST, Failed, "")}, false},
		{"it was not judged", []Case{newCase(probe, targets.REST, Deselected, DeselectedByPattern)}, false},
		{"it passed in part", []Case{newCase(probe, targets.REST, Passed, ""), newCase(probe, targets.REST, Deselected, DeselectedByShard)}, false},
		{"the other transport passed", []Case{newCase(probe, targets.REST, Failed, ""), newCase(probe, targets.GRPC, Passed, "")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Report{Cases: tt.cases}
			Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true, Baseline: entry})
			assert.Equal(t, tt.stale, len(r.StaleBaseline) > 0, r.StaleBaseline)
		})
	}
}

func TestABaselineForOneTransportCoversNoOther(t *testing.T) {
	r := &Report{Cases: []Case{newCase(probe, targets.REST, Failed, "bad"), newCase(probe, targets.GRPC, Failed, "bad")}}
	Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true, Baseline: []KnownFailure{{Requirement: probe, Transport: targets.REST}}})
	assert.False(t, r.Requirements[0].Known)
	assert.Equal(t, Nonconformant, r.Outcome)
}

func TestAdviceIsAValidTargetFile(t *testing.T) {
	var cases []Case
	for _, need := range []string{"operations.slow", "operations.pending", "principals.stranger", "rest.list", "metadata.state", "auth"} {
		c := newCase(probe, targets.REST, Untested, "missing")
		c.Needs = need
		cases = append(cases, c)
	}
	r := &Report{Cases: cases}
	Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true})
	require.Equal(t, Incomplete, r.Outcome)
	var doc map[string]any
	require.NoError(t, yaml.Unmarshal([]byte("rest: {url: \"http://127.0.0.1:1/v1\"}\n"+r.Advice), &doc), r.Advice)
	assert.NoError(t, schemas.Validate("target", doc))
	assert.Contains(t, doc["operations"], "slow")
	assert.Contains(t, doc["operations"], "pending")
	assert.Contains(t, doc["principals"], "stranger")
	assert.Equal(t, []any{map[string]any{"requirement": probe, "reason": "say here why it cannot be judged"}}, doc["exclude"])
}

func TestAdviceForRunningIsARecipe(t *testing.T) {
	c := newCase(probe, targets.REST, Untested, "missing")
	c.Needs = "operations.running"
	r := &Report{Cases: []Case{c}}
	Conclude(r, catalogueOf(probe), Criteria{})
	var doc map[string]any
	require.NoError(t, yaml.Unmarshal([]byte("rest: {url: \"http://127.0.0.1:1/v1\"}\n"+r.Advice), &doc), r.Advice)
	assert.NoError(t, schemas.Validate("target", doc))
}
