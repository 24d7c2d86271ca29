package steps

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// rounds runs cases as often as each is repeated.
func (s *suite) rounds(ctx context.Context, cases []*planned) {
	if len(cases) == 0 {
		return
	}
	cases = slowestFirst(cases)
	rounds, batch := max(1, s.run.options.Repeat), max(1, sideBySideAtMost/len(cases))
	for i := 0; i < rounds; i += batch {
		if i > 0 && ctx.Err() != nil {
			break // the first round says of every case why it was not judged
		}
		s.godog(ctx, script{cases, i, min(batch, rounds-i)})
	}
}

// sideBySide judges cases that do not harm each other on a server that works.
// Some are run once more: those that missed their moment on a busy machine, and
// those that others may have disturbed.
func (s *suite) sideBySide(ctx context.Context, cases []*planned) {
	if s.run.options.Repeat > 1 { // which is several tries already
		s.rounds(ctx, cases)
		return
	}
	s.patient = true
	s.rounds(ctx, cases)
	s.rounds(ctx, s.refused(cases))
	s.fewer(ctx, cases)
	s.rounds(ctx, s.unsettled(ctx, cases))
	s.oneByOne(ctx, s.disturbedBy(cases))
	if found := s.misattributed(cases); len(found) > 0 {
		s.oneByOne(ctx, found)
		s.oneByOne(ctx, s.disturbedBy(cases)) // whose requirement may not be broken after all
	}
	s.patient = false
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cases {
		if r, ok := s.results[c.id]; ok && !s.told[c.id] {
			s.announce(r)
		}
	}
}

// refused are the cases that could not be judged on a server that has refused calls
// for their number, where they are kept within that now.
func (s *suite) refused(cases []*planned) []*planned {
	if len(s.run.paces.kept()) == 0 {
		return nil
	}
	for _, o := range s.run.offers {
		o.askAgain()
	}
	var out []*planned
	for _, c := range cases {
		if s.results[c.id].Verdict == reports.Inconclusive {
			out = append(out, c)
		}
	}
	return out
}

// fewAtATime is how many cases there are at a time where the target does not stand
// many, and pilots how many of those are tried before the others. A case has up to
// operationsOfCase operations in progress.
const (
	fewAtATime       = 2
	pilots           = 4
	operationsOfCase = 4
)

// fewer judges again, few at a time and in the end one by one, what the target had
// no room for. Where it has none for the first of these cases then either, it is not
// for that.
func (s *suite) fewer(ctx context.Context, cases []*planned) {
	few := fewAtATime
	if room := s.run.room; room > 0 {
		few = max(1, room/operationsOfCase)
	}
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
	for _, o := range s.run.offers {
		o.askAgain()
	}
	seats, turn, single := s.run.seats, s.run.waitTurn, s.run.single.Load()
	s.run.seats, s.run.waitTurn = newSeats(n, false), make(chan struct{}, 1)
	s.run.single.Store(n == 1)
	first := cases[:min(pilots, len(cases))]
	s.rounds(ctx, first)
	if !slices.ContainsFunc(first, func(c *planned) bool { return !s.starved[c.id] }) {
		s.run.seats, s.run.waitTurn = seats, turn
		s.run.single.Store(single)
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

// last judges the groups that follow all other cases. Each may harm the others,
// but that is the fault of few servers: they are run at the same time first, and
// what was found counts for the groups that nothing happened to. The others are
// run once more, one after the other, as are the cases of each that may harm. Where
// that finds nothing any more, one of the groups that nothing happened to has harmed
// them, and those are run so too, until it is found. The cases of what has ended long
// ago, to which nothing happens, run beside them once.
func (s *suite) last(ctx context.Context, ended []*planned, groups [][]*planned) {
	if len(groups) < 2 {
		s.rounds(ctx, ended)
		for _, cases := range groups {
			s.apart(ctx, cases)
		}
		return
	}
	touched := s.witnesses(ctx, groups)
	s.rehearsing = true
	s.rounds(ctx, slices.Concat(append(groups, ended)...))
	s.rehearsing = false
	s.announceAll(ended)
	var calm [][]*planned
	harmed, found := touched(ctx), false
	for _, cases := range groups {
		if s.anyOf(cases, unsettling) {
			harmed = harmed || !concludes(cases[0]) && s.anyOf(cases, broken)
			found = s.apart(ctx, cases) || found
		} else {
			calm = append(calm, cases)
		}
	}
	for _, cases := range calm {
		if harmed && !found && !concludes(cases[0]) {
			found = s.apart(ctx, cases)
		} else {
			s.announceAll(cases)
		}
	}
}

// witnesses starts an operation for each transport, older than those of the cases, and
// returns what tells whether one was touched by then, as far as Get shows, and ends them.
func (s *suite) witnesses(ctx context.Context, groups [][]*planned) (touched func(context.Context) bool) {
	started := map[*world]*operation{}
	for _, t := range targets.Transports() {
		asked := func(c *planned) bool { return c.transport == t }
		if !slices.ContainsFunc(slices.Concat(groups...), asked) || s.run.support[t].blocked != "" || s.run.scarce(targets.Running) {
			continue
		}
		w := s.run.prelude(t)
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			op = nil // its end alone is due
		}
		started[w] = op
	}
	return func(ctx context.Context) (touched bool) {
		for w, op := range started {
			if op != nil {
				l, err := w.get(ctx, op)
				touched = touched || err == nil && isViolation(w.judgeUnaffected(op, l, "what was rehearsed"))
			}
			w.cleanup(ctx)
		}
		return touched
	}
}

// apart judges a group by itself, and what may harm case by case. It tells whether
// that may do harm, and something was found.
func (s *suite) apart(ctx context.Context, cases []*planned) (found bool) {
	s.forget(cases)
	if concludes(cases[0]) {
		s.rounds(ctx, cases)
		return false
	}
	s.oneByOne(ctx, cases)
	return s.anyOf(cases, broken)
}

// unsettling tells of a case whose result others may have brought about.
func unsettling(r reports.Case) bool { return broken(r) || r.Verdict == reports.Inconclusive }

// anyOf tells whether it is so of any result of cases.
func (s *suite) anyOf(cases []*planned, so func(reports.Case) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.resultsOf(cases), so)
}

// announceAll announces the results of cases that were rehearsed.
func (s *suite) announceAll(cases []*planned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.resultsOf(cases) {
		s.announce(r)
	}
}

// forget drops the results of cases that were rehearsed.
func (s *suite) forget(cases []*planned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.resultsOf(cases) {
		delete(s.results, r.ID)
	}
}

// resultsOf are the results that there are of cases and their repetitions, in
// order.
func (s *suite) resultsOf(cases []*planned) []reports.Case {
	var out []reports.Case
	for _, c := range cases {
		for n := range max(1, s.run.options.Repeat) {
			if r, ok := s.results[c.id+repeatSuffix(n)]; ok {
				out = append(out, r)
			}
		}
	}
	return out
}

// phases parts cases into those that can run side by side, those about operations
// that have grown old by then, running ones and what has ended, and groups of those
// that follow: what judges by all that was seen, and those that may harm all others.
func phases(cases []*planned) (sociable, running, ended []*planned, groups [][]*planned) {
	names := []string{consistent}
	byName := map[string][]*planned{}
	for _, c := range cases {
		switch role, ok := c.ofAge(); {
		case ok && role == targets.Running:
			running = append(running, c)
			continue
		case ok:
			ended = append(ended, c)
			continue
		}
		name := endangers(c)
		if concludes(c) {
			name = consistent
		}
		if byName[name] == nil && name != "" && name != consistent {
			names = append(names, name)
		}
		byName[name] = append(byName[name], c)
	}
	for _, name := range names {
		if len(byName[name]) > 0 {
			groups = append(groups, byName[name])
		}
	}
	return byName[""], running, ended, groups
}

// concludes tells of a case that judges by what all others have seen.
func concludes(c *planned) bool {
	return c.requirement.ID == consistent ||
		slices.ContainsFunc(c.steps, func(s reports.Step) bool { return strings.HasSuffix(s.Text, "of the whole run") })
}

// endangers tells of a case that may, on a faulty server, cancel the operations
// of all others, what it sends: it runs when they have ended, so that none of
// them is blamed. "" for all others.
func endangers(c *planned) string {
	switch id := c.requirement.ID; {
	case id == "cancel.route.zero-segment-name", id == "grpc.empty-name", id == "grpc.malformed-payload":
		return id
	case strings.HasPrefix(id, "cancel.malformed."):
		return "a malformed name" + c.id[strings.LastIndexByte(c.id, '/'):]
	}
	return ""
}
