package targets

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
)

// Redacted stands wherever a secret stood.
const Redacted = "[redacted]"

// shortestSecret is the length, in bytes, below which a value is not searched
// for: replacing it would tear words apart and hide nothing.
const shortestSecret = 4

// shortestFragment is the least length, in characters, of the part of a
// secret's base64 form that does not depend on what stands around it.
const shortestFragment = 6

// A Redactor removes secrets from what is recorded: the values it knows, in
// every encoding in which they commonly travel, and what looks like a
// credential by its place or its shape. It may be used from many goroutines;
// a nil Redactor knows no values but still removes the rest.
type Redactor struct {
	mu       sync.RWMutex
	known    map[string]bool
	headers  map[string]bool // canonical names, besides the well-known ones
	replacer *strings.Replacer
	forms    []string // what the replacer searches for, the longest first
	sieve    *sieve   // of the forms and the shapes
}

// NewRedactor returns a Redactor that knows the given secrets.
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{known: map[string]bool{}, headers: map[string]bool{}}
	for _, s := range secrets {
		r.Add(s)
	}
	return r
}

// Add makes a further secret known. Values shorter than 4 characters are not
// searched for.
func (r *Redactor) Add(secret string) {
	if r == nil || len(secret) < shortestSecret {
		return
	}
	r.mu.RLock()
	known := r.known[secret]
	r.mu.RUnlock()
	if known {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[secret] = true
	var forms []string
	for s := range r.known {
		forms = append(forms, encodings(s)...)
	}
	// The replacer takes the first form that fits, so the longest stands first.
	sort.Slice(forms, func(i, j int) bool {
		if len(forms[i]) != len(forms[j]) {
			return len(forms[i]) > len(forms[j])
		}
		return forms[i] < forms[j]
	})
	var pairs []string
	r.forms = slices.Compact(forms)
	for _, f := range r.forms {
		pairs = append(pairs, f, Redacted)
	}
	r.replacer = strings.NewReplacer(pairs...)
	r.sieve = shapeSieve(r.forms...)
}

// addCredential makes the value of a credential header known, and its parts:
// what follows the scheme, and the password of Basic.
func (r *Redactor) addCredential(name, value string) {
	if r == nil {
		return
	}
	r.mu.RLock()
	marked := r.headers[textproto.CanonicalMIMEHeaderKey(name)]
	r.mu.RUnlock()
	if !marked {
		r.mu.Lock()
		r.headers[textproto.CanonicalMIMEHeaderKey(name)] = true
		r.mu.Unlock()
	}
	r.Add(value)
	scheme, token, ok := strings.Cut(strings.TrimSpace(value), " ")
	if !ok {
		return
	}
	r.Add(strings.TrimSpace(token))
	if strings.EqualFold(scheme, "Basic") {
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token)); err == nil {
			_, password, _ := strings.Cut(string(raw), ":")
			r.Add(password)
		}
	}
}

// isCredential tells whether a header proves who calls.
func (r *Redactor) isCredential(name string) bool {
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Goog-Api-Key", "X-Api-Key",
		"X-Goog-Iam-Authorization-Token", "X-Amz-Security-Token", "X-Auth-Token", "X-Csrf-Token":
		return true
	}
	if r == nil {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.headers[name]
}

// Header returns a header's value as it may be shown.
func (r *Redactor) Header(name, value string) string {
	if r.isCredential(name) {
		return Redacted
	}
	return r.String(value)
}

// A shape is what a credential looks like, and what is left of it.
type shape struct {
	begin   string   // how it begins, in these letters, where that is always the same: the pattern is then asked there only
	hints   []string // lower case; only texts that hold one of them are searched, so they begin as few words do
	pattern *regexp.Regexp
	left    string
	spare   func(match string) bool // what is no credential after all; nil: nothing
}

// shapes are the credentials that show by themselves: JSON Web Tokens
// (RFC 7519), tokens, refresh tokens and API keys of Google, what follows
// Bearer or Basic (RFC 6750, RFC 7617), URL and form parameters, members of
// token answers (RFC 6749), and the userinfo of a URL (RFC 3986).
var shapes = []shape{
	{begin: "eyJ", pattern: regexp.MustCompile(`^eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`), left: Redacted},
	{begin: "ya29.", pattern: regexp.MustCompile(`^ya29\.[A-Za-z0-9_.-]+`), left: Redacted},
	{begin: "1//", pattern: regexp.MustCompile(`^1//[A-Za-z0-9_-]{20,}`), left: Redacted},
	{begin: "AIza", pattern: regexp.MustCompile(`^AIza[A-Za-z0-9_-]{30,}`), left: Redacted},
	{hints: []string{"bearer"}, pattern: regexp.MustCompile(`(?i)\b(bearer(?:\s+|%20|\+))[A-Za-z0-9._~+/-]{4,}=*`), left: "${1}" + Redacted, spare: ordinaryWord},
	{hints: []string{"basic"}, pattern: regexp.MustCompile(`(?i)\b(basic(?:\s+|%20|\+))[A-Za-z0-9+/_-]{12,}=*`), left: "${1}" + Redacted, spare: ordinaryWord},
	{hints: []string{"key=", "ken=", "ret=", "ord=", "sig=", "ure="}, pattern: regexp.MustCompile(`(?i)(^|[?&;])(key|token|access_token|refresh_token|id_token|oauth_token|api_key|api-key|apikey|client_secret|password|secret|sig|signature|x-goog-signature|x-amz-signature)=[^&;#\s"'<>]+`), left: "${1}${2}=" + Redacted},
	{hints: []string{`access_token"`, `accesstoken"`, `refresh_token"`, `refreshtoken"`, `id_token"`, `idtoken"`, `client_secret"`, `clientsecret"`, `private_key"`, `privatekey"`, `api_key"`, `apikey"`, `"password"`}, pattern: regexp.MustCompile(`(?i)("(?:access_?token|refresh_?token|id_?token|client_?secret|private_?key|api_?key|password)"\s*:\s*)"(?:[^"\\]|\\.)*"`), left: `${1}"` + Redacted + `"`},
	{hints: []string{"://"}, pattern: regexp.MustCompile(`(://)[^/\s@:"']*:[^/\s@"']*@`), left: "${1}" + Redacted + "@"},
	{hints: []string{"private key-----"}, pattern: regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`), left: Redacted},
}

// shapesOnly is the sieve of a Redactor that knows no values.
var shapesOnly = shapeSieve()

// shapeSieve is a sieve for the shapes, and for the forms of what is known.
func shapeSieve(forms ...string) *sieve {
	var hints []string
	words := slices.Clone(forms)
	for _, s := range shapes {
		hints = append(hints, s.hints...)
		if s.begin != "" {
			words = append(words, s.begin)
		}
	}
	return newSieve(words, hints)
}

// remove replaces what has the shape; lower is the text in small letters.
func (p shape) remove(s, lower string) string {
	switch {
	case p.begin != "":
		return p.removeBegun(s)
	case !slices.ContainsFunc(p.hints, func(hint string) bool { return strings.Contains(lower, hint) }):
		return s
	case p.spare == nil:
		return p.pattern.ReplaceAllString(s, p.left)
	}
	return p.pattern.ReplaceAllStringFunc(s, func(match string) string {
		if p.spare(match) {
			return match
		}
		return p.pattern.ReplaceAllString(match, p.left)
	})
}

// removeBegun replaces what begins as the shape does, where no word goes on. It
// spares long texts a search by a pattern that has to be tried at every word.
func (p shape) removeBegun(s string) string {
	var out strings.Builder
	rest, at := s, 0 // of rest, what stands before at is no match
	for {
		i := strings.Index(rest[at:], p.begin)
		if i < 0 {
			break
		}
		at += i
		end := 0
		if at == 0 && out.Len() == 0 || at > 0 && !isWordByte(rest[at-1]) {
			if found := p.pattern.FindStringIndex(rest[at:]); found != nil {
				end = found[1]
			}
		}
		if end == 0 {
			at += len(p.begin)
			continue
		}
		out.WriteString(rest[:at])
		out.WriteString(p.left)
		rest, at = rest[at+end:], 0
	}
	if out.Len() == 0 {
		return s
	}
	out.WriteString(rest)
	return out.String()
}

// isWordByte tells whether a byte is one of those that \b knows for a word's.
func isWordByte(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z'
}

// ordinaryWord tells whether a scheme is followed by a word of a message or a
// challenge ("bearer token required", "Bearer realm=") and not by a credential.
func ordinaryWord(match string) bool {
	fields := strings.Fields(match)
	switch strings.ToLower(strings.TrimRight(fields[len(fields)-1], "=.")) {
	case "token", "tokens", "auth", "authentication", "authorization", "credential", "credentials", "realm", "scheme",
		"scope", "error", "header", "access", "required", "missing", "invalid", "with", "must", "from", "expected":
		return true
	}
	return false
}

// String returns a text as it may be shown.
func (r *Redactor) String(s string) string {
	if s == "" {
		return s
	}
	var replacer *strings.Replacer
	sieve := shapesOnly
	if r != nil {
		r.mu.RLock()
		if r.sieve != nil {
			replacer, sieve = r.replacer, r.sieve
		}
		r.mu.RUnlock()
	}
	if !sieve.catches(s) {
		return s
	}
	if replacer != nil {
		s = replacer.Replace(s)
	}
	lower := strings.ToLower(s)
	for _, shape := range shapes {
		s = shape.remove(s, lower)
	}
	return s
}

// cutString is String for a text that was cut off at its end, where the
// beginning of a secret may be left.
func (r *Redactor) cutString(s string) string {
	if r != nil {
		r.mu.RLock()
		forms := r.forms
		r.mu.RUnlock()
		longest := 0
		for _, f := range forms {
			for n := min(len(f)-1, len(s)); n >= shortestSecret && n > longest; n-- {
				if strings.HasSuffix(s, f[:n]) {
					longest = n
				}
			}
		}
		if longest > 0 {
			s = s[:len(s)-longest] + Redacted
		}
	}
	return r.String(s)
}

// encodings returns the forms in which a secret may stand in a URL, a JSON
// text, a header or a hexadecimal or base64 dump, the plain one included.
func encodings(secret string) []string {
	forms := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), EscapeName(secret), percentAll(secret)}
	for _, f := range forms[1:] {
		forms = append(forms, lowerEscapes(f))
	}
	if quoted, err := json.Marshal(secret); err == nil {
		forms = append(forms, string(quoted[1:len(quoted)-1]))
	}
	forms = append(forms, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(secret))
	h := hex.EncodeToString([]byte(secret))
	forms = append(forms, h, strings.ToUpper(h))
	return append(forms, base64Forms(secret)...)
}

// base64Forms returns the characters that any base64 text holds whose source
// holds the secret, for each of the three places at which it can begin in a
// group of three bytes.
func base64Forms(secret string) []string {
	var forms []string
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := enc.EncodeToString(append(make([]byte, before), secret...))
			first := (before*8 + 5) / 6            // the first character made of the secret's bits alone
			last := (before + len(secret)) * 8 / 6 // the first that may hold bits of what follows
			if before == 0 && enc.EncodedLen(len(secret)) >= shortestFragment {
				forms = append(forms, text) // the secret alone
			}
			if last-first >= shortestFragment {
				forms = append(forms, text[first:last])
			}
		}
	}
	return forms
}

func percentAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		escapeByte(&b, s[i])
	}
	return b.String()
}

// lowerEscapes writes the hexadecimal digits of percent-encodings small.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}
