package reports

import (
	"fmt"
	"strings"
	"syscall"
)

// ExitCode is the exit code that the outcome stands for. A run that a signal
// ended exits with 128 plus the signal, as shells expect.
func (r *Report) ExitCode() int {
	switch r.Outcome {
	case Conformant:
		return 0
	case Nonconformant:
		return 1
	case Incomplete:
		return 3
	case Interrupted:
		if r.Signal != 0 {
			return 128 + r.Signal
		}
		return 128 + int(syscall.SIGINT)
	default:
		return 4
	}
}

// outcome says what the run as a whole says, the first that holds, and why.
// counted holds the requirements at or above the level.
func outcome(r *Report, counted map[string]bool) (Outcome, string) {
	by := map[Verdict][]string{}
	known := 0
	for _, q := range r.Requirements {
		switch {
		case q.Known:
			known++
		case counted[q.ID]:
			by[q.Verdict] = append(by[q.Verdict], q.ID)
		}
	}
	sel := selection(r.Cases)
	switch {
	case r.Signal != 0:
		return Interrupted, fmt.Sprintf("interrupted by %s", signalName(r.Signal))
	case len(by[Failed]) > 0 || len(r.StaleBaseline) > 0:
		return Nonconformant, "nonconformant: " + accused(by[Failed], r.StaleBaseline)
	case r.Problem != "":
		return Error, "error: " + r.Problem
	case r.Criteria.RunningConfigured && sel.cases > 0 && sel.judged == 0 && sel.why != "":
		return Error, "error: nothing could be judged: " + sel.why
	case !r.Criteria.RunningConfigured:
		return Incomplete, "incomplete: no way to start a running operation is configured (operations.running)"
	case sel.cases == 0:
		return Incomplete, "incomplete: nothing is selected"
	case len(by[Inconclusive])+len(by[Untested]) > 0:
		return Incomplete, "incomplete: " + open(by)
	default:
		return Conformant, conformant(len(by[Passed]), known) + besides(r, counted)
	}
}

// A selected tells what became of the cases that were selected.
type selected struct {
	cases  int    // that were selected
	judged int    // that passed, failed or broke something
	why    string // the reason of the first that was attempted in vain; "": none was
}

func selection(cases []Case) selected {
	var s selected
	for i := range cases {
		c := &cases[i]
		switch {
		case c.Verdict == Deselected:
			continue
		case c.Verdict == Passed || c.Verdict == Failed || len(c.Broke) > 0:
			s.judged++
		case c.Verdict == Inconclusive && s.why == "":
			s.why = c.Reason
			if s.why == "" {
				s.why = c.ID + " is inconclusive"
			}
		}
		s.cases++
	}
	return s
}

func signalName(n int) string {
	switch syscall.Signal(n) {
	case syscall.SIGINT:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	default:
		return fmt.Sprintf("signal %d", n)
	}
}

// accused names what failed, and what the baseline wrongly calls known.
func accused(failed, stale []string) string {
	var parts []string
	if len(failed) > 0 {
		parts = append(parts, fmt.Sprintf("%s failed (%s)", count(len(failed), "requirement"), some(failed)))
	}
	if len(stale) > 0 {
		parts = append(parts, fmt.Sprintf("the baseline is out of date (%s)", strings.Join(stale, "; ")))
	}
	return strings.Join(parts, "; ")
}

// open names what is not judged.
func open(by map[Verdict][]string) string {
	var parts []string
	for _, v := range []Verdict{Inconclusive, Untested} {
		if ids := by[v]; len(ids) > 0 {
			parts = append(parts, fmt.Sprintf("%s %s (%s)", count(len(ids), "requirement"), v, some(ids)))
		}
	}
	return strings.Join(parts, "; ")
}

func conformant(passed, known int) string {
	s := fmt.Sprintf("conformant: %s passed, none failed", count(passed, "requirement"))
	if known > 0 {
		s = fmt.Sprintf("conformant: %s passed, %s", count(passed, "requirement"), count(known, "known failure"))
	}
	return s
}

// besides tells what was judged where nothing that counts was: a selection may hold
// nothing else. "" elsewhere.
func besides(r *Report, counted map[string]bool) string {
	by := map[string]*Totals{Must: {}, Should: {}}
	judged := 0
	for _, q := range r.Requirements {
		t := by[q.Level]
		switch {
		case q.Verdict != Passed && q.Verdict != Failed || t == nil:
			continue
		case counted[q.ID]:
			return ""
		}
		t.add(q.Verdict)
		judged++
	}
	if judged == 0 {
		return ""
	}
	var parts []string
	for _, level := range []string{Must, Should} {
		if t := by[level]; t.Passed+t.Failed > 0 {
			parts = append(parts, fmt.Sprintf("of %s %d passed, %d failed", level, t.Passed, t.Failed))
		}
	}
	return fmt.Sprintf("; what was judged does not count at level %s: %s", r.Level, strings.Join(parts, ", "))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// some lists ids, three at most.
func some(ids []string) string {
	const shown = 3
	if len(ids) <= shown {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:shown], ", "), len(ids)-shown)
}
