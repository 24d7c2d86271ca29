package targets

import (
	"crypto/rand"
	"encoding/json"
	"regexp"
	"strings"
)

// Placeholders in strings of a target file, replaced when an operation is
// started: {unique} everywhere, {id} in the role chosen, and {name} in a
// cleanup.
const (
	varUnique = "unique" // 16 lower-case alphanumerics, fresh at every start
	varID     = "id"     // the id that the suite chose
	varName   = "name"   // the name of the operation to clean up after
)

// A text is a string of a target file, taken apart: what is known, and the
// placeholders. It is parsed once, so that a value which looks like a
// placeholder stays what it is.
type text []textPart

type textPart struct {
	literal  string
	variable string // one of the placeholders; then literal is empty
	source   string // the environment variable that literal came from; "" for text of the file
}

// expand puts values in the place of placeholders; one that has no value
// stays as it is written.
func (t text) expand(values map[string]string) string {
	var b strings.Builder
	for _, p := range t {
		v, ok := values[p.variable]
		switch {
		case p.variable == "":
			b.WriteString(p.literal)
		case ok:
			b.WriteString(v)
		default:
			b.WriteString("{" + p.variable + "}")
		}
	}
	return b.String()
}

// has tells whether a placeholder occurs.
func (t text) has(variable string) bool {
	for _, p := range t {
		if p.variable == variable {
			return true
		}
	}
	return false
}

// environment returns the values that came from ${NAME}.
func (t text) environment() []string {
	var out []string
	for _, p := range t {
		if p.source != "" {
			out = append(out, p.literal)
		}
	}
	return out
}

var (
	placeholder  = regexp.MustCompile(`\$\{[^{}]*\}|\{(unique|id|name)\}`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// parseText takes a string apart. The problems tell of variables that cannot
// be had.
func parseText(s string, env func(string) (string, bool)) (t text, problems []string) {
	at := 0
	for _, m := range placeholder.FindAllStringIndex(s, -1) {
		if m[0] > at {
			t = append(t, textPart{literal: s[at:m[0]]})
		}
		at = m[1]
		found := s[m[0]:m[1]]
		if found[0] != '$' {
			t = append(t, textPart{variable: found[1 : len(found)-1]})
			continue
		}
		name := found[2 : len(found)-1]
		if !variableName.MatchString(name) {
			problems = append(problems, found+" names no environment variable; write ${NAME} with letters, digits and _")
			continue
		}
		value, ok := env(name)
		if !ok {
			problems = append(problems, "the environment variable "+name+" is not set; export it, or give the key with --set")
			continue
		}
		t = append(t, textPart{literal: value, source: name})
	}
	if at < len(s) {
		t = append(t, textPart{literal: s[at:]})
	}
	return t, problems
}

// fill puts values in the place of the placeholders of a whole document; the
// result holds only what encoding/json knows.
func fill(doc any, values map[string]string) any {
	switch v := doc.(type) {
	case text:
		return v.expand(values)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, m := range v {
			out[k] = fill(m, values)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, m := range v {
			out[i] = fill(m, values)
		}
		return out
	default:
		return v
	}
}

// fillJSON is the JSON text of a body, its placeholders filled.
func fillJSON(body any, values map[string]string) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(fill(body, values)); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// anyText tells whether a text in a document satisfies a condition.
func anyText(doc any, holds func(text) bool) bool {
	switch v := doc.(type) {
	case text:
		return holds(v)
	case map[string]any:
		for _, m := range v {
			if anyText(m, holds) {
				return true
			}
		}
	case []any:
		for _, m := range v {
			if anyText(m, holds) {
				return true
			}
		}
	}
	return false
}

const alphanumerics = "abcdefghijklmnopqrstuvwxyz0123456789"

// newUnique returns 16 random lower-case letters and digits; the first is a
// letter, because many services want ids to start with one.
func newUnique() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	for i := range b {
		n := len(alphanumerics)
		if i == 0 {
			n = 26
		}
		b[i] = alphanumerics[int(b[i])%n]
	}
	return string(b[:])
}
