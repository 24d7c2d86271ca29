package schemas

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEverySchemaCompiles(t *testing.T) {
	names, err := Names()
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, n := range names {
		var doc map[string]any
		data, err := Source(n)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &doc), n)
		assert.Equal(t, base+n+suffix, doc["$id"], n)
		_, err = compile(n)
		require.NoError(t, err)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name, schema, doc, want string
	}{
		{"kept", "target", `{"rest": {"url": "http://localhost/v1"}}`, ""},
		{"full file name", "target.schema.json", `{"rest": {"url": "http://localhost/v1"}}`, ""},
		{"broken", "target", `{"rest": {"url": "ftp://localhost/v1"}}`, "not valid 'base-url'"},
		{"no such schema", "nothing", `{}`, `schema "nothing": there is no such schema`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var doc any
			require.NoError(t, json.Unmarshal([]byte(tt.doc), &doc))
			err := Validate(tt.schema, doc)
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestValidateRecoversPanics(t *testing.T) {
	err := Validate("target", map[string]any{"name": make(chan int)})
	assert.ErrorContains(t, err, "chan")
}

func TestOnlyEmbeddedSchemasAreLoaded(t *testing.T) {
	for _, url := range []string{"file:///etc/hosts", "https://example.com/target.schema.json", base + "../go.mod"} {
		_, err := loadEmbedded(url)
		assert.Error(t, err, url)
	}
	f, err := loadEmbedded(base + "target.schema.json")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestFormats(t *testing.T) {
	tests := map[string]struct{ good, bad []string }{
		"go-duration":   {[]string{"10s", "500ms", "1m30s"}, []string{"", "10", "0s", "-1s", "10 s", "soon"}},
		"base-url":      {[]string{"http://127.0.0.1:8080/v1beta", "https://h", "http://[::1]:1/v1/"}, []string{"", "h/v1", "ftp://h", "http://", "http://h/?q", "http://u:p@h/", "http://h/#f"}},
		"absolute-url":  {[]string{"http://h/x?y=1"}, []string{"/x", "http://h/#f"}},
		"host-port":     {[]string{"h:1", "[::1]:9090", "127.0.0.1:0"}, []string{"", "h", ":1", "h:x", "h:70000", "http://h:1"}},
		"relative-path": {[]string{"projects/demo/jobs:start?id={id}", "/x"}, []string{"", "a b", "x#y", "http://h/x"}},
		"pointer":       {[]string{"/name", "/a/0/~0~1"}, []string{"", "name", "/~", "/~2"}},
		"grpc-method":   {[]string{"google.showcase.v1beta1.Echo/Wait", "/Echo/Wait"}, []string{"", "Echo", "a.b.Echo.Wait", "Echo/"}},
		"name-template": {[]string{"**", "projects/*/operations/**", "operations/{op}", "{name=projects/*/operations/**}"}, []string{"", "/a", "a//b", "a/", "{", "{=x}"}},
	}
	all := formats()
	assert.Len(t, tests, len(all))
	for name, tt := range tests {
		for _, s := range tt.good {
			assert.True(t, all[name](s), "%s %q", name, s)
		}
		for _, s := range tt.bad {
			assert.False(t, all[name](s), "%s %q", name, s)
		}
	}
}

// A description on every key is what editors and init show.
func TestEveryKeyOfTheTargetFileIsDescribed(t *testing.T) {
	data, err := Source("target")
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(data, &doc))
	assert.NotContains(t, string(data), `"$ref": "#"`)
	described(t, "", doc)
}

func described(t *testing.T, at string, schema map[string]any) {
	for _, group := range []string{"properties", "$defs"} {
		members, _ := schema[group].(map[string]any)
		for k, v := range members {
			m := v.(map[string]any)
			d, _ := m["description"].(string)
			assert.True(t, strings.HasSuffix(d, "."), "%s/%s: description %q", at, k, d)
			described(t, at+"/"+k, m)
		}
	}
	if items, ok := schema["items"].(map[string]any); ok {
		described(t, at+"/items", items)
	}
}
