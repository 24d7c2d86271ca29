package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets/reference"
)

func testSubjects(t *testing.T) []subject {
	catalogue, err := features.Requirements()
	require.NoError(t, err)
	subjects := allSubjects(catalogue)
	for i := range subjects {
		subjects[i].sample(catalogue)
	}
	return subjects
}

// TestTrials holds that every subject is tried once, that only sociable legal
// ones are tried together, and no more than asked for.
func TestTrials(t *testing.T) {
	subjects := testSubjects(t)
	for _, crowd := range []int{1, together} {
		whole, part := trials(subjects, crowd)
		var tried []int
		largest := 0
		for _, trial := range slices.Concat(whole, part) {
			tried = append(tried, trial...)
			largest = max(largest, len(trial))
			for _, i := range trial {
				if s := subjects[i]; len(trial) > 1 {
					assert.True(t, s.legal && !s.alone, s.name)
				}
			}
		}
		slices.Sort(tried)
		for i := range subjects {
			require.Equal(t, i, tried[i], "each once")
		}
		assert.Len(t, tried, len(subjects))
		assert.Equal(t, crowd, largest)
		for _, trial := range part {
			assert.False(t, subjects[trial[0]].legal, "legal servers take longest, and come first")
		}
	}
}

// TestSample holds that a mutant is judged by all that it breaks, and that of
// every requirement which counts it is tried on many legal servers that it accuses
// nobody.
func TestSample(t *testing.T) {
	catalogue, err := features.Requirements()
	require.NoError(t, err)
	legal := map[string]int{}
	for _, s := range testSubjects(t) {
		for _, q := range catalogue {
			judged := s.judged == nil || slices.Contains(s.judged, q.ID)
			if s.legal && judged {
				legal[q.ID]++
			}
			for _, ids := range s.broken {
				assert.True(t, judged || s.serial || !slices.Contains(ids, q.ID), "%s: %s", s.name, q.ID)
			}
		}
	}
	for _, q := range catalogue {
		if q.Counts() {
			assert.Greater(t, legal[q.ID], 25, q.ID)
		}
	}
}

// TestAccusedTogether holds that, of servers tried as one, the one that is to
// blame is accused, and no other.
func TestAccusedTogether(t *testing.T) {
	t.Parallel()
	var crowd []subject
	for _, s := range testSubjects(t) {
		switch s.name {
		case "pretty-prints", "finished-ok":
			crowd = append(crowd, s)
		}
	}
	require.Len(t, crowd, 2)
	m := reference.Mutants()[slices.IndexFunc(reference.Mutants(), func(m reference.Mutant) bool { return m.Name == "cancel-code-10" })]
	crowd = append(crowd, subject{name: m.Name, legal: true, fault: m.Fault})
	for i := range crowd {
		crowd[i].judged = []string{"cancel.state.code-1", "cancel.finished.status-legal"}
	}

	kills, err := try(t.Context(), crowd, []int{0, 1, 2})
	require.NoError(t, err)
	for i, k := range kills {
		assert.Equal(t, crowd[i].name, k.Name)
		assert.Empty(t, k.With, "each was judged by itself")
	}
	assert.Empty(t, kills[0].Extra)
	assert.Empty(t, kills[1].Extra)
	assert.Contains(t, kills[2].Extra, "cancel.state.code-1/rest")

	kills, err = try(t.Context(), crowd[:2], []int{0, 1})
	require.NoError(t, err)
	assert.Equal(t, []string{crowd[1].name}, kills[0].With)
	assert.Equal(t, []string{crowd[0].name}, kills[1].With)
}
