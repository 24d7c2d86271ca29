package storm

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lro-tools/conform/targets"
)

// TestPlansFollowFromTheSeed demands that seed and number decide all of a
// plan, and that all kinds of plan come up.
func TestPlansFollowFromTheSeed(t *testing.T) {
	roles := []targets.Role{targets.Running, targets.Succeeding}
	cancels, removals, same := map[int]bool{}, map[int]bool{}, 0
	for i := range 500 {
		p := newPlan(7, i, roles, 2)
		assert.Equal(t, p, newPlan(7, i, roles, 2))
		if p.role == newPlan(8, i, roles, 2).role && p.moment == newPlan(8, i, roles, 2).moment {
			same++
		}
		cancels[len(p.cancels)], removals[p.remove] = true, true
		assert.Len(t, p.waits, 2)
	}
	assert.Zero(t, same, "another seed has the same plans")
	assert.Equal(t, map[int]bool{1: true, 2: true, 3: true, 4: true}, cancels)
	assert.Equal(t, map[int]bool{0: true, 1: true, 2: true}, removals)
}
