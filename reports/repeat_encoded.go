package reports

import (
	"fmt"
	"net/url"
	"strings"
)

// percentFunction writes every byte of its argument percent-encoded.
const percentFunction = `pct() { printf %s "$1" | od -An -v -tx1 | tr -d '\n' | tr a-f A-F | sed 's/ /%/g'; }`

// encodedName is a URL as a word of the script, where it holds a name that is
// known in a spelling with percent-encoded characters: the same characters of
// this run's name are encoded. "" where it holds none.
func (s *script) encodedName(address string) string {
	for _, v := range s.values {
		if !strings.HasPrefix(v.variable, "NAME") || strings.Contains(v.variable, "#") || strings.Contains(address, v.text) {
			continue
		}
		for i := range len(address) {
			if mask, end := spelling(address[i:], v.text); mask != nil {
				if !s.asked[percentFunction] {
					s.asked[percentFunction] = true
					s.inputs = append(s.inputs, percentFunction)
				}
				return shellQuote(address[:i]) + respelled(v.variable, mask) + shellQuote(address[i+end:])
			}
		}
	}
	return ""
}

// spelling tells, where a text begins with a name in a spelling of its own,
// which bytes of the name are encoded, and where the name ends in the text.
func spelling(text, name string) (encoded []bool, end int) {
	for k := range len(name) {
		switch {
		case end < len(text) && text[end] == name[k]:
			encoded, end = append(encoded, false), end+1
		case end+3 <= len(text) && text[end] == '%':
			plain, err := url.PathUnescape(text[end : end+3])
			if err != nil || plain != name[k:k+1] {
				return nil, 0
			}
			encoded, end = append(encoded, true), end+3
		default:
			return nil, 0
		}
	}
	return encoded, end
}

// respelled is the value of a variable in a spelling; what is beyond it is
// spelled as its last byte.
func respelled(variable string, encoded []bool) string {
	var b strings.Builder
	b.WriteByte('"')
	for from := 0; from < len(encoded); {
		to := from
		for to < len(encoded) && encoded[to] == encoded[from] {
			to++
		}
		part := fmt.Sprintf("${%s:%d:%d}", variable, from, to-from)
		if to == len(encoded) {
			part = fmt.Sprintf("${%s:%d}", variable, from)
		}
		if encoded[from] {
			part = `$(pct "` + part + `")`
		}
		b.WriteString(part)
		from = to
	}
	b.WriteByte('"')
	return b.String()
}
