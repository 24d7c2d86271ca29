package reports

import (
	"fmt"
	"slices"

	"github.com/lro-tools/conform/targets"
)

// PrunedBaseline returns the entries of the run's baseline that are neither
// stale nor expired.
func (r *Report) PrunedBaseline() []KnownFailure {
	var out []KnownFailure
	for _, k := range r.Criteria.Baseline {
		if !k.expired(r.Criteria.Today) && !r.stale(k) {
			out = append(out, k)
		}
	}
	return out
}

// stale tells whether what an entry calls known did not fail where it was
// judged: an entry is stale once every transport it covers that was judged
// passed, all of it in this run and not in part in another shard.
func (r *Report) stale(k KnownFailure) bool {
	q := r.Requirement(k.Requirement)
	if q == nil {
		return true
	}
	passed := false
	for t, v := range q.Transports {
		if !k.covers(q.ID, t) {
			continue
		}
		switch {
		case v == Failed || v == Inconclusive:
			return false
		case v == Passed && r.elsewhere(q.ID, t):
			return false
		case v == Passed:
			passed = true
		}
	}
	return passed
}

// elsewhere tells whether another shard judges cases of a requirement too.
func (r *Report) elsewhere(id string, t targets.Transport) bool {
	for i := range r.Cases {
		c := &r.Cases[i]
		if c.Transport == t && c.Verdict == Deselected && c.Reason == DeselectedByShard && c.Requirement == id {
			return true
		}
	}
	return false
}

// weighBaseline marks failures that the baseline knows, and says of each entry
// that does not hold any more what to write in its place.
func (r *Report) weighBaseline() {
	c := r.Criteria
	r.StaleBaseline = nil
	for i := range r.Requirements {
		q := &r.Requirements[i]
		q.Known = q.Verdict == Failed
		for _, t := range targets.Transports() {
			if q.Transports[t] == Failed && !r.known(q.ID, t) {
				q.Known = false
			}
		}
	}
	for _, k := range c.Baseline {
		switch {
		case k.expired(c.Today):
			r.StaleBaseline = append(r.StaleBaseline, fmt.Sprintf("%s: expired on %s; mend the server, or give expires a later day", k, k.Expires))
		case r.stale(k):
			r.StaleBaseline = append(r.StaleBaseline, fmt.Sprintf("%s: passes; take the entry out", k))
		}
	}
	slices.Sort(r.StaleBaseline)
}

// known tells whether every kind of failure of a requirement on a transport is
// in the baseline. Where some entry covers the requirement, but not this kind,
// the line to write is told.
func (r *Report) known(id string, t targets.Transport) bool {
	c := r.Criteria
	all := true
	for _, f := range r.failings(id, t) {
		if slices.ContainsFunc(c.Baseline, func(k KnownFailure) bool {
			return k.tolerates(id, t, f.fingerprint) && !k.expired(c.Today)
		}) {
			continue
		}
		all = false
		for _, k := range c.Baseline {
			if k.covers(id, t) && !k.expired(c.Today) {
				r.StaleBaseline = append(r.StaleBaseline, fmt.Sprintf("%s: fails differently over %s (%s); mend the server, or write fingerprint: %s",
					k, transportName(t), excerpt(line(f.message), 200), f.fingerprint))
				break
			}
		}
	}
	return all
}
