package main

import (
	"fmt"
	"html/template"
	"io"
	"strings"
)

// matrixText writes the kill matrix for a terminal: the servers first, then
// what each requirement kills, then what is weak.
func matrixText(w io.Writer, m *killMatrix) error {
	var b strings.Builder
	fmt.Fprintf(&b, "conform %s (catalogue %s) tried on %d servers in %.1f s\n\nLegal servers\n", m.Version, m.Catalogue, len(m.Mutants)+len(m.Legal), m.ElapsedMS/1000)
	for _, k := range m.Legal {
		word := "not accused"
		if len(k.Extra) > 0 {
			word = "ACCUSED of " + strings.Join(k.Extra, ", ")
		}
		fmt.Fprintf(&b, "  %-40s %s%s\n", k.Name, word, unsettled(k))
	}
	b.WriteString("\nMutants\n")
	for _, k := range m.Mutants {
		word := k.Status
		if k.Status != killed {
			word = strings.ToUpper(word)
		}
		fmt.Fprintf(&b, "  %-40s %-18s %s%s\n", k.Name, word, strings.Join(k.Found, ", "), unsettled(k))
		if len(k.Missed) > 0 {
			fmt.Fprintf(&b, "      not found: %s\n", strings.Join(k.Missed, ", "))
		}
		if len(k.Extra) > 0 {
			fmt.Fprintf(&b, "      accused of more than it breaks: %s\n", strings.Join(k.Extra, ", "))
		}
	}
	b.WriteString("\nRequirements, and the mutants that each kills\n")
	for _, r := range m.Requirements {
		if len(r.Mutants) > 0 {
			fmt.Fprintf(&b, "  %-6s %-5s %-40s %s\n", r.Level, r.Transport, r.ID, strings.Join(r.Mutants, ", "))
		}
	}
	if weak := m.weak(); len(weak) > 0 {
		b.WriteString("\nWeak\n")
		for _, line := range weak {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	fmt.Fprintf(&b, "\nScore: %d of %d mutants killed (%.1f %%), %d of %d legal servers accused\n", m.Killed, len(m.Mutants), m.Score, m.Accused, len(m.Legal))
	_, err := io.WriteString(w, b.String())
	return err
}

func unsettled(k kill) string {
	switch {
	case len(k.With) > 0 && k.Unsettled > 0:
		return fmt.Sprintf(", together with %s (%d cases inconclusive)", strings.Join(k.With, ", "), k.Unsettled)
	case len(k.With) > 0:
		return ", together with " + strings.Join(k.With, ", ")
	case k.Again:
		return " (when it was tried once more)"
	case k.Narrow:
		return " (judged only by what it breaks)"
	case k.Problem != "":
		return " (" + k.Problem + ")"
	case k.Unsettled > 0 && k.Status == "":
		return fmt.Sprintf(" (%d cases inconclusive)", k.Unsettled)
	}
	return ""
}

// weak tells where the suite is not proven: requirements that kill nothing,
// and mutants that were accused of more than they break.
func (m *killMatrix) weak() []string {
	var out []string
	for _, r := range m.Requirements {
		switch {
		case len(r.Survivors) > 0:
			out = append(out, fmt.Sprintf("%s over %s misses %s", r.ID, r.Transport, strings.Join(r.Survivors, ", ")))
		case len(r.Mutants) == 0 && !m.Partial:
			out = append(out, fmt.Sprintf("%s over %s (%s) kills no mutant", r.ID, r.Transport, r.Level))
		}
	}
	for _, k := range m.Mutants {
		if len(k.Extra) > 0 {
			out = append(out, fmt.Sprintf("%s is accused of more than it breaks: %s", k.Name, strings.Join(k.Extra, ", ")))
		}
	}
	return out
}

// matrixPage is the kill matrix as one page without scripts.
const matrixPage = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>conform selftest: {{.Killed}} of {{len .Mutants}} mutants killed</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); overflow-wrap: anywhere }
.bad { font-weight: bold; background: color-mix(in srgb, #c00 22%, transparent) }
</style>
<h1>{{.Killed}} of {{len .Mutants}} mutants killed ({{printf "%.1f" .Score}} %)</h1>
<p>{{.Accused}} of {{len .Legal}} legal servers accused. conform {{.Version}}, catalogue {{.Catalogue}}.</p>
<h2>Mutants</h2>
<table><tr><th>Mutant<th>Outcome<th>Found<th>Not found<th>Accused beside
{{range .Mutants}}<tr{{if ne .Status "killed"}} class="bad"{{end}}><td>{{.Name}}<br><small>{{.Doc}}</small><td>{{.Status}}{{if .Again}} when tried once more{{end}}<td>{{range .Found}}{{.}} {{end}}<td>{{range .Missed}}{{.}} {{end}}<td>{{range .Extra}}{{.}} {{end}}
{{end}}</table>
<h2>Legal servers</h2>
<table><tr><th>Server<th>Accused of
{{range .Legal}}<tr{{if .Extra}} class="bad"{{end}}><td>{{.Name}}<br><small>{{.Doc}}</small><td>{{range .Extra}}{{.}} {{else}}nothing{{end}}{{if .With}} (together with {{range $i, $n := .With}}{{if $i}}, {{end}}{{$n}}{{end}}){{end}}
{{end}}</table>
<h2>Requirements</h2>
<table><tr><th>Requirement<th>Level<th>Transport<th>Kills<th>Misses
{{range .Requirements}}<tr><td>{{.ID}}<td>{{.Level}}<td>{{.Transport}}<td>{{range .Mutants}}{{.}} {{else}}nothing{{end}}<td>{{range .Survivors}}{{.}} {{end}}
{{end}}</table>
</html>
`

func matrixHTML(w io.Writer, m *killMatrix) error {
	t, err := template.New("selftest").Parse(matrixPage)
	if err != nil {
		return err
	}
	return t.Execute(w, m)
}
