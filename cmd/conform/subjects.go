package main

import (
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// A subject is a server that the suite is tried on.
type subject struct {
	name, doc string
	legal     bool
	alone     bool     // judged by itself, not with others as one server
	serial    bool     // one case at a time, and only what it breaks
	slow      bool     // a legal server: whatever is judged takes long
	transport string   // the one that differs from the honest server; "" both
	judged    []string // requirements; nil: all
	broken    map[targets.Transport][]string
	may       []string
	fault     reference.Fault
}

// honest names the reference server among the subjects.
const honest = "honest"

// allSubjects are the honest server, the variants and the mutants.
func allSubjects(catalogue []features.Requirement) []subject {
	out := []subject{{name: honest, doc: "The reference server.", legal: true, alone: true}}
	for _, v := range reference.Variants() {
		out = append(out, subject{name: v.Name, doc: v.Doc, legal: true, alone: v.Alone, slow: v.Slow, transport: oneSide(v.Fault, nil), fault: v.Fault})
	}
	for _, m := range reference.Mutants() {
		s := subject{name: m.Name, doc: m.Doc, serial: m.Alone, may: m.May, transport: oneSide(m.Fault, m.Breaks), broken: map[targets.Transport][]string{}, fault: m.Fault}
		for _, t := range targets.Transports() {
			s.broken[t] = m.Broken(t, catalogue)
		}
		out = append(out, s)
	}
	return out
}

// oneSide is the transport that a fault is confined to; "" where it may show
// on both, as what compares them does.
func oneSide(f reference.Fault, breaks []string) string {
	if slices.Contains(breaks, "transport.parity") {
		return ""
	}
	return string(f.Side())
}

// Of the requirements that a server does not break it is judged by one in so
// many: a mutant is there for what it breaks, a legal server for not being accused.
const (
	sampleOf      = 128
	sampleOfLegal = 4
)

// sample chooses what a server is judged by: what it breaks, and a part of the
// rest by which it must not be accused. The honest server and controls, which
// break nothing, are judged by everything.
func (s *subject) sample(catalogue []features.Requirement) {
	var own []string
	for _, list := range s.broken {
		own = append(own, list...)
	}
	of := uint32(sampleOf)
	if s.legal {
		of = sampleOfLegal
	}
	if s.serial || s.name == honest || !s.legal && len(own) == 0 {
		return
	}
	for _, q := range catalogue {
		h := fnv.New32a()
		io.WriteString(h, s.name+" "+q.ID)
		if slices.Contains(own, q.ID) || q.Counts() && h.Sum32()%of == 0 {
			s.judged = append(s.judged, q.ID)
		}
	}
}

func selectSubjects(all []subject, only []string) ([]subject, error) {
	if len(only) == 0 {
		return all, nil
	}
	byName, names := map[string]subject{}, []string{}
	for _, s := range all {
		byName[s.name] = s
		names = append(names, s.name)
	}
	var out []subject
	for _, n := range only {
		s, ok := byName[n]
		if !ok {
			return nil, unknownName("only", n, names)
		}
		out = append(out, s)
	}
	return out, nil
}

// slowGroups are the beginnings of the requirements that take long to be found
// broken: what races, repeats or waits is looked at again before it is blamed.
var slowGroups = []string{"cancel.race.", "cancel.concurrent.", "cancel.repeat.", "cancel.deadline.", "cancel.effect.", "wait.", "get.after-cancel."}

// isSlow tells whether the trial of a subject takes longer than most.
func (s subject) isSlow() bool {
	if s.legal {
		return s.slow
	}
	for _, ids := range s.broken {
		for _, id := range ids {
			if s.serial || slices.ContainsFunc(slowGroups, func(group string) bool { return strings.HasPrefix(id, group) }) {
				return true
			}
		}
	}
	return false
}

// together is how many legal servers are tried as one.
const together = 8

// trials divides the subjects into those that are tried by the whole contract,
// the slow ones first, so that no selftest ends with waiting for one of them, and
// those that are tried by a part of it, of which the slow ones, whose timing
// matters, come last, when less is going on. Legal ones are tried together: one
// server has the habits of several, which lie far apart in their list, so that
// they seldom concern the same thing.
func trials(subjects []subject, crowd int) (whole, part [][]int) {
	var sociable []int
	for i, s := range subjects {
		switch {
		case s.legal && !s.alone:
			sociable = append(sociable, i)
		case s.legal, s.judged == nil && !s.serial:
			whole = append(whole, []int{i})
		default:
			part = append(part, []int{i})
		}
	}
	servers := (len(sociable) + crowd - 1) / crowd
	for n := range servers {
		var trial []int
		for i := n; i < len(sociable); i += servers {
			trial = append(trial, sociable[i])
		}
		whole = append(whole, trial)
	}
	rank := func(trial []int) int {
		switch {
		case slices.ContainsFunc(trial, func(i int) bool { return subjects[i].serial }):
			return 1 // takes longest: begun before the other slow ones
		case slices.ContainsFunc(trial, func(i int) bool { return subjects[i].isSlow() }):
			return 2
		}
		return 0
	}
	slices.SortStableFunc(whole, func(a, b []int) int { return rank(b) - rank(a) })
	slices.SortStableFunc(part, func(a, b []int) int { return rank(a) - rank(b) })
	return whole, part
}

// join returns a legal server with the habits of several.
func join(subjects []subject) subject {
	all := subjects[0]
	var names []string
	for i, s := range subjects {
		names = append(names, s.name)
		if i > 0 {
			all.fault = all.fault.And(s.fault)
		}
		if s.transport != all.transport {
			all.transport = ""
		}
	}
	all.name = strings.Join(names, " + ")
	return all
}
