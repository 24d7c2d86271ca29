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
	serial    bool     // one case at a time
	transport string   // the one that differs from the honest server; "" both
	judged    []string // requirements; nil: all
	broken    map[targets.Transport][]string
	may       []string
	fault     reference.Fault
}

// allSubjects are the honest server, the variants and the mutants.
func allSubjects(catalogue []features.Requirement) []subject {
	out := []subject{{name: "honest", doc: "The reference server.", legal: true, alone: true}}
	for _, v := range reference.Variants() {
		out = append(out, subject{name: v.Name, doc: v.Doc, legal: true, alone: v.Alone, transport: oneSide(v.Fault, nil), fault: v.Fault})
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

// sampleOf is how many requirements there are for each that a mutant is judged
// by although it does not break it.
const sampleOf = 8

// sample chooses what a mutant is judged by: what it breaks, and a part of the
// rest by which it must not be accused. Controls, which break nothing, and
// legal servers are judged by everything.
func (s *subject) sample(catalogue []features.Requirement) {
	var own []string
	for _, list := range s.broken {
		own = append(own, list...)
	}
	if s.legal || s.serial || len(own) == 0 {
		return
	}
	for _, q := range catalogue {
		h := fnv.New32a()
		io.WriteString(h, s.name+" "+q.ID)
		if slices.Contains(own, q.ID) || q.Counts() && h.Sum32()%sampleOf == 0 {
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

// slowestFirst orders the subjects, so that no selftest ends with waiting for
// one of them: those with one case at a time, the legal ones, which are judged
// by everything, the mutants that are slow to find, and the rest.
func slowestFirst(subjects []subject) []int {
	order := make([]int, len(subjects))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return subjects[a].turn() - subjects[b].turn() })
	return order
}

func (s subject) turn() int {
	slow := func(id string) bool {
		return slices.ContainsFunc(slowGroups, func(group string) bool { return strings.HasPrefix(id, group) })
	}
	switch {
	case s.serial:
		return 0
	case s.legal:
		return 1
	}
	for _, ids := range s.broken {
		if slices.ContainsFunc(ids, slow) {
			return 2
		}
	}
	return 3
}

// together is how many legal servers are tried as one.
const together = 4

// trials puts the subjects into the order in which they are tried. Legal ones
// are tried together: one server has the habits of several, which lie far apart
// in their list, so that they seldom concern the same thing.
func trials(subjects []subject, crowd int) [][]int {
	var out [][]int
	var legal []int
	for _, i := range slowestFirst(subjects) {
		if s := subjects[i]; s.legal && !s.alone {
			legal = append(legal, i)
			continue
		}
		out = append(out, []int{i})
	}
	servers := (len(legal) + crowd - 1) / crowd
	first := slices.IndexFunc(out, func(t []int) bool { return subjects[t[0]].turn() > 0 })
	if first < 0 {
		first = len(out)
	}
	for n := range servers {
		var t []int
		for i := n; i < len(legal); i += servers {
			t = append(t, legal[i])
		}
		out = slices.Insert(out, first+n, t)
	}
	return out
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
