package targets

import "strings"

// EscapeName writes an operation name as it goes into a URL path: every pchar
// of RFC 3986 (section 3.3) and "/" stay as they are, "=" and ":" among them,
// and only the rest is percent-encoded.
func EscapeName(name string) string {
	clean := true
	for i := range len(name) {
		clean = clean && stays(name[i])
	}
	if clean {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		if stays(name[i]) {
			b.WriteByte(name[i])
		} else {
			escapeByte(&b, name[i])
		}
	}
	return b.String()
}

// stays tells whether a byte of a name needs no percent-encoding in a path.
func stays(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0
}

func escapeByte(b *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	b.WriteByte('%')
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&15])
}
