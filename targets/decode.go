package targets

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of a JSON text that a server may send. They keep a hostile document
// from costing more than a look at it.
const (
	maxJSON     = 1 << 20 // bytes
	maxDepth    = 128     // objects and arrays inside one another
	maxNumber   = 64      // characters
	maxExponent = 400     // either sign; a double ends at 308
	maxValues   = 50_000  // in the whole document: each takes up far more than its text
)

// DecodeJSON reads exactly one JSON value (RFC 8259), with nothing but white
// space around it. Unlike encoding/json it refuses duplicate names, text that
// is not UTF-8, and escapes of half a surrogate pair, and it bounds size,
// depth and numbers. Objects are map[string]any, arrays []any, numbers
// json.Number. An error tells the offset in bytes and what is wrong there.
func DecodeJSON(data []byte) (any, error) {
	if len(data) > maxJSON {
		return nil, fmt.Errorf("json: %d bytes are more than %d: %w", len(data), maxJSON, ErrBeyond)
	}
	p := &jsonParser{data: data}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at < len(p.data) {
		return nil, p.wrong("%s after the value", p.here())
	}
	return v, nil
}

// A jsonParser stands at one offset of a text.
type jsonParser struct {
	data   []byte
	at     int
	values int // read so far
}

// ErrBeyond is why an answer was not read that is longer, or larger in another
// way, than what this package reads: that says nothing of the server.
var ErrBeyond = errors.New("beyond what is read")

func (p *jsonParser) beyond(format string, args ...any) error {
	return fmt.Errorf("json: offset %d: %s: %w", p.at, fmt.Sprintf(format, args...), ErrBeyond)
}

func (p *jsonParser) wrong(format string, args ...any) error {
	return fmt.Errorf("json: offset %d: %s", p.at, fmt.Sprintf(format, args...))
}

// here names what stands at the offset.
func (p *jsonParser) here() string {
	if p.at >= len(p.data) {
		return "end of text"
	}
	r, size := utf8.DecodeRune(p.data[p.at:])
	if r == utf8.RuneError && size == 1 {
		return fmt.Sprintf("byte 0x%02x", p.data[p.at])
	}
	return strconv.QuoteRune(r)
}

func (p *jsonParser) peek() byte {
	if p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}

func (p *jsonParser) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) value(depth int) (any, error) {
	if p.at >= len(p.data) {
		return nil, p.wrong("end of text, want a value")
	}
	if p.values++; p.values > maxValues {
		return nil, p.beyond("more than %d values", maxValues)
	}
	switch c := p.data[p.at]; {
	case c == '{' || c == '[':
		if depth == maxDepth {
			return nil, p.beyond("deeper than %d", maxDepth)
		}
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case c == '"':
		return p.text()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	for _, w := range []struct {
		word  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if strings.HasPrefix(string(p.data[p.at:min(p.at+5, len(p.data))]), w.word) {
			p.at += len(w.word)
			return w.value, nil
		}
	}
	return nil, p.wrong("%s, want a value", p.here())
}

func (p *jsonParser) object(depth int) (any, error) {
	m := map[string]any{}
	p.at++
	p.space()
	if p.peek() == '}' {
		p.at++
		return m, nil
	}
	for {
		if p.peek() != '"' {
			return nil, p.wrong("%s, want a name", p.here())
		}
		start := p.at
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if _, twice := m[name]; twice {
			p.at = start
			return nil, p.wrong("name %.64q stands twice", name)
		}
		p.space()
		if p.peek() != ':' {
			return nil, p.wrong("%s, want ':'", p.here())
		}
		p.at++
		p.space()
		if m[name], err = p.value(depth); err != nil {
			return nil, err
		}
		more, err := p.more('}')
		if err != nil || !more {
			return m, err
		}
	}
}

func (p *jsonParser) array(depth int) (any, error) {
	list := []any{}
	p.at++
	p.space()
	if p.peek() == ']' {
		p.at++
		return list, nil
	}
	for {
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		more, err := p.more(']')
		if err != nil || !more {
			return list, err
		}
	}
}

// more passes a comma, or the end of an object or array.
func (p *jsonParser) more(end byte) (bool, error) {
	p.space()
	switch p.peek() {
	case ',':
		p.at++
		p.space()
		return true, nil
	case end:
		p.at++
		return false, nil
	}
	return false, p.wrong("%s, want ',' or %q", p.here(), end)
}

func (p *jsonParser) number() (json.Number, error) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	if p.peek() == '0' {
		p.at++
	} else if p.digits() == 0 {
		return "", p.wrong("%s, want a digit", p.here())
	}
	if p.peek() == '.' {
		p.at++
		if p.digits() == 0 {
			return "", p.wrong("%s, want a digit", p.here())
		}
	}
	exponent := ""
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		from := p.at
		if p.digits() == 0 {
			return "", p.wrong("%s, want a digit", p.here())
		}
		exponent = strings.TrimLeft(string(p.data[from:p.at]), "0")
	}
	text := string(p.data[start:p.at])
	if len(text) > maxNumber {
		p.at = start
		return "", p.beyond("number of %d characters, at most %d are read", len(text), maxNumber)
	}
	if n, err := strconv.Atoi("0" + exponent); err != nil || n > maxExponent {
		p.at = start
		return "", p.beyond("exponent of %s is beyond %d", text, maxExponent)
	}
	return json.Number(text), nil
}

func (p *jsonParser) digits() int {
	from := p.at
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.at++
	}
	return p.at - from
}

// text reads a string, from quote to quote.
func (p *jsonParser) text() (string, error) {
	p.at++
	var b []byte
	for p.at < len(p.data) {
		switch c := p.data[p.at]; {
		case c == '"':
			p.at++
			return string(b), nil
		case c < ' ':
			return "", p.wrong("control character 0x%02x in a string", c)
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		case c < utf8.RuneSelf:
			b = append(b, c)
			p.at++
		default:
			r, size := utf8.DecodeRune(p.data[p.at:])
			if r == utf8.RuneError && size == 1 {
				return "", p.wrong("byte 0x%02x is not UTF-8", c)
			}
			b = append(b, p.data[p.at:p.at+size]...)
			p.at += size
		}
	}
	return "", p.wrong("end of text in a string")
}

// escape reads what follows a backslash.
func (p *jsonParser) escape() (rune, error) {
	p.at++
	c := p.peek()
	if i := strings.IndexByte(`"\/bfnrt`, c); c != 0 && i >= 0 {
		p.at++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, p.wrong("%s after a backslash", p.here())
	}
	start := p.at
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if p.peek() == '\\' && p.at+1 < len(p.data) && p.data[p.at+1] == 'u' {
		p.at++
		low, err := p.hex4()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
	}
	p.at = start
	return 0, p.wrong("half a surrogate pair")
}

// hex4 reads the letter u and the four digits after it.
func (p *jsonParser) hex4() (rune, error) {
	p.at++
	if p.at+4 > len(p.data) {
		return 0, p.wrong("end of text, want four hexadecimal digits")
	}
	var r rune
	for range 4 {
		c := p.data[p.at]
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || c < '0' || c > '9' && c < 'A' {
			return 0, p.wrong("%s, want a hexadecimal digit", p.here())
		}
		r = r<<4 | rune(d)
		p.at++
	}
	return r, nil
}
