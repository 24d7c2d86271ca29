package reports

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// explain adds to what failed how it can be repeated, and to what was judged
// several times how often it passed.
func (r *Report) explain() {
	for i := range r.Cases {
		c := &r.Cases[i]
		c.Repeat = nil
		if c.accuses() {
			c.Repeat = repeatLines(r, c)
		}
	}
	ratios := r.ratios()
	for i := range r.Requirements {
		q := &r.Requirements[i]
		q.Runs = ratios[q.ID]
		q.flaky()
		for _, t := range targets.Transports() {
			if q.Transports[t] == Failed {
				q.Repeat = append(q.Repeat, r.command(q.ID, t))
			}
		}
	}
}

// accuses tells whether the case found anything broken.
func (c *Case) accuses() bool { return c.Verdict == Failed || len(c.Broke) > 0 }

// command judges one requirement on one transport again.
func (r *Report) command(id string, t targets.Transport) string {
	words := []string{"conform", "run"}
	if r.Target.File != "" {
		words = append(words, shellQuote(r.Target.File))
	}
	for _, s := range r.Target.Set {
		words = append(words, "--set", shellQuote(s))
	}
	return strings.Join(append(words, "--run", id, "--transport", string(t)), " ")
}

// repetition is what ends the id of a case that was run before: #2, #3, and so on.
var repetition = regexp.MustCompile(`#([0-9]+)$`)

// CaseID is the id of a case without what tells its repetitions apart.
func (c *Case) CaseID() string { return repetition.ReplaceAllString(c.ID, "") }

// ratios counts, by requirement and transport, in how many rounds each was
// judged and in how many it passed; nil where no case was repeated. The rounds
// are those of --repeat, or the runs that were merged.
func (r *Report) ratios() map[string]map[targets.Transport]Ratio {
	rounds := map[int][]Case{}
	seen := map[string]int{}
	for _, c := range r.Cases {
		round := seen[c.CaseID()]
		seen[c.CaseID()]++
		rounds[round] = append(rounds[round], c)
	}
	if len(rounds) < 2 {
		return nil
	}
	out := map[string]map[targets.Transport]Ratio{}
	for _, cases := range rounds {
		l := enter(&Report{Cases: cases})
		for id, by := range l.entries {
			for t, s := range by {
				v, _ := s.judge(id)
				if v != Failed && v != Passed {
					continue
				}
				if out[id] == nil {
					out[id] = map[targets.Transport]Ratio{}
				}
				ratio := out[id][t]
				ratio.Judged++
				if v == Passed {
					ratio.Passed++
				}
				out[id][t] = ratio
			}
		}
	}
	return out
}

// flaky says in the reason where a requirement failed at times only.
func (q *Requirement) flaky() {
	for _, t := range targets.Transports() {
		ratio := q.Runs[t]
		if q.Transports[t] != Failed || ratio.Passed == 0 {
			continue
		}
		text := fmt.Sprintf("flaky: failed in %d of %d; %s", ratio.Judged-ratio.Passed, ratio.Judged, q.Reasons[t])
		if q.Reason == q.Reasons[t] {
			q.Reason = text
		}
		q.Reasons[t] = text
	}
}

// judgedAgain is how often a requirement passed where it was judged several
// times, in words; "" else.
func (q *Requirement) judgedAgain() string {
	var parts []string
	for _, t := range targets.Transports() {
		if ratio, ok := q.Runs[t]; ok {
			parts = append(parts, fmt.Sprintf("%s passed %d of %d", transportName(t), ratio.Passed, ratio.Judged))
		}
	}
	return strings.Join(parts, ", ")
}

// repeated are the requirements that were judged several times: how many of
// them went the same way each time, and those that did not.
func (r *Report) repeated() (steady int, unsteady []*Requirement) {
	for i := range r.Requirements {
		q := &r.Requirements[i]
		if len(q.Runs) == 0 {
			continue
		}
		if slices.ContainsFunc(targets.Transports(), func(t targets.Transport) bool {
			ratio := q.Runs[t]
			return ratio.Passed > 0 && ratio.Passed < ratio.Judged
		}) {
			unsteady = append(unsteady, q)
		} else {
			steady++
		}
	}
	return steady, unsteady
}

// steadiness tells of the requirements that were judged several times, a line
// each; nothing where none was.
func (r *Report) steadiness() []string {
	steady, unsteady := r.repeated()
	if steady+len(unsteady) == 0 {
		return nil
	}
	lines := []string{count(steady, "requirement") + " went the same way each time"}
	for _, q := range unsteady {
		lines = append(lines, q.ID+": "+q.judgedAgain())
	}
	return lines
}
