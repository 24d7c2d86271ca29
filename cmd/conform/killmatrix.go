package main

import (
	"slices"
	"sort"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// What becomes of a mutant.
const (
	killed   = "killed"            // all that it breaks was found
	survived = "survived"          // nothing was found
	partly   = "partly"            // some of what it breaks was not found
	byOther  = "killed by another" // nothing that it breaks was found, but something else was
)

// A kill is what the suite made of one server.
type kill struct {
	Name   string `json:"name"`
	Doc    string `json:"doc"`
	Status string `json:"status,omitempty"` // mutants only
	// With are the legal servers whose habits the server had as well.
	With []string `json:"with,omitempty"`
	// Found, Missed and Extra are requirement/transport: what was found of
	// that which the server breaks, what was not, and what it was accused of
	// beside that.
	Found     []string `json:"found"`
	Missed    []string `json:"missed"`
	Extra     []string `json:"extra"`
	Unsettled int      `json:"unsettled"`        // cases that could not be judged
	Narrow    bool     `json:"narrow,omitempty"` // judged only by what it breaks
	Again     bool     `json:"again,omitempty"`  // killed when it was tried once more
	Problem   string   `json:"problem,omitempty"`
	ElapsedMS float64  `json:"elapsed_ms"`
	cases     int
}

// A killMatrix is what the selftest finds out about the suite.
type killMatrix struct {
	Version      string     `json:"version"`
	Catalogue    string     `json:"catalogue"`
	Mutants      []kill     `json:"mutants"`
	Legal        []kill     `json:"legal"` // the honest server and the variants
	Requirements []killedBy `json:"requirements"`
	Killed       int        `json:"killed"`
	Accused      int        `json:"accused"` // legal servers
	Score        float64    `json:"score"`   // killed mutants of all, in percent
	ElapsedMS    float64    `json:"elapsed_ms"`
	// Partial: only some of the servers were tried (--only), so that nothing
	// follows from a requirement that killed none.
	Partial bool `json:"partial,omitempty"`
}

// killedBy tells, of one requirement on one transport, which mutants it kills.
type killedBy struct {
	ID        string   `json:"id"`
	Level     string   `json:"level"`
	Transport string   `json:"transport"`
	Mutants   []string `json:"mutants"`
	Survivors []string `json:"survivors"` // mutants that break it unnoticed
}

// allBroken lists what a mutant breaks, on whatever transport.
func allBroken(m reference.Mutant) []string {
	out := slices.Clone(m.Breaks)
	for _, ids := range m.BreaksOn {
		out = append(out, ids...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// compare weighs a report against what the server breaks.
func compare(k *kill, r *reports.Report, broken map[targets.Transport][]string, may []string) {
	k.Found, k.Missed, k.Extra = []string{}, []string{}, []string{}
	for _, t := range targets.Transports() {
		if r.Target.REST == "" && t == targets.REST || r.Target.GRPC == "" && t == targets.GRPC {
			continue
		}
		for _, id := range broken[t] {
			if q := r.Requirement(id); q != nil && q.Transports[t] == reports.Failed {
				k.Found = append(k.Found, id+"/"+string(t))
			} else {
				k.Missed = append(k.Missed, id+"/"+string(t))
			}
		}
		for _, q := range r.Requirements {
			if q.Transports[t] == reports.Failed && !slices.Contains(broken[t], q.ID) && !slices.Contains(may, q.ID) {
				k.Extra = append(k.Extra, q.ID+"/"+string(t))
			}
		}
	}
	for _, c := range r.Cases {
		if c.Verdict == reports.Inconclusive {
			k.Unsettled++
		}
	}
	k.Problem, k.cases = r.Problem, len(r.Cases)
}

// judgeMutant says what became of a mutant.
func (k *kill) judgeMutant() {
	switch {
	case len(k.Found) > 0 && len(k.Missed) == 0:
		k.Status = killed
	case len(k.Found) > 0:
		k.Status = partly
	case len(k.Extra) > 0:
		k.Status = byOther
	default:
		k.Status = survived
	}
}

// conclude computes the score, and what each requirement kills.
func (m *killMatrix) conclude(catalogue []features.Requirement) {
	found, missed := map[string][]string{}, map[string][]string{}
	for _, k := range m.Mutants {
		if k.Status == killed {
			m.Killed++
		}
		for _, key := range k.Found {
			found[key] = append(found[key], k.Name)
		}
		for _, key := range k.Missed {
			missed[key] = append(missed[key], k.Name)
		}
	}
	for _, k := range m.Legal {
		if len(k.Extra) > 0 {
			m.Accused++
		}
	}
	if len(m.Mutants) > 0 {
		m.Score = 100 * float64(m.Killed) / float64(len(m.Mutants))
	}
	for _, r := range catalogue {
		for _, t := range r.Transports {
			if !r.Counts() {
				continue
			}
			b := killedBy{ID: r.ID, Level: r.Level, Transport: t}
			b.Mutants = append([]string{}, found[r.ID+"/"+t]...)
			b.Survivors = append([]string{}, missed[r.ID+"/"+t]...)
			sort.Strings(b.Mutants)
			m.Requirements = append(m.Requirements, b)
		}
	}
}

// sound tells whether every mutant was killed and no legal server accused.
func (m *killMatrix) sound() bool { return m.Killed == len(m.Mutants) && m.Accused == 0 }
