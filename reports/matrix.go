package reports

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Matrix sets the reports of several servers side by side.
type Matrix struct {
	Servers []MatrixServer `json:"servers"`
	Rows    []MatrixRow    `json:"rows"`
}

// A MatrixServer is a column: one report.
type MatrixServer struct {
	Name    string            `json:"name"`
	Suite   Suite             `json:"suite"`
	Started string            `json:"started"`
	Level   string            `json:"level"`
	Profile string            `json:"profile"`
	Outcome Outcome           `json:"outcome"`
	Summary map[string]Totals `json:"summary"`
}

// A MatrixRow is what each server's report says of one requirement.
type MatrixRow struct {
	Requirement string       `json:"requirement"`
	Group       string       `json:"group"`
	Statement   string       `json:"statement"`
	Cells       []MatrixCell `json:"cells"` // one for each server
}

// A MatrixCell is a verdict; "" where the report does not know the requirement.
type MatrixCell struct {
	Verdict  Verdict `json:"verdict"`
	Level    string  `json:"level,omitempty"`
	Known    bool    `json:"known,omitempty"`
	Observed string  `json:"observed,omitempty"`
}

// NewMatrix sets reports side by side, in the order given. The rows are in the
// order of the catalogue of the first; what only later ones know follows.
func NewMatrix(all ...*Report) *Matrix {
	m := &Matrix{Servers: []MatrixServer{}, Rows: []MatrixRow{}}
	row := map[string]int{}
	for i, r := range all {
		m.Servers = append(m.Servers, MatrixServer{Name: subject(r), Suite: r.Suite, Started: r.Started, Level: r.Level, Profile: r.Target.Profile,
			Outcome: r.Outcome, Summary: r.Summary})
		for _, q := range r.Requirements {
			n, ok := row[q.ID]
			if !ok {
				n = len(m.Rows)
				row[q.ID] = n
				m.Rows = append(m.Rows, MatrixRow{Requirement: q.ID, Group: q.Group, Statement: q.Statement, Cells: make([]MatrixCell, len(all))})
			}
			m.Rows[n].Cells[i] = MatrixCell{Verdict: q.Verdict, Level: q.Level, Known: q.Known, Observed: q.Observed}
		}
	}
	return m
}

// MatrixWriters returns the writers of a matrix by format: text, markdown,
// html, json.
func MatrixWriters() map[string]func(io.Writer, *Matrix) error {
	return map[string]func(io.Writer, *Matrix) error{"text": matrixText, "markdown": matrixMarkdown, "html": matrixHTML, "json": matrixJSON}
}

func matrixJSON(w io.Writer, m *Matrix) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(m)
}

// caution tells that the columns were not judged alike; "" where they were.
func (m *Matrix) caution() string {
	differ := func(of func(MatrixServer) string) bool {
		return slices.ContainsFunc(m.Servers, func(s MatrixServer) bool { return of(s) != of(m.Servers[0]) })
	}
	var what []string
	if differ(func(s MatrixServer) string { return s.Suite.Version + s.Suite.Catalogue }) {
		what = append(what, "versions of the suite")
	}
	if differ(func(s MatrixServer) string { return s.Profile }) {
		what = append(what, "profiles")
	}
	if differ(func(s MatrixServer) string { return s.Level }) {
		what = append(what, "levels")
	}
	if len(what) == 0 {
		return ""
	}
	return "The servers were judged by different " + strings.Join(what, " and ") + "."
}

// symbol is a verdict in one character; words stand beside it where a reader
// may not know it.
func symbol(c MatrixCell) string {
	switch c.Verdict {
	case Passed:
		return "✓"
	case Failed:
		if c.Known {
			return "k"
		}
		return "✗"
	case Inconclusive:
		return "?"
	case Untested:
		return "u"
	case Inapplicable:
		return "-"
	case Deselected:
		return "·"
	default:
		return " "
	}
}

const legend = "✓ passed  ✗ failed  k failed, known  ? inconclusive  u untested  - inapplicable  · deselected"

func matrixText(w io.Writer, m *Matrix) error {
	var b strings.Builder
	for i, s := range m.Servers {
		fmt.Fprintf(&b, "%2d  %s: %s (%s, profile %s, conform %s, %s)\n", i+1, line(s.Name), s.Outcome, strings.ToUpper(s.Level), line(s.Profile), line(s.Suite.Version), line(s.Started))
	}
	if c := m.caution(); c != "" {
		fmt.Fprintf(&b, "%s\n", c)
	}
	fmt.Fprintf(&b, "%s\n", legend)
	const width = 46
	group := ""
	for _, r := range m.Rows {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&b, "\n%s\n", line(group))
		}
		name := excerptRunes(line(r.Requirement), width)
		fmt.Fprintf(&b, "  %s%s", name, strings.Repeat(" ", width-utf8.RuneCountInString(name)))
		for _, c := range r.Cells {
			fmt.Fprintf(&b, " %2s", symbol(c))
		}
		b.WriteString("\n")
		for _, reading := range r.readings() {
			fmt.Fprintf(&b, "      %s\n", line(reading))
		}
	}
	_, err := io.WriteString(w, trimLines(b.String()))
	return err
}

// readings tell which reading each server took, one line for those that took
// the same.
func (r MatrixRow) readings() []string {
	var order []string
	by := map[string][]string{}
	for i, c := range r.Cells {
		if c.Observed == "" {
			continue
		}
		if by[c.Observed] == nil {
			order = append(order, c.Observed)
		}
		by[c.Observed] = append(by[c.Observed], strconv.Itoa(i+1))
	}
	var out []string
	for _, o := range order {
		out = append(out, strings.Join(by[o], ", ")+": "+excerpt(o, markdownReason))
	}
	return out
}

// trimLines removes spaces at the ends of lines.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func matrixMarkdown(w io.Writer, m *Matrix) error {
	var b strings.Builder
	b.WriteString("## conform: servers side by side\n\n")
	if c := m.caution(); c != "" {
		fmt.Fprintf(&b, "**%s**\n\n", c)
	}
	for i, s := range m.Servers {
		fmt.Fprintf(&b, "%d. %s: **%s** (%s, profile %s, conform %s, %s)\n", i+1, code(excerpt(s.Name, markdownReason)), s.Outcome, strings.ToUpper(s.Level), code(s.Profile), code(s.Suite.Version), code(s.Started))
	}
	fmt.Fprintf(&b, "\n%s\n\n| requirement |", legend)
	for i := range m.Servers {
		fmt.Fprintf(&b, " %d |", i+1)
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat(":-:|", len(m.Servers)))
	for _, r := range m.Rows {
		fmt.Fprintf(&b, "| %s |", strings.ReplaceAll(code(r.Requirement), "|", `\|`))
		for _, c := range r.Cells {
			fmt.Fprintf(&b, " %s |", strings.TrimSpace(symbol(c)))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n### Readings, where several are legal\n\n")
	for _, r := range m.Rows {
		for _, reading := range r.readings() {
			fmt.Fprintf(&b, "- %s, %s\n", code(r.Requirement), code(reading))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const matrixPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{{.Digest}}'">
<title>conform: servers side by side</title>
<style>{{.Style}}</style>
</head>
<body>
<main>
<h1>Servers side by side</h1>
{{if .Caution}}<p><strong>{{.Caution}}</strong></p>{{end}}
<ol>{{range .Servers}}<li><strong>{{.Name}}</strong>: {{.Outcome}} ({{.Level}}, profile {{.Profile}}, conform {{.Suite.Version}}, {{.Started}})</li>
{{end}}</ol>
<div class="scroll" tabindex="0" role="region" aria-label="Verdicts by requirement and server">
<table>
<thead><tr><th scope="col">Requirement</th>{{range $i, $s := .Servers}}<th scope="col">{{.Name}}</th>{{end}}</tr></thead>
<tbody>
{{range .Rows}}<tr><th scope="row" title="{{.Statement}}"><code>{{.Requirement}}</code></th>{{range .Cells}}<td class="{{.Verdict}}">{{.Verdict}}{{if .Known}} (known){{end}}{{if .Observed}}<br><small>{{.Observed}}</small>{{end}}</td>{{end}}</tr>
{{end}}</tbody>
</table>
</div>
</main>
</body>
</html>
`

func matrixHTML(w io.Writer, m *Matrix) error {
	t, err := template.New("matrix").Parse(matrixPage)
	if err != nil {
		return err
	}
	safe := Matrix{}
	for _, s := range m.Servers {
		s.Name, s.Profile, s.Started, s.Suite.Version, s.Level = line(s.Name), line(s.Profile), line(s.Started), line(s.Suite.Version), strings.ToUpper(s.Level)
		safe.Servers = append(safe.Servers, s)
	}
	for _, r := range m.Rows {
		r.Requirement, r.Statement, r.Cells = line(r.Requirement), line(r.Statement), slices.Clone(r.Cells)
		for i := range r.Cells {
			r.Cells[i].Observed = excerpt(line(r.Cells[i].Observed), markdownReason)
		}
		safe.Rows = append(safe.Rows, r)
	}
	return t.Execute(w, map[string]any{"Servers": safe.Servers, "Rows": safe.Rows, "Caution": m.caution(), "Style": template.CSS(pageCSS), "Digest": digest(pageCSS)})
}
