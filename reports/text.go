package reports

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

// ANSI sequences of the text report, which only it writes.
const (
	ansiReset  = "\x1b[0m"
	ansiBold   = "\x1b[1m"
	ansiRed    = "\x1b[31m"
	ansiGreen  = "\x1b[32m"
	ansiYellow = "\x1b[33m"
)

// A textReport is a text report in the making.
type textReport struct {
	bytes.Buffer
	color   bool
	report  *Report
	entries map[string]features.Requirement
	cases   map[string]*Case
}

// Text returns the writer of the report that people read in a terminal: the
// failures first, with their evidence, then a table, then what was not judged.
// Nothing that a server sent reaches the terminal as a control character.
func Text(color bool) Writer {
	return func(w io.Writer, r *Report) error {
		entries, err := catalogueByID()
		if err != nil {
			return err
		}
		t := &textReport{color: color, report: r, entries: entries, cases: casesByID(r)}
		t.heading()
		t.failures()
		t.table()
		t.notes()
		t.repeated()
		t.open()
		t.ending()
		_, err = w.Write(t.Bytes())
		return err
	}
}

func catalogueByID() (map[string]features.Requirement, error) {
	all, err := features.Requirements()
	if err != nil {
		return nil, err
	}
	out := make(map[string]features.Requirement, len(all))
	for _, q := range all {
		out[q.ID] = q
	}
	return out, nil
}

// casesByID finds cases; of several with one id (--repeat) the worst, so that
// what is shown as evidence is the failure.
func casesByID(r *Report) map[string]*Case {
	out := make(map[string]*Case, len(r.Cases))
	for i := range r.Cases {
		c := &r.Cases[i]
		if old := out[c.ID]; old == nil || len(old.Breaches) == 0 && (c.Verdict == Failed || len(c.Broke) > 0) {
			out[c.ID] = c
		}
	}
	return out
}

func (t *textReport) paint(code, s string) string {
	if !t.color {
		return s
	}
	return code + s + ansiReset
}

func (t *textReport) printf(format string, args ...any) { fmt.Fprintf(&t.Buffer, format, args...) }

func (t *textReport) verdict(v Verdict) string {
	switch v {
	case Failed:
		return t.paint(ansiRed, string(v))
	case Passed:
		return t.paint(ansiGreen, string(v))
	default:
		return t.paint(ansiYellow, string(v))
	}
}

func (t *textReport) heading() {
	r := t.report
	t.printf("conform %s (catalogue %s) judged %s\n", line(r.Suite.Version), line(r.Suite.Catalogue), t.paint(ansiBold, line(subject(r))))
	t.printf("profile %s, level %s, started %s, took %.1f s\n", line(r.Target.Profile), strings.ToUpper(r.Level), line(r.Started), r.ElapsedMS/1000)
	if r.Target.REST != "" {
		t.printf("REST %s\n", line(r.Target.REST))
	}
	if r.Target.GRPC != "" {
		t.printf("gRPC %s\n", line(r.Target.GRPC))
	}
}

// subject is who was judged: the target's name and implementation.
func subject(r *Report) string {
	s := r.Target.Name
	if s == "" {
		s = "a target without a name"
	}
	var parts []string
	for _, k := range []string{"organization", "project", "version"} {
		if v := r.Target.Implementation[k]; v != "" {
			parts = append(parts, v)
		}
	}
	if len(parts) > 0 {
		s += " (" + strings.Join(parts, " ") + ")"
	}
	return s
}

// table counts the requirements by group and by level.
func (t *textReport) table() {
	var groups []string
	by := map[string]*Totals{}
	for _, q := range t.report.Requirements {
		if by[q.Group] == nil {
			by[q.Group] = &Totals{}
			groups = append(groups, q.Group)
		}
		by[q.Group].add(q.Verdict)
	}
	t.printf("\n%-46s", "Requirements")
	for _, v := range Verdicts() {
		t.printf(" %12s", v)
	}
	t.printf("\n")
	for _, g := range groups {
		t.row(g, *by[g])
	}
	t.printf("\n")
	for _, level := range []string{Must, Should, May, Info} {
		t.row(level, t.report.Summary[level])
	}
}

func (t *textReport) row(name string, totals Totals) {
	name = excerptRunes(line(name), 46)
	t.printf("%s%s", name, strings.Repeat(" ", 46-utf8.RuneCountInString(name)))
	for _, v := range Verdicts() {
		cell := "."
		if n := totals.Of(v); n > 0 {
			cell = fmt.Sprint(n)
		}
		pad := strings.Repeat(" ", 13-len(cell))
		if v == Failed && cell != "." {
			cell = t.paint(ansiRed, cell)
		}
		t.printf("%s%s", pad, cell)
	}
	t.printf("\n")
}

// excerptRunes is at most n characters of a text.
func excerptRunes(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// notes tells what is tolerated but worth knowing, and which reading was seen.
func (t *textReport) notes() {
	headed := false
	for _, q := range t.report.Requirements {
		lines := append([]string(nil), q.Notes...)
		if q.Observed != "" {
			lines = append(lines, "seen: "+q.Observed)
		}
		if len(lines) == 0 {
			continue
		}
		if !headed {
			t.printf("\n%s\n", t.paint(ansiBold, "Worth knowing"))
			headed = true
		}
		t.printf("  %s\n", q.ID)
		for _, n := range lines {
			t.printf("    %s\n", excerpt(line(n), 400))
		}
	}
}

// open tells what was not judged, why, and which key would change that.
func (t *textReport) open() {
	headed := false
	for _, v := range []Verdict{Inconclusive, Untested, Inapplicable, Deselected} {
		for _, group := range byReason(t.report, v) {
			if !headed {
				t.printf("\n%s\n", t.paint(ansiBold, "Not judged"))
				headed = true
			}
			t.printf("  %s: %s%s\n", t.verdict(v), excerpt(line(group.reason), 400), keyToAdd(group.needs))
			if v == Deselected {
				t.printf("    %s\n", some(group.ids))
				continue
			}
			t.printf("    %s\n", strings.Join(group.ids, "\n    "))
		}
	}
}

func keyToAdd(needs []string) string {
	if len(needs) == 0 {
		return ""
	}
	return " [add " + line(strings.Join(needs, ", ")) + "]"
}

// An openGroup is requirements that were not judged for one reason.
type openGroup struct {
	reason string
	ids    []string
	needs  []string
}

// byReason groups the requirements of a verdict that can fail (MUST and
// SHOULD) by their reason, in the catalogue's order.
func byReason(r *Report, v Verdict) []*openGroup {
	var out []*openGroup
	at := map[string]*openGroup{}
	needs := needsByRequirement(r)
	for _, q := range r.Requirements {
		if q.Verdict != v || q.Level == May || q.Level == Info {
			continue
		}
		reason := q.Reason
		if reason == "" {
			reason = "no reason given"
		}
		g := at[reason]
		if g == nil {
			g = &openGroup{reason: reason}
			at[reason] = g
			out = append(out, g)
		}
		g.ids = append(g.ids, q.ID+" ("+q.Level+")")
		if v == Untested {
			for _, n := range needs[q.ID] {
				g.needs = appendNew(g.needs, n)
			}
		}
	}
	return out
}

// needsByRequirement lists the keys that requirements wait for.
func needsByRequirement(r *Report) map[string][]string {
	out := map[string][]string{}
	for i := range r.Cases {
		if c := &r.Cases[i]; c.Verdict == Untested && c.Needs != "" {
			out[c.Requirement] = appendNew(out[c.Requirement], c.Needs)
		}
	}
	return out
}

// repeated tells what differed from one repetition to the next.
func (t *textReport) repeated() {
	for i, l := range t.report.steadiness() {
		if i == 0 {
			t.printf("\n%s\n", t.paint(ansiBold, "Repeated"))
		}
		t.printf("  %s\n", l)
	}
}

// paced tells of a run that the server slowed down; "" of any other.
func (r *Report) paced() string {
	if len(r.Pace) == 0 {
		return ""
	}
	var rates []string
	for _, m := range slices.Sorted(maps.Keys(r.Pace)) {
		rates = append(rates, fmt.Sprintf("%s %.0f", line(m), r.Pace[m]))
	}
	return "The server refused calls for their number. The run kept to so many a second: " + strings.Join(rates, ", ")
}

// ending tells what was left behind, the outcome, and what would change it.
func (t *textReport) ending() {
	r := t.report
	if len(r.Leftover) > 0 {
		t.printf("\n%s\n", t.paint(ansiBold, "Operations that could not be cancelled at the end"))
		for _, n := range r.Leftover {
			t.printf("  %s\n", line(n))
		}
	}
	if s := r.paced(); s != "" {
		t.printf("\n%s\n", s)
	}
	for _, s := range r.StaleBaseline {
		t.printf("\nbaseline: %s\n", line(s))
	}
	if n := knownFailures(r); n > 0 {
		t.printf("\n%s\n", count(n, "known failure"))
	}
	code := ansiYellow
	switch r.Outcome {
	case Conformant:
		code = ansiGreen
	case Nonconformant, Error:
		code = ansiRed
	}
	t.printf("\n%s\n", t.paint(code, excerpt(line(r.Reason), 1000)))
	if r.Outcome == Incomplete && r.Advice != "" {
		t.printf("\n%s", harmless(r.Advice, true))
	}
}

// knownFailures counts the failures that the baseline names.
func knownFailures(r *Report) int {
	n := 0
	for _, q := range r.Requirements {
		if q.Known {
			n++
		}
	}
	return n
}

// on lists the transports on which a requirement has a verdict.
func on(q *Requirement, v Verdict) string {
	var names []string
	for _, t := range targets.Transports() {
		if q.Transports[t] == v {
			names = append(names, transportName(t))
		}
	}
	return strings.Join(names, " and ")
}
