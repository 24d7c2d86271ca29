package targets

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const smallFile = "rest: {url: http://localhost/v1}\noperations:\n  running:\n    http: {path: jobs, body: {a: 1}}\n"

func TestSet(t *testing.T) {
	tests := []struct {
		name  string
		set   []string
		check func(t *testing.T, got *Target)
	}{
		{"a string", []string{"rest.url=http://127.0.0.1:9/v2"}, func(t *testing.T, got *Target) {
			assert.Equal(t, "http://127.0.0.1:9/v2", got.Endpoints[REST].Address)
		}},
		{"a duration", []string{"timeouts.settle=5s"}, func(t *testing.T, got *Target) {
			assert.Equal(t, 5*time.Second, got.Timeouts.Settle)
		}},
		{"a boolean", []string{"confirm=true", "rest.wait=false"}, func(t *testing.T, got *Target) {
			assert.True(t, got.Confirmed && !*got.Endpoints[REST].Wait)
		}},
		{"a new mapping", []string{"grpc.address=localhost:1", "grpc.plaintext=true"}, func(t *testing.T, got *Target) {
			assert.Equal(t, "localhost:1", got.Endpoints[GRPC].Address)
		}},
		{"the last one wins", []string{"name=a", "name=b"}, func(t *testing.T, got *Target) { assert.Equal(t, "b", got.Name) }},
		{"a list", []string{"operations.failing.command=[./x, y]"}, func(t *testing.T, got *Target) {
			assert.True(t, got.Roles[Failing].Configured)
		}},
		{"items of a new list", []string{"exclude[0].requirement=wait.*", "exclude.0.reason=later: in Q3"}, func(t *testing.T, got *Target) {
			assert.Equal(t, []Exclusion{{"wait.*", "later: in Q3"}}, got.Exclude)
		}},
		{"braces are text where a string is wanted", []string{"operations.chosen.http.path={id}"}, func(t *testing.T, got *Target) {
			assert.True(t, got.Roles[Chosen].Configured)
		}},
		{"quotes are YAML's", []string{`name="x"`}, func(t *testing.T, got *Target) { assert.Equal(t, "x", got.Name) }},
		{"a variable", []string{"name=${WHO}"}, func(t *testing.T, got *Target) { assert.Equal(t, "me", got.Name) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.check(t, parsed(t, smallFile, LoadOptions{Set: tt.set, Env: environment(map[string]string{"WHO": "me"})}))
		})
	}
}

func TestSetMistakes(t *testing.T) {
	tests := []struct{ set, want string }{
		{"rest.ulr=x", `--set: rest.ulr: unknown key "ulr"; did you mean "url"?`},
		{"name", `--set: "name" sets nothing; write path=value, like rest.url=http://127.0.0.1:8080/v1`},
		{"rest.url.x=1", `--set: rest.url.x: unknown key "x"`},
		{"rest..url=1", `--set: rest..url: unknown key ""; known here: delete, headers, judge, list, name, url, urls, wait`},
		{"exclude.x=1", `--set: exclude.x: "x" is no place in a list; count from 0`},
		{"exclude[3].reason=1", `--set: exclude[3].reason: 3 is no place in a list of 0`},
		{"confirm=maybe", `--set: confirm: must be true or false, not a string`},
		{"timeouts.settle=5", `--set: timeouts.settle: "5" is no duration above zero; write a number with its unit, like 10s, 500ms or 1m30s`},
		{"operations.running.command=[a", `--set: operations.running.command: its value is not readable as YAML: did not find expected ',' or ']'`},
		{"auth.bearer=${NOT_THERE}", `--set: auth.bearer: the environment variable NOT_THERE is not set; export it, or give the key with --set`},
	}
	for _, tt := range tests {
		t.Run(tt.set, func(t *testing.T) {
			_, err := Parse("target.yaml", []byte(smallFile), LoadOptions{Set: []string{tt.set}, Env: environment(nil)})
			assert.EqualError(t, err, tt.want)
		})
	}
}

func TestSetReachesHeadersAndBodies(t *testing.T) {
	r, err := read("target.yaml", []byte(smallFile), LoadOptions{Set: []string{
		"rest.headers.X.Y=1", "operations.running.http.body.a=2", "operations.running.http.body.b.c=text", "operations.running.http.body.d=[1, x]"}})
	require.NoError(t, err)
	require.Empty(t, r.errs)
	assert.Equal(t, map[string]string{"X.Y": "1"}, r.mapStrs("/rest/headers"))
	body, err := fillJSON(lookup(r.doc, "/operations/running/http/body"), nil)
	require.NoError(t, err)
	assert.JSONEq(t, `{"a": 2, "b": {"c": "text"}, "d": [1, "x"]}`, string(body))
}
