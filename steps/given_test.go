package steps

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUnlikeKeepsTheFormOfAName(t *testing.T) {
	for _, name := range []string{"operations/a1", "projects/p/operations/3DNU363IM57LNU4SDTMB6I33",
		"operations/google.showcase.v1beta1.Echo/Wait/CgsI+pCS2AYQrb+HKhoSChBobjh2OXI5amVreDl5MXdi==", "projects/p/operations/3DNU363IM57L/-/~",
		"projects/p/operations/0b0e6d3e-7b0c-4d52-9c3e-0f4b1a3c9a1f"} {
		seen := map[string]bool{name: true}
		for try := range unknownTries {
			got := unlike(name, try)
			assert.Len(t, got, len(name))
			assert.False(t, seen[got], "%s: try %d gives %s again", name, try, got)
			seen[got] = true
			assert.Equal(t, form(name), form(got))
		}
	}
}

// form is a name with every letter and digit replaced by its class.
func form(name string) string {
	b := []byte(name)
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9':
			b[i] = '0'
		case c >= 'a' && c <= 'z':
			b[i] = 'a'
		case c >= 'A' && c <= 'Z':
			b[i] = 'A'
		}
	}
	return string(b)
}

func TestUnlikeKeepsToHexadecimal(t *testing.T) {
	for try := range unknownTries {
		assert.Regexp(t, "^[0-9a-f-]+$", unlike("0b0e6d3e-7b0c-4d52-9c3e-0f4b1a3c9fff", try))
		assert.Regexp(t, "^operations/[0-9A-F]+$", unlike("operations/0B0E6D3EABCDEF", try))
	}
}

func TestUnlikeMakesHighNumbers(t *testing.T) {
	assert.Equal(t, "operations/999999994", unlike("operations/17", 0))
	assert.Regexp(t, "^operations/9[0-9]{9}$", unlike("operations/7000001234", 0))
	assert.Greater(t, len(unlike("operations/17", 1)), 9)
	assert.NotEqual(t, unlike("operations/17", 1), unlike("operations/17", 2))
}
