package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"` // seconds
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr,omitempty"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string       `xml:"name,attr"`
	Classname string       `xml:"classname,attr"` // the requirement
	File      string       `xml:"file,attr,omitempty"`
	Line      int          `xml:"line,attr,omitempty"`
	Time      string       `xml:"time,attr"`
	Failure   *junitResult `xml:"failure"`
	Error     *junitResult `xml:"error"`
	Skipped   *junitResult `xml:"skipped"`
}

type junitResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes JUnit XML: a test suite for each transport, in it a test case
// for each case and one for each invariant. What was not judged is skipped,
// with the reason; an error is a fault of the suite, or a problem that kept it
// from judging. It is well-formed whatever a server sent.
func JUnit(w io.Writer, r *Report) error {
	entries, err := catalogueByID()
	if err != nil {
		return err
	}
	all := junitSuites{Name: "conform " + line(r.Target.Name), Time: seconds(r.ElapsedMS)}
	if r.Problem != "" {
		s := junitSuite{Name: "conform", Time: seconds(0), Timestamp: line(r.Started)}
		s.add(junitCase{Name: "the target can be judged", Classname: "conform", Time: seconds(0),
			Error: &junitResult{Message: line(r.Problem), Type: string(Error)}})
		all.add(s)
	}
	for _, t := range targets.Transports() {
		if s := junitSuiteOf(r, t, entries); len(s.Cases) > 0 {
			all.add(s)
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}

func (a *junitSuites) add(s junitSuite) {
	a.Suites = append(a.Suites, s)
	a.Tests += s.Tests
	a.Failures += s.Failures
	a.Errors += s.Errors
	a.Skipped += s.Skipped
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

// junitSuiteOf is everything that was judged over one transport.
func junitSuiteOf(r *Report, t targets.Transport, entries map[string]features.Requirement) junitSuite {
	s := junitSuite{Name: string(t), Timestamp: line(r.Started)}
	elapsed := 0.0
	for i := range r.Cases {
		if c := &r.Cases[i]; c.Transport == t {
			s.add(junitOf(c))
			elapsed += c.ElapsedMS
		}
	}
	s.Time = seconds(elapsed)
	if len(s.Cases) == 0 {
		return s
	}
	for i := range r.Requirements {
		q := &r.Requirements[i]
		v, ok := q.Transports[t]
		if e := entries[q.ID]; !ok || !e.Invariant() {
			continue
		}
		c := junitCase{Name: "invariant/" + string(t), Classname: q.ID, Time: seconds(0)}
		c.conclude(v, q.Reasons[t], invariantText(r, q.ID, t))
		s.add(c)
	}
	return s
}

func junitOf(c *Case) junitCase {
	name := strings.TrimPrefix(c.ID, c.Requirement+"/")
	out := junitCase{Name: line(name), Classname: line(c.Requirement), File: line(c.File), Line: c.Line, Time: seconds(c.ElapsedMS)}
	if c.SuiteBug {
		out.Error = &junitResult{Message: line(c.Reason), Type: "suite error"}
		return out
	}
	out.conclude(c.Verdict, c.Reason, junitText(c, c.Requirement))
	return out
}

// conclude writes a verdict; a case that passed has neither child.
func (j *junitCase) conclude(v Verdict, reason, text string) {
	switch v {
	case Passed:
	case Failed:
		j.Failure = &junitResult{Message: excerpt(line(reason), bodyShown), Type: string(v), Text: text}
	default:
		j.Skipped = &junitResult{Message: fmt.Sprintf("%s: %s", v, excerpt(line(reason), bodyShown))}
	}
}

// invariantText is the evidence of the first case that found an invariant
// broken; "" where none did.
func invariantText(r *Report, id string, t targets.Transport) string {
	for _, c := range accusers(r, id, t) {
		return junitText(c, id)
	}
	return ""
}

// junitText is the evidence against a requirement in plain text; "" where a
// case has none.
func junitText(c *Case, id string) string {
	var b strings.Builder
	for _, br := range c.Breaches {
		if br.Requirement != id {
			continue
		}
		fmt.Fprintf(&b, "%s\nexpected: %s\nactual: %s\n", excerpt(line(br.Message), bodyShown), excerpt(line(br.Expected), bodyShown), excerpt(line(br.Actual), bodyShown))
		if br.Pointer != "" {
			fmt.Fprintf(&b, "at: %s\n", line(br.Pointer))
		}
	}
	if b.Len() == 0 && c.Verdict != Failed {
		return ""
	}
	fmt.Fprintf(&b, "%s\n", line(c.ID))
	for _, l := range timeline(c) {
		fmt.Fprintf(&b, "%s\n", l)
	}
	return b.String()
}

func seconds(ms float64) string { return fmt.Sprintf("%.3f", ms/1000) }
