package steps

import (
	"context"
	"slices"
	"strings"

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
	s.slower(ctx, cases)
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
