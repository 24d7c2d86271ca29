package targets

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A ConfigError is one mistake in a target file, or in a --set.
type ConfigError struct {
	File    string // as it was named to Load; "--set" for a mistake of --set
	Line    int    // from 1; 0 where the mistake has no line
	Column  int    // from 1; 0 where the mistake has no line
	Key     string // rest.url, exclude[0].reason; "" where it is the whole file
	Message string // what is wrong
	Hint    string // what would be right; may be ""
}

// Error is one line: target.yaml:12:5: rest.ulr: unknown key; did you mean "url"?
func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// joinConfigErrors returns all mistakes as one error, in the order of the
// file and each once; nil where there are none.
func joinConfigErrors(list []*ConfigError) error {
	slices.SortStableFunc(list, func(a, b *ConfigError) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	var all []error
	seen := map[string]bool{}
	for _, e := range list {
		if text := e.Error(); !seen[text] {
			seen[text] = true
			all = append(all, e)
		}
	}
	return errors.Join(all...)
}

// didYouMean suggests the known word that an unknown one was most likely
// meant to be, or lists what is known.
func didYouMean(word string, known []string) string {
	best, least := "", len(word)/3+2
	for _, k := range known {
		d := editDistance(strings.ToLower(word), strings.ToLower(k))
		if d < least || d == least && best == "" && d <= len(word)/2 {
			best, least = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(known) == 0 {
		return ""
	}
	return "known here: " + strings.Join(known, ", ")
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
