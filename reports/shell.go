package reports

import (
	"fmt"
	"slices"
	"strings"
)

// A shellText puts text into a shell script, with variables in the place of
// what differs from run to run or must not be shown.
type shellText struct {
	values []shellValue
}

// A shellValue is text that a variable stands for.
type shellValue struct{ text, variable string }

// know lets a variable stand for a text from here on.
func (t *shellText) know(text, variable string) {
	t.values = append(t.values, shellValue{text, variable})
	slices.SortStableFunc(t.values, func(a, b shellValue) int { return len(b.text) - len(a.text) })
}

// A shellPart is literal text, or a variable.
type shellPart struct{ literal, variable string }

// parts cuts a text where variables stand for it; the longest values first.
func (t *shellText) parts(s string) []shellPart {
	var out []shellPart
	from := 0
	for i := 0; i < len(s); {
		k := slices.IndexFunc(t.values, func(v shellValue) bool { return strings.HasPrefix(s[i:], v.text) })
		if k < 0 {
			i++
			continue
		}
		if i > from {
			out = append(out, shellPart{literal: s[from:i]})
		}
		out = append(out, shellPart{variable: t.values[k].variable})
		i += len(t.values[k].text)
		from = i
	}
	if from < len(s) || len(out) == 0 {
		out = append(out, shellPart{literal: s[from:]})
	}
	return out
}

// word is a text as one word of a shell script.
func (t *shellText) word(s string) string {
	parts := t.parts(s)
	if len(parts) == 1 && parts[0].variable == "" {
		return shellQuote(s)
	}
	plain := !slices.ContainsFunc(parts, func(p shellPart) bool {
		return strings.ContainsAny(p.literal, "\"\\`$!") || suspicious(p.literal, false)
	})
	var b strings.Builder
	if plain {
		b.WriteByte('"')
	}
	for _, p := range parts {
		switch {
		case plain && p.variable != "":
			b.WriteString("${" + p.variable + "}")
		case plain:
			b.WriteString(p.literal)
		case p.variable != "":
			b.WriteString(`"${` + p.variable + `}"`)
		default:
			b.WriteString(shellQuote(p.literal))
		}
	}
	if plain {
		b.WriteByte('"')
	}
	return b.String()
}

// shellQuote is a text as one word that the shell takes for nothing else.
// Characters that could act on who reads the script are written as bash's
// escapes.
func shellQuote(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !shellSafe(r) }) < 0 {
		return s
	}
	if !suspicious(s, false) && !strings.Contains(s, "\t") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

func shellSafe(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./:@%+,", r)
}

// shellVariable is the name of a variable for a header.
func shellVariable(header string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		default:
			return '_'
		}
	}, header)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}
