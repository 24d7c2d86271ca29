package main

import (
	"fmt"

	"github.com/lro-tools/conform/reports"
)

// What became of a case.
const (
	isFixed   = "FIXED"
	isFailing = "STILL FAILS"
	isFlaky   = "FLAKY"
	isUnknown = "CANNOT REPLAY"
)

// A replayed is a case that was run again.
type replayed struct {
	failed, judged, runs int
	finding              string // of the first that failed
	why                  string // the first that could not be judged could not
}

// tell writes a line for each case, and ends with the exit code.
func (a *app) tell(failed []reports.Case, r *reports.Report) error {
	counts := map[string]int{}
	for _, c := range failed {
		o := outcomeOf(c.ID, r)
		word, line := o.inWords()
		counts[word]++
		if _, err := fmt.Fprintf(a.out, "%s %s\n", line, reports.Harmless(c.ID)); err != nil {
			return problem("%w", err)
		}
		detail := o.finding
		if word == isUnknown {
			detail = o.why
		}
		if detail != "" {
			fmt.Fprintf(a.out, "    %s\n", reports.Harmless(detail))
		}
	}
	fmt.Fprintf(a.err, "replayed %d: %d fixed, %d still failing, %d flaky, %d not replayed\n",
		len(failed), counts[isFixed], counts[isFailing], counts[isFlaky], counts[isUnknown])
	switch {
	case r.Outcome == reports.Interrupted:
		return &ending{code: r.ExitCode()}
	case counts[isFailing]+counts[isFlaky] > 0:
		return &ending{code: 1}
	case r.Problem != "":
		return &ending{code: codeProblem}
	case counts[isUnknown] > 0:
		return &ending{code: 3}
	}
	return nil
}

// outcomeOf gathers the runs of a case.
func outcomeOf(id string, r *reports.Report) replayed {
	o := replayed{why: "this suite has no such case"}
	for i := range r.Cases {
		c := &r.Cases[i]
		if c.CaseID() != id {
			continue
		}
		o.runs++
		switch {
		case c.Verdict == reports.Failed || len(c.Broke) > 0:
			o.judged++
			o.failed++
			if o.finding == "" {
				o.finding = findingOf(c)
			}
		case c.Verdict == reports.Passed:
			o.judged++
		case o.runs-o.judged == 1:
			o.why = fmt.Sprintf("%s: %s", c.Verdict, c.Reason)
		}
	}
	return o
}

// findingOf is what a case found, in words.
func findingOf(c *reports.Case) string {
	if c.Verdict == reports.Failed {
		return c.Reason
	}
	for _, b := range c.Breaches {
		return b.Requirement + ": " + b.Message
	}
	return "it broke " + c.Broke[0]
}

// inWords says what became of the case: the word alone, and with the counts.
// A case is fixed only where every run of it was judged.
func (o replayed) inWords() (word, line string) {
	switch {
	case o.failed > 0 && o.failed == o.judged:
		return isFailing, isFailing
	case o.failed > 0:
		return isFlaky, fmt.Sprintf("%s (%d of %d)", isFlaky, o.failed, o.judged)
	case o.runs > 0 && o.judged == o.runs:
		return isFixed, isFixed
	default:
		return isUnknown, isUnknown
	}
}
