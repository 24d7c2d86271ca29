package steps

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// TestEveryRequirementHasAScenario holds the features to the catalogue: every
// MUST and SHOULD has a scenario on every transport to which it applies, and a
// Rule is its requirement's sentence.
func TestEveryRequirementHasAScenario(t *testing.T) {
	catalogue := catalogueByID(t)
	cases, err := everyCase()
	require.NoError(t, err)
	seen := map[string]map[targets.Transport]bool{}
	for _, c := range cases {
		assert.Equal(t, c.requirement.Statement, c.rule, "%s:%d: the Rule's line", c.file, c.line)
		if seen[c.requirement.ID] == nil {
			seen[c.requirement.ID] = map[targets.Transport]bool{}
		}
		seen[c.requirement.ID][c.transport] = true
	}
	for _, r := range catalogue {
		for _, tr := range targets.Transports() {
			if r.Counts() && r.On(string(tr)) {
				assert.True(t, seen[r.ID][tr], "%s has no scenario over %s", r.ID, tr)
			}
		}
	}
}

// TestEveryRequirementIsJudged is the gate of coverage: the run on the
// reference server, with every role and a stranger, judges every MUST and
// SHOULD, but for what only a server without cancel can show, which the run on
// that judges.
func TestEveryRequirementIsJudged(t *testing.T) {
	whole := judgeHonest(t, reference.Options{Tokens: tokens()})
	without := judgeHonest(t, reference.Options{Tokens: tokens(), NoCancel: true})
	for _, q := range whole.Requirements {
		if q.Level != reports.Must && q.Level != reports.Should {
			continue
		}
		for tr, v := range q.Transports {
			if v == reports.Passed {
				continue
			}
			other := without.Requirement(q.ID).Transports[tr]
			assert.Equal(t, reports.Passed, other, "%s over %s is %s with cancel (%s) and %s without", q.ID, tr, v, q.Reason, other)
		}
	}
}

// notAlone are the requirements that no mutant breaks alone, with the reason.
var notAlone = map[string]string{
	"cancel.state.done":                   "an error shown before done breaks operation.result.none-before-done as well",
	"cancel.state.no-response":            "a response beside the error breaks operation.result.exclusive as well",
	"cancel.finished.preserves-failure":   "a result that changes breaks operation.terminal.result-immutable as well",
	"cancel.finished.preserves-cancelled": "a result that changes breaks operation.terminal.result-immutable as well",
	"get.read-your-cancel":                "an end that is not seen again breaks operation.terminal.done-monotonic as well",
}

// TestEveryRequirementIsBroken demands that every MUST and SHOULD is broken by
// a mutant on every transport to which it applies, and by one that breaks
// nothing else, or a reason why there is none.
func TestEveryRequirementIsBroken(t *testing.T) {
	byID := catalogueByID(t)
	broken, alone := map[string]map[targets.Transport]bool{}, map[string]bool{}
	for _, m := range reference.Mutants() {
		for _, tr := range targets.Transports() {
			list := named(m, tr, byID)
			for _, id := range list {
				require.Contains(t, byID, id, "mutant %s", m.Name)
				if broken[id] == nil {
					broken[id] = map[targets.Transport]bool{}
				}
				broken[id][tr] = true
				alone[id] = alone[id] || len(list) == 1
			}
		}
	}
	for id, r := range byID {
		if !r.Counts() {
			continue
		}
		for _, tr := range targets.Transports() {
			if r.On(string(tr)) {
				assert.True(t, broken[id][tr], "%s is broken by no mutant over %s", id, tr)
			}
		}
		if notAlone[id] == "" {
			assert.True(t, alone[id], "%s is broken by no mutant alone", id)
		} else {
			assert.False(t, alone[id], "%s is broken by a mutant alone: the reason why not is out of date", id)
		}
	}
}
