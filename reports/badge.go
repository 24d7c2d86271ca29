package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A badge is what shields.io reads from an endpoint (its schema version 1).
type badge struct {
	SchemaVersion int    `json:"schemaVersion"`
	Label         string `json:"label"`
	Message       string `json:"message"`
	Color         string `json:"color"`
	IsError       bool   `json:"isError,omitempty"`
}

// Badge writes the JSON of a shields.io endpoint badge: the outcome with the
// level, the known failures, the suite's version and the day, without which a
// badge would claim more than the run showed.
func Badge(w io.Writer, r *Report) error {
	b := badge{SchemaVersion: 1, Label: "LRO cancel", Color: "lightgrey"}
	day, _, _ := strings.Cut(r.Started, "T")
	b.Message = fmt.Sprintf("%s (%s", r.Outcome, strings.ToUpper(r.Level))
	if n := knownFailures(r); n > 0 {
		b.Message += ", " + count(n, "known failure")
	}
	b.Message = line(b.Message + fmt.Sprintf(", conform %s, %s)", r.Suite.Version, day))
	switch r.Outcome {
	case Conformant:
		b.Color = "brightgreen"
		if knownFailures(r) > 0 {
			b.Color = "green"
		}
	case Nonconformant:
		b.Color = "red"
	case Incomplete:
		b.Color = "yellow"
	case Error:
		b.IsError = true
	}
	return json.NewEncoder(w).Encode(b)
}
