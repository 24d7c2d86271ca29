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
	known := r.Baseline()
	require.Equal(t, []KnownFailure{
		{Requirement: "cancel.state.code-1", Transport: targets.REST, Reason: "error.code is 10"},
		{Requirement: "operation.json.no-null", Transport: targets.REST, Reason: "metadata is null"},
	}, known)
	var b bytes.Buffer
	require.NoError(t, WriteBaseline(&b, known))
	back, err := ReadBaseline(b.Bytes(), smallCatalogue())
	require.NoError(t, err)
	assert.Equal(t, known, back)

	Conclude(r, smallCatalogue(), Criteria{RunningConfigured: true, Baseline: back})
	assert.True(t, r.Requirement("cancel.state.code-1").Known)
	assert.Equal(t, Failed, r.Requirement("cancel.state.code-1").Verdict)
	assert.Empty(t, r.StaleBaseline)
	assert.Equal(t, known, r.PrunedBaseline())
}

func TestReadBaselineRefuses(t *testing.T) {
	tests := []struct{ name, doc, want string }{
		{"unknown requirement", "known: [{requirement: nope}]", `known[0].requirement: got "nope"`},
		{"unknown key", "known: [{requirement: grpc.unary, because: x}]", "field because not found"},
		{"transport", "known: [{requirement: grpc.unary, transport: soap}]", `known[0].transport: got "soap"`},
		{"day", "known: [{requirement: grpc.unary, expires: tomorrow}]", `known[0].expires: got "tomorrow"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadBaseline([]byte(tt.doc), smallCatalogue())
			assert.ErrorContains(t, err, tt.want)
		})
	}
	known, err := ReadBaseline(nil, smallCatalogue())
	require.NoError(t, err)
	assert.Empty(t, known)
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
