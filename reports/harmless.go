package reports

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// harmless renders text that a server may have chosen so that it cannot act on
// who reads it: control characters (ANSI sequences start with one),
// characters that reorder or hide text (Unicode bidirectional controls, zero
// widths, separators of lines) and bytes that are not UTF-8 show as escapes.
// Tabs and, with lines, line feeds stay.
func harmless(s string, lines bool) string {
	if !suspicious(s, lines) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\t' || r == '\n' && lines:
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case !dangerous(r):
			b.WriteString(s[i : i+n])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

func suspicious(s string, lines bool) bool {
	if !utf8.ValidString(s) {
		return true
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return dangerous(r) && r != '\t' && (r != '\n' || !lines)
	}) >= 0
}

// dangerous tells whether a character acts instead of showing: the categories
// Cc (controls) and Cf (format: bidirectional controls, zero widths, tags),
// and the separators of lines and paragraphs.
func dangerous(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// line is text on one line, without what could act on the reader.
func line(s string) string { return harmless(s, false) }

// excerpt is at most n bytes of a text, cut between characters, with the
// number of bytes that were left out.
func excerpt(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := n
	for cut > 0 && cut > n-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes more)", s[:cut], len(s)-cut)
}
