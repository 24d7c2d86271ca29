package steps

import (
	"fmt"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// A namePath is the name of an operation in segments, as its pattern has them.
type namePath struct {
	segments   []string
	collection int   // index of the collection of the operations; the id follows
	parents    []int // indices of the ids of its parents
}

// pathOf reads a name by the target's pattern, or, where that says nothing, by
// the habit of resource names: pairs of a collection and an id, the last
// collection being operations (AIP-122; AIP-151).
func (w *world) pathOf(name string) (namePath, error) {
	p := namePath{segments: strings.Split(name, "/"), collection: -1}
	pattern := strings.Split(w.ep.NamePattern, "/")
	for i, s := range pattern {
		if strings.Contains(s, "*") {
			continue
		}
		if i >= len(p.segments) || p.segments[i] != s {
			p.collection = -1
			break
		}
		p.collection = i
	}
	if p.collection >= 0 {
		for i := range p.collection {
			if strings.Contains(pattern[i], "*") {
				p.parents = append(p.parents, i)
			}
		}
	}
	for i, s := range p.segments {
		if p.collection < 0 && s == "operations" {
			p.collection = i
			for parent := (i + 1) % 2; parent < i; parent += 2 {
				if parent > 0 {
					p.parents = append(p.parents, parent)
				}
			}
		}
	}
	if p.collection < 0 || p.collection == len(p.segments)-1 {
		return p, inapplicable("the name %s has no collection before its id", name)
	}
	return p, nil
}

// id is what follows the collection.
func (p namePath) id() string { return strings.Join(p.segments[p.collection+1:], "/") }

// to is the request target of the path up to the segment before one index.
func (p namePath) to(end int) string {
	return "/" + targets.EscapeName(strings.Join(p.segments[:end], "/"))
}

// target is the request target of the path with another spelling of its id.
func (p namePath) target(id string) string { return p.to(p.collection+1) + "/" + id }

// elsewhere is the path with another id in the place of one of its parents.
// Different tries give different ones.
func (p namePath) elsewhere(parent, try int) namePath {
	id := unlike(p.segments[parent], try)
	if id == p.segments[parent] {
		id += fmt.Sprintf("x%d", try)
	}
	return p.under(parent, id)
}

// under is the path with an id in the place of one of its parents.
func (p namePath) under(parent int, id string) namePath {
	out := p
	out.segments = append([]string(nil), p.segments...)
	out.segments[parent] = id
	return out
}

// alike are the paths with an id in the place of one of its parents that a
// careless comparison takes for the same: longer, shorter, in another case.
func (p namePath) alike(parent int) []namePath {
	id := p.segments[parent]
	out := []namePath{p.under(parent, longer(id))}
	if len(id) > 1 {
		out = append(out, p.under(parent, id[:len(id)-1]))
	}
	if other := otherCase(id); other != id {
		out = append(out, p.under(parent, other))
	}
	return out
}

// otherCase is a text in capitals, or in small letters where it is in capitals;
// the same where it has no letters.
func otherCase(text string) string {
	if upper := strings.ToUpper(text); upper != text {
		return upper
	}
	return strings.ToLower(text)
}

func (p namePath) name() string { return strings.Join(p.segments, "/") }

// around is the request target of the path that leads through another parent
// and back, by dot segments spelt as up.
func (p namePath) around(up string) string {
	parent := p.parents[len(p.parents)-1]
	there := p.elsewhere(parent, 0).to(p.collection + 1)
	back := strings.Repeat("/"+up, p.collection+1-parent)
	return there + back + "/" + targets.EscapeName(strings.Join(p.segments[parent:], "/"))
}

// encode percent-encodes the unreserved characters (RFC 3986, section 2.3) of
// an id for which choose says so; the rest is sent as names are.
func encode(id string, choose func(c byte) bool, lower bool) (spelt string, changed bool) {
	format := "%%%02X"
	if lower {
		format = "%%%02x"
	}
	var b strings.Builder
	for i := range len(id) {
		if unreserved(id[i]) && choose(id[i]) {
			fmt.Fprintf(&b, format, id[i])
			changed = true
			continue
		}
		b.WriteString(targets.EscapeName(id[i : i+1]))
	}
	return b.String(), changed
}

// theFirst chooses the first of the characters that it is asked about.
func theFirst() func(byte) bool {
	asked := false
	return func(byte) bool {
		first := !asked
		asked = true
		return first
	}
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
