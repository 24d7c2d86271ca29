package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

// Bounds of what the page carries, in bytes; the JSON report has everything.
const (
	pageBody        = 2 << 10  // of a body
	pageBodyAccused = 32 << 10 // of a body of a call that shows a breach
	pageCalls       = 3 << 20  // of all calls; then cases without a finding go without theirs
)

// pageReport is the data of the page. Strings that recur (lines, headers,
// bodies, steps) stand once in Strings and are named by their index.
type pageReport struct {
	Strings      []string          `json:"strings"`
	Requirements []pageRequirement `json:"requirements"`
	Cases        []pageCase        `json:"cases"`
}

type pageRequirement struct {
	ID         string                        `json:"id"`
	Group      string                        `json:"group"`
	Level      string                        `json:"level"`
	Statement  string                        `json:"statement"`
	Verdict    Verdict                       `json:"verdict"`
	Reason     string                        `json:"reason"`
	Reasons    map[targets.Transport]string  `json:"reasons,omitempty"`
	Notes      []string                      `json:"notes"`
	Observed   string                        `json:"observed"`
	Known      bool                          `json:"known"`
	Transports map[targets.Transport]Verdict `json:"transports"`
	Sources    []string                      `json:"sources"`
	Cases      []int                         `json:"cases"`             // indexes
	Excuses    []string                      `json:"excuses,omitempty"` // why it is tolerated
	Cause      string                        `json:"cause,omitempty"`
	Again      string                        `json:"again,omitempty"` // how often it passed
	Repeat     []string                      `json:"repeat,omitempty"`
}

type pageCase struct {
	ID          string            `json:"id"`
	Requirement string            `json:"requirement"`
	File        string            `json:"file"`
	Line        int               `json:"line"`
	Scenario    string            `json:"scenario"`
	Transport   targets.Transport `json:"transport"`
	Verdict     Verdict           `json:"verdict"`
	Reason      string            `json:"reason"`
	Breaches    []Breach          `json:"breaches"`
	Steps       [][4]int          `json:"steps"` // keyword, text, status, message
	Calls       [][14]any         `json:"calls"`
	Left        bool              `json:"left,omitempty"` // the calls are left out
	Repeat      string            `json:"repeat,omitempty"`
}

// A stringTable numbers strings.
type stringTable struct {
	list  []string
	index map[string]int
	bytes int
}

func (t *stringTable) add(s string) int {
	if i, ok := t.index[s]; ok {
		return i
	}
	t.index[s] = len(t.list)
	t.list = append(t.list, s)
	t.bytes += len(s)
	return len(t.list) - 1
}

// pageData is the report as JSON that can stand in a script element.
func pageData(r *Report) (string, error) {
	entries, err := catalogueByID()
	if err != nil {
		return "", err
	}
	table := &stringTable{index: map[string]int{}}
	p := pageReport{Requirements: []pageRequirement{}, Cases: make([]pageCase, len(r.Cases))}
	// Accusing cases come first, so that their calls are there in any case.
	size := 0
	for _, accusing := range []bool{true, false} {
		for i := range r.Cases {
			c := &r.Cases[i]
			if (c.Verdict == Failed || len(c.Broke) > 0) == accusing {
				full := size+table.bytes < pageCalls
				p.Cases[i] = pageCaseOf(c, table, full)
				size += 90 * len(p.Cases[i].Calls)
			}
		}
	}
	for _, q := range r.Requirements {
		p.Requirements = append(p.Requirements, pageRequirementOf(r, q, entries[q.ID]))
	}
	p.Strings = table.list
	data, err := json.Marshal(p) // escapes <, > and &
	if err != nil {
		return "", err
	}
	return escapeActing(data), nil
}

func pageRequirementOf(r *Report, q Requirement, entry features.Requirement) pageRequirement {
	out := pageRequirement{ID: q.ID, Group: q.Group, Level: q.Level, Statement: q.Statement, Verdict: q.Verdict, Reason: excerpt(q.Reason, pageBody),
		Reasons: map[targets.Transport]string{}, Observed: q.Observed, Known: q.Known, Transports: q.Transports, Sources: []string{}, Cases: []int{}, Notes: []string{},
		Excuses: r.excuses(&q), Cause: q.LikelyCause, Again: q.judgedAgain(), Repeat: q.Repeat}
	for t, reason := range q.Reasons {
		out.Reasons[t] = excerpt(reason, pageBody)
	}
	for _, n := range q.Notes {
		out.Notes = append(out.Notes, excerpt(n, pageBody))
	}
	for _, s := range entry.Sources {
		out.Sources = append(out.Sources, s.Document+", "+s.Section)
	}
	for i := range r.Cases {
		if c := &r.Cases[i]; c.Requirement == q.ID || slices.Contains(c.Broke, q.ID) {
			out.Cases = append(out.Cases, i)
		}
	}
	return out
}

func pageCaseOf(c *Case, table *stringTable, full bool) pageCase {
	out := pageCase{ID: c.ID, Requirement: c.Requirement, File: c.File, Line: c.Line, Scenario: c.Scenario, Transport: c.Transport,
		Verdict: c.Verdict, Reason: excerpt(c.Reason, pageBody), Breaches: []Breach{}, Steps: [][4]int{}, Calls: [][14]any{}}
	shows := map[int]bool{}
	for _, b := range c.Breaches {
		shows[b.Exchange] = true
		b.Message, b.Expected, b.Actual = excerpt(b.Message, pageBody), excerpt(b.Expected, pageBody), excerpt(b.Actual, pageBody)
		out.Breaches = append(out.Breaches, b)
	}
	for _, s := range c.Steps {
		out.Steps = append(out.Steps, [4]int{table.add(s.Keyword), table.add(s.Text), table.add(s.Status), table.add(excerpt(s.Message, pageBody))})
	}
	if !full {
		out.Left = len(c.Exchanges) > 0
		return out
	}
	out.Repeat = excerpt(strings.Join(c.Repeat, "\n"), pageBodyAccused)
	for _, s := range spans(c) {
		limit := pageBody
		if shows[s.first] {
			limit = pageBodyAccused
		}
		out.Calls = append(out.Calls, pageCall(c.Exchanges[s.first], s, limit, table))
	}
	return out
}

// pageCall is a call as the page's script reads it.
func pageCall(e targets.Exchange, s span, limit int, table *stringTable) [14]any {
	return [14]any{
		rounded(float64(e.At) / 1e6), rounded(float64(e.Elapsed) / 1e6), table.add(string(e.Method)), table.add(string(e.Transport)), s.last - s.first,
		table.add(e.Note), table.add(excerpt(e.Request.Line, limit)), table.add(headerLines(e.Request.Headers)), table.add(excerpt(e.Request.Body, limit)),
		table.add(excerpt(e.Response.Line, limit)), table.add(headerLines(e.Response.Headers)), table.add(excerpt(e.Response.Body, limit)),
		table.add(excerpt(e.Problem, limit)), s.first,
	}
}

// rounded keeps one decimal: milliseconds in, tenths of them out.
func rounded(ms float64) json.Number { return json.Number(fmt.Sprintf("%.1f", ms)) }

// headerLines are headers as text, sorted.
func headerLines(h map[string]string) string {
	var lines []string
	for k, v := range h {
		lines = append(lines, line(k)+": "+line(v))
	}
	sort.Strings(lines)
	return excerpt(strings.Join(lines, "\n"), pageBody)
}

// escapeActing writes characters that could act on who reads the page's source
// as JSON escapes; the data stay the same.
func escapeActing(data []byte) string {
	var b bytes.Buffer
	b.Grow(len(data))
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		switch {
		case c < 0x7f || !dangerous(c):
			b.Write(data[i : i+n])
		case c > 0xffff:
			c -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(c>>10), 0xdc00+(c&0x3ff))
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
		i += n
	}
	return b.String()
}
