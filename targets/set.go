package targets

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setFile is what stands in the place of the file in a mistake of --set.
const setFile = "--set"

// applySet puts a value, written path=value, into the tree of a target file.
// The path names keys of the schema, separated by dots (rest.url,
// exclude[0].reason); within free mappings such as headers the rest of the
// path is one key. A value where the schema wants a string is taken as it is,
// unless it is quoted; every other value is YAML.
func (r *reading) applySet(root *yaml.Node, assignment string) {
	path, value, ok := strings.Cut(assignment, "=")
	if !ok || path == "" {
		r.errs = append(r.errs, &ConfigError{File: setFile, Message: fmt.Sprintf("%q sets nothing", assignment), Hint: "write path=value, like rest.url=http://127.0.0.1:8080/v1"})
		return
	}
	segments, part, problem := r.setPath(path)
	if problem != nil {
		r.errs = append(r.errs, problem)
		return
	}
	leaf, err := setValue(value, r.schema.kind(part))
	if err != nil {
		r.errs = append(r.errs, &ConfigError{File: setFile, Key: path, Message: "its value is " + err.Error()})
		return
	}
	r.fromSet(leaf)
	if err := r.place(root, segments, leaf); err != nil {
		r.errs = append(r.errs, &ConfigError{File: setFile, Key: path, Message: err.Error()})
	}
}

// setPath takes a path apart and returns the schema of what it names.
func (r *reading) setPath(path string) ([]string, schemaPart, *ConfigError) {
	rest := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(path), ".")
	var segments []string
	part := r.schema.root
	for len(rest) > 0 {
		seg := rest[0]
		if r.schema.kind(part) == "array" {
			if _, err := strconv.Atoi(seg); err != nil {
				return nil, nil, &ConfigError{File: setFile, Key: path, Message: fmt.Sprintf("%q is no place in a list", seg), Hint: "count from 0"}
			}
			segments, part, rest = append(segments, seg), r.schema.items(part), rest[1:]
			continue
		}
		_, free := part["additionalProperties"].(map[string]any)
		if free {
			seg, rest = strings.Join(rest, "."), rest[:1]
		}
		next, ok := r.schema.member(part, seg)
		if !ok || seg == "" || part != nil && r.leaf(part) {
			return nil, nil, &ConfigError{File: setFile, Key: path, Message: fmt.Sprintf("unknown key %q", seg), Hint: didYouMean(seg, r.schema.names(part))}
		}
		segments, part, rest = append(segments, seg), next, rest[1:]
	}
	return segments, part, nil
}

// leaf tells whether a value has no keys below it.
func (r *reading) leaf(s schemaPart) bool {
	k := r.schema.kind(s)
	return k == "string" || k == "boolean"
}

// setValue reads the value of a --set.
func setValue(value, kind string) (*yaml.Node, error) {
	verbatim := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Style: yaml.DoubleQuotedStyle}
	trimmed := strings.TrimSpace(value)
	quoted := len(trimmed) > 1 && (trimmed[0] == '"' || trimmed[0] == '\'')
	if kind == "string" && !quoted || trimmed == "" {
		return verbatim, nil
	}
	root, problem := parseYAML(setFile, []byte(value))
	if problem != nil {
		return nil, fmt.Errorf("%s", problem.Message)
	}
	if kind == "string" && root.Kind != yaml.ScalarNode {
		return verbatim, nil
	}
	return root, nil
}

// fromSet remembers that a node and all below it come from --set.
func (r *reading) fromSet(n *yaml.Node) {
	r.origin[n] = setFile
	for _, c := range n.Content {
		r.fromSet(c)
	}
}

// place puts a node where the path leads, and makes the mappings and lists on
// the way that are not there.
func (r *reading) place(at *yaml.Node, segments []string, leaf *yaml.Node) error {
	for at.Kind == yaml.AliasNode {
		at = at.Alias
	}
	slot, err := r.slot(at, segments[0])
	if err != nil {
		return err
	}
	if len(segments) == 1 {
		*slot = leaf
		return nil
	}
	inner := *slot
	for inner != nil && inner.Kind == yaml.AliasNode {
		inner = inner.Alias
	}
	if inner == nil || inner.Kind == yaml.ScalarNode {
		kind := yaml.MappingNode
		if _, err := strconv.Atoi(segments[1]); err == nil {
			kind = yaml.SequenceNode
		}
		inner = &yaml.Node{Kind: kind}
		r.origin[inner] = setFile
	} else {
		// An anchored value may stand elsewhere too, where it must not change.
		shallow := *inner
		shallow.Content = append([]*yaml.Node(nil), inner.Content...)
		if from, ok := r.origin[inner]; ok {
			r.origin[&shallow] = from
		}
		inner = &shallow
	}
	*slot = inner
	return r.place(inner, segments[1:], leaf)
}

// slot returns the place of a key or an item, made if it is new.
func (r *reading) slot(at *yaml.Node, segment string) (**yaml.Node, error) {
	switch at.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(at.Content); i += 2 {
			if at.Content[i].Value == segment {
				return &at.Content[i+1], nil
			}
		}
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: segment}
		r.origin[key] = setFile
		at.Content = append(at.Content, key, nil)
		return &at.Content[len(at.Content)-1], nil
	case yaml.SequenceNode:
		i, err := strconv.Atoi(segment)
		if err != nil || i < 0 || i > len(at.Content) {
			return nil, fmt.Errorf("%s is no place in a list of %d", segment, len(at.Content))
		}
		if i == len(at.Content) {
			at.Content = append(at.Content, nil)
		}
		return &at.Content[i], nil
	}
	return nil, fmt.Errorf("there is no mapping to hold %q", segment)
}
