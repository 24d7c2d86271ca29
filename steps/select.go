package steps

import (
	"fmt"
	"hash/fnv"
	"path"
	"slices"
	"strings"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// A PatternError tells of a pattern that matches nothing: a typo must not pass
// as an empty selection.
type PatternError struct {
	Flag    string // --run, --skip, exclude
	Pattern string
	Hint    string
}

func (e *PatternError) Error() string {
	msg := fmt.Sprintf("%s %q matches no requirement id and no scenario name", e.Flag, e.Pattern)
	if e.Hint != "" {
		msg += "; did you mean " + e.Hint + "?"
	}
	return msg
}

// matches tells whether a pattern selects a case: a requirement id in which *
// stands for any run of characters, or text in the scenario's name.
func matches(pattern string, c *planned) bool {
	return matchesID(pattern, c.requirement.ID) ||
		strings.Contains(strings.ToLower(c.scenario), strings.ToLower(pattern))
}

func matchesID(pattern, id string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "_"), strings.ReplaceAll(id, "/", "_"))
	return err == nil && ok
}

// checkPattern finds out whether a pattern can select anything at all.
func checkPattern(flag, pattern string, cases []*planned, catalogue []features.Requirement) error {
	for _, r := range catalogue {
		if matchesID(pattern, r.ID) {
			return nil
		}
	}
	for _, c := range cases {
		if matches(pattern, c) {
			return nil
		}
	}
	return &PatternError{Flag: flag, Pattern: pattern, Hint: nearest(pattern, catalogue)}
}

// nearest is the requirement id closest to a mistyped one, or "".
func nearest(pattern string, catalogue []features.Requirement) string {
	best, at := "", len(pattern)/3+1
	for _, r := range catalogue {
		if d := distance(pattern, r.ID); d < at {
			best, at = r.ID, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short strings.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := prev
			if a[i-1] != b[j-1] {
				cost = 1 + min(prev, row[j], row[j-1])
			}
			prev, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}

// choose marks the cases that are not to be run, with the reason.
func choose(cases []*planned, catalogue []features.Requirement, target *targets.Target, o Options) error {
	for _, list := range []struct {
		flag     string
		patterns []string
	}{{"--run", o.Run}, {"--skip", o.Skip}} {
		for _, p := range list.patterns {
			if err := checkPattern(list.flag, p, cases, catalogue); err != nil {
				return err
			}
		}
	}
	for _, id := range o.Cases {
		if !slices.ContainsFunc(cases, func(c *planned) bool { return c.id == id }) {
			return &PatternError{Flag: "case", Pattern: id}
		}
	}
	for _, x := range target.Exclude {
		if err := checkPattern("exclude", x.Requirement, cases, catalogue); err != nil {
			return err
		}
	}
	for _, c := range cases {
		c.deselected = deselection(c, target, o)
	}
	return nil
}

// wholeContract tells whether all cases are selected, whatever they are.
func wholeContract(target *targets.Target, o Options) bool {
	return len(o.Run)+len(o.Skip)+len(target.Exclude) == 0 && o.Cases == nil && o.only == nil && o.Shards <= 1 && (o.Transport == "" || o.Transport == "all")
}

func deselection(c *planned, target *targets.Target, o Options) string {
	if o.Transport != "" && o.Transport != "all" && string(c.transport) != o.Transport {
		return reports.DeselectedByTransport
	}
	if o.only != nil && !o.only[c.id] || o.Cases != nil && !slices.Contains(o.Cases, c.id) {
		return reports.DeselectedByPattern
	}
	if len(o.Run) > 0 && !anyMatches(o.Run, c) || anyMatches(o.Skip, c) {
		return reports.DeselectedByPattern
	}
	for _, x := range target.Exclude {
		if matches(x.Requirement, c) {
			return reports.DeselectedByExclusion + x.Reason
		}
	}
	if o.Shards > 1 && shardOf(c.id, o.Shards) != o.Shard {
		return reports.DeselectedByShard
	}
	return ""
}

func anyMatches(patterns []string, c *planned) bool {
	for _, p := range patterns {
		if matches(p, c) {
			return true
		}
	}
	return false
}

// shardOf is the shard (1 to n) of a case: by a hash of its id, so that it is
// the same on every machine.
func shardOf(id string, n int) int {
	h := fnv.New32a()
	h.Write([]byte(id))
	return int(h.Sum32()%uint32(n)) + 1
}
