package reports

import (
	"slices"
	"strings"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

// Why a requirement that nothing looked at is as it is.
const (
	reasonNoScenario = "no scenario yet"
	reasonNotSeen    = "not seen"
)

// Conclude computes all that follows from the cases of a report: what is said
// of each requirement, the totals, the outcome, its reason and the advice. It
// is the only place that does. It depends on nothing but the cases, the
// problem or signal that ended the run, the target's profile, the catalogue
// and the criteria, so that merging reports is concatenating their cases. A
// level or day that the criteria leave out is the report's.
func Conclude(r *Report, catalogue []features.Requirement, c Criteria) {
	if c.Level == "" {
		c.Level = r.Level
	}
	if c.Level != LevelShould {
		c.Level = LevelMust
	}
	if started, _, _ := strings.Cut(r.Started, "T"); c.Today == "" && day.MatchString(started) {
		c.Today = started
	}
	r.Schema, r.Level, r.Criteria = Schema, c.Level, c
	for i := range r.Cases {
		for k := range r.Cases[i].Breaches {
			b := &r.Cases[i].Breaches[k]
			b.Fingerprint = b.fingerprint()
		}
	}
	l := enter(r)
	r.Requirements = make([]Requirement, 0, len(catalogue))
	r.Summary = map[string]Totals{Must: {}, Should: {}, May: {}, Info: {}}
	counted := map[string]bool{}
	for _, q := range catalogue {
		level, noteOnly := q.Effective(r.Target.Profile, c.Guaranteed)
		got := l.conclude(q, level)
		counted[q.ID] = !noteOnly && (level == Must || level == Should && c.Level == LevelShould)
		t := r.Summary[level]
		t.add(got.Verdict)
		r.Summary[level] = t
		r.Requirements = append(r.Requirements, got)
	}
	r.explain()
	r.weighBaseline()
	r.Advice = advice(r, counted)
	r.Outcome, r.Reason = outcome(r, counted)
}

// add counts one requirement.
func (t *Totals) add(v Verdict) { *t.of(v)++ }

// of is the total of one verdict.
func (t *Totals) of(v Verdict) *int {
	switch v {
	case Passed:
		return &t.Passed
	case Failed:
		return &t.Failed
	case Inconclusive:
		return &t.Inconclusive
	case Untested:
		return &t.Untested
	case Inapplicable:
		return &t.Inapplicable
	default:
		return &t.Deselected
	}
}

// Of is the total of one verdict.
func (t Totals) Of(v Verdict) int { return *t.of(v) }

// A sighting is all that the cases on one transport tell of one requirement.
type sighting struct {
	own, broke, held []*Case
	notes, observed  []string
}

// A ledger holds the sightings by requirement and transport.
type ledger struct {
	entries map[string]map[targets.Transport]*sighting
	judged  map[targets.Transport]bool // transports with at least one case
	cases   map[string][]string        // ids of the cases that tell of a requirement
	idle    string                     // why a requirement without any case is not judged; "": no scenario
}

// enter sorts the cases of a report by what they tell of.
func enter(r *Report) *ledger {
	l := &ledger{entries: map[string]map[targets.Transport]*sighting{}, judged: map[targets.Transport]bool{}, cases: map[string][]string{}}
	if len(r.Cases) == 0 {
		l.idle = r.Problem
		if r.Signal != 0 {
			l.idle = "the run was interrupted before"
		}
	}
	for i := range r.Cases {
		c := &r.Cases[i]
		l.judged[c.Transport] = true
		s := l.at(c.Requirement, c.Transport)
		s.own = append(s.own, c)
		l.tells(c.Requirement, c)
		for _, id := range c.Broke {
			s := l.at(id, c.Transport)
			s.broke = append(s.broke, c)
			l.tells(id, c)
		}
		for _, id := range c.Held {
			s := l.at(id, c.Transport)
			s.held = append(s.held, c)
		}
		for id, notes := range c.Notes {
			s := l.at(id, c.Transport)
			for _, n := range notes {
				s.notes = appendNew(s.notes, n)
			}
		}
		for id, o := range c.Observed {
			s := l.at(id, c.Transport)
			s.observed = appendNew(s.observed, o)
		}
	}
	return l
}

func (l *ledger) at(id string, t targets.Transport) *sighting {
	if l.entries[id] == nil {
		l.entries[id] = map[targets.Transport]*sighting{}
	}
	if l.entries[id][t] == nil {
		l.entries[id][t] = &sighting{}
	}
	return l.entries[id][t]
}

func (l *ledger) tells(id string, c *Case) { l.cases[id] = appendNew(l.cases[id], c.ID) }

// conclude says what is known of one entry of the catalogue.
func (l *ledger) conclude(q features.Requirement, level string) Requirement {
	out := Requirement{ID: q.ID, Group: q.Group, Level: level, Statement: q.Statement,
		Notes: []string{}, Transports: map[targets.Transport]Verdict{}, Cases: []string{}}
	out.Cases = append(out.Cases, l.cases[q.ID]...)
	out.Reasons = map[targets.Transport]string{}
	for _, t := range targets.Transports() {
		s := l.entries[q.ID][t]
		if s == nil && (!q.On(string(t)) || l.unjudged(t)) {
			continue
		}
		verdict, reason := seen(s)
		if q.Counts() {
			verdict, reason = l.judge(q.ID, s)
		}
		out.Transports[t] = verdict
		if reason != "" {
			out.Reasons[t] = reason
		}
	}
	out.Verdict, out.Reason = worst(out.Transports, out.Reasons)
	if len(out.Transports) == 0 {
		out.Reason = "the target is not judged over " + strings.Join(q.Transports, " or ")
	}
	if !q.Counts() && slices.Contains(verdictsOf(out.Transports), Passed) {
		out.Verdict, out.Reason = Passed, ""
	}
	out.Notes = append(out.Notes, gather(l.entries[q.ID], func(s *sighting) []string { return s.notes })...)
	out.Observed = strings.Join(gather(l.entries[q.ID], func(s *sighting) []string { return s.observed }), "; ")
	return out
}

// seen is the verdict of what may be either way: whether it was seen.
func seen(s *sighting) (Verdict, string) {
	if s != nil && len(s.observed) > 0 {
		return Passed, ""
	}
	return Inapplicable, reasonNotSeen
}

// judge is the verdict of a requirement that can fail, on one transport.
func (l *ledger) judge(id string, s *sighting) (Verdict, string) {
	if s != nil {
		if v, reason := s.judge(id); v != "" {
			return v, reason
		}
	}
	if l.idle != "" {
		return Inconclusive, l.idle
	}
	return Untested, reasonNoScenario
}

// unjudged tells whether the target is judged, but not over this transport.
func (l *ledger) unjudged(t targets.Transport) bool { return len(l.judged) > 0 && !l.judged[t] }

// judge weighs the cases: failed, passed, then what was not judged. "" where
// no case tells anything.
func (s *sighting) judge(id string) (Verdict, string) {
	if c := s.first(Failed); c != nil {
		return Failed, c.accusation(id)
	}
	if len(s.broke) > 0 && !s.ruledOut() {
		return Failed, s.broke[0].accusation(id)
	}
	if c := s.first(Passed); c != nil {
		return Passed, c.Reason
	}
	if len(s.held) > 0 && !s.ruledOut() {
		return Passed, ""
	}
	for _, v := range []Verdict{Inconclusive, Untested, Inapplicable, Deselected} {
		if c := s.first(v); c != nil {
			return v, c.Reason
		}
	}
	return "", ""
}

// first returns the first of the requirement's own cases with a verdict.
func (s *sighting) first(v Verdict) *Case {
	for _, c := range s.own {
		if c.Verdict == v {
			return c
		}
	}
	return nil
}

// ruledOut tells whether the user took the requirement out of the run, so that
// what other cases saw of it is of no interest. Another shard does not.
func (s *sighting) ruledOut() bool {
	for _, c := range s.own {
		if c.Verdict != Deselected || c.Reason == DeselectedByShard {
			return false
		}
	}
	return len(s.own) > 0
}

// accusation tells how the case says that a requirement was broken.
func (c *Case) accusation(id string) string {
	for _, b := range c.Breaches {
		if b.Requirement == id && b.Message != "" {
			return b.Message
		}
	}
	if c.Reason != "" && c.Requirement == id {
		return c.Reason
	}
	return "broken in " + c.ID
}

// severity orders verdicts over transports, the decisive one first.
func severity() []Verdict {
	return []Verdict{Failed, Inconclusive, Untested, Passed, Inapplicable, Deselected}
}

// worst is the verdict over the transports, with the reason of the transport
// that decides. Inapplicable and deselected count only where nothing else is.
func worst(by map[targets.Transport]Verdict, reasons map[targets.Transport]string) (Verdict, string) {
	for _, v := range severity() {
		for _, t := range targets.Transports() {
			if by[t] == v {
				return v, reasons[t]
			}
		}
	}
	return Inapplicable, ""
}

func verdictsOf(by map[targets.Transport]Verdict) []Verdict {
	var out []Verdict
	for _, v := range by {
		out = append(out, v)
	}
	return out
}

// gather joins what both transports tell; what only one of two tells carries
// its name.
func gather(by map[targets.Transport]*sighting, what func(*sighting) []string) []string {
	var out []string
	for _, t := range targets.Transports() {
		if by[t] == nil {
			continue
		}
		for _, line := range what(by[t]) {
			for other, s := range by {
				if other != t && !slices.Contains(what(s), line) && s.looked() {
					line = string(t) + ": " + line
					break
				}
			}
			out = appendNew(out, line)
		}
	}
	return out
}

// looked tells whether any case on the transport was judged or told anything.
func (s *sighting) looked() bool {
	return len(s.held)+len(s.broke)+len(s.notes)+len(s.observed) > 0 || s.first(Passed) != nil || s.first(Failed) != nil
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// transportName is a transport as sentences name it.
func transportName(t targets.Transport) string {
	if t == targets.GRPC {
		return "gRPC"
	}
	return "REST"
}
