package steps

import (
	"context"
	"slices"
	"time"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// slower judges again what could not be judged on a server that has refused calls for
// their number, where they are kept within that now.
func (s *suite) slower(ctx context.Context, cases []*planned) {
	if len(s.run.paces.kept()) == 0 {
		return
	}
	s.run.askAgain()
	s.rounds(ctx, slices.DeleteFunc(slices.Clone(cases), func(c *planned) bool { return s.results[c.id].Verdict != reports.Inconclusive }))
}

// fewAtATime is how many cases there are at a time where it is not known how few the
// target stands, and pilots how many of those are tried before the others. A case has
// up to operationsOfCase operations in progress.
const (
	fewAtATime       = 2
	pilots           = 4
	operationsOfCase = 4
)

// fewer judges again, few at a time and in the end one by one, what the target had
// no room for. Where it has none for the first of these cases then either, it is not
// for that.
func (s *suite) fewer(ctx context.Context, cases []*planned) {
	few := s.run.casesInRoom()
	for again := s.crowdedOut(ctx, cases); len(again) > 0 && s.few(ctx, again, few) && few > 1; again = s.crowdedOut(ctx, cases) {
		few = 1
	}
}

// crowdedOut are the cases that could not be judged as Gets brought no answer, as the
// target had gone, where it answers once it is left alone, or as no more operations
// could be started: it was there, and our own calls were in its way, such as Waits
// that had taken all its threads.
func (s *suite) crowdedOut(ctx context.Context, cases []*planned) []*planned {
	var out []*planned
	for _, t := range targets.Transports() {
		lost := s.run.health[t].isLost()
		if lost && !s.revive(ctx, t) {
			continue
		}
		for _, c := range cases {
			if c.transport == t && s.results[c.id].Verdict == reports.Inconclusive && (lost || s.starved[c.id]) {
				out = append(out, c)
			}
		}
	}
	return out
}

// few judges cases so many at a time, and tells whether there is room for them then.
// It stays so for the cases that follow.
func (s *suite) few(ctx context.Context, cases []*planned, n int) bool {
	s.run.askAgain()
	before := s.run.seats.Swap(fewSeats(n))
	first := cases[:min(pilots, len(cases))]
	s.rounds(ctx, first)
	if !slices.ContainsFunc(first, func(c *planned) bool { return !s.starved[c.id] }) {
		s.run.seats.Store(before)
		return false
	}
	s.rounds(ctx, cases[len(first):])
	return true
}

// revive takes back that the target has gone over a transport, where it answers
// now, or once the Waits that were under way must have come to their end.
func (s *suite) revive(ctx context.Context, t targets.Transport) bool {
	h := s.run.health[t]
	for until := h.idleAt(); ; {
		if h.pulse(ctx) {
			break
		}
		if !time.Now().Before(until) || !sleep(ctx, longestPoll) {
			return false
		}
	}
	alive, gone := context.WithCancelCause(ctx)
	s.ctxs[t] = alive
	h.revive(gone)
	s.run.offers[t] = &offers{}
	return true
}

// unsettledAtMost is the part of the cases, one in so many, that is run once
// more, and unsettledAnyway how many are in any case: where more cannot be told,
// it is no matter of the moment.
const (
	unsettledAtMost = 20
	unsettledAnyway = 8
)

// unsettled are the cases that missed their moment: on a transport where next to
// all could tell, and none found anything, those that could not.
func (s *suite) unsettled(ctx context.Context, cases []*planned) []*planned {
	if ctx.Err() != nil {
		return nil
	}
	var out []*planned
	for _, t := range targets.Transports() {
		var open []*planned
		all, found := 0, false
		for _, c := range cases {
			if c.transport != t {
				continue
			}
			all++
			r := s.results[c.id]
			found = found || broken(r)
			if r.Verdict == reports.Inconclusive {
				open = append(open, c)
			}
		}
		if !found && len(open) <= max(all/unsettledAtMost, unsettledAnyway) {
			out = append(out, open...)
		}
	}
	return out
}

// How many cases are run once more by themselves: of a transport those that were
// disturbed, and of all those that may have found what others did.
const (
	oneByOneAtMost      = 8
	misattributedAtMost = 4 * oneByOneAtMost
)

// oneByOne runs cases by themselves. Each begins a while after the one before, whose
// cancels at its end may reach what is started then.
func (s *suite) oneByOne(ctx context.Context, cases []*planned) {
	for _, c := range cases {
		if !sleep(ctx, s.run.target.Timeouts.Observe/4) {
			return
		}
		s.rounds(ctx, []*planned{c})
	}
}

// disturbedBy are cases that could not tell because an operation ended, or was
// touched, without their doing, and whose requirement is not found broken by
// others. First come those about the cancels of others, which is the likely
// cause and would not be found by cases that disturb each other.
func (s *suite) disturbedBy(cases []*planned) []*planned {
	s.doubtAll()
	var out []*planned
	for _, t := range targets.Transports() {
		failed := map[string]bool{}
		var first, then []*planned
		for _, c := range cases {
			switch r := s.results[c.id]; {
			case c.transport != t:
			case broken(r):
				failed[c.requirement.ID] = true
			case r.Verdict != reports.Inconclusive || !s.disturbed[c.id]:
			case c.requirement.ID == siblings:
				first = append(first, c)
			default:
				then = append(then, c)
			}
		}
		open := slices.DeleteFunc(append(first, then...), func(c *planned) bool { return failed[c.requirement.ID] })
		out = append(out, open[:min(len(open), oneByOneAtMost)]...)
	}
	return out
}

// misattributed are the cases that found something else on a server whose
// cancels touch other operations: what they saw may be the doing of the cancels
// of other cases. Where there are many, it is not.
func (s *suite) misattributed(cases []*planned) []*planned {
	touches := false
	var found []*planned
	for _, c := range cases {
		switch {
		case !broken(s.results[c.id]):
		case c.requirement.ID == siblings:
			touches = true
		default:
			found = append(found, c)
		}
	}
	if !touches || len(found) > misattributedAtMost {
		return nil
	}
	return found
}

// broken tells of a case that found something.
func broken(r reports.Case) bool {
	return r.Verdict == reports.Failed || len(r.Breaches) > 0
}
