package reports

import (
	"fmt"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

// A span is a run of calls in a case's timeline: one call, or several in a row
// that asked the same and were answered the same.
type span struct {
	first, last int // indexes into the case's exchanges
}

// spans folds polls that brought nothing new. A call that shows a breach
// stands alone.
func spans(c *Case) []span {
	shows := map[int]bool{}
	for _, b := range c.Breaches {
		shows[b.Exchange] = true
	}
	var out []span
	for i := range c.Exchanges {
		if n := len(out); n > 0 && !shows[i] && !shows[i-1] && sameCall(c.Exchanges[i-1], c.Exchanges[i]) {
			out[n-1].last = i
			continue
		}
		out = append(out, span{i, i})
	}
	return out
}

func sameCall(a, b targets.Exchange) bool {
	return a.Method == b.Method && a.Transport == b.Transport && a.Request.Line == b.Request.Line && a.Request.Body == b.Request.Body &&
		a.Response.Line == b.Response.Line && a.Response.Body == b.Response.Body && a.Problem == b.Problem && a.Note == b.Note
}

// timeline renders the calls of a case, one line each. Numbers count from 1.
func timeline(c *Case) []string {
	var out []string
	for _, s := range spans(c) {
		e := c.Exchanges[s.first]
		out = append(out, fmt.Sprintf("%3d %9s  %s", s.first+1, ms(e.At), callLine(e)))
		if n := s.last - s.first; n > 0 {
			out = append(out, fmt.Sprintf("%3s %9s  … %s with the same answer", "", ms(c.Exchanges[s.last].At), count(n, "more call")))
		}
	}
	return out
}

// callLine is a call and its answer on one line.
func callLine(e targets.Exchange) string {
	answer := e.Response.Line
	if e.Problem != "" {
		answer = "no answer: " + e.Problem
	}
	s := fmt.Sprintf("%s -> %s (%s)", excerpt(line(e.Request.Line), 200), excerpt(line(answer), 200), ms(e.Elapsed))
	if e.Note != "" {
		s += "  [" + excerpt(line(e.Note), 100) + "]"
	}
	return s
}

// ms is a duration in milliseconds, with what precision tells something.
func ms(d time.Duration) string {
	f := float64(d) / float64(time.Millisecond)
	if f < 10 {
		return fmt.Sprintf("%.1f ms", f)
	}
	return fmt.Sprintf("%.0f ms", f)
}

// quoted renders a body for a text report: harmless, bounded, indented.
func quoted(body string, limit int, indent string) string {
	if body == "" {
		return indent + "(no body)"
	}
	shown := harmless(excerpt(body, limit), true)
	return indent + strings.ReplaceAll(strings.TrimRight(shown, "\n"), "\n", "\n"+indent)
}
