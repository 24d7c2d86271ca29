package reports

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed assets/report.html
var pageHTML string

//go:embed assets/report.css
var pageCSS string

//go:embed assets/report.js
var pageJS string

// A page is what the HTML template needs.
type page struct {
	Outcome                Outcome
	Reason, Known, Subject string
	REST, GRPC             string
	Version, Catalogue     string
	Started, Elapsed       string
	Profile, Level, Advice string
	Leftover               []string
	Paced                  string
	Failures               []Requirement
	Verdicts               []Verdict
	Rows                   []pageRow
	Policy                 string
	Style                  template.CSS
	Data, Script           template.JS
}

type pageRow struct {
	Level string
	Cells []pageCell
}

type pageCell struct {
	Verdict Verdict
	N       int
}

// HTML writes one self-contained page: the verdict first, then the
// requirements, which unfold to their cases and calls. It loads nothing and
// contacts nobody: its content security policy allows its own script and style
// only, by their digests. What a server sent is data in it, never markup.
func HTML(w io.Writer, r *Report) error {
	data, err := pageData(r)
	if err != nil {
		return err
	}
	t, err := template.New("report").Parse(pageHTML)
	if err != nil {
		return err
	}
	p := page{
		Outcome: r.Outcome, Reason: excerpt(line(strings.TrimPrefix(r.Reason, string(r.Outcome)+": ")), 1000), Subject: line(subject(r)),
		REST: line(r.Target.REST), GRPC: line(r.Target.GRPC),
		Version: line(r.Suite.Version), Catalogue: line(r.Suite.Catalogue), Started: line(r.Started), Elapsed: fmt.Sprintf("%.1f s", r.ElapsedMS/1000),
		Profile: line(r.Target.Profile), Level: strings.ToUpper(r.Level),
		Verdicts: Verdicts(), Policy: policy(), Style: template.CSS(pageCSS),
		// Both are ours, or encoded so that they can close no element.
		Data: template.JS(data), Script: template.JS(pageJS),
	}
	if n := knownFailures(r); n > 0 {
		p.Known = count(n, "known failure")
	}
	if r.Outcome == Incomplete {
		p.Advice = harmless(r.Advice, true)
	}
	for _, q := range r.Requirements {
		if q.Verdict == Failed {
			q.Reason = excerpt(line(q.Reason), 300)
			p.Failures = append(p.Failures, q)
		}
	}
	p.Paced = r.paced()
	for _, n := range r.Leftover {
		p.Leftover = append(p.Leftover, line(n))
	}
	for _, level := range []string{Must, Should, May, Info} {
		row := pageRow{Level: level}
		for _, v := range Verdicts() {
			row.Cells = append(row.Cells, pageCell{v, r.Summary[level].Of(v)})
		}
		p.Rows = append(p.Rows, row)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// policy is the content security policy of the page.
func policy() string {
	return fmt.Sprintf("default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'", digest(pageJS), digest(pageCSS))
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}
