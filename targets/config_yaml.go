package targets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of a target file. The largest seen by hand has some hundred nodes.
const (
	maxConfigBytes = 1 << 20
	maxConfigNodes = 50_000 // after aliases are followed
	maxConfigDepth = 64
)

// A mark is a place in a target file.
type mark struct {
	file         string
	line, column int
}

var (
	jsonNumber    = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?([0-9]+))?$`)
	yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)
)

// parseYAML reads the one document of a target file.
func parseYAML(file string, data []byte) (root *yaml.Node, problem *ConfigError) {
	defer func() {
		if r := recover(); r != nil {
			root, problem = nil, &ConfigError{File: file, Message: fmt.Sprintf("not readable as YAML: %v", r)}
		}
	}()
	if len(data) > maxConfigBytes {
		return nil, &ConfigError{File: file, Message: "larger than 1 MiB", Hint: "a target file describes one server in some hundred lines"}
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil, &ConfigError{File: file, Message: "empty", Hint: "write at least rest: {url: ...} or grpc: {address: ...}"}
	} else if err != nil {
		return nil, yamlProblem(file, err)
	}
	if err := d.Decode(&second); err == nil {
		return nil, &ConfigError{File: file, Line: second.Line, Column: 1, Message: "a second document", Hint: "a target file is one YAML document"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlProblem(file, err)
	}
	return doc.Content[0], nil
}

// yamlProblem tells the line that the parser's message names.
func yamlProblem(file string, err error) *ConfigError {
	e := &ConfigError{File: file, Message: "not readable as YAML: " + err.Error()}
	if m := yamlErrorLine.FindStringSubmatch(err.Error()); m != nil {
		e.Message = "not readable as YAML: " + m[2]
		if n, convErr := strconv.Atoi(m[1]); convErr == nil {
			e.Line, e.Column = n, 1
		}
	}
	return e
}

// A reading turns YAML nodes into a document of map[string]any, []any, text,
// json.Number, bool and nil, and remembers where everything stands.
type reading struct {
	file   string
	env    func(string) (string, bool)
	schema targetSchema
	origin map[*yaml.Node]string // nodes that come from --set
	marks  map[string]mark       // where a value stands, by JSON pointer
	keys   map[string]mark       // where the key of a value stands
	doc    map[string]any
	unique string // {unique} outside of recipes
	errs   []*ConfigError
	nodes  int
	faulty map[string]bool     // the keys whose values cannot be read
	within map[*yaml.Node]bool // the nodes that are being read, to find circles
}

func (r *reading) mark(n *yaml.Node) mark {
	if from, ok := r.origin[n]; ok {
		return mark{file: from}
	}
	return mark{r.file, n.Line, n.Column}
}

func (r *reading) fail(m mark, pointer, hint, format string, args ...any) {
	r.errs = append(r.errs, &ConfigError{File: m.file, Line: m.line, Column: m.column,
		Key: dotted(pointer), Message: fmt.Sprintf(format, args...), Hint: hint})
}

// failAt reports a mistake at the value that the pointer names, or at the
// nearest one around it.
func (r *reading) failAt(pointer, hint, format string, args ...any) {
	if key := dotted(pointer); key != "" && r.faulty[key] {
		return
	}
	for p := pointer; ; p = p[:strings.LastIndexByte(p, '/')] {
		if m, ok := r.marks[p]; ok {
			r.fail(m, pointer, hint, format, args...)
			return
		}
		if p == "" {
			r.fail(mark{file: r.file}, pointer, hint, format, args...)
			return
		}
	}
}

// value reads a node. The schema tells where a plain scalar is a string.
func (r *reading) value(n *yaml.Node, pointer string, s schemaPart) any {
	r.marks[pointer] = r.mark(n)
	r.nodes++
	switch {
	case r.nodes > maxConfigNodes:
		if r.nodes == maxConfigNodes+1 {
			r.fail(r.mark(n), pointer, "repeat less by aliases", "more than %d values", maxConfigNodes)
		}
		return nil
	case len(r.within) >= maxConfigDepth:
		r.fail(r.mark(n), pointer, "", "nested deeper than %d", maxConfigDepth)
		return nil
	case r.within[n]:
		r.fail(r.mark(n), pointer, "", "an alias to itself")
		return nil
	}
	r.within[n] = true
	defer delete(r.within, n)
	if n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str" {
		r.fail(r.mark(n), pointer, "quote the value to make it a string", "the tag %s is not supported", n.Tag)
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		v := r.value(n.Alias, pointer, s)
		r.marks[pointer] = r.mark(n)
		return v
	case yaml.MappingNode:
		return r.mapping(n, pointer, s)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = r.value(item, fmt.Sprintf("%s/%d", pointer, i), r.schema.items(s))
		}
		return list
	default:
		return r.scalar(n, pointer, s)
	}
}

func (r *reading) mapping(n *yaml.Node, pointer string, s schemaPart) any {
	out := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			r.fail(r.mark(key), pointer, "quote it if it is text", "a key must be a string")
			continue
		}
		if key.Tag == "!!merge" {
			r.fail(r.mark(key), pointer, "write the keys out, or use an alias for a whole value", "merge keys are not supported")
			continue
		}
		at := pointer + "/" + escapePointer(key.Value)
		if first, ok := r.keys[at]; ok && has(out, key.Value) {
			r.fail(r.mark(key), at, fmt.Sprintf("it stands in line %d already", first.line), "duplicate key")
			continue
		}
		r.keys[at] = r.mark(key)
		member, _ := r.schema.member(s, key.Value)
		out[key.Value] = r.value(value, at, member)
	}
	return out
}

func has(m map[string]any, key string) bool { _, ok := m[key]; return ok }

// scalar: quoted scalars are strings; JSON's numbers, true, false and null are
// themselves; every other plain scalar stays the text that it is. Where the
// schema wants a string, every scalar is one.
func (r *reading) scalar(n *yaml.Node, pointer string, s schemaPart) any {
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0
	if !quoted && r.schema.kind(s) != "string" {
		switch v := n.Value; {
		case v == "true":
			return true
		case v == "false":
			return false
		case v == "null", v == "" && r.schema.kind(s) != "":
			return nil
		case jsonNumber.MatchString(v):
			if exponent := jsonNumber.FindStringSubmatch(v)[4]; len(v) > 64 || len(exponent) > 3 {
				r.fail(r.mark(n), pointer, "quote it if it is text", "a number that is too large")
			}
			return json.Number(v)
		}
	}
	t, problems := parseText(n.Value, r.env)
	for _, p := range problems {
		message, hint, _ := strings.Cut(p, "; ")
		r.fail(r.mark(n), pointer, hint, "%s", message)
	}
	if t == nil {
		t = text{}
	}
	return t
}

// JSON pointers escape ~ and / (RFC 6901, section 3).
var (
	pointerEscapes   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescapes = strings.NewReplacer("~1", "/", "~0", "~")
)

func escapePointer(s string) string { return pointerEscapes.Replace(s) }

func unescapePointer(s string) string { return pointerUnescapes.Replace(s) }

// dotted writes a JSON pointer as a path of keys: exclude[0].reason.
func dotted(pointer string) string {
	var b strings.Builder
	for _, seg := range strings.Split(pointer, "/")[1:] {
		if _, err := strconv.Atoi(seg); err == nil {
			b.WriteString("[" + seg + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(unescapePointer(seg))
	}
	return b.String()
}
