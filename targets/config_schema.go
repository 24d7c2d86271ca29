package targets

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lro-tools/conform/schemas"
)

// schemaPart is one node of the target file's schema; nil where the schema
// says nothing.
type schemaPart map[string]any

// A targetSchema answers questions about the target file's schema.
type targetSchema struct{ root schemaPart }

func loadTargetSchema() (targetSchema, error) {
	data, err := schemas.Source("target")
	if err != nil {
		return targetSchema{}, err
	}
	var root schemaPart
	if err := json.Unmarshal(data, &root); err != nil {
		return targetSchema{}, fmt.Errorf("target schema: %w", err)
	}
	return targetSchema{root}, nil
}

// follow returns what a $ref points to; it is always local.
func (t targetSchema) follow(s schemaPart) schemaPart {
	ref, ok := s["$ref"].(string)
	if !ok {
		return nil
	}
	return t.at(strings.TrimPrefix(ref, "#"))
}

// at returns the part of the schema that a JSON pointer names.
func (t targetSchema) at(pointer string) schemaPart {
	var v any = map[string]any(t.root)
	for _, seg := range strings.Split(pointer, "/")[1:] {
		switch c := v.(type) {
		case map[string]any:
			v = c[unescapePointer(seg)]
		case []any:
			i, err := strconv.Atoi(seg)
			if err != nil || i < 0 || i >= len(c) {
				return nil
			}
			v = c[i]
		}
	}
	m, _ := v.(map[string]any)
	return m
}

// member returns the schema of a key; ok is false where there is no such key.
func (t targetSchema) member(s schemaPart, key string) (m schemaPart, ok bool) {
	if s == nil {
		return nil, true
	}
	if p, ok := s["properties"].(map[string]any); ok {
		if m, ok := p[key].(map[string]any); ok {
			return m, true
		}
	}
	if ref := t.follow(s); ref != nil {
		if m, ok := t.member(ref, key); ok {
			return m, m != nil
		}
	}
	switch more := s["additionalProperties"].(type) {
	case map[string]any:
		return more, true
	case bool:
		return nil, more
	}
	kind := t.kind(s)
	return nil, kind == "" || kind == "object" && s["properties"] == nil
}

// names returns the keys that a mapping may have, sorted.
func (t targetSchema) names(s schemaPart) []string {
	var out []string
	for s != nil {
		p, _ := s["properties"].(map[string]any)
		for k := range p {
			out = append(out, k)
		}
		s = t.follow(s)
	}
	sort.Strings(out)
	return out
}

// items returns the schema of a list's items.
func (t targetSchema) items(s schemaPart) schemaPart {
	m, _ := s["items"].(map[string]any)
	return m
}

// kind returns the type that the schema demands; "" where it demands none.
func (t targetSchema) kind(s schemaPart) string {
	for s != nil {
		if k, ok := s["type"].(string); ok {
			return k
		}
		s = t.follow(s)
	}
	return ""
}

// check validates the document and reports each mistake where it stands.
func (r *reading) check(doc map[string]any) error {
	plain := fill(doc, nil)
	err := schemas.Validate("target", plain)
	var invalid *jsonschema.ValidationError
	if err == nil {
		return nil
	}
	if !errors.As(err, &invalid) {
		return err
	}
	told := len(r.errs)
	for _, e := range r.errs {
		r.faulty[e.Key] = true // what cannot be read has been told, and has no further fault
	}
	r.explain(invalid, plain)
	if told == 0 && len(r.errs) == 0 {
		r.errs = append(r.errs, &ConfigError{File: r.file, Message: invalid.Error()})
	}
	return nil
}

// explain walks to the causes that name a keyword of our schema.
func (r *reading) explain(e *jsonschema.ValidationError, doc any) {
	_, at, _ := strings.Cut(e.AbsoluteKeywordLocation, "#")
	if plain, err := url.PathUnescape(e.InstanceLocation); err == nil {
		e.InstanceLocation = plain // the library percent-encodes keys
	}
	if strings.Contains(at, "/propertyNames/") {
		r.explainName(e.InstanceLocation)
		return
	}
	if owner, _, ok := strings.Cut(at, "/dependentRequired"); ok {
		at = owner + "/dependentRequired"
	}
	cut := max(strings.LastIndexByte(at, '/'), 0)
	within, keyword := r.schema.at(at[:cut]), strings.TrimPrefix(at[cut:], "/")
	value := lookup(doc, e.InstanceLocation)
	switch {
	case keyword == "oneOf" || keyword == "anyOf" || keyword == "not":
		r.explainChoice(e.InstanceLocation, within, keyword, value)
	case len(e.Causes) == 0:
		r.explainKeyword(e, within, keyword, value)
	}
	if keyword != "oneOf" && keyword != "anyOf" && keyword != "not" {
		for _, c := range e.Causes {
			r.explain(c, doc)
		}
	}
}

func (r *reading) explainKeyword(e *jsonschema.ValidationError, s schemaPart, keyword string, value any) {
	at := e.InstanceLocation
	m, _ := value.(map[string]any)
	switch keyword {
	case "additionalProperties":
		r.unknownKeys(at, s, m)
	case "type":
		want, _ := s["type"].(string)
		hint := ""
		if want == "array" {
			hint = "write it like [a, b]"
		}
		r.failAt(at, hint, "must be %s, not %s", kindInWords(want), valueInWords(value))
	case "enum":
		r.explainEnum(at, s, value)
	case "format":
		format, _ := s["format"].(string)
		what, right := formatInWords(format)
		r.failAt(at, right, "%s is no %s", r.quote(at, value), what)
	case "pattern":
		r.failAt(at, "", "%s is not allowed here", r.quote(at, value))
	case "required":
		for _, k := range s["required"].([]any) {
			if !has(m, k.(string)) {
				r.failAt(at, "", "%s is missing", k)
			}
		}
	case "dependentRequired":
		r.failAt(at, "", "cert and key belong together")
	case "minLength", "minItems", "minProperties":
		r.failAt(at, "leave the key out, or give it a value", "must not be empty")
	case "uniqueItems":
		r.failAt(at, "", "the same item twice")
	default:
		r.failAt(at, "", "%s", e.Message)
	}
}

func (r *reading) unknownKeys(at string, s schemaPart, m map[string]any) {
	known := r.schema.names(s)
	for k := range m {
		if _, ok := r.schema.member(s, k); ok {
			continue
		}
		p := at + "/" + escapePointer(k)
		r.fail(r.keys[p], p, didYouMean(k, known), "unknown key")
	}
}

func (r *reading) explainEnum(at string, s schemaPart, value any) {
	var words []string
	for _, v := range s["enum"].([]any) {
		words = append(words, fmt.Sprint(v))
	}
	r.failAt(at, "write "+inWords(words, "or"), "%s is not known here", r.quote(at, value))
}

// explainChoice: the branches of our oneOf, anyOf and not demand keys.
func (r *reading) explainChoice(at string, s schemaPart, keyword string, value any) {
	m, ok := value.(map[string]any)
	if !ok {
		return // its type is told already
	}
	branches, _ := s[keyword].([]any)
	if n, ok := s["not"].(map[string]any); ok && keyword == "not" {
		branches, _ = n["anyOf"].([]any)
	}
	var names, found []string
	for _, b := range branches {
		for _, k := range b.(map[string]any)["required"].([]any) {
			name := k.(string)
			if containsWord(names, name) {
				continue
			}
			names = append(names, name)
			if has(m, name) {
				found = append(found, name)
			}
		}
	}
	if len(found) > 1 {
		r.failAt(at, "keep one", "%s exclude each other", inWords(found, "and"))
		return
	}
	for k := range m {
		if _, known := r.schema.member(s, k); !known && strings.HasPrefix(didYouMean(k, names), "did") {
			return // the misspelt key is what is missing
		}
	}
	r.failAt(at, "", "%s is missing", inWords(names, "or"))
}

// explainName: propertyNames stands in our schema for headers and metadata.
func (r *reading) explainName(at string) {
	name := unescapePointer(at[strings.LastIndexByte(at, '/')+1:])
	if strings.HasPrefix(at, "/grpc/") {
		r.fail(r.keys[at], at, "use lower-case letters, digits, - and _", "%q is no name of metadata", name)
		return
	}
	r.fail(r.keys[at], at, "use letters, digits and -", "%q is no name of a header", name)
}
