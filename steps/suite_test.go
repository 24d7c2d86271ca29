package steps

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets/reference"
)

// TestHarmIsRehearsed sees that cases which may harm each other are judged side
// by side where nothing happens, and by themselves where one of them did harm:
// each is told of once.
func TestHarmIsRehearsed(t *testing.T) {
	mutants := reference.Mutants()
	harmful := mutants[slices.IndexFunc(mutants, func(m reference.Mutant) bool { return m.Name == "empty-id-cancels-all" })]
	for name, row := range map[string]struct {
		mutant reference.Mutant
		again  string // the requirement whose cases are begun twice
	}{
		"honest":  {},
		"harmful": {harmful, "cancel.route.zero-segment-name"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := reference.NewMutant(reference.Options{}, row.mutant)
			require.NoError(t, err)
			var mu sync.Mutex
			begun, told := map[string]int{}, map[string]int{}
			r := judge(t, describe(t, s), Options{Run: []string{"cancel.route.zero-segment-name", "grpc.empty-name", consistent},
				OnStart: func(id string) {
					mu.Lock()
					defer mu.Unlock()
					begun[id]++
				},
				OnCase: func(done, planned int, c reports.Case) {
					told[c.ID]++
					assert.Len(t, told, done)
				}})
			seen := 0
			for _, c := range r.Cases {
				if c.Verdict == reports.Deselected || c.Verdict == reports.Inapplicable {
					continue
				}
				seen++
				assert.Equal(t, 1, told[c.ID], c.ID)
				if row.again == "" {
					assert.Equal(t, 1, begun[c.ID], "%s: %s", c.ID, c.Reason)
				} else if strings.HasPrefix(c.ID, row.again) {
					assert.Equal(t, reports.Failed, c.Verdict, c.ID)
					assert.Equal(t, 2, begun[c.ID], c.ID)
				} else {
					assert.Equal(t, reports.Passed, c.Verdict, "%s: %s", c.ID, c.Reason)
				}
			}
			assert.Greater(t, seen, 2)
		})
	}
}
