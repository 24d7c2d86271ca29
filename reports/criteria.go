package reports

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

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

// A KnownFailure is an entry of a baseline: a requirement that is known to
// fail, and therefore does not make a run nonconformant.
type KnownFailure struct {
	Requirement string            `json:"requirement" yaml:"requirement"`
	Transport   targets.Transport `json:"transport,omitempty" yaml:"transport,omitempty"` // "": every one
	Reason      string            `json:"reason,omitempty" yaml:"reason,omitempty"`
	Expires     string            `json:"expires,omitempty" yaml:"expires,omitempty"` // YYYY-MM-DD, the last day on which it holds
}

// expired tells whether the entry's last day is past.
func (k KnownFailure) expired(today string) bool {
	return k.Expires != "" && today != "" && k.Expires < today
}

// covers tells whether the entry speaks of a requirement on a transport.
func (k KnownFailure) covers(id string, t targets.Transport) bool {
	return k.Requirement == id && (k.Transport == "" || k.Transport == t)
}

// String names the entry as messages do.
func (k KnownFailure) String() string {
	if k.Transport == "" {
		return k.Requirement
	}
	return k.Requirement + " on " + string(k.Transport)
}

type baselineFile struct {
	Known []KnownFailure `yaml:"known"`
}

var day = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// ReadBaseline reads a baseline file: YAML with the one key `known`, a list of
// entries with requirement, transport, reason and expires. An entry that names
// no requirement of the catalogue is an error, since it could hide nothing but
// a typing mistake.
func ReadBaseline(data []byte, catalogue []features.Requirement) ([]KnownFailure, error) {
	var f baselineFile
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && err != io.EOF {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	ids := map[string]bool{}
	for _, q := range catalogue {
		ids[q.ID] = true
	}
	for i, k := range f.Known {
		switch {
		case !ids[k.Requirement]:
			return nil, fmt.Errorf("baseline: known[%d].requirement: got %q, want an id of the catalogue", i, k.Requirement)
		case k.Transport != "" && k.Transport != targets.REST && k.Transport != targets.GRPC:
			return nil, fmt.Errorf("baseline: known[%d].transport: got %q, want rest or grpc", i, k.Transport)
		case k.Expires != "" && !day.MatchString(k.Expires):
			return nil, fmt.Errorf("baseline: known[%d].expires: got %q, want YYYY-MM-DD", i, k.Expires)
		}
	}
	return f.Known, nil
}

// WriteBaseline writes a baseline file that ReadBaseline reads.
func WriteBaseline(w io.Writer, known []KnownFailure) error {
	if _, err := io.WriteString(w, "# Failures that are known: they stay failed, but do not make a run nonconformant.\n"); err != nil {
		return err
	}
	if known == nil {
		known = []KnownFailure{}
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(baselineFile{Known: known}); err != nil {
		return err
	}
	return e.Close()
}

// Baseline returns the entries that make every present failure known. Reasons
// and days of an earlier baseline are kept.
func (r *Report) Baseline() []KnownFailure {
	var out []KnownFailure
	for _, q := range r.Requirements {
		for _, t := range targets.Transports() {
			if q.Transports[t] != Failed {
				continue
			}
			k := KnownFailure{Requirement: q.ID, Transport: t, Reason: firstLine(q.Reason)}
			for _, old := range r.Criteria.Baseline {
				if old.covers(q.ID, t) && !old.expired(r.Criteria.Today) {
					k.Reason, k.Expires = old.Reason, old.Expires
				}
			}
			out = append(out, k)
		}
	}
	return out
}

// PrunedBaseline returns the entries of the run's baseline that are neither
// stale nor expired.
func (r *Report) PrunedBaseline() []KnownFailure {
	var out []KnownFailure
	for _, k := range r.Criteria.Baseline {
		if !k.expired(r.Criteria.Today) && !r.stale(k) {
			out = append(out, k)
		}
	}
	return out
}

// stale tells whether what an entry calls known did not fail where it was
// judged: an entry is stale once every transport it covers that was judged
// passed, all of it in this run and not in part in another shard.
func (r *Report) stale(k KnownFailure) bool {
	q := r.Requirement(k.Requirement)
	if q == nil {
		return true
	}
	passed := false
	for t, v := range q.Transports {
		if !k.covers(q.ID, t) {
			continue
		}
		switch {
		case v == Failed || v == Inconclusive:
			return false
		case v == Passed && r.elsewhere(q.ID, t):
			return false
		case v == Passed:
			passed = true
		}
	}
	return passed
}

// elsewhere tells whether another shard judges cases of a requirement too.
func (r *Report) elsewhere(id string, t targets.Transport) bool {
	for i := range r.Cases {
		c := &r.Cases[i]
		if c.Transport == t && c.Verdict == Deselected && c.Reason == DeselectedByShard && c.Requirement == id {
			return true
		}
	}
	return false
}

// weighBaseline marks failures that the baseline knows, and lists the entries
// that are stale or expired.
func (r *Report) weighBaseline() {
	c := r.Criteria
	for i := range r.Requirements {
		q := &r.Requirements[i]
		q.Known = q.Verdict == Failed
		for t, v := range q.Transports {
			if v == Failed && !c.knows(q.ID, t) {
				q.Known = false
			}
		}
	}
	r.StaleBaseline = nil
	for _, k := range c.Baseline {
		switch {
		case k.expired(c.Today):
			r.StaleBaseline = append(r.StaleBaseline, fmt.Sprintf("%s: expired on %s", k, k.Expires))
		case r.stale(k):
			r.StaleBaseline = append(r.StaleBaseline, fmt.Sprintf("%s: stale, it does not fail any more", k))
		}
	}
	sort.Strings(r.StaleBaseline)
}

func (c Criteria) knows(id string, t targets.Transport) bool {
	for _, k := range c.Baseline {
		if k.covers(id, t) && !k.expired(c.Today) {
			return true
		}
	}
	return false
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
