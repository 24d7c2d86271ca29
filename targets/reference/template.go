package reference

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the length of the longest operation name, in bytes.
const maxName = 1024

// A template is the pattern of operation names: literals, * for one segment,
// and a last ** for one or more (google/api/http.proto has zero or more, but
// an operation without an id is none).
type template struct {
	text     string
	segments []string
	// collection is the index of the last literal, which is the collection of
	// the operations; what precedes it is their parent.
	collection int
}

func parseTemplate(text string) (template, error) {
	t := template{text: text, segments: strings.Split(text, "/"), collection: -1}
	for i, s := range t.segments {
		switch {
		case s == "":
			return t, fmt.Errorf("name template %q: empty segment", text)
		case s == "**" && i != len(t.segments)-1:
			return t, fmt.Errorf("name template %q: ** is not last", text)
		case !strings.Contains(s, "*"):
			t.collection = i
		case s != "*" && s != "**":
			return t, fmt.Errorf("name template %q: segment %q is neither literal nor * nor **", text, s)
		}
	}
	if t.collection < 0 || t.collection == len(t.segments)-1 {
		return t, fmt.Errorf("name template %q: no collection before the id", text)
	}
	return t, nil
}

// matchSegments tells whether the segments are an instance of the pattern.
func matchSegments(pattern, segments []string) bool {
	for i, p := range pattern {
		if p == "**" {
			return len(segments) > i && !hasEmpty(segments[i:])
		}
		if i >= len(segments) || segments[i] == "" || p != "*" && p != segments[i] {
			return false
		}
	}
	return len(segments) == len(pattern)
}

func hasEmpty(segments []string) bool {
	for _, s := range segments {
		if s == "" {
			return true
		}
	}
	return false
}

// split returns the segments of a path; none for "".
func split(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// matches tells whether the path is an operation name by its shape.
func (t template) matches(path string) bool {
	return matchSegments(t.segments, split(path))
}

// parentOf cuts the collection off a path such as projects/p/operations.
func (t template) parentOf(path string) (parent string, ok bool) {
	segments := split(path)
	if !matchSegments(t.segments[:t.collection+1], segments) {
		return "", false
	}
	return strings.Join(segments[:t.collection], "/"), true
}

// isParent tells whether operations may stand below the path.
func (t template) isParent(path string) bool {
	return matchSegments(t.segments[:t.collection], split(path))
}

// nested tells whether ids may have several segments.
func (t template) nested() bool { return t.segments[len(t.segments)-1] == "**" }

// name composes the name of the operation with the id below the parent.
func (t template) name(parent, id string) string {
	parts := append(split(parent), t.segments[t.collection], id)
	return strings.Join(parts, "/")
}

// check tells why a name cannot be that of an operation; nil if it can.
func (t template) check(name string) error {
	switch {
	case name == "":
		return invalid("NAME_REQUIRED", "name is required")
	case len(name) > maxName:
		return invalid("NAME_TOO_LONG", "name has %d bytes, more than %d", len(name), maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return invalid("NAME_MALFORMED", "name %q has illegal characters", name)
	case !t.matches(name):
		return invalid("NAME_MALFORMED", "name %q does not match %s", name, t.text)
	}
	for _, s := range split(name) {
		if s == "." || s == ".." {
			return invalid("NAME_MALFORMED", "name %q has a dot segment", name)
		}
	}
	return nil
}

// listName is the name of the list below the parent: the parent, or the
// collection where operations have none.
func (t template) listName(parent string) string {
	if parent == "" {
		return t.segments[t.collection]
	}
	return parent
}
