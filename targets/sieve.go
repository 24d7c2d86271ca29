package targets

// A sieve lets texts through that hold none of the words it was made for. Every
// text that is recorded passes one, and hardly any holds a secret. Words are
// known by their first four bytes, or three, without regard to ASCII case, so
// that a text may be caught that holds none, but none that holds one is let
// through.
type sieve struct {
	bits  [1 << 10]uint64 // of the places of the beginnings
	exact map[uint32]bool // the beginnings
}

// newSieve makes a sieve for words of three bytes or more.
func newSieve(words []string) *sieve {
	s := &sieve{exact: map[uint32]bool{}}
	for _, w := range words {
		var begin uint32
		for i := range min(4, len(w)) {
			begin = begin<<8 | uint32(lowerASCII[w[i]])
		}
		at := place(begin)
		s.bits[at>>6] |= 1 << (at & 63)
		s.exact[begin] = true
	}
	return s
}

// catches tells whether the text may hold one of the words.
func (s *sieve) catches(text string) bool {
	var last uint32
	for i := range len(text) {
		last = last<<8 | uint32(lowerASCII[text[i]])
		if four := place(last); s.bits[four>>6]&(1<<(four&63)) != 0 && s.exact[last] {
			return true
		}
		short := last & 0xffffff
		if three := place(short); s.bits[three>>6]&(1<<(three&63)) != 0 && s.exact[short] {
			return true
		}
	}
	return false
}

// place spreads the beginnings over the bits of a sieve, by the multiplier of
// Fibonacci hashing.
func place(begin uint32) uint32 { return begin * 0x9e3779b1 >> 16 }

// lowerASCII maps capital letters to small ones, and other bytes to themselves.
var lowerASCII = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			table[i] += 'a' - 'A'
		}
	}
	return table
}()
