package reports

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

// runOf is a run of one version of the suite with these cases.
func runOf(version string, cases ...Case) *Report {
	r := &Report{Suite: Suite{Version: version, Catalogue: "c" + version}, Target: Target{Name: "my-service", Profile: "lro"}, Started: "2026-01-02T03:04:05Z", Cases: cases}
	Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true})
	return r
}

func renamed(c Case, id string) Case {
	c.ID = id
	return c
}

func TestWhoseDoingAChangeIs(t *testing.T) {
	passed, failed := newCase(probe, targets.REST, Passed, ""), newCase(probe, targets.REST, Failed, "bad")
	untested := newCase(probe, targets.REST, Untested, "operations.running is not configured")
	declared := newCase(probe, targets.REST, Inapplicable, "operations.running is unavailable: no")
	shown := newCase(probe, targets.REST, Inapplicable, "the server does not support cancel")
	tests := []struct {
		name     string
		old, new *Report
		want     Cause
	}{
		{"same suite, new failure", runOf("1", passed), runOf("1", failed), ByServer},
		{"same suite, repaired", runOf("1", failed), runOf("1", passed), ByServer},
		{"other suite, old case fails", runOf("1", passed), runOf("2", failed), ByServer},
		{"other suite, new case fails", runOf("1", passed), runOf("2", passed, renamed(failed, "new/rest/x")), BySuite},
		{"other suite, failing case is gone", runOf("1", passed, renamed(failed, "old/rest/x")), runOf("2", passed), BySuite},
		{"role added", runOf("1", untested), runOf("1", passed), ByConfiguration},
		{"deselected", runOf("1", passed), runOf("1", newCase(probe, targets.REST, Deselected, DeselectedByPattern)), ByConfiguration},
		{"declared unavailable", runOf("1", passed), runOf("1", declared), ByConfiguration},
		{"support was dropped", runOf("1", passed), runOf("1", shown), ByServer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Compare(tt.old, tt.new)
			require.Len(t, c.Changes, 1)
			assert.Equal(t, tt.want, c.Changes[0].Cause)
			assert.Equal(t, string(tt.new.Requirements[0].Verdict), c.Changes[0].To)
		})
	}
	assert.Empty(t, Compare(runOf("1", passed), runOf("1", passed)).Changes)
}

func TestCompareNamesRequirementsThatCameAndWent(t *testing.T) {
	old, new := sampleReport(), sampleReport()
	catalogue := smallCatalogue()
	Conclude(old, catalogue[:len(catalogue)-1], old.Criteria)
	Conclude(new, catalogue[1:], new.Criteria)
	c := Compare(old, new)
	require.Len(t, c.Changes, 2)
	assert.Equal(t, Change{Requirement: "cancel.timing", Statement: "What cancel.timing says.", Cause: BySuite, To: "passed", Reason: "the requirement is new"}, c.Changes[0])
	assert.Equal(t, Change{Requirement: probe, Statement: "What " + probe + " says.", Cause: BySuite, From: "passed", Reason: "the requirement is gone"}, c.Changes[1])
}

func TestCompareTellsLevelsApart(t *testing.T) {
	old, new := sampleReport(), sampleReport()
	catalogue := smallCatalogue()
	catalogue[0].Profiles = map[string]string{"google": "SHOULD"}
	new.Target.Profile = "google"
	Conclude(new, catalogue, new.Criteria)
	c := Compare(old, new)
	require.Len(t, c.Changes, 1)
	assert.Equal(t, ByConfiguration, c.Changes[0].Cause)
	assert.Equal(t, []string{"MUST", "SHOULD"}, []string{c.Changes[0].From, c.Changes[0].To})
	assert.Equal(t, []string{"profile: lro → google"}, c.Settings)
}

func TestDiffWriters(t *testing.T) {
	old, new := sampleReport(), sampleReport()
	new.Suite.Version = "1.3.0"
	new.Cases[2] = newCase("cancel.state.code-1", targets.REST, Passed, "")
	new.Cases[3] = newCase("cancel.state.code-1", targets.GRPC, Failed, "error.code is 2")
	new.Cases[7] = newCase("cancel.accept.pending", targets.REST, Passed, "")
	Conclude(new, smallCatalogue(), new.Criteria)
	c := Compare(old, new)
	assert.Equal(t, 1, c.Regressions())
	for format, w := range DiffWriters() {
		t.Run(format, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, w(&b, c))
			golden(t, "diff."+format+".golden", b.Bytes())
			b.Reset()
			require.NoError(t, w(&b, Compare(sampleReport(), hostileReport())))
			for _, bad := range []string{"\x1b", "\x00", "\r"} {
				assert.NotContains(t, b.String(), bad)
			}
		})
	}
}
