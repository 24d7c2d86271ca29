package reports

import (
	"encoding/json"
	"io"

	"github.com/lro-tools/conform/targets"
)

// JSON writes the whole report in the form that schemas/report.schema.json
// describes and Decode reads.
func JSON(w io.Writer, r *Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(filled(r))
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
