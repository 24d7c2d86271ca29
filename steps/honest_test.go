package steps

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// honest is a target on a reference server of its own, which ends with the test.
func honest(t testing.TB, o reference.Options) *targets.Target {
	t.Helper()
	if o.Natural == 0 {
		o.Natural = 500 * time.Millisecond // a busy machine must see it in progress
	}
	s, err := reference.New(o)
	require.NoError(t, err)
	return describe(t, s)
}

// describe is the target of a reference server, which ends with the test.
func describe(t testing.TB, s *reference.Server) *targets.Target {
	t.Helper()
	target, err := s.Target()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	return target
}

// judge runs the whole suite against a target.
func judge(t testing.TB, target *targets.Target, o Options) *reports.Report {
	t.Helper()
	o.Level = reports.LevelShould
	r, err := Run(context.Background(), target, o)
	require.NoError(t, err)
	return r
}

// judgeTelling judges a server that each call of fresh makes, and a second one
// where the machine was too busy to tell what is expected of one requirement.
func judgeTelling(t testing.TB, fresh func() *targets.Target, requirement string, want map[targets.Transport]reports.Verdict) *reports.Report {
	t.Helper()
	o := Options{Run: []string{requirement}}
	r := judge(t, fresh(), o)
	for transport, v := range want {
		if r.Requirement(requirement).Transports[transport] != v {
			t.Logf("%s over %s: %s", requirement, transport, r.Requirement(requirement).Reason)
			return judge(t, fresh(), o)
		}
	}
	return r
}

// tokens protect a reference server, so that what is about callers can be judged.
func tokens() map[string]reference.Caller {
	return map[string]reference.Caller{"owner-token": reference.Owner, "stranger-token": reference.Stranger}
}

// judgeHonest judges an honest server, which must never be accused. On a machine
// that is too busy to tell, a second one is judged.
func judgeHonest(t testing.TB, o reference.Options) *reports.Report {
	t.Helper()
	for try := 1; ; try++ {
		r := judge(t, honest(t, o), Options{})
		unsure := false
		for _, c := range r.Cases {
			if c.Verdict == reports.Failed || len(c.Broke) > 0 || c.SuiteBug {
				t.Errorf("%s is %s: %s, broke %v", c.ID, c.Verdict, c.Reason, c.Broke)
			}
			if c.Verdict == reports.Inconclusive {
				t.Logf("run %d: %s is inconclusive: %s", try, c.ID, c.Reason)
				unsure = true
			}
		}
		if !unsure || try == 2 {
			return r
		}
	}
}

// TestHonestServer holds the first of the two figures that rule a conformance
// suite: a correct server is never accused. It also demands that everything
// could be judged.
func TestHonestServer(t *testing.T) {
	for name, o := range map[string]reference.Options{
		"open":           {},
		"protected":      {Tokens: tokens()},
		"without cancel": {NoCancel: true},
		"bare":           {NoCancel: true, NoList: true, NoWait: true, NoDelete: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range judgeHonest(t, o).Cases {
				if c.Verdict == reports.Inconclusive {
					t.Errorf("%s is %s: %s", c.ID, c.Verdict, c.Reason)
				}
			}
		})
	}
}

// TestBusyServer demands that a server which is too busy for a cancel now and then
// is judged all the same, by operations that it was not too busy for.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	v, ok := reference.LookupVariant("cancels-often-busy")
	require.True(t, ok)
	s, err := reference.NewVariant(reference.Options{Natural: 500 * time.Millisecond}, v)
	require.NoError(t, err)
	r := judge(t, describe(t, s), Options{Run: []string{"cancel.response.returns-promptly", "cancel.deadline.safe", "cancel.rejected.no-effect",
		"cancel.repeat.*", "wait.released-on-cancel"}})
	for _, c := range r.Cases {
		if c.Verdict == reports.Inconclusive || c.Verdict == reports.Failed {
			t.Errorf("%s is %s: %s", c.ID, c.Verdict, c.Reason)
		}
	}
}
