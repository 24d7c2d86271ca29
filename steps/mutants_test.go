package steps

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// accused are the requirements that a report finds broken on a transport, each
// with the first finding.
func accused(r *reports.Report, t targets.Transport) map[string]string {
	out := map[string]string{}
	for _, c := range r.Cases {
		if c.Transport != t {
			continue
		}
		for _, b := range c.Breaches {
			if out[b.Requirement] == "" {
				out[b.Requirement] = fmt.Sprintf("%s: %s (expected %s, got %s)", c.ID, b.Message, b.Expected, b.Actual)
			}
		}
	}
	return out
}

// named are the requirements that a mutant's entry says it breaks on a transport.
func named(m reference.Mutant, t targets.Transport, catalogue map[string]features.Requirement) []string {
	return slices.Sorted(slices.Values(m.Broken(t, slices.Collect(maps.Values(catalogue)))))
}

func catalogueByID(t testing.TB) map[string]features.Requirement {
	t.Helper()
	list, err := features.Requirements()
	require.NoError(t, err)
	out := map[string]features.Requirement{}
	for _, r := range list {
		out[r.ID] = r
	}
	return out
}

// TestMutants holds the second of the two figures that rule a conformance
// suite: a broken server is caught by the requirement that it breaks, and by
// no other. What was not found on a machine that judges many servers at a time
// is looked for once more at the end, one server at a time.
func TestMutants(t *testing.T) {
	catalogue := catalogueByID(t)
	var mu sync.Mutex
	var missed []reference.Mutant
	t.Cleanup(func() {
		for _, m := range missed {
			r, wrong := judgeMutant(t, m, part(m, catalogue), catalogue)
			assert.Empty(t, wrong, m.Name)
			noSuiteError(t, r)
		}
	})
	for _, m := range reference.Mutants() {
		if testing.Short() && !sampled(m.Name, m.Breaks) {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			r, wrong := judgeMutant(t, m, part(m, catalogue), catalogue)
			if wrong != "" {
				t.Logf("once more at the end:%s", wrong)
				mu.Lock()
				missed = append(missed, m)
				mu.Unlock()
			}
			noSuiteError(t, r)
		})
	}
}

// judgeMutant judges a server with the fault, where there are only such roles, and
// tells how what was found differs from what the mutant's entry says. Without roles
// it has all.
func judgeMutant(t *testing.T, m reference.Mutant, o Options, catalogue map[string]features.Requirement, roles ...targets.Role) (*reports.Report, string) {
	t.Helper()
	s, err := reference.NewMutant(reference.Options{Natural: 400 * time.Millisecond}, m)
	require.NoError(t, err)
	target := describe(t, s)
	if len(roles) > 0 {
		maps.DeleteFunc(target.Roles, func(role targets.Role, _ targets.Availability) bool { return !slices.Contains(roles, role) })
	}
	r := judge(t, target, o)
	var b strings.Builder
	for _, tr := range targets.Transports() {
		got, want := accused(r, tr), named(m, tr, catalogue)
		maps.DeleteFunc(got, func(id, _ string) bool { return slices.Contains(m.May, id) && !slices.Contains(want, id) })
		if slices.Equal(want, slices.Sorted(maps.Keys(got))) {
			continue
		}
		fmt.Fprintf(&b, "\nover %s\nwant %s\ngot  %s", tr, strings.Join(want, ", "), list(got))
		for _, c := range r.Cases {
			if c.Transport == tr && slices.Contains(want, c.Requirement) && c.Verdict != reports.Failed {
				fmt.Fprintf(&b, "\n%s is %s: %s", c.ID, c.Verdict, c.Reason)
			}
		}
	}
	return r, b.String()
}

// TestMutantsWithFewRoles demands that what shows on running operations is found where
// the target file has no other role.
func TestMutantsWithFewRoles(t *testing.T) {
	t.Parallel()
	catalogue := catalogueByID(t)
	for _, name := range []string{"part-cancels-whole", "part-500", "unlists-later", "finished-already-exists", "finished-cancelled", "finished-not-found",
		"second-cancel-deadlocks", "second-cancel-takes-back"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, ok := reference.Lookup(name)
			require.True(t, ok)
			r, wrong := judgeMutant(t, m, Options{Run: m.Breaks}, catalogue, targets.Running)
			if wrong != "" {
				t.Logf("once more:%s", wrong)
				r, wrong = judgeMutant(t, m, Options{Run: m.Breaks}, catalogue, targets.Running)
			}
			assert.Empty(t, wrong)
			noSuiteError(t, r)
		})
	}
}

// TestVariants demands that servers which are unusual but legal are not accused.
// The slow ones come last in the list: the subtest that waits last is let go
// first.
func TestVariants(t *testing.T) {
	t.Parallel()
	variants := reference.Variants()
	slices.SortStableFunc(variants, func(a, b reference.Variant) int {
		switch {
		case a.Slow == b.Slow:
			return 0
		case b.Slow:
			return -1
		}
		return 1
	})
	for _, v := range variants {
		if testing.Short() && !sampled(v.Name, nil) {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s, err := reference.NewVariant(reference.Options{Natural: 400 * time.Millisecond}, v)
			require.NoError(t, err)
			r := judge(t, describe(t, s), Options{Transport: string(v.Side())})
			for _, tr := range targets.Transports() {
				assert.Empty(t, list(accused(r, tr)), "over %s", tr)
			}
			noSuiteError(t, r)
		})
	}
}

// part is what of the contract a mutant is judged by: on the transport that it
// is confined to, what it breaks and one in eight of the other requirements, by
// its name. With CONFORM_WHOLE set, everything, which takes some minutes more.
func part(m reference.Mutant, catalogue map[string]features.Requirement) Options {
	o := Options{Transport: string(m.Side())}
	if slices.Contains(m.Breaks, "transport.parity") {
		o.Transport = ""
	}
	own := append(named(m, targets.REST, catalogue), named(m, targets.GRPC, catalogue)...)
	if os.Getenv("CONFORM_WHOLE") != "" || len(own) == 0 {
		return o
	}
	for id, r := range catalogue {
		if slices.Contains(own, id) || r.Counts() && shardOf(m.Name+" "+id, 8) == 1 {
			o.Run = append(o.Run, id)
		}
	}
	return o
}

// sampled chooses, for short runs such as those with the race detector, the
// faults that need concurrency and one in twelve of the others.
func sampled(name string, breaks []string) bool {
	for _, id := range breaks {
		if strings.HasPrefix(id, "cancel.concurrent.") || strings.HasPrefix(id, "cancel.race.") {
			return true
		}
	}
	return shardOf(name, 12) == 1
}

func list(found map[string]string) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(&b, "\n  %s: %s", id, found[id])
	}
	return b.String()
}

func noSuiteError(t *testing.T, r *reports.Report) {
	t.Helper()
	for _, c := range r.Cases {
		assert.False(t, c.SuiteBug, "%s: %s", c.ID, c.Reason)
	}
}
