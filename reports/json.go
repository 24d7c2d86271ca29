package reports

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/lro-tools/conform/targets"
)

// JSON writes the whole report in the form that schemas/report.schema.json
// describes and Decode reads. It is written case by case: the text of a long
// run takes many times the memory of one.
func JSON(w io.Writer, r *Report) error {
	whole := filled(r)
	cases := whole.Cases
	whole.Cases = []Case{}
	frame, err := json.MarshalIndent(whole, "", " ")
	if err != nil {
		return err
	}
	// No string holds a line break, so that this is the report's own member.
	before, after, found := bytes.Cut(frame, []byte("\n \"cases\": []"))
	if !found {
		return errors.New("report: no place for its cases")
	}
	out := bufio.NewWriter(w)
	out.Write(before) // what goes wrong is told by Flush
	out.WriteString("\n \"cases\": [")
	for i, c := range cases {
		text, err := json.MarshalIndent(c, "  ", " ")
		if err != nil {
			return err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n  ")
		out.Write(text)
	}
	if len(cases) > 0 {
		out.WriteString("\n ")
	}
	out.WriteByte(']')
	out.Write(after)
	out.WriteByte('\n')
	return out.Flush()
}

// filled returns the report with empty lists and maps in place of missing
// ones, so that readers need not tell null from empty.
func filled(r *Report) *Report {
	out := *r
	out.Target.Implementation = notNilMap(r.Target.Implementation)
	out.Summary = notNilMap(r.Summary)
	out.Requirements = append([]Requirement{}, r.Requirements...)
	for i := range out.Requirements {
		q := &out.Requirements[i]
		q.Notes, q.Cases, q.Transports = notNil(q.Notes), notNil(q.Cases), notNilMap(q.Transports)
	}
	out.Cases = append([]Case{}, r.Cases...)
	for i := range out.Cases {
		c := &out.Cases[i]
		c.Broke, c.Steps, c.Exchanges = notNil(c.Broke), notNil(c.Steps), notNil[targets.Exchange](c.Exchanges)
	}
	return &out
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func notNilMap[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}
