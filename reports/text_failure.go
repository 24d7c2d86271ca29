package reports

import (
	"slices"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// Bounds of what the text report shows of one failure; the rest is in the JSON
// report.
const (
	casesShown = 2    // in full, by transport
	bodyShown  = 2048 // bytes
	handShown  = 40   // lines that repeat a case by hand
)

// failures shows each requirement that failed, with its evidence.
func (t *textReport) failures() {
	for i := range t.report.Requirements {
		if q := &t.report.Requirements[i]; q.Verdict == Failed {
			t.failure(q)
		}
	}
}

func (t *textReport) failure(q *Requirement) {
	word := t.paint(ansiRed, "FAILED")
	if q.Known {
		word = t.paint(ansiYellow, "FAILED (known)")
	}
	t.printf("\n%s %s %s on %s\n", word, t.paint(ansiBold, q.ID), q.Level, on(q, Failed))
	t.printf("  %s\n", line(q.Statement))
	for _, s := range t.entries[q.ID].Sources {
		t.printf("  source: %s, %s\n", s.Document, s.Section)
	}
	for _, why := range t.report.excuses(q) {
		t.printf("  known: %s\n", line(why))
	}
	if q.LikelyCause != "" {
		t.printf("  likely cause: %s\n", line(q.LikelyCause))
	}
	if again := q.judgedAgain(); again != "" {
		t.printf("  judged again: %s\n", again)
	}
	for _, command := range q.Repeat {
		t.printf("  repeat: %s\n", line(command))
	}
	for _, transport := range targets.Transports() {
		if q.Transports[transport] != Failed {
			continue
		}
		accusing := accusers(t.report, q.ID, transport)
		for i, c := range accusing {
			if i < casesShown {
				t.evidence(q.ID, c)
			}
			if i == 0 {
				t.byHand(c)
			}
		}
		if more := len(accusing) - casesShown; more > 0 {
			t.printf("\n  and %s over %s\n", count(more, "more case"), transportName(transport))
		}
	}
}

// accusers are the cases that found a requirement broken on a transport: its
// own first.
func accusers(r *Report, id string, transport targets.Transport) []*Case {
	var own, beside []*Case
	for i := range r.Cases {
		c := &r.Cases[i]
		switch {
		case c.Transport != transport:
		case c.Requirement == id && c.Verdict == Failed:
			own = append(own, c)
		case slices.Contains(c.Broke, id):
			beside = append(beside, c)
		}
	}
	return append(own, beside...)
}

// evidence shows one case that accuses: scenario, finding and calls.
func (t *textReport) evidence(id string, c *Case) {
	t.printf("\n  %s\n", line(c.ID))
	t.printf("    %s:%d\n", line(c.File), c.Line)
	t.printf("    Scenario: %s\n", line(c.Scenario))
	for _, s := range c.Steps {
		t.step(s)
	}
	for _, b := range c.Breaches {
		if b.Requirement == id {
			t.breach(c, b)
		}
	}
	if len(c.Exchanges) > 0 {
		t.printf("    Calls:\n")
		for _, l := range timeline(c) {
			t.printf("      %s\n", l)
		}
	}
}

// byHand shows how the calls of a case are made by hand.
func (t *textReport) byHand(c *Case) {
	if len(c.Repeat) == 0 {
		return
	}
	t.printf("    By hand:\n")
	lines := strings.Split(strings.Join(c.Repeat, "\n"), "\n")
	for i, l := range lines {
		if i == handShown {
			t.printf("      # and %s in the other formats\n", count(len(lines)-handShown, "more line"))
			break
		}
		t.printf("      %s\n", line(l))
	}
}

// step shows a step; the one that failed stands out.
func (t *textReport) step(s Step) {
	mark := "  "
	switch s.Status {
	case "failed":
		mark = t.paint(ansiRed, "✗ ")
	case "skipped":
		mark = "- "
	}
	t.printf("      %s%s %s\n", mark, line(strings.TrimSpace(s.Keyword)), line(s.Text))
	if s.Message != "" && s.Status == "failed" {
		t.printf("%s\n", quoted(s.Message, bodyShown, "          "))
	}
}

// breach shows what was expected, what came, and where.
func (t *textReport) breach(c *Case, b Breach) {
	t.printf("    Finding: %s\n", excerpt(line(b.Message), bodyShown))
	if b.Expected != "" {
		t.printf("      expected: %s\n", excerpt(line(b.Expected), bodyShown))
	}
	if b.Actual != "" {
		t.printf("      actual:   %s\n", excerpt(line(b.Actual), bodyShown))
	}
	if b.Pointer != "" {
		t.printf("      at:       %s\n", line(b.Pointer))
	}
	if b.Exchange < 0 || b.Exchange >= len(c.Exchanges) {
		return
	}
	e := c.Exchanges[b.Exchange]
	t.printf("      seen in call %d, at %s: %s\n", b.Exchange+1, ms(e.At), callLine(e))
	if e.Request.Body != "" {
		t.printf("        sent:\n%s\n", quoted(e.Request.Body, bodyShown, "          "))
	}
	t.printf("        answered:\n%s\n", quoted(e.Response.Body, bodyShown, "          "))
}
