package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"

	"github.com/lro-tools/conform/targets"
)

// A masking replaces what differs between two runs with the same failure.
type masking struct {
	pattern *regexp.Regexp
	left    string
}

// maskings come in the order in which they are applied: what is quoted,
// resource names, words with digits (ids, durations), numbers.
var maskings = []masking{
	{regexp.MustCompile(`"(?:[^"\\]|\\.)*"`), `"_"`},
	{regexp.MustCompile(`[^\s"(),;]*/[^\s"(),;]*`), "_/_"},
	{regexp.MustCompile(`[A-Za-z0-9_.-]*[0-9][A-Za-z0-9_.-]*`), "#"},
}

// status is the beginning of what was got where that is a status; the rest,
// such as a server's words, differs too easily.
var status = regexp.MustCompile(`^(HTTP \d{3}|gRPC [A-Z_]+|no answer)`)

// fingerprint tells one kind of failure from another: the same in every run
// for the same message, with names and numbers left out, at the same place of
// the answer, with the same status.
func (b Breach) fingerprint() string {
	message := b.Message
	for _, m := range maskings {
		message = m.pattern.ReplaceAllString(message, m.left)
	}
	pointer := maskings[2].pattern.ReplaceAllString(b.Pointer, "#")
	sum := sha256.Sum256([]byte(b.Requirement + "\n" + message + "\n" + pointer + "\n" + status.FindString(b.Actual)))
	return hex.EncodeToString(sum[:6])
}

// A failing is one kind of failure of a requirement on a transport.
type failing struct {
	fingerprint string
	message     string
}

// failings are the kinds of failure that the cases show, in their order. A
// failure without a finding of its own is told by its reason.
func (r *Report) failings(id string, t targets.Transport) []failing {
	var out []failing
	known := map[string]bool{}
	add := func(b Breach) {
		if f := b.fingerprint(); !known[f] {
			known[f] = true
			out = append(out, failing{f, firstLine(b.Message)})
		}
	}
	for _, c := range accusers(r, id, t) {
		found := false
		for _, b := range c.Breaches {
			if b.Requirement == id {
				add(b)
				found = true
			}
		}
		if !found {
			add(Breach{Requirement: id, Message: c.accusation(id)})
		}
	}
	return out
}
