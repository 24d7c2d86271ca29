package reports

import (
	"encoding/hex"
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

// uniqueWord is what {unique} becomes in a recipe: 16 lower-case letters and
// digits, a letter first.
var uniqueWord = regexp.MustCompile(`\b[a-z][a-z0-9]{15}\b`)

// uniques lets fresh values stand for those that a start made unique, so that
// the server does not refuse them the second time.
func (s *script) uniques() {
	n := 0
	for _, c := range s.calls {
		if !starts(c.Exchange) {
			continue
		}
		for _, word := range uniqueWord.FindAllString(c.Request.Line+" "+c.Request.Body, -1) {
			if !strings.ContainsAny(word, "0123456789") || s.knows(word) {
				continue
			}
			n++
			variable := fmt.Sprintf("UNIQUE%d", n)
			s.inputs = append(s.inputs, variable+`=u$(od -An -N7 -tx1 /dev/urandom | tr -d ' \n')x`)
			s.know(word, variable)
		}
	}
}

func (s *script) knows(text string) bool {
	return slices.ContainsFunc(s.values, func(v shellValue) bool { return v.text == text })
}

// starts tells whether a call started an operation.
func starts(e targets.Exchange) bool {
	return e.Method == "" && strings.HasPrefix(e.Note, "start")
}

// startAsElsewhere puts the start of an operation before the calls, as another
// case made it, where the first operation of the case was started before it.
func (s *script) startAsElsewhere(r *Report) {
	first := s.calls[0]
	name := s.nameOf(first.Exchange)
	if first.Method != targets.Get || !answeredWell(first.Exchange) || len(name) < shortestName {
		return
	}
	for i := range r.Cases {
		calls := r.Cases[i].Exchanges
		for k := 0; k+1 < len(calls); k++ {
			start, other := calls[k], s.nameOf(calls[k+1])
			if !starts(start) || !strings.HasSuffix(start.Note, " "+string(targets.Running)) || calls[k+1].Method != targets.Get ||
				len(other) < shortestName || !strings.Contains(start.Response.Body, other) {
				continue
			}
			start.Response.Body = strings.ReplaceAll(start.Response.Body, other, name)
			start.Note += ", as before another case"
			start.At, start.Elapsed = first.At, 0
			s.calls = slices.Insert(s.calls, 0, numbered{start, -1, true})
			return
		}
	}
}

// answeredWell tells whether a call found what it asked for.
func answeredWell(e targets.Exchange) bool {
	return strings.HasPrefix(e.Response.Line, "2") || strings.HasPrefix(e.Response.Line, "grpc-status 0 ")
}

// askForNames lets variables stand for the operations that no recorded call
// started: a command did, or they were given by name.
func (s *script) askForNames() {
	started := ""
	for _, c := range s.calls {
		if starts(c.Exchange) {
			started += c.Response.Body
		}
	}
	for _, c := range s.calls {
		name := s.nameOf(c.Exchange)
		if c.Method != targets.Get || !answeredWell(c.Exchange) || len(name) < shortestName || s.knows(name) || strings.Contains(started, name) {
			continue
		}
		s.names++
		variable := fmt.Sprintf("NAME%d", s.names)
		s.ask(variable, "the name of a fresh operation, started as the target file says")
		s.know(name, variable)
	}
}

// nameOf is the name that a Get asks for.
func (s *script) nameOf(e targets.Exchange) string {
	if e.Transport == targets.GRPC {
		var request struct{ Name string }
		if json.Unmarshal([]byte(e.Request.Body), &request) != nil {
			return ""
		}
		return request.Name
	}
	_, path, _ := strings.Cut(e.Request.Line, " ")
	path, _, _ = strings.Cut(path, "?")
	name, below := strings.CutPrefix(path, s.base)
	if !below {
		return ""
	}
	return name
}

// ask has the user set a variable.
func (s *script) ask(variable, meaning string) {
	if !s.asked[variable] {
		s.asked[variable] = true
		s.inputs = append(s.inputs, fmt.Sprintf(`: "${%s:?set it to %s}"`, variable, meaning))
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

// command is the call as a command.
func (s *script) command(e targets.Exchange) string {
	if len(e.Request.Body) > repeatBody {
		return "# its request is too long to be repeated by hand"
	}
	if strings.Contains(e.Request.Line+e.Request.Body, targets.Redacted) && !s.knows(targets.Redacted) {
		s.ask("SECRET", "the secret that the calls hold")
		s.know(targets.Redacted, "SECRET")
	}
	if e.Transport == targets.GRPC {
		return s.grpcurl(e)
	}
	return s.curl(e)
}

// curlShowing shows the whole answer, and ends it with a line feed.
const curlShowing = `curl -sS -i -w '\n'`

// curl is a REST call.
func (s *script) curl(e targets.Exchange) string {
	verb, target, _ := strings.Cut(e.Request.Line, " ")
	words := []string{curlShowing}
	switch verb {
	case "GET":
	case "HEAD":
		words = append(words, "--head")
	default:
		words = append(words, "-X", shellQuote(verb))
	}
	if e.Problem != "" {
		words = append(words, "-m", patience(e))
	}
	if strings.ContainsAny(target, "[]{}") {
		words = append(words, "-g")
	}
	if strings.Contains(target, "/.") {
		words = append(words, "--path-as-is")
	}
	words = append(words, s.headers(e, "Host", "User-Agent", "Content-Length")...)
	_, length := e.Request.Headers["Content-Length"]
	_, chunked := e.Request.Headers["Transfer-Encoding"]
	if length || chunked || e.Request.Body != "" {
		if e.Request.Headers["Content-Type"] == "" {
			words = append(words, "-H", "Content-Type:") // keeps curl from sending its own
		}
		words = append(words, "--data-binary", s.word(e.Request.Body))
	}
	host := e.Request.Headers["Host"]
	if host == "" {
		host = s.host
	}
	address := s.rest + "://" + host + target
	if word := s.encodedName(address); word != "" {
		return strings.Join(append(words, word), " ")
	}
	return strings.Join(append(words, s.word(address)), " ")
}

// patience is how long a call that brought no answer was waited for, in
// seconds.
func patience(e targets.Exchange) string {
	return fmt.Sprintf("%.2f", max(e.Elapsed, 10*time.Millisecond).Seconds())
}

// grpcurl is a gRPC call. A message that has no JSON form is sent as bytes, by
// curl.
func (s *script) grpcurl(e targets.Exchange) string {
	own := []string{":authority", ":scheme", "content-type", "grpc-timeout", "te", "user-agent"}
	if b := e.Request.Body; b != "" && (b[0] != '{' || !json.Valid([]byte(b))) {
		return s.grpcBytes(e, own)
	}
	words := []string{"grpcurl"}
	if e.Request.Headers[":scheme"] != "https" {
		words = append(words, "-plaintext")
	}
	if e.Problem != "" {
		words = append(words, "-max-time", patience(e))
	}
	words = append(words, s.headers(e, own...)...)
	if e.Request.Body != "" {
		words = append(words, "-d", s.word(e.Request.Body))
	}
	return strings.Join(append(words, shellQuote(e.Request.Headers[":authority"]), shellQuote(strings.TrimPrefix(e.Request.Line, "/"))), " ")
}

// grpcBytes sends a request message whose bytes are shown in hexadecimal.
func (s *script) grpcBytes(e targets.Exchange, own []string) string {
	data, err := hex.DecodeString(e.Request.Body)
	if err != nil {
		return "# its request cannot be repeated by hand"
	}
	frame := []byte{0, byte(len(data) >> 24), byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}
	var text strings.Builder
	for _, b := range append(frame, data...) {
		fmt.Fprintf(&text, `\x%02x`, b)
	}
	words := []string{"printf '" + text.String() + "' | curl -sS -i --http2-prior-knowledge -X POST -H 'content-type: application/grpc' -H 'te: trailers'"}
	words = append(words, s.headers(e, own...)...)
	scheme := e.Request.Headers[":scheme"]
	if scheme == "" {
		scheme = "http"
	}
	return strings.Join(append(words, "--data-binary @- -o -", s.word(scheme+"://"+e.Request.Headers[":authority"]+e.Request.Line)), " ")
}

// headers are the options for the headers of a call, without those that the
// tool sends by itself.
func (s *script) headers(e targets.Exchange, without ...string) []string {
	var out []string
	names := make([]string, 0, len(e.Request.Headers))
	for name := range e.Request.Headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if slices.ContainsFunc(without, func(w string) bool { return strings.EqualFold(w, name) }) {
			continue
		}
		value := e.Request.Headers[name]
		if value != targets.Redacted {
			out = append(out, "-H", s.word(name+": "+value))
			continue
		}
		variable, whose := shellVariable(name), ""
		if e.Principal != targets.Owner {
			variable = shellVariable(string(e.Principal)) + "_" + variable
			whose = " of the " + string(e.Principal)
		}
		s.ask(variable, "the value of the header "+line(name)+whose)
		out = append(out, "-H", shellText{values: []shellValue{{targets.Redacted, variable}}}.header(name))
	}
	return out
}

// header is a header whose value is a secret.
func (t shellText) header(name string) string { return t.word(name + ": " + targets.Redacted) }
