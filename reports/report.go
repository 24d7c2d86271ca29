// Package reports holds what a run found and writes it in every format.
package reports

import (
	"encoding/json"
	"io"

	"github.com/lro-tools/conform/targets"
)

// A Verdict is what is known of a requirement, or of one case.
type Verdict string

// The verdicts.
const (
	Passed       Verdict = "passed"
	Failed       Verdict = "failed"       // the server broke it, with evidence
	Inconclusive Verdict = "inconclusive" // it could not be told, with the reason
	Untested     Verdict = "untested"     // a role or principal is not configured: which key to add
	Inapplicable Verdict = "inapplicable" // the target declares, or shows, that it does not offer this
	Deselected   Verdict = "deselected"   // by --run, --skip, exclude, or another shard
)

// Verdicts returns all verdicts, the worst first, as a requirement's cases on
// one transport are weighed.
func Verdicts() []Verdict {
	return []Verdict{Failed, Passed, Inconclusive, Untested, Inapplicable, Deselected}
}

// An Outcome is what a run as a whole says.
type Outcome string

// The outcomes.
const (
	Conformant    Outcome = "conformant"
	Nonconformant Outcome = "nonconformant"
	Incomplete    Outcome = "incomplete"
	Error         Outcome = "error"
	Interrupted   Outcome = "interrupted"
)

// Levels of requirements.
const (
	Must   = "MUST"
	Should = "SHOULD"
	May    = "MAY"
	Info   = "INFO"
)

// Schema names the form of the report.
const Schema = "conform/report/v1"

// A Report is what one run found. Cases are the facts; Conclude computes all
// that follows from them.
type Report struct {
	Schema    string  `json:"schema"`
	Suite     Suite   `json:"suite"`
	Target    Target  `json:"target"`
	Started   string  `json:"started"` // RFC 3339
	ElapsedMS float64 `json:"elapsed_ms"`
	Level     string  `json:"level"` // must or should: the lowest level that counts
	Outcome   Outcome `json:"outcome"`
	// Reason says the outcome in words.
	Reason string `json:"reason"`
	// Problem is why nothing could be judged on any transport; "" else.
	Problem string `json:"problem,omitempty"`
	// Signal is the signal that interrupted the run (2 or 15); 0 else.
	Signal       int               `json:"signal,omitempty"`
	Summary      map[string]Totals `json:"summary"` // by level
	Requirements []Requirement     `json:"requirements"`
	Cases        []Case            `json:"cases"`
	// Leftover names operations that could not be cancelled at the end.
	Leftover []string `json:"leftover,omitempty"`
	// Pace is how many calls per second the run kept to, by method, where the
	// server refused more.
	Pace map[string]float64 `json:"pace,omitempty"`
	// Advice is the YAML, to add to the target file, that would let what is
	// untested be judged; "" where nothing is.
	Advice string `json:"advice,omitempty"`
	// StaleBaseline holds a line for each entry of the baseline that is stale or expired.
	StaleBaseline []string `json:"stale_baseline,omitempty"`
	// Criteria are what Conclude was given, so that saved reports can be
	// concluded again (merge).
	Criteria Criteria `json:"criteria"`
}

// Suite identifies the suite.
type Suite struct {
	Version   string `json:"version"`
	Catalogue string `json:"catalogue"` // digest of the catalogue
}

// Target identifies who was judged.
type Target struct {
	Name           string            `json:"name"`
	Implementation map[string]string `json:"implementation"`
	Profile        string            `json:"profile"`
	REST           string            `json:"rest,omitempty"`
	GRPC           string            `json:"grpc,omitempty"`
	// File is the target file as it was named, Set what was changed of it by
	// assignments, secrets removed; both empty where the target has no file.
	File string   `json:"file,omitempty"`
	Set  []string `json:"set,omitempty"`
}

// Totals counts requirements by verdict.
type Totals struct {
	Passed       int `json:"passed"`
	Failed       int `json:"failed"`
	Inconclusive int `json:"inconclusive"`
	Untested     int `json:"untested"`
	Inapplicable int `json:"inapplicable"`
	Deselected   int `json:"deselected"`
}

// A Requirement is what the run says of one entry of the catalogue.
type Requirement struct {
	ID         string                        `json:"id"`
	Group      string                        `json:"group"`
	Level      string                        `json:"level"` // the effective one
	Statement  string                        `json:"statement"`
	Verdict    Verdict                       `json:"verdict"`
	Reason     string                        `json:"reason"`
	Notes      []string                      `json:"notes"`
	Observed   string                        `json:"observed"`
	Known      bool                          `json:"known"` // failed, and the baseline says so
	Transports map[targets.Transport]Verdict `json:"transports"`
	// Reasons are those of each transport, where there is one; Reason is that
	// of the transport that decides.
	Reasons map[targets.Transport]string `json:"reasons,omitempty"`
	Cases   []string                     `json:"cases"`
	// LikelyCause says in words which known fault the failures fit (Diagnose).
	LikelyCause string `json:"likely_cause,omitempty"`
	// Repeat holds the commands that judge it again, where it failed.
	Repeat []string `json:"repeat,omitempty"`
	// Runs tells how often each transport was judged, where cases were repeated.
	Runs map[targets.Transport]Ratio `json:"runs,omitempty"`
}

// A Ratio tells how often something passed of how often it was judged.
type Ratio struct {
	Passed int `json:"passed"`
	Judged int `json:"judged"`
}

// A Case is one scenario on one transport: it judges one requirement, and the
// invariants beside it.
type Case struct {
	ID          string            `json:"id"`      // requirement/transport/scenario-slug[/row]
	Feature     string            `json:"feature"` // the feature's name
	File        string            `json:"file"`    // features/x.feature
	Line        int               `json:"line"`    // the scenario's
	Rule        string            `json:"rule"`
	Scenario    string            `json:"scenario"`
	Transport   targets.Transport `json:"transport"`
	Verdict     Verdict           `json:"verdict"`
	Reason      string            `json:"reason"`
	Requirement string            `json:"requirement"`
	// Broke names the invariants that were broken beside; Held those that
	// were seen and kept.
	Broke []string `json:"broke"`
	Held  []string `json:"held,omitempty"`
	// Breaches tells, by id, how each requirement that this case accuses was broken.
	Breaches []Breach `json:"breaches,omitempty"`
	// Notes and Observed belong to requirements, by id.
	Notes    map[string][]string `json:"notes,omitempty"`
	Observed map[string]string   `json:"observed,omitempty"`
	Needs    string              `json:"needs,omitempty"` // untested: the key of the target file that would let it be judged (operations.slow)
	SuiteBug bool                `json:"suite_error,omitempty"`
	// Repeat holds the lines of a shell script that makes the calls of a case
	// that failed again, by hand.
	Repeat    []string           `json:"repeat,omitempty"`
	ElapsedMS float64            `json:"elapsed_ms"`
	Steps     []Step             `json:"steps"`
	Exchanges []targets.Exchange `json:"exchanges"`
}

// Why a case is deselected. The last differs from the others: what other cases
// saw of its requirement still counts.
const (
	DeselectedByPattern   = "not selected by --run or --skip"
	DeselectedByExclusion = "excluded: " // followed by the reason
	DeselectedByTransport = "not selected by --transport"
	DeselectedByShard     = "in another shard"
)

// A Breach tells how one requirement was broken.
type Breach struct {
	Requirement string `json:"requirement"`
	Message     string `json:"message"`            // what was seen, in words
	Expected    string `json:"expected,omitempty"` // all that would have been legal
	Actual      string `json:"actual,omitempty"`
	Pointer     string `json:"pointer,omitempty"` // JSON pointer into the answer's body
	Exchange    int    `json:"exchange"`          // index into the case's exchanges of the call that shows it; -1: none does alone
	// Fingerprint is the same in every run for the same kind of failure.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// A Step is one line of a scenario.
type Step struct {
	Keyword string `json:"keyword"`
	Text    string `json:"text"`
	Line    int    `json:"line"`
	Status  string `json:"status"` // passed, failed, skipped
	Message string `json:"message"`
}

// A Writer renders a report in one format.
type Writer func(w io.Writer, r *Report) error

// Decode reads a report in its JSON form.
func Decode(data []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	return &r, nil
}
