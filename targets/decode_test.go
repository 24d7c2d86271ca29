package targets

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecodeJSON(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		name, text string
		want       any
	}{
		{"object", ` {"a": [1, true, null, "x"], "b": {}} `, map[string]any{"a": []any{json.Number("1"), true, nil, "x"}, "b": map[string]any{}}},
		{"escapes", `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, "\"\\/\b\f\n\r\té😀"},
		{"utf-8", `"é😀"`, "é😀"},
		{"replacement character", `"�"`, "�"},
		{"numbers", `[-0, 0.5, 1e+400, 12E-3, 1e0000000000400]`, []any{json.Number("-0"), json.Number("0.5"), json.Number("1e+400"), json.Number("12E-3"), json.Number("1e0000000000400")}},
		{"longest number", strings.Repeat("7", 64), json.Number(strings.Repeat("7", 64))},
		{"empty name", `{"":false}`, map[string]any{"": false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := DecodeJSON([]byte(c.text))
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	_, err := DecodeJSON([]byte(deep(64)))
	assert.NoError(t, err, "64 levels are read")
}

func TestDecodeJSONErrorsStayShort(t *testing.T) {
	name := strings.Repeat("n", 1000)
	_, err := DecodeJSON([]byte(`{"` + name + `":1,"` + name + `":2}`))
	require.ErrorContains(t, err, "stands twice")
	assert.Less(t, len(err.Error()), 200)
}

func TestDecodeJSONRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "offset 0: end of text"},
		{"only space", " \n", "offset 2: end of text"},
		{"two values", "{} {}", "offset 3: '{' after the value"},
		{"byte order mark", "\ufeff{}", "offset 0"},
		{"duplicate", `{"a":1,"a":2}`, `offset 7: name "a" stands twice`},
		{"duplicate by escape", `{"a":1,"\u0061":2}`, "stands twice"},
		{"duplicate inside", `[{"x":{"a":1,"a":1}}]`, "stands twice"},
		{"not utf-8", "\"a\xff\"", "offset 2: byte 0xff is not UTF-8"},
		{"overlong", "\"\xc0\xaf\"", "not UTF-8"},
		{"half a pair", `"\ud800"`, "half a surrogate pair"},
		{"wrong pair", `"\ud800\u0041"`, "half a surrogate pair"},
		{"low first", `"\udc00"`, "half a surrogate pair"},
		{"control character", "\"\x01\"", "control character 0x01"},
		{"open string", `"abc`, "end of text in a string"},
		{"bad escape", `"\x"`, "'x' after a backslash"},
		{"backslash at end", `"\`, "after a backslash"},
		{"bad hex", `"\u00g0"`, "want a hexadecimal digit"},
		{"short hex", `"\u00"`, "hexadecimal digit"},
		{"leading zero", "01", "offset 1"},
		{"plus", "+1", "want a value"},
		{"bare point", "1.", "want a digit"},
		{"bare exponent", "1e", "want a digit"},
		{"minus", "-", "want a digit"},
		{"exponent", "1e401", "beyond 400"},
		{"negative exponent", "1e-5000000", "beyond 400"},
		{"long number", strings.Repeat("7", 65), "number of 65 characters"},
		{"too deep", strings.Repeat("[", 129), "deeper than 128"},
		{"trailing comma", "[1,]", "want a value"},
		{"trailing comma in object", `{"a":1,}`, "want a name"},
		{"no colon", `{"a" 1}`, "want ':'"},
		{"open array", "[1", "want ','"},
		{"word", "nul", "want a value"},
		{"longer word", "nulls", "after the value"},
		{"NaN", "NaN", "want a value"},
		{"comment", "{}//", "after the value"},
		{"html", "<html>", "'<', want a value"},
		{"too long", `"` + strings.Repeat("a", 1<<20) + `"`, "more than 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := DecodeJSON([]byte(c.text))
			require.ErrorContains(t, err, c.want)
			assert.Nil(t, got)
		})
	}
}

// FuzzDecodeJSON holds the decoder to what encoding/json knows: what it takes
// is valid JSON of the same value.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"name":"operations/x","done":true,"error":{"code":1}}`, `[1e400,"\ud83d\ude00"]`, `{"a":1,"a":2}`, "\"\xff\"", "1e5000000", " null ", `{"":[{}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := DecodeJSON(data)
		if err != nil {
			assert.ErrorContains(t, err, "json: ")
			assert.Nil(t, got)
			return
		}
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.UseNumber()
		var want any
		require.NoError(t, d.Decode(&want))
		assert.Equal(t, want, got)
	})
}
