package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// A Fault is a known way to get it wrong, and the requirements that fail where
// a server does so.
type Fault struct {
	Name   string
	Doc    string // what such a server does
	Broken map[targets.Transport][]string
	// May are requirements that fail as well at times.
	May []string
}

// causesShown bounds how many faults are named where several fit.
const causesShown = 3

// Diagnose says of each requirement that failed which known fault the failures
// fit: one that breaks exactly what failed, over all transports or over one,
// or else the one that explains most of it and breaks nothing that was kept.
func (r *Report) Diagnose(faults []Fault) {
	s := symptomsOf(r)
	for i := range r.Requirements {
		q := &r.Requirements[i]
		q.LikelyCause = ""
		if q.Verdict == Failed {
			q.LikelyCause = s.cause(q, faults)
		}
	}
}

// symptoms are what failed and what was kept, as requirement/transport.
type symptoms struct {
	failed, judged map[string]bool
}

func symptomsOf(r *Report) symptoms {
	s := symptoms{map[string]bool{}, map[string]bool{}}
	for _, q := range r.Requirements {
		for t, v := range q.Transports {
			if q.Level == May || q.Level == Info {
				continue
			}
			key := symptom(q.ID, t)
			s.failed[key] = v == Failed
			s.judged[key] = v == Failed || v == Passed
		}
	}
	return s
}

func symptom(id string, t targets.Transport) string { return id + "/" + string(t) }

// cause is the likely cause of one failure, in words.
func (s symptoms) cause(q *Requirement, faults []Fault) string {
	var failing [][]targets.Transport
	for _, t := range targets.Transports() {
		if q.Transports[t] == Failed {
			failing = append(failing, []targets.Transport{t})
		}
	}
	scopes := append([][]targets.Transport{targets.Transports()}, failing...)
	for _, scope := range scopes {
		if fit := s.exact(q.ID, scope, faults); len(fit) > 0 {
			return "the server behaves" + over(scope) + " like " + named(fit)
		}
	}
	for _, scope := range scopes {
		if fit := s.partial(q.ID, scope, faults); len(fit) > 0 {
			return "among the failures" + over(scope) + " is all that is seen of " + named(fit)
		}
	}
	return ""
}

// over names a scope that is not everything.
func over(scope []targets.Transport) string {
	if len(scope) > 1 {
		return ""
	}
	return " over " + transportName(scope[0])
}

// exact finds the faults whose symptoms are exactly those that were seen.
func (s symptoms) exact(id string, scope []targets.Transport, faults []Fault) []Fault {
	var out []Fault
	for _, f := range faults {
		seen, missing := s.weigh(f, scope)
		if missing == 0 && f.breaks(id, scope) && seen == s.unexplained(f, scope) {
			out = append(out, f)
		}
	}
	return out
}

// partial finds, of the faults all of whose symptoms were seen, those with the
// most of them.
func (s symptoms) partial(id string, scope []targets.Transport, faults []Fault) []Fault {
	var out []Fault
	most := 0
	for _, f := range faults {
		seen, missing := s.weigh(f, scope)
		if missing > 0 || seen < most || !f.breaks(id, scope) {
			continue
		}
		if seen > most {
			out, most = nil, seen
		}
		out = append(out, f)
	}
	return out
}

// weigh counts the fault's symptoms that failed, and those that were kept.
func (s symptoms) weigh(f Fault, scope []targets.Transport) (seen, missing int) {
	for _, t := range scope {
		for _, id := range f.Broken[t] {
			switch key := symptom(id, t); {
			case s.failed[key]:
				seen++
			case s.judged[key]:
				missing++
			}
		}
	}
	return seen, missing
}

// unexplained counts what failed, without what the fault may break at times.
func (s symptoms) unexplained(f Fault, scope []targets.Transport) int {
	n := 0
	for key, failed := range s.failed {
		id, t, _ := strings.Cut(key, "/")
		if failed && slices.Contains(scope, targets.Transport(t)) && !slices.Contains(f.May, id) {
			n++
		}
	}
	return n
}

func (f Fault) breaks(id string, scope []targets.Transport) bool {
	return slices.ContainsFunc(scope, func(t targets.Transport) bool { return slices.Contains(f.Broken[t], id) })
}

// named lists faults with what they do.
func named(faults []Fault) string {
	var names []string
	for i, f := range faults {
		if i == causesShown {
			names = append(names, fmt.Sprintf("%d more", len(faults)-causesShown))
			break
		}
		names = append(names, fmt.Sprintf("the mutant `%s` (%s)", f.Name, strings.TrimSuffix(firstLine(f.Doc), ".")))
	}
	return strings.Join(names, ", or ")
}
