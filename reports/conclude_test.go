package reports

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

const (
	probe     = "cancel.accept.in-progress" // MUST, both transports
	invariant = "operation.result.exclusive"
)

// catalogueOf are the entries with these ids.
func catalogueOf(ids ...string) []features.Requirement {
	var out []features.Requirement
	for _, q := range smallCatalogue() {
		if slices.Contains(ids, q.ID) {
			out = append(out, q)
		}
	}
	return out
}

func beside(c Case, broke, held []string) Case {
	c.Broke, c.Held = broke, held
	return c
}

func TestVerdictOfARequirement(t *testing.T) {
	own := func(tr targets.Transport, v Verdict, reason string) Case { return newCase(invariant, tr, v, reason) }
	other := func(tr targets.Transport) Case { return newCase(probe, tr, Passed, "") }
	breaks := beside(other(targets.REST), []string{invariant}, nil)
	holds := beside(other(targets.REST), nil, []string{invariant})
	tests := []struct {
		name   string
		cases  []Case
		want   Verdict
		reason string
	}{
		{"own case failed", []Case{own(targets.REST, Failed, "bad")}, Failed, "bad"},
		{"failed outweighs passed on one transport", []Case{own(targets.REST, Passed, ""), own(targets.REST, Failed, "bad")}, Failed, "flaky: failed in 1 of 2; bad"},
		{"passed outweighs inconclusive on one transport", []Case{own(targets.REST, Inconclusive, "?"), own(targets.REST, Passed, "")}, Passed, ""},
		{"inconclusive outweighs untested", []Case{own(targets.REST, Untested, "u"), own(targets.REST, Inconclusive, "?")}, Inconclusive, "?"},
		{"untested outweighs inapplicable", []Case{own(targets.REST, Inapplicable, "i"), own(targets.REST, Untested, "u")}, Untested, "u"},
		{"inapplicable outweighs deselected", []Case{own(targets.REST, Deselected, DeselectedByPattern), own(targets.REST, Inapplicable, "i")}, Inapplicable, "i"},
		{"broken beside", []Case{own(targets.REST, Passed, ""), breaks}, Failed, "broken in " + breaks.ID},
		{"held beside", []Case{own(targets.REST, Inconclusive, "?"), holds}, Passed, ""},
		{"broken beside, but taken out", []Case{own(targets.REST, Deselected, DeselectedByPattern), breaks}, Deselected, DeselectedByPattern},
		{"broken beside, but excluded", []Case{own(targets.REST, Deselected, DeselectedByExclusion+"later"), breaks}, Deselected, DeselectedByExclusion + "later"},
		{"broken beside, own in another shard", []Case{own(targets.REST, Deselected, DeselectedByShard), breaks}, Failed, "broken in " + breaks.ID},
		{"failed on one transport", []Case{own(targets.REST, Passed, ""), own(targets.GRPC, Failed, "bad")}, Failed, "bad"},
		{"inconclusive on one transport", []Case{own(targets.REST, Passed, ""), own(targets.GRPC, Inconclusive, "?")}, Inconclusive, "?"},
		{"untested on one transport", []Case{own(targets.REST, Passed, ""), own(targets.GRPC, Untested, "u")}, Untested, "u"},
		{"inapplicable on one transport", []Case{own(targets.REST, Passed, ""), own(targets.GRPC, Inapplicable, "i")}, Passed, ""},
		{"deselected on one transport", []Case{own(targets.REST, Inapplicable, "i"), own(targets.GRPC, Deselected, DeselectedByTransport)}, Inapplicable, "i"},
		{"one transport only is judged", []Case{own(targets.REST, Passed, "")}, Passed, ""},
		{"no case at all", []Case{other(targets.REST), other(targets.GRPC)}, Untested, reasonNoScenario},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Report{Cases: tt.cases}
			Conclude(r, catalogueOf(invariant), Criteria{RunningConfigured: true})
			require.Len(t, r.Requirements, 1)
			assert.Equal(t, tt.want, r.Requirements[0].Verdict)
			assert.Equal(t, tt.reason, r.Requirements[0].Reason)
			totals := r.Summary[Must]
			assert.Equal(t, 1, totals.Of(tt.want))
		})
	}
}

func TestMayAndInfoAreNeverFailed(t *testing.T) {
	c := newCase("cancel.effect.may-complete", targets.REST, Failed, "bad")
	c.Broke = []string{"cancel.timing"}
	r := &Report{Cases: []Case{c}}
	Conclude(r, catalogueOf("cancel.effect.may-complete", "cancel.timing"), Criteria{RunningConfigured: true})
	assert.Equal(t, Inapplicable, r.Requirements[0].Verdict)
	assert.Equal(t, Inapplicable, r.Requirements[1].Verdict)

	r.Cases[0].Observed = map[string]string{"cancel.effect.may-complete": "response", "cancel.timing": "5 ms"}
	Conclude(r, catalogueOf("cancel.effect.may-complete", "cancel.timing"), Criteria{RunningConfigured: true})
	assert.Equal(t, Passed, r.Requirements[0].Verdict)
	assert.Equal(t, "response", r.Requirements[0].Observed)
	assert.Equal(t, Passed, r.Requirements[1].Verdict)
}

func TestNotesNameTheTransportWhereTheyDiffer(t *testing.T) {
	note := func(tr targets.Transport, observed string, notes ...string) Case {
		c := newCase(probe, tr, Passed, "")
		c.Notes = map[string][]string{probe: notes}
		c.Observed = map[string]string{probe: observed}
		return c
	}
	r := &Report{Cases: []Case{note(targets.REST, "OK", "same", "one"), note(targets.GRPC, "OK", "same", "two")}}
	Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true})
	assert.Equal(t, []string{"same", "rest: one", "grpc: two"}, r.Requirements[0].Notes)
	assert.Equal(t, "OK", r.Requirements[0].Observed)

	r = &Report{Cases: []Case{note(targets.REST, "OK", "one"), note(targets.GRPC, "FAILED_PRECONDITION")}}
	Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true})
	assert.Equal(t, "rest: OK; grpc: FAILED_PRECONDITION", r.Requirements[0].Observed)

	r = &Report{Cases: []Case{note(targets.REST, "OK", "one")}}
	Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true})
	assert.Equal(t, []string{"one"}, r.Requirements[0].Notes)
}

func TestOutcome(t *testing.T) {
	const should = "cancel.state.error-message"
	passed := newCase(probe, targets.REST, Passed, "")
	failed := newCase(probe, targets.REST, Failed, "bad")
	running := Criteria{RunningConfigured: true}
	known := Criteria{RunningConfigured: true, Today: "2026-05-01", Baseline: []KnownFailure{{Requirement: probe, Expires: "2026-05-01"}}}
	expired := Criteria{RunningConfigured: true, Today: "2026-05-02", Baseline: known.Baseline}
	strict := Criteria{RunningConfigured: true, Level: LevelShould}
	tests := []struct {
		name     string
		report   Report
		criteria Criteria
		want     Outcome
		code     int
		reason   string
	}{
		{"all passed", Report{Cases: []Case{passed}}, running, Conformant, 0, "conformant: 1 requirement passed, none failed"},
		{"failed", Report{Cases: []Case{failed}}, running, Nonconformant, 1, "nonconformant: 1 requirement failed (cancel.accept.in-progress)"},
		{"failed and unreachable later", Report{Cases: []Case{failed}, Problem: "gone"}, running, Nonconformant, 1, "nonconformant: 1 requirement failed (cancel.accept.in-progress)"},
		{"interrupted", Report{Cases: []Case{failed}, Signal: 2}, running, Interrupted, 130, "interrupted by SIGINT"},
		{"terminated", Report{Signal: 15}, running, Interrupted, 143, "interrupted by SIGTERM"},
		{"known failure", Report{Cases: []Case{failed}}, known, Conformant, 0, "conformant: 0 requirements passed, 1 known failure"},
		{"expired entry", Report{Cases: []Case{failed}}, expired, Nonconformant, 1, "nonconformant: 1 requirement failed (cancel.accept.in-progress); the baseline is out of date (cancel.accept.in-progress: expired on 2026-05-01; mend the server, or give expires a later day)"},
		{"stale entry", Report{Cases: []Case{passed}}, known, Nonconformant, 1, "nonconformant: the baseline is out of date (cancel.accept.in-progress: passes; take the entry out)"},
		{"unreachable", Report{Problem: "connection refused"}, running, Error, 4, "error: connection refused"},
		{"nothing judged", Report{Cases: []Case{newCase(probe, targets.REST, Inconclusive, "HTTP 500")}}, running, Error, 4, "error: nothing could be judged: HTTP 500"},
		{"inconclusive", Report{Cases: []Case{newCase(probe, targets.REST, Inconclusive, "?"), newCase(should, targets.REST, Passed, "")}}, running, Incomplete, 3, "incomplete: 1 requirement inconclusive (cancel.accept.in-progress)"},
		{"one transport dead", Report{Cases: []Case{passed, newCase(probe, targets.GRPC, Inconclusive, "dead")}}, running, Incomplete, 3, "incomplete: 1 requirement inconclusive (cancel.accept.in-progress)"},
		{"untested only", Report{Cases: []Case{newCase(probe, targets.REST, Untested, "u")}}, running, Incomplete, 3, "incomplete: 1 requirement untested (cancel.accept.in-progress)"},
		{"no running role", Report{Cases: []Case{newCase(probe, targets.REST, Untested, "u")}}, Criteria{}, Incomplete, 3, "incomplete: no way to start a running operation is configured (operations.running)"},
		{"empty selection", Report{Cases: []Case{newCase(probe, targets.REST, Deselected, DeselectedByPattern)}}, running, Incomplete, 3, "incomplete: nothing is selected"},
		{"inapplicable prevents nothing", Report{Cases: []Case{newCase(probe, targets.REST, Inapplicable, "no")}}, running, Conformant, 0, "conformant: 0 requirements passed, none failed"},
		{"a SHOULD does not count at must", Report{Cases: []Case{passed, newCase(should, targets.REST, Failed, "bad")}}, running, Conformant, 0, "conformant: 1 requirement passed, none failed"},
		{"a SHOULD alone is told of at must", Report{Cases: []Case{newCase(probe, targets.REST, Deselected, DeselectedByPattern), newCase(should, targets.REST, Failed, "bad")}}, running, Conformant, 0, "conformant: 0 requirements passed, none failed; what was judged does not count at level must: of SHOULD 0 passed, 1 failed"},
		{"a SHOULD counts at should", Report{Cases: []Case{passed, newCase(should, targets.REST, Failed, "bad")}}, strict, Nonconformant, 1, "nonconformant: 1 requirement failed (cancel.state.error-message)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.report
			Conclude(&r, catalogueOf(probe, should), tt.criteria)
			assert.Equal(t, tt.want, r.Outcome)
			assert.Equal(t, tt.code, r.ExitCode())
			assert.Equal(t, tt.reason, r.Reason)
		})
	}
}

func TestProfileAndPromiseGiveTheLevel(t *testing.T) {
	catalogue := []features.Requirement{
		{ID: "cancel.effect.best-effort", Level: "SHOULD", Transports: []string{"rest"}},
		{ID: "noted", Level: "SHOULD", Transports: []string{"rest"}, Profiles: map[string]string{"lro": "note", "google": "MUST"}},
	}
	cases := []Case{newCase("cancel.effect.best-effort", targets.REST, Passed, ""), newCase("noted", targets.REST, Inconclusive, "?")}
	tests := []struct {
		name, profile string
		guaranteed    bool
		levels        []string
		want          Outcome
	}{
		{"lro", "lro", false, []string{Should, Should}, Conformant},
		{"guaranteed", "lro", true, []string{Must, Should}, Conformant},
		{"google", "google", false, []string{Should, Must}, Incomplete},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Report{Target: Target{Profile: tt.profile}, Cases: cases}
			Conclude(r, catalogue, Criteria{RunningConfigured: true, Guaranteed: tt.guaranteed, Level: LevelShould})
			assert.Equal(t, tt.levels, []string{r.Requirements[0].Level, r.Requirements[1].Level})
			assert.Equal(t, tt.want, r.Outcome, r.Reason)
		})
	}
}

func TestConcludeTwiceChangesNothing(t *testing.T) {
	r := sampleReport()
	before := *r
	c := r.Criteria
	Conclude(r, smallCatalogue(), c)
	assert.Equal(t, before, *r)
}
