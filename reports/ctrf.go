package reports

import (
	"encoding/json"
	"io"
	"math"
	"time"
)

// The parts of a Common Test Report Format document (ctrf.io) that we write.
type ctrfDocument struct {
	ReportFormat string      `json:"reportFormat"`
	SpecVersion  string      `json:"specVersion"`
	GeneratedBy  string      `json:"generatedBy"`
	Timestamp    string      `json:"timestamp"`
	Results      ctrfResults `json:"results"`
}

type ctrfResults struct {
	Tool    ctrfTool    `json:"tool"`
	Summary ctrfSummary `json:"summary"`
	Tests   []ctrfTest  `json:"tests"`
}

type ctrfTool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type ctrfSummary struct {
	Tests   int       `json:"tests"`
	Passed  int       `json:"passed"`
	Failed  int       `json:"failed"`
	Pending int       `json:"pending"`
	Skipped int       `json:"skipped"`
	Other   int       `json:"other"`
	Start   int64     `json:"start"` // milliseconds since 1970
	Stop    int64     `json:"stop"`
	Extra   ctrfExtra `json:"extra"`
}

// ctrfExtra carries what the format has no place for: the conclusion over
// requirements, which are not the same as tests.
type ctrfExtra struct {
	Outcome      Outcome           `json:"outcome"`
	Reason       string            `json:"reason"`
	Level        string            `json:"level"`
	Requirements map[string]Totals `json:"requirements"`
}

type ctrfTest struct {
	Name      string            `json:"name"`
	Status    string            `json:"status"`
	Duration  int64             `json:"duration"` // milliseconds
	Suite     []string          `json:"suite"`
	Message   string            `json:"message,omitempty"`
	Trace     string            `json:"trace,omitempty"`
	RawStatus string            `json:"rawStatus"`
	Tags      []string          `json:"tags"`
	FilePath  string            `json:"filePath,omitempty"`
	Line      int               `json:"line,omitempty"`
	Steps     []ctrfStep        `json:"steps,omitempty"`
	Extra     map[string]string `json:"extra"`
}

type ctrfStep struct {
	Name   string `json:"name"`
	Status string `json:"status"`
}

// CTRF writes a Common Test Report Format document with one test for each
// case. What is inconclusive has the status other; what was not judged is
// skipped; rawStatus is our verdict.
func CTRF(w io.Writer, r *Report) error {
	start := startTime(r)
	doc := ctrfDocument{ReportFormat: "CTRF", SpecVersion: "0.1.0", GeneratedBy: "conform", Timestamp: start.Format(time.RFC3339)}
	doc.Results = ctrfResults{Tool: ctrfTool{Name: "conform", Version: r.Suite.Version}, Tests: []ctrfTest{}}
	s := &doc.Results.Summary
	s.Start, s.Stop = start.UnixMilli(), start.UnixMilli()+wholeMS(r.ElapsedMS)
	s.Extra = ctrfExtra{Outcome: r.Outcome, Reason: line(r.Reason), Level: r.Level, Requirements: notNilMap(r.Summary)}
	for i := range r.Cases {
		t := ctrfOf(&r.Cases[i])
		s.Tests++
		switch t.Status {
		case "passed":
			s.Passed++
		case "failed":
			s.Failed++
		case "skipped":
			s.Skipped++
		default:
			s.Other++
		}
		doc.Results.Tests = append(doc.Results.Tests, t)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(doc)
}

func ctrfOf(c *Case) ctrfTest {
	t := ctrfTest{Name: line(c.ID), Status: ctrfStatus(c.Verdict), Duration: wholeMS(c.ElapsedMS), Suite: []string{string(c.Transport), line(c.Feature)},
		Message: excerpt(line(c.Reason), bodyShown), RawStatus: string(c.Verdict), Tags: []string{string(c.Transport), c.Requirement},
		FilePath: line(c.File), Line: c.Line, Extra: map[string]string{"requirement": c.Requirement, "scenario": line(c.Scenario)}}
	if c.Verdict == Failed {
		t.Trace = junitText(c, c.Requirement)
	}
	for _, s := range c.Steps {
		t.Steps = append(t.Steps, ctrfStep{Name: line(s.Keyword + s.Text), Status: s.Status})
	}
	return t
}

func ctrfStatus(v Verdict) string {
	switch v {
	case Passed, Failed:
		return string(v)
	case Inconclusive:
		return "other"
	default:
		return "skipped"
	}
}

// startTime is when the run started; the epoch where the report does not tell.
func startTime(r *Report) time.Time {
	t, err := time.Parse(time.RFC3339, r.Started)
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return t
}

func wholeMS(ms float64) int64 { return int64(math.Round(ms)) }
