package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

// A KnownFailure is an entry of a baseline: a failure that is known, and
// therefore does not make a run nonconformant.
type KnownFailure struct {
	Requirement string            `json:"requirement" yaml:"requirement"`
	Transport   targets.Transport `json:"transport,omitempty" yaml:"transport,omitempty"` // "": every one
	// Fingerprint is that of the failure (Breach.Fingerprint); "": any.
	Fingerprint string `json:"fingerprint,omitempty" yaml:"fingerprint,omitempty"`
	Reason      string `json:"reason,omitempty" yaml:"reason"`             // why it is tolerated; mandatory in a file
	Issue       string `json:"issue,omitempty" yaml:"issue,omitempty"`     // a link to where it is dealt with
	Expires     string `json:"expires,omitempty" yaml:"expires,omitempty"` // YYYY-MM-DD, the last day on which it holds
	// Where is the file and line of the entry; "" where it was in none.
	Where string `json:"where,omitempty" yaml:"-"`
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
	s := k.Requirement
	if k.Transport != "" {
		s += " on " + string(k.Transport)
	}
	if k.Where != "" {
		s = k.Where + ": " + s
	}
	return s
}

type baselineFile struct {
	Known []baselineEntry `yaml:"known"`
}

// A baselineEntry is an entry with the line on which it stands.
type baselineEntry struct {
	KnownFailure `yaml:",inline"`
	line         int
}

// baselineKeys are the keys of an entry.
var baselineKeys = []string{"requirement", "transport", "fingerprint", "reason", "issue", "expires"}

// UnmarshalYAML reads an entry and remembers its line.
func (e *baselineEntry) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			if key := n.Content[i]; !slices.Contains(baselineKeys, key.Value) {
				return fmt.Errorf("line %d: field %s not found", key.Line, key.Value)
			}
		}
	}
	e.line = n.Line
	return n.Decode(&e.KnownFailure)
}

var day = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// ReadBaseline reads a baseline file: YAML with the one key `known`, a list of
// entries with requirement, transport, fingerprint, reason, issue and expires.
// The name is that of the file, for messages. An entry that names no
// requirement of the catalogue is an error, since it could hide nothing but a
// typing mistake; so is one without a reason.
func ReadBaseline(name string, data []byte, catalogue []features.Requirement) ([]KnownFailure, error) {
	var f baselineFile
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	ids := map[string]bool{}
	for _, q := range catalogue {
		ids[q.ID] = true
	}
	var out []KnownFailure
	var errs []error
	for _, e := range f.Known {
		e.Where = fmt.Sprintf("%s:%d", name, e.line)
		if err := e.check(ids); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.Where, err))
		}
		out = append(out, e.KnownFailure)
	}
	return out, errors.Join(errs...)
}

// check tells what is wrong with an entry.
func (k KnownFailure) check(ids map[string]bool) error {
	link, err := url.Parse(k.Issue)
	switch {
	case !ids[k.Requirement]:
		return fmt.Errorf("requirement: got %q, want an id of the catalogue", k.Requirement)
	case k.Transport != "" && k.Transport != targets.REST && k.Transport != targets.GRPC:
		return fmt.Errorf("transport: got %q, want rest or grpc", k.Transport)
	case k.Reason == "":
		return errors.New("reason: missing; say why the failure is tolerated")
	case k.Issue != "" && (err != nil || link.Host == ""):
		return fmt.Errorf("issue: got %q, want a link", k.Issue)
	case k.Expires != "" && !day.MatchString(k.Expires):
		return fmt.Errorf("expires: got %q, want YYYY-MM-DD", k.Expires)
	}
	return nil
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
	if err := e.Encode(map[string][]KnownFailure{"known": known}); err != nil {
		return err
	}
	return e.Close()
}

// Baseline returns the entries that make every present failure known, each
// with what the given one says beside: reason, issue and day. Those of entries
// of the run's baseline that still hold are kept.
func (r *Report) Baseline(add KnownFailure) []KnownFailure {
	var out []KnownFailure
	for _, q := range r.Requirements {
		for _, t := range targets.Transports() {
			if q.Transports[t] != Failed {
				continue
			}
			for _, f := range r.failings(q.ID, t) {
				k := add
				k.Requirement, k.Transport, k.Fingerprint, k.Where = q.ID, t, f.fingerprint, ""
				for _, old := range r.Criteria.Baseline {
					if old.tolerates(q.ID, t, f.fingerprint) && !old.expired(r.Criteria.Today) {
						k.Reason, k.Issue, k.Expires = old.Reason, old.Issue, old.Expires
					}
				}
				out = append(out, k)
			}
		}
	}
	return out
}

// excuses say why a failure that is known is tolerated, and until when.
func (r *Report) excuses(q *Requirement) []string {
	var out []string
	for _, k := range r.Criteria.Baseline {
		if !q.Known || k.Requirement != q.ID || k.expired(r.Criteria.Today) {
			continue
		}
		s := k.Reason
		if k.Issue != "" {
			s += ", " + k.Issue
		}
		if k.Expires != "" {
			s += ", until " + k.Expires
		}
		out = appendNew(out, s)
	}
	return out
}

// tolerates tells whether the entry makes one kind of failure known.
func (k KnownFailure) tolerates(id string, t targets.Transport, fingerprint string) bool {
	return k.covers(id, t) && (k.Fingerprint == "" || k.Fingerprint == fingerprint)
}
