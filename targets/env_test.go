package targets

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBodiesAreTakenFromTheNodes(t *testing.T) {
	tests := map[string]string{
		`1`: `1`, `-1.50`: `-1.50`, `1e5`: `1e5`, `0`: `0`, `true`: `true`, `false`: `false`, `null`: `null`,
		`"1"`: `"1"`, `'true'`: `"true"`, `"null"`: `"null"`, `2024-01-02`: `"2024-01-02"`, `0.5s`: `"0.5s"`,
		`yes`: `"yes"`, `True`: `"True"`, `~`: `"~"`, `.5`: `".5"`, `1.`: `"1."`, `01`: `"01"`, `+1`: `"+1"`, `0x10`: `"0x10"`, `1_000`: `"1_000"`,
		`.inf`: `".inf"`, `!!str 5`: `"5"`, `""`: `""`, `a<b&c`: `"a<b&c"`, `"a\u2028b"`: `"a\u2028b"`, `{a: [1, {b: 2}]}`: `{"a":[1,{"b":2}]}`,
		`{}`: `{}`, `[]`: `[]`, `{1: x}`: `{"1":"x"}`, `9007199254740993`: `9007199254740993`, "|\n          two\n          lines\n": `"two\nlines\n"`,
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			r, err := read("t.yaml", []byte("rest: {url: http://localhost}\noperations:\n  running:\n    http:\n      path: x\n      body:\n        v: "+text), LoadOptions{})
			require.NoError(t, err)
			require.Empty(t, r.errs)
			got, err := fillJSON(lookup(r.doc, "/operations/running/http/body/v"), nil)
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
		})
	}
	_, err := Parse("t.yaml", []byte("rest: {url: http://localhost}\noperations: {running: {http: {path: x, body: 1e5000000}}}"), LoadOptions{})
	assert.EqualError(t, err, "t.yaml:2:46: operations.running.http.body: a number that is too large; quote it if it is text")
}

func TestPlaceholders(t *testing.T) {
	env := environment(map[string]string{"A": "{unique}${B}", "B": "b", "EMPTY": ""})
	values := map[string]string{"unique": "u", "id": "i"}
	tests := []struct{ text, want string }{
		{"plain", "plain"},
		{"", ""},
		{"job-{unique}-{id}", "job-u-i"},
		{"{name}", "{name}"}, // no value here: stays
		{"{other} {unique", "{other} {unique"},
		{"${A}", "{unique}${B}"}, // never parsed again
		{"x${EMPTY}y${B}z", "xybz"},
		{"$B {$B}", "$B {$B}"},
		{"{{unique}}", "{u}"},
	}
	for _, tt := range tests {
		got, problems := parseText(tt.text, env)
		assert.Empty(t, problems, tt.text)
		assert.Equal(t, tt.want, got.expand(values), tt.text)
	}
	_, problems := parseText("${B} ${C} ${D}", env)
	assert.Len(t, problems, 2)
	r, err := read("t.yaml", []byte(`rest: {url: "http://localhost/${V}", headers: {X-Run: "{unique}"}}`), LoadOptions{Env: environment(map[string]string{"V": "v1"})})
	require.NoError(t, err)
	assert.Equal(t, "http://localhost/v1", r.str("/rest/url"))
	assert.Equal(t, r.unique, r.str("/rest/headers/X-Run"))
}

func TestUniqueIsFresh(t *testing.T) {
	form := regexp.MustCompile(`^[a-z][a-z0-9]{15}$`)
	seen := map[string]bool{}
	for range 1000 {
		u := newUnique()
		assert.Regexp(t, form, u)
		assert.False(t, seen[u])
		seen[u] = true
	}
}

func TestValuesInURLsAreEscaped(t *testing.T) {
	got, problems := parseText("a/{name}?id={id}&n={name}", environment(nil))
	require.Empty(t, problems)
	assert.Equal(t, "a/x=/y%20z?id=1%262&n=x%3D%2Fy+z", got.expandURL(map[string]string{"name": "x=/y z", "id": "1&2"}))
}

// Whatever a file holds, it makes a target or is refused with mistakes of ours.
func FuzzParse(f *testing.F) {
	f.Add(everyKey, "timeouts.settle=5s")
	f.Add(smallFile, "operations.running.http.body.x={a: [1]}")
	f.Add("a: &a [*a]", "exclude[0].reason=x")
	f.Add("rest: {<<: {url: x}}\n---\n", "rest.headers.a.b=c")
	f.Add("? [a]\n: b", "=")
	f.Add("rest: {url: \"http://${A}\"}", "rest.url.x.y=1")
	f.Fuzz(func(t *testing.T, text, set string) {
		o := LoadOptions{Set: []string{set}, AllowForeign: true, Env: environment(map[string]string{"TOKEN": "abcd"})}
		target, err := Parse("none/target.yaml", []byte(text), o)
		if err == nil {
			assert.NotEmpty(t, target.Endpoints)
			assert.NoError(t, target.Close())
			return
		}
		var mistake *ConfigError
		assert.ErrorAs(t, err, &mistake)
	})
}
