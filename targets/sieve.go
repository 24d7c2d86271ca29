package targets

import "slices"

// A sieve lets texts through that hold none of the words it was made for. Every
// text that is recorded passes one, and hardly any holds a secret. Words are
// known by their first four bytes, or three, so that a text may be caught that
// holds none, but none that holds one is let through.
type sieve struct {
	bits  [1 << 10]uint64     // of the places of the beginnings in small letters
	exact map[uint32][]uint32 // the beginnings in small letters, and how they are spelt; nil: in any case
}

// newSieve makes a sieve for words of three bytes or more: those that are looked
// for as they are, and those without regard to ASCII case.
func newSieve(words, anyCase []string) *sieve {
	s := &sieve{exact: map[uint32][]uint32{}}
	for _, w := range words {
		spelt, small := beginOf(w)
		if known, ok := s.exact[small]; !ok || known != nil {
			s.exact[small] = append(known, spelt)
		}
	}
	for _, w := range anyCase {
		_, small := beginOf(w)
		s.exact[small] = nil
	}
	for small := range s.exact {
		at := place(small)
		s.bits[at>>6] |= 1 << (at & 63)
	}
	return s
}

// beginOf returns the first four bytes of a word, or three, as they are and
// in small letters.
func beginOf(word string) (spelt, small uint32) {
	for i := range min(4, len(word)) {
		spelt = spelt<<8 | uint32(word[i])
		small = small<<8 | uint32(lowerASCII[word[i]])
	}
	return spelt, small
}

// catches tells whether the text may hold one of the words.
func (s *sieve) catches(text string) bool {
	var last uint32
	for i := range len(text) {
		last = last<<8 | uint32(lowerASCII[text[i]])
		if four := place(last); s.bits[four>>6]&(1<<(four&63)) != 0 && i >= 3 && s.begins(text[i-3:i+1], last) {
			return true
		}
		short := last & 0xffffff
		if three := place(short); s.bits[three>>6]&(1<<(three&63)) != 0 && i >= 2 && s.begins(text[i-2:i+1], short) {
			return true
		}
	}
	return false
}

// begins tells whether a word begins so.
func (s *sieve) begins(text string, small uint32) bool {
	known, ok := s.exact[small]
	if !ok || known == nil {
		return ok
	}
	spelt, _ := beginOf(text)
	return slices.Contains(known, spelt)
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
