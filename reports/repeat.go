package reports

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

// Bounds of what repeats a case by hand.
const (
	repeatCalls  = 80                    // of one case
	repeatBody   = 16 << 10              // bytes of a request
	repeatPause  = 20 * time.Millisecond // shorter ones need no sleep
	shortestName = 6                     // bytes: a shorter one would be found by chance
)

// A script makes the calls of one case again by hand: with curl over REST,
// with grpcurl over gRPC, in their order, waits included. What a server
// answered and the case used again is captured in shell variables; secrets
// stand as variables that the user sets.
type script struct {
	shellText
	rest     string // scheme of the REST side
	host     string // and its host, where a call does not tell one
	base     string // path of its base URL
	calls    []numbered
	findings map[int]string // by index of the call that shows them
	lines    []string
	inputs   []string // lines on top: what the user has to set
	asked    map[string]bool
	names    int // captured
}

// A numbered call has its index in the case.
type numbered struct {
	targets.Exchange
	index int
	sent  bool // a poll between the first and the last of its kind is not
}

// repeatLines are the lines of the script for a case; none where it made no
// calls, or its bodies were withheld.
func repeatLines(r *Report, c *Case) []string {
	s := &script{rest: "http", findings: map[int]string{}, asked: map[string]bool{}}
	if u, err := url.Parse(r.Target.REST); err == nil && u.Scheme != "" {
		s.rest, s.host, s.base = u.Scheme, u.Host, strings.TrimRight(u.EscapedPath(), "/")+"/"
	}
	for i, e := range c.Exchanges {
		if e.Request.Body == bodyWithheld || e.Response.Body == bodyWithheld {
			return nil
		}
		s.calls = append(s.calls, numbered{e, i, true})
	}
	if len(s.calls) == 0 {
		return nil
	}
	for _, b := range c.Breaches {
		s.findings[b.Exchange] = firstLine(b.Message)
	}
	sort.SliceStable(s.calls, func(i, k int) bool { return s.calls[i].At < s.calls[k].At })
	s.fold()
	s.startAsElsewhere(r)
	s.uniques()
	s.askForNames()
	s.write()
	return slices.Concat([]string{"# " + line(c.ID)}, s.inputs, s.lines)
}

// fold leaves out polls that brought nothing new.
func (s *script) fold() {
	for i := 1; i+1 < len(s.calls); i++ {
		before, at, after := s.calls[i-1], &s.calls[i], s.calls[i+1]
		_, shows := s.findings[at.index]
		at.sent = shows || !sameCall(before.Exchange, at.Exchange) || !sameCall(at.Exchange, after.Exchange)
	}
}

// write writes the calls.
func (s *script) write() {
	written, background := 0, time.Duration(0)
	var end time.Duration // of the last call, from the start of the case
	for i, c := range s.calls {
		if !c.sent {
			continue
		}
		if written++; written > repeatCalls {
			s.lines = append(s.lines, fmt.Sprintf("# and %s, as the report shows", count(len(s.calls)-i, "more call")))
			return
		}
		if background > 0 && c.At >= background {
			s.lines, background = append(s.lines, "wait"), 0
		}
		if pause := c.At - end; written > 1 && pause >= repeatPause {
			s.lines = append(s.lines, fmt.Sprintf("sleep %.2f", pause.Seconds()))
		}
		s.lines = append(s.lines, s.comment(c))
		command := s.command(c.Exchange)
		switch {
		case starts(c.Exchange):
			command = s.captured(c, command)
		case s.overlaps(i):
			command += " &"
			background = max(background, c.At+c.Elapsed)
		}
		s.lines = append(s.lines, command)
		end = max(end, c.At+c.Elapsed)
	}
	if background > 0 {
		s.lines = append(s.lines, "wait")
	}
}

// overlaps tells whether the next call was sent before this one was answered.
func (s *script) overlaps(i int) bool {
	for _, next := range s.calls[i+1:] {
		if next.sent {
			return next.At < s.calls[i].At+s.calls[i].Elapsed
		}
	}
	return false
}

// comment says what a call is, how it was answered, and what it showed.
func (s *script) comment(c numbered) string {
	what := string(c.Method)
	if what == "" {
		what = "Call"
	}
	if c.Note != "" {
		what += " (" + c.Note + ")"
	}
	answer := c.Response.Line
	if c.Problem != "" {
		answer = "no answer: " + c.Problem
	}
	text := fmt.Sprintf("# %d. %s: %s", c.index+1, what, excerpt(answer, 120))
	if f := s.findings[c.index]; f != "" {
		text += " <- " + excerpt(f, 200)
	}
	return line(text)
}

// captured runs the command that starts an operation, shows its answer, and
// keeps in a variable what later calls use of it.
func (s *script) captured(c numbered, command string) string {
	key, value, path := s.used(c)
	if value == "" {
		return command
	}
	s.names++
	variable := fmt.Sprintf("NAME%d", s.names)
	answer := fmt.Sprintf("ANSWER%d", s.names)
	s.know(value, variable)
	if i := strings.LastIndexByte(value, '/'); i >= 0 && len(value)-i-1 >= shortestName {
		s.know(value[i+1:], variable+"##*/") // what is left of it behind the last slash
	}
	command = strings.Replace(command, curlShowing, "curl -sS", 1)
	pick := fmt.Sprintf(`jq -r %s`, shellQuote(path))
	// Without jq where the member's first occurrence is the one that is meant.
	first := regexp.MustCompile(`"` + regexp.QuoteMeta(key) + `"\s*:\s*"([^"]*)"`).FindStringSubmatch(c.Response.Body)
	if first != nil && first[1] == value && shellQuote(key) == key {
		pick = fmt.Sprintf(`grep -o '"%s" *: *"[^"]*"' | head -n 1 | cut -d '"' -f 4`, key)
	}
	return fmt.Sprintf("%s=$(%s)\nprintf '%%s\\n' \"$%s\"\n%s=$(printf '%%s\\n' \"$%s\" | %s)", answer, command, answer, variable, answer, pick)
}

// used finds the longest string of an answer that a later call holds: its
// member, its value, and its path as jq has it.
func (s *script) used(c numbered) (key, value, path string) {
	var doc any
	if json.Unmarshal([]byte(c.Response.Body), &doc) != nil {
		return "", "", ""
	}
	later := ""
	for _, k := range s.calls {
		if k.At >= c.At && k.index != c.index {
			later += k.Request.Line + "\n" + k.Request.Body + "\n"
		}
	}
	if unescaped, err := url.PathUnescape(later); err == nil {
		later += unescaped
	}
	var walk func(at any, name, where string)
	walk = func(at any, name, where string) {
		switch v := at.(type) {
		case string:
			if len(v) >= shortestName && len(v) > len(value) && strings.Contains(later, v) {
				key, value, path = name, v, where
			}
		case map[string]any:
			for k, m := range v {
				quoted, _ := json.Marshal(k) // a string always can be
				walk(m, k, where+"["+string(quoted)+"]")
			}
		case []any:
			for i, m := range v {
				walk(m, name, fmt.Sprintf("%s[%d]", where, i))
			}
		}
	}
	walk(doc, "", ".")
	return key, value, path
}
