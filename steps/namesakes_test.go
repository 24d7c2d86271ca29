package steps

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestNamesakes sees which cases are mistaken where the name of a deleted operation is
// given to that of another case.
func TestNamesakes(t *testing.T) {
	const name = "operations/1"
	met := func(m *mistaken) bool { return m.name.Load() != nil }
	t.Run("asked for after it was given", func(t *testing.T) {
		n, first, second := newNamesakes(), &mistaken{}, &mistaken{}
		n.vacate(name)
		n.called(name, first)
		n.give(name, time.Now(), second)
		n.called(name, second)
		assert.False(t, met(first) || met(second), "nobody has called for the second but its own case")
		n.called(name, first)
		assert.True(t, met(first) && met(second))
	})
	t.Run("asked for while it is given", func(t *testing.T) {
		n, first, second := newNamesakes(), &mistaken{}, &mistaken{}
		n.vacate(name)
		begun := time.Now().Add(-time.Second)
		n.called(name, first)
		n.give(name, begun, second)
		assert.True(t, met(first) && met(second))
	})
	t.Run("given to two that live", func(t *testing.T) {
		n, first, second := newNamesakes(), &mistaken{}, &mistaken{}
		undo := n.vacate(name) // a Delete that is refused
		undo()
		n.give(name, time.Now(), second)
		n.called(name, first)
		assert.False(t, met(first) || met(second))
	})
}
