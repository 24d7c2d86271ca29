package reference

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

func TestRoutes(t *testing.T) {
	const p = "projects/p/operations/"
	tests := []struct {
		line   string // below /v1beta
		method targets.Method
		name   string
		allow  string // where the method is wrong
	}{
		{line: "POST /projects/p/operations/a:cancel", method: targets.Cancel, name: p + "a"},
		{line: "POST /projects/p/operations/a/b/c:cancel", method: targets.Cancel, name: p + "a/b/c"},
		{line: "POST /projects/p/operations/a:cancel:cancel", method: targets.Cancel, name: p + "a:cancel"},
		{line: "POST /projects/p/operations/a:cancel?name=b", method: targets.Cancel, name: p + "a"},
		{line: "POST /projects/p/operations/%61bc:cancel", method: targets.Cancel, name: p + "abc"},
		{line: "POST /projects/p/operations/a%2Fb:cancel", method: targets.Cancel, name: p + "a%2Fb"},
		{line: "POST /projects/p/operations/a%2fb:cancel", method: targets.Cancel, name: p + "a%2fb"},
		{line: "POST /projects/p/operations/a%3Ab:cancel", method: targets.Cancel, name: p + "a:b"},
		{line: "POST /projects/p/operations/a=:cancel", method: targets.Cancel, name: p + "a="},
		{line: "POST /projects/p/operations:cancel", method: targets.Cancel, name: "projects/p/operations"},
		{line: "POST /projects/p/operations/../operations/a:cancel", method: targets.Cancel, name: p + "../operations/a"},
		{line: "POST /projects/p/operations/a:wait", method: targets.Wait, name: p + "a"},
		{line: "POST /projects/p/jobs:start", method: startMethod, name: "projects/p"},
		{line: "POST /projects/p/jobs:start?id=x", method: startMethod, name: "projects/p"},
		{line: "GET /projects/p/operations/a", method: targets.Get, name: p + "a"},
		{line: "GET /projects/p/operations/a:cancel", method: targets.Get, name: p + "a:cancel"},
		{line: "DELETE /projects/p/operations/a:cancel", method: targets.Delete, name: p + "a:cancel"},
		{line: "GET /projects/p/operations", method: targets.List, name: "projects/p"},
		{line: "POST /projects/p/operations", allow: "GET"},
		{line: "POST /projects/p/operations/a", allow: "DELETE, GET"},
		{line: "POST /projects/p/operations/a:cancle", allow: "DELETE, GET"},
		{line: "POST /projects/p/operations/a:CANCEL", allow: "DELETE, GET"},
		{line: "POST /projects/p/operations/a/cancel", allow: "DELETE, GET"},
		{line: "POST /projects/p/operations/a%3Acancel", allow: "DELETE, GET"},
		{line: "PUT /projects/p/operations/a:cancel", allow: "DELETE, GET"},
		{line: "HEAD /projects/p/operations/a:cancel", allow: "DELETE, GET"},
		{line: "OPTIONS /projects/p/operations/a:cancel", allow: "DELETE, GET"},
		{line: "POST /projects/p/operations/a:cancel/"},
		{line: "POST /projects/p/operations/:cancel", allow: "DELETE, GET"},
		{line: "POST /projects//operations/a:cancel"},
		{line: "POST /projects/p%2Foperations/a:cancel"},
		{line: "POST /jobs:start"},
		{line: "POST /projects/p/topics/a:cancel"},
		{line: "GET /projects/p"},
		{line: "GET /"},
	}
	names, err := parseTemplate("projects/*/operations/**")
	require.NoError(t, err)
	for _, tt := range tests {
		method, target, _ := strings.Cut(tt.line, " ")
		u, err := url.ParseRequestURI("/v1beta" + target)
		require.NoError(t, err)
		got, err := routeOf(method, "/v1beta", u, names)
		if tt.method == "" {
			assert.Equal(t, routeError{allow: tt.allow}, err, tt.line)
			continue
		}
		assert.NoError(t, err, tt.line)
		assert.Equal(t, route{tt.method, tt.name}, got, tt.line)
	}
	u := &url.URL{Path: "/v1/projects/p/operations/a"}
	_, err = routeOf("GET", "/v1beta", u, names)
	assert.Equal(t, routeError{}, err, "another version")
}

func TestTemplates(t *testing.T) {
	tests := []struct{ template, start, name, list string }{
		{"operations/**", "/jobs:start", "operations/a", "/operations"},
		{"projects/*/locations/*/operations/*", "/projects/p/locations/l/jobs:start", "projects/p/locations/l/operations/a",
			"/projects/p/locations/l/operations"},
	}
	for _, tt := range tests {
		f := serve(t, Options{Template: tt.template, Base: "/v1"})
		assert.Equal(t, tt.name, f.send("POST", tt.start, `{"id":"a"}`).doc(t)["name"])
		assert.Len(t, f.send("GET", tt.list, "").doc(t)["operations"], 1)
		assert.Equal(t, 200, f.send("POST", "/"+tt.name+":cancel", "").code)
	}
	for _, text := range []string{"", "a//*", "operations/**/x", "operations", "*", "a/x*"} {
		_, err := parseTemplate(text)
		assert.Error(t, err, text)
	}
	f := serve(t, Options{Template: "projects/*/operations/*"})
	assert.Equal(t, 400, f.send("POST", "/projects/p/jobs:start", `{"kind":"nested"}`).code)
}

func TestCancelRequests(t *testing.T) {
	const json = "Content-Type: application/json"
	tests := []struct {
		what, suffix, body, header string
		want                       int
	}{
		{what: "no body", want: 200},
		{what: "no body, JSON", header: json, want: 200},
		{what: "object", body: "{}", header: json, want: 200},
		{what: "object without type", body: "{}", want: 200},
		{what: "charset", body: " {}\n", header: "Content-Type: Application/JSON; charset=utf-8", want: 200},
		{what: "same name", body: `{"name":"NAME"}`, header: json, want: 200},
		{what: "other name", body: `{"name":"projects/p/operations/other"}`, header: json, want: 400},
		{what: "unknown member", body: `{"no_such_field":1}`, header: json, want: 400},
		{what: "malformed", body: `{`, header: json, want: 400},
		{what: "list", body: `[]`, header: json, want: 400},
		{what: "null", body: `null`, header: json, want: 400},
		{what: "text", body: `{}`, header: "Content-Type: text/plain", want: 400},
		{what: "form", body: "a=b", header: "Content-Type: application/x-www-form-urlencoded", want: 400},
		{what: "too long", body: strings.Repeat(" ", maxBody+1), header: json, want: 400},
		{what: "system parameters", suffix: "?alt=json&$alt=json&prettyPrint=false&key=k&quotaUser=q&fields=*&$.xgafv=2", want: 200},
		{what: "name in the query", suffix: "?name=projects/p/operations/other", want: 200},
		{what: "unknown parameter", suffix: "?no_such=1", want: 200},
		{what: "client headers", header: "X-Goog-Request-Params: name=x", want: 200},
	}
	f := serve(t, Options{})
	other := f.start(StartRequest{ID: "other"})
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			name := f.start(StartRequest{})
			body := strings.ReplaceAll(tt.body, "NAME", name)
			header := tt.header
			if header == "" {
				header = "X-None: 1"
			}
			a := f.send("POST", "/"+name+":cancel"+tt.suffix, body, header)
			assert.Equal(t, tt.want, a.code, string(a.body))
			assert.Equal(t, "application/json", a.header.Get("Content-Type"))
			if tt.want == 200 {
				assert.Empty(t, a.doc(t))
				assert.Equal(t, "CANCELLED", state(restOp(t, f, f.finish(name).GetName())))
				return
			}
			e := a.doc(t)["error"].(map[string]any)
			assert.Equal(t, "INVALID_ARGUMENT", e["status"])
			assert.Equal(t, "RUNNING", state(restOp(t, f, name)))
		})
	}
	assert.Equal(t, "RUNNING", state(restOp(t, f, other)))
}

func restOp(t *testing.T, f *fixture, name string) map[string]any {
	return f.send("GET", "/"+name, "").doc(t)
}

func TestErrorEnvelope(t *testing.T) {
	f := serve(t, Options{})
	a := f.send("POST", "/projects/p/operations/none:cancel", "")
	assert.Equal(t, 404, a.code)
	e := a.doc(t)["error"].(map[string]any)
	assert.Equal(t, float64(404), e["code"])
	assert.Equal(t, "NOT_FOUND", e["status"])
	assert.NotEmpty(t, e["message"])
	assert.Equal(t, []any{map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
		"reason": "OPERATION_NOT_FOUND", "domain": errorDomain}}, e["details"])

	a = f.send("PUT", "/projects/p/operations/none:cancel", "")
	assert.Equal(t, 405, a.code)
	assert.Equal(t, "DELETE, GET", a.header.Get("Allow"))
	assert.Equal(t, float64(405), a.doc(t)["error"].(map[string]any)["code"])
	assert.NotContains(t, a.doc(t)["error"], "status")

	assert.Equal(t, 404, f.send("GET", "/elsewhere", "").code)
	for _, odd := range []string{"%00", "%FF", "%0A", strings.Repeat("x", 4096), ".."} {
		assert.Equal(t, 400, f.send("GET", "/projects/p/operations/"+odd, "").code, odd)
	}
	assert.Equal(t, 404, f.send("GET", "/projects/p/operations/%F0%9F%98%80", "").code)
	assert.Equal(t, 400, f.send("POST", "/projects/p/operations:cancel", "").code)
}

func TestDenialComesBeforeTheBody(t *testing.T) {
	f := serve(t, guarded())
	name := f.start(StartRequest{})
	assert.Equal(t, 403, f.send("POST", "/"+name+":cancel", "{", "Authorization: Bearer s").code)
	assert.Equal(t, 401, f.send("POST", "/"+name+":cancel", "{").code)
	assert.Equal(t, 400, f.send("POST", "/"+name+":cancel", "{", "Authorization: bearer o").code)
}

func TestChunkedEmptyBody(t *testing.T) {
	f := serve(t, Options{})
	r, err := http.NewRequestWithContext(testContext(t), "POST", f.url+"/"+f.start(StartRequest{})+":cancel",
		struct{ *bytes.Reader }{bytes.NewReader(nil)})
	require.NoError(t, err)
	r.ContentLength = -1
	res, err := f.http.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, 200, res.StatusCode)
}

func TestHandlerNeedsNoServer(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	defer s.Close()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/v1beta/projects/p/operations", nil))
	assert.Equal(t, 200, w.Code)
	assert.JSONEq(t, "{}", w.Body.String())
}
