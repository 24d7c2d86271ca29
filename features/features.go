// Package features holds the contract: the scenarios, and the catalogue of
// requirements that they judge.
package features

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"sort"
	"strings"
)

//go:embed *.feature requirements.json
var files embed.FS

// A Source is where a rule comes from.
type Source struct {
	Document string `json:"document"`
	Section  string `json:"section"`
}

// A Requirement is one entry of the catalogue.
type Requirement struct {
	ID         string            `json:"id"`
	Group      string            `json:"group"`
	Kind       string            `json:"kind"`  // scenario or invariant
	Level      string            `json:"level"` // MUST, SHOULD, MAY or INFO
	Basis      string            `json:"basis"` // K, P, D, C, F: see Explain
	Transports []string          `json:"transports"`
	Roles      []string          `json:"roles"`
	Principals []string          `json:"principals,omitempty"`
	Profiles   map[string]string `json:"profiles,omitempty"`
	Statement  string            `json:"statement"`
	Observe    string            `json:"observe"`
	Tolerate   string            `json:"tolerate"`
	Sources    []Source          `json:"sources"`
}

// Invariant tells whether the requirement is judged on every answer seen.
func (r Requirement) Invariant() bool { return r.Kind == "invariant" }

// Counts tells whether the entry can fail: MAY and INFO never do.
func (r Requirement) Counts() bool { return r.Level == "MUST" || r.Level == "SHOULD" }

// On tells whether the requirement applies to a transport ("rest", "grpc").
func (r Requirement) On(transport string) bool {
	for _, t := range r.Transports {
		if t == transport {
			return true
		}
	}
	return false
}

// Effective returns the level of the requirement for a target, and whether a
// breach of it is only a note there. The profile may sharpen or soften an
// entry; a target that guarantees its cancellation makes
// cancel.effect.best-effort a MUST.
func (r Requirement) Effective(profile string, guaranteed bool) (level string, noteOnly bool) {
	level = r.Level
	p := r.Profiles[profile]
	word, _, _ := strings.Cut(p, ",")
	switch word {
	case "":
	case "note":
		noteOnly = true
	default:
		level = word
	}
	if guaranteed && r.ID == "cancel.effect.best-effort" {
		level = "MUST"
	}
	return level, noteOnly
}

// Requirements returns the catalogue, in its order.
func Requirements() ([]Requirement, error) {
	data, err := files.ReadFile("requirements.json")
	if err != nil {
		return nil, err
	}
	var doc struct {
		Requirements []Requirement `json:"requirements"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("requirements.json: %w", err)
	}
	return doc.Requirements, nil
}

// Digest identifies this state of the catalogue and the scenarios: the first
// 12 hexadecimal digits of a SHA-256 over them.
func Digest() (string, error) {
	h := sha256.New()
	names, err := fs.Glob(files, "*")
	if err != nil {
		return "", err
	}
	sort.Strings(names)
	for _, n := range names {
		data, err := files.ReadFile(n)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", n, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// A File is one feature file.
type File struct {
	Name     string // cancel_state.feature
	Contents []byte
}

// Files returns the feature files, sorted by name.
func Files() ([]File, error) {
	names, err := fs.Glob(files, "*.feature")
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	var out []File
	for _, n := range names {
		data, err := files.ReadFile(n)
		if err != nil {
			return nil, err
		}
		out = append(out, File{Name: n, Contents: data})
	}
	return out, nil
}
