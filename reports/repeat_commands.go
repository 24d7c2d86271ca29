package reports

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

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
