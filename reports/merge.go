package reports

import (
	"errors"
	"fmt"
	"time"

	"github.com/lro-tools/conform/features"
)

// reasonShardMissing is why a case that no shard judged is inconclusive.
const reasonShardMissing = "its shard is not among the merged reports"

// Merge makes one report of those of several shards, or of several runs, of
// one suite on one target: it puts their cases together and concludes anew. A
// case that every one of them left to another shard is inconclusive, so that
// a forgotten shard cannot make a target conformant.
func Merge(catalogue []features.Requirement, parts ...*Report) (*Report, error) {
	if len(parts) == 0 {
		return nil, errors.New("merge: there is no report")
	}
	first := parts[0]
	out := &Report{Suite: first.Suite, Target: first.Target, Started: first.Started, Level: first.Level}
	criteria := first.Criteria
	criteria.Level = first.Level
	begin, end := startTime(first), startTime(first)
	for i, p := range parts {
		if err := mergeable(first, p); err != nil {
			return nil, fmt.Errorf("merge: report %d: %w", i+1, err)
		}
		if s := startTime(p); s.Before(begin) {
			begin, out.Started = s, p.Started
		}
		if e := startTime(p).Add(time.Duration(p.ElapsedMS * float64(time.Millisecond))); e.After(end) {
			end = e
		}
		if out.Problem == "" {
			out.Problem = p.Problem
		}
		if out.Signal == 0 {
			out.Signal = p.Signal
		}
		for m, pace := range p.Pace {
			if out.Pace == nil {
				out.Pace = map[string]float64{}
			}
			out.Pace[m] = max(out.Pace[m], pace)
		}
		for _, n := range p.Leftover {
			out.Leftover = appendNew(out.Leftover, n)
		}
		criteria = join(criteria, p.Criteria)
	}
	out.ElapsedMS = float64(end.Sub(begin)) / float64(time.Millisecond)
	out.Cases = mergeCases(parts)
	Conclude(out, catalogue, criteria)
	return out, nil
}

// mergeable tells why two reports do not speak of the same thing.
func mergeable(a, b *Report) error {
	for _, f := range []struct{ what, a, b string }{
		{"suite version", a.Suite.Version, b.Suite.Version},
		{"catalogue", a.Suite.Catalogue, b.Suite.Catalogue},
		{"target", a.Target.Name, b.Target.Name},
		{"profile", a.Target.Profile, b.Target.Profile},
		{"level", a.Level, b.Level},
		{"guaranteed cancellation", fmt.Sprint(a.Criteria.Guaranteed), fmt.Sprint(b.Criteria.Guaranteed)},
	} {
		if f.a != f.b {
			return fmt.Errorf("%s: got %q, want %q as in the first", f.what, f.b, f.a)
		}
	}
	return nil
}

// join adds what the criteria of another part say.
func join(a, b Criteria) Criteria {
	a.RunningConfigured = a.RunningConfigured || b.RunningConfigured
	a.Today = max(a.Today, b.Today)
	known := append([]KnownFailure(nil), a.Baseline...)
	for _, k := range b.Baseline {
		found := false
		for _, old := range known {
			found = found || old == k
		}
		if !found {
			known = append(known, k)
		}
	}
	a.Baseline = known
	return a
}

// mergeCases puts cases together in the order in which they first appear,
// those of one id side by side.
func mergeCases(parts []*Report) []Case {
	var order []string
	by := map[string][]Case{}
	for _, p := range parts {
		for _, c := range p.Cases {
			old, ok := by[c.ID]
			if !ok {
				order = append(order, c.ID)
			}
			switch {
			case len(old) > 0 && leftToShard(c):
			case len(old) == 1 && leftToShard(old[0]):
				by[c.ID] = []Case{c}
			default:
				by[c.ID] = append(old, c)
			}
		}
	}
	var out []Case
	for _, id := range order {
		for _, c := range by[id] {
			if leftToShard(c) {
				c.Verdict, c.Reason = Inconclusive, reasonShardMissing
			}
			out = append(out, c)
		}
	}
	return out
}

func leftToShard(c Case) bool { return c.Verdict == Deselected && c.Reason == DeselectedByShard }
