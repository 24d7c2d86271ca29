package reports

import "strings"

// Levels that a run can be held to (--level).
const (
	LevelMust   = "must"
	LevelShould = "should"
)

// Criteria are what a run is concluded by, beside its cases and the catalogue.
type Criteria struct {
	Level             string         `json:"-"` // must or should; it stands as the report's level; "": as it stands there
	Guaranteed        bool           `json:"guaranteed"`
	RunningConfigured bool           `json:"running_configured"` // operations.running says how to start one
	Baseline          []KnownFailure `json:"baseline,omitempty"`
	Today             string         `json:"today,omitempty"` // YYYY-MM-DD, by which an entry expires; "": the day of the start
}

// Requirement returns what the report says of a requirement; nil where it
// does not know the id.
func (r *Report) Requirement(id string) *Requirement {
	for i := range r.Requirements {
		if r.Requirements[i].ID == id {
			return &r.Requirements[i]
		}
	}
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
