package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

// Bounds of the Markdown report, in bytes. A comment on a pull request may
// have 65,536 characters.
const (
	markdownBound    = 60_000
	markdownFailures = 45_000 // of it for failures in full
	markdownBody     = 1024   // of one body
	markdownReason   = 300    // of one reason
	markdownHand     = 4096   // of what repeats a case by hand
)

// A markdownReport is a Markdown report in the making.
type markdownReport struct {
	strings.Builder
	report  *Report
	entries map[string]features.Requirement
}

func (m *markdownReport) printf(format string, args ...any) { fmt.Fprintf(&m.Builder, format, args...) }

// Markdown writes a comment for a pull request, under 60,000 bytes: the
// verdict, the totals, the failures folded, and what was not judged. What a
// server sent stands in code, where it is neither markup, mention nor link.
func Markdown(w io.Writer, r *Report) error {
	entries, err := catalogueByID()
	if err != nil {
		return err
	}
	m := &markdownReport{report: r, entries: entries}
	m.heading()
	m.totals()
	m.failures()
	if lines := r.steadiness(); len(lines) > 0 {
		m.section("\n### Repeated\n\n- " + strings.Join(lines, "\n- ") + "\n")
	}
	m.open()
	if r.Outcome == Incomplete && r.Advice != "" {
		m.section(fmt.Sprintf("\n### What would let the rest be judged\n\n%s\n", fence("yaml", r.Advice)))
	}
	_, err = io.WriteString(w, m.String())
	return err
}

// section adds a part if there is room for it.
func (m *markdownReport) section(s string) {
	const reserve = 200
	if m.Len()+len(s) > markdownBound-reserve {
		m.printf("\n_Left out for want of room; the other formats have it._\n")
		return
	}
	m.WriteString(s)
}

func (m *markdownReport) heading() {
	r := m.report
	m.printf("## %s conform: %s\n\n%s\n\n", sign(r.Outcome), r.Outcome, code(excerpt(r.Reason, markdownReason)))
	m.printf("Judged %s by conform %s (catalogue %s), profile %s, level %s, on %s in %.1f s.\n", code(excerpt(subject(r), markdownReason)),
		code(r.Suite.Version), code(r.Suite.Catalogue), code(r.Target.Profile), strings.ToUpper(r.Level), code(r.Started), r.ElapsedMS/1000)
	if n := knownFailures(r); n > 0 {
		m.printf("\n**%s**\n", count(n, "known failure"))
	}
	for i, s := range r.StaleBaseline {
		if i < 20 {
			m.printf("\nBaseline: %s\n", code(excerpt(s, markdownReason)))
		}
	}
}

func sign(o Outcome) string {
	switch o {
	case Conformant:
		return "✅"
	case Nonconformant, Error:
		return "❌"
	default:
		return "⚠️"
	}
}

func (m *markdownReport) totals() {
	m.printf("\n| |")
	for _, v := range Verdicts() {
		m.printf(" %s |", v)
	}
	m.printf("\n|---|%s\n", strings.Repeat("--:|", len(Verdicts())))
	for _, level := range []string{Must, Should, May, Info} {
		t := m.report.Summary[level]
		m.printf("| %s |", level)
		for _, v := range Verdicts() {
			m.printf(" %d |", t.Of(v))
		}
		m.printf("\n")
	}
}

func (m *markdownReport) failures() {
	headed := false
	var rest []string
	for i := range m.report.Requirements {
		q := &m.report.Requirements[i]
		if q.Verdict != Failed {
			continue
		}
		if !headed {
			m.printf("\n### Failures\n")
			headed = true
		}
		if s := m.failure(q); m.Len()+len(s) < markdownFailures {
			m.WriteString(s)
		} else {
			rest = append(rest, code(q.ID))
		}
	}
	if len(rest) > 0 {
		m.printf("\nFailed as well: %s\n", strings.Join(rest, ", "))
	}
}

func (m *markdownReport) failure(q *Requirement) string {
	var b strings.Builder
	known := ""
	if q.Known {
		known = " (known)"
	}
	fmt.Fprintf(&b, "\n<details><summary><b>%s</b> %s on %s%s</summary>\n\n%s\n\n", q.ID, q.Level, on(q, Failed), known, prose(q.Statement))
	for _, s := range m.entries[q.ID].Sources {
		fmt.Fprintf(&b, "- Source: %s, %s\n", prose(s.Document), code(s.Section))
	}
	for _, why := range m.report.excuses(q) {
		fmt.Fprintf(&b, "- Known: %s\n", code(excerpt(why, markdownReason)))
	}
	if q.LikelyCause != "" {
		fmt.Fprintf(&b, "- Likely cause: %s\n", prose(q.LikelyCause))
	}
	if again := q.judgedAgain(); again != "" {
		fmt.Fprintf(&b, "- Judged again: %s\n", again)
	}
	for _, command := range q.Repeat {
		fmt.Fprintf(&b, "- Repeat: %s\n", code(excerpt(command, markdownReason)))
	}
	for _, t := range targets.Transports() {
		if q.Transports[t] != Failed {
			continue
		}
		for i, c := range accusers(m.report, q.ID, t) {
			if i == 0 {
				markdownEvidence(&b, q.ID, c)
			}
		}
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

// markdownEvidence shows one case that accuses.
func markdownEvidence(b *strings.Builder, id string, c *Case) {
	fmt.Fprintf(b, "\n%s (%s)\n\n", code(c.ID), code(fmt.Sprintf("%s:%d", c.File, c.Line)))
	for _, br := range c.Breaches {
		if br.Requirement != id {
			continue
		}
		fmt.Fprintf(b, "- %s\n", code(excerpt(br.Message, markdownReason)))
		for _, kv := range [][2]string{{"expected", br.Expected}, {"actual", br.Actual}, {"at", br.Pointer}} {
			if kv[1] != "" {
				fmt.Fprintf(b, "- %s: %s\n", kv[0], code(excerpt(kv[1], markdownReason)))
			}
		}
		if i := br.Exchange; i >= 0 && i < len(c.Exchanges) && c.Exchanges[i].Response.Body != "" {
			fmt.Fprintf(b, "\n%s\n", fence("json", excerpt(c.Exchanges[i].Response.Body, markdownBody)))
		}
	}
	var lines []string
	for _, s := range c.Steps {
		mark := "  "
		if s.Status == "failed" {
			mark = "✗ "
		}
		lines = append(lines, excerpt(line(mark+strings.TrimSpace(s.Keyword)+" "+s.Text), markdownReason))
	}
	const calls = 12
	all := timeline(c)
	lines = append(lines, "")
	lines = append(lines, all[max(0, len(all)-calls):]...)
	fmt.Fprintf(b, "\n%s\n", fence("text", strings.Join(lines, "\n")))
	if byHand := strings.Join(c.Repeat, "\n"); byHand != "" && len(byHand) <= markdownHand {
		fmt.Fprintf(b, "\nBy hand:\n\n%s\n", fence("bash", byHand))
	}
}

func (m *markdownReport) open() {
	var b strings.Builder
	for _, v := range []Verdict{Inconclusive, Untested} {
		for _, g := range byReason(m.report, v) {
			fmt.Fprintf(&b, "- %s: %s", v, code(excerpt(g.reason, markdownReason)))
			for _, n := range g.needs {
				fmt.Fprintf(&b, ", add %s", code(n))
			}
			fmt.Fprintf(&b, ": %s\n", some(g.ids))
			if b.Len() > 8_000 {
				b.WriteString("- and more\n")
				break
			}
		}
	}
	if b.Len() > 0 {
		m.section("\n### Not judged\n\n" + b.String())
	}
}

// code is text as a code span, on one line: nothing in it is markup. The
// fence is longer than any run of backticks inside.
func code(s string) string {
	s = line(s)
	if strings.TrimSpace(s) == "" {
		return "–"
	}
	f := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return f + s + f
}

// fence is text as a fenced block.
func fence(language, s string) string {
	f := strings.Repeat("`", max(3, longestRun(s, '`')+1))
	return f + language + "\n" + strings.TrimRight(harmless(s, true), "\n") + "\n" + f
}

func longestRun(s string, of rune) int {
	longest, run := 0, 0
	for _, r := range s {
		run++
		if r != of {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// prose is a text of ours, which may hold code spans, as Markdown inside HTML.
func prose(s string) string {
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "[", `\[`).Replace(line(s))
}
