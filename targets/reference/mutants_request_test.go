package reference

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

// Each mutant of the request forms answers its own form wrongly, and the plain
// cancel as the honest server does.
func TestRequestMutants(t *testing.T) {
	json := map[string]string{"Content-Type": "application/json"}
	type raw struct {
		suffix, body string
		header       map[string]string
		chunked      bool
	}
	tests := []struct {
		mutant    string
		send      raw
		http      int
		cancelled bool // the operation of the path
	}{
		{"demands-content-type", raw{}, 400, false},
		{"parses-zero-bytes", raw{header: json}, 400, false},
		{"demands-body", raw{}, 400, false},
		{"demands-body", raw{chunked: true}, 400, false},
		{"compares-body-bytes", raw{body: "{\n}", header: json}, 400, false},
		{"compares-content-type", raw{body: "{}", header: map[string]string{"Content-Type": "application/json; charset=utf-8"}}, 400, false},
		{"body-name-500", raw{body: `{"name":"projects/demo/operations/a"}`, header: json}, 500, false},
		{"body-names-operation", raw{body: `{"name":"projects/demo/operations/b"}`, header: json}, 200, false},
		{"unknown-member-500", raw{body: `{"no_such_field":1}`, header: json}, 500, false},
		{"unknown-member-too-late", raw{body: `{"no_such_field":1}`, header: json}, 400, true},
		{"malformed-body-500", raw{body: `[`, header: json}, 500, false},
		{"malformed-body-500", raw{body: `null`, header: json}, 500, false},
		{"chunked-empty-400", raw{chunked: true}, 400, false},
		{"query-names-operation", raw{suffix: "?name=projects/demo/operations/b"}, 200, false},
		{"refuses-system-parameters", raw{suffix: "?alt=json&prettyPrint=false"}, 400, false},
		{"unknown-parameter-500", raw{suffix: "?no_such=1"}, 500, false},
		{"unknown-parameter-too-late", raw{suffix: "?no_such=1"}, 400, true},
		{"refuses-routing-header", raw{header: map[string]string{"X-Goog-Request-Params": "name=x"}}, 400, false},
		{"refuses-empty-object", raw{body: "{}", header: json}, 400, false},
	}
	for _, tt := range tests {
		t.Run(tt.mutant, func(t *testing.T) {
			m, ok := Lookup(tt.mutant)
			require.True(t, ok)
			target := subject(t, m.Fault)
			a, b := chooseID(t, target, "a"), chooseID(t, target, "b")
			e, err := target.Endpoints[targets.REST].Client.Raw(testContext(t), targets.RawRequest{Method: targets.Cancel, HTTPMethod: "POST",
				Target: "/" + a + ":cancel" + tt.send.suffix, Body: []byte(tt.send.body), Header: tt.send.header, Chunked: tt.send.chunked})
			require.NoError(t, err)
			assert.Equal(t, tt.http, e.HTTP)
			assert.Equal(t, tt.cancelled, requested(t, target, a), "a")
			assert.Equal(t, tt.http == 200 && !tt.cancelled, requested(t, target, b), "b")
			if tt.mutant != "refuses-empty-object" {
				c := startRole(t, target, targets.Running)
				assert.Equal(t, 200, callOn(t, target, targets.REST, targets.Cancel, c).HTTP, "the plain cancel")
			}
		})
	}
}

func chooseID(t *testing.T, target *targets.Target, id string) string {
	t.Helper()
	s, err := target.Starter.Start(testContext(t), targets.StartRequest{Role: targets.Chosen, ID: id})
	require.NoError(t, err)
	return s.Name
}

// requested tells whether a cancel of the operation was accepted, by what its
// metadata shows.
func requested(t *testing.T, target *targets.Target, name string) bool {
	t.Helper()
	e := callOn(t, target, targets.REST, targets.Get, name)
	require.True(t, e.Accepted(), e.Status())
	flag, ok := member(e, "metadata", "value", "requestedCancellation").(bool)
	require.True(t, ok)
	return flag
}
