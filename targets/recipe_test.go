package targets

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A jobServer keeps the requests that it got and answers with a fixed text.
type jobServer struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	answer string
	got    []string // method, URI, Content-Type, Authorization, body
}

func newJobServer(t *testing.T) *jobServer {
	s := &jobServer{status: 200, answer: `{"name": "operations/1", "deep": {"name": "operations/2"}}`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("X-A"), string(body)}, "|"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(s.status)
		io.WriteString(w, s.answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *jobServer) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[len(s.got)-1]
}

func start(t *testing.T, target *Target, q StartRequest) (Started, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return target.Starter.Start(ctx, q)
}

func TestHTTPRecipe(t *testing.T) {
	s := newJobServer(t)
	target := parsed(t, `
rest: {url: `+s.URL+`/v1, headers: {X-A: everywhere}}
auth: {bearer: s3cret-token}
operations:
  running:
    http: {path: "jobs:start", body: {id: "job-{unique}", seconds: 60, token: s3cret-token}}
    cleanup: {http: {method: DELETE, path: "/jobs/{unique}/{name}"}}
  slow: {http: {method: PUT, path: x, name: /deep/name, headers: {X-A: here}}}
  failing: {http: {url: "`+s.URL+`/other/{unique}?a=b", body: [1]}}
  chosen: {http: {path: "jobs?id={id}"}}
`, LoadOptions{})

	first, err := start(t, target, StartRequest{Role: Running})
	require.NoError(t, err)
	assert.Equal(t, "operations/1", first.Name)
	one := s.last()
	assert.Regexp(t, `^POST\|/v1/jobs:start\|application/json\|Bearer s3cret-token\|everywhere\|\{"id":"job-[a-z0-9]{16}","seconds":60,"token":"s3cret-token"\}$`, one)
	assert.Equal(t, "start running", first.Exchange.Note)
	assert.Equal(t, "POST /v1/jobs:start", first.Exchange.Request.Line)
	shown, err := json.Marshal(first.Exchange)
	require.NoError(t, err)
	assert.NotContains(t, string(shown), "s3cret-token")
	unique := one[strings.Index(one, "job-")+4:][:16]
	require.NotNil(t, first.Cleanup)
	require.NoError(t, first.Cleanup(context.Background()))
	assert.Equal(t, "DELETE|/v1/jobs/"+unique+"/operations/1||Bearer s3cret-token|everywhere|", s.last(), "{unique} is that of the start")
	_, err = start(t, target, StartRequest{Role: Running})
	require.NoError(t, err)
	assert.NotEqual(t, one, s.last(), "{unique} is fresh at every start")

	slow, err := start(t, target, StartRequest{Role: Slow})
	require.NoError(t, err)
	assert.Equal(t, "operations/2", slow.Name)
	assert.Nil(t, slow.Cleanup)
	assert.Equal(t, "PUT|/v1/x||Bearer s3cret-token|here|", s.last())
	_, err = start(t, target, StartRequest{Role: Failing})
	require.NoError(t, err)
	assert.Regexp(t, `^POST\|/other/[a-z0-9]{16}\?a=b\|application/json\|Bearer s3cret-token\|\|\[1\]$`, s.last())
	_, err = start(t, target, StartRequest{Role: Chosen, ID: "my id"})
	require.NoError(t, err)
	assert.Contains(t, s.last(), "/v1/jobs?id=my+id|")
}

func TestHTTPRecipeRefused(t *testing.T) {
	tests := []struct {
		name   string
		status int
		answer string
		want   string
	}{
		{"refused", 500, `it broke, s3cret-token`, "operations.running: POST /x was answered HTTP 500 INTERNAL: it broke, [redacted]"},
		{"redirected", 302, ``, "operations.running: POST /x was answered HTTP 302 UNKNOWN: (empty)"},
		{"no JSON", 200, `<html>`, "with what is not JSON"},
		{"no name", 200, `{}`, "operations.running: POST /x was answered HTTP 200: the answer holds nothing at /name, where the operation's name should be: {}"},
		{"an empty name", 200, `{"name": ""}`, "the answer holds an empty string at /name, not the operation's name"},
		{"a number", 200, `{"name": 1}`, "the answer holds 1 at /name, not the operation's name"},
		{"long", 400, strings.Repeat("x", 1000), strings.Repeat("x", 300) + "..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newJobServer(t)
			s.status, s.answer = tt.status, tt.answer
			target := parsed(t, "rest: {url: "+s.URL+"}\nauth: {bearer: s3cret-token}\noperations: {running: {http: {path: x}}}", LoadOptions{})
			started, err := start(t, target, StartRequest{Role: Running})
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "s3cret-token")
			assert.Equal(t, tt.status, started.Exchange.HTTP, "the exchange is there all the same")
		})
	}
}

func TestHTTPRecipeUnanswered(t *testing.T) {
	s := newJobServer(t)
	target := parsed(t, "rest: {url: "+s.URL+"}\noperations: {running: {http: {path: x}}}", LoadOptions{})
	s.Close()
	started, err := start(t, target, StartRequest{Role: Running})
	var none *NoAnswer
	require.ErrorAs(t, err, &none)
	assert.Equal(t, Unreachable, none.Kind)
	assert.Equal(t, "POST /x", started.Exchange.Request.Line)
}

func TestNotConfigured(t *testing.T) {
	target := parsed(t, "rest: {url: http://localhost}\noperations: {slow: {unavailable: none}}", LoadOptions{})
	for _, role := range []Role{Running, Slow} {
		_, err := start(t, target, StartRequest{Role: role})
		assert.EqualError(t, err, "operations."+string(role)+" is not configured")
	}
}

func TestNamesAreUsedOnce(t *testing.T) {
	target := parsed(t, "rest: {url: http://localhost}\noperations: {pending: {names: [operations/a, operations/b]}}", LoadOptions{AllowForeign: true})
	for _, want := range []string{"operations/a", "operations/b"} {
		got, err := start(t, target, StartRequest{Role: Pending})
		require.NoError(t, err)
		assert.Equal(t, want, got.Name)
		assert.Zero(t, got.Exchange.Request.Line)
	}
	for range 2 {
		_, err := start(t, target, StartRequest{Role: Pending})
		assert.EqualError(t, err, "operations.pending.names: all 2 are used; each serves once")
	}
}

func TestCommandRecipe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands of this test are shell scripts")
	}
	tests := []struct{ name, script, want, problem string }{
		{"the last line", "echo starting; echo ' operations/1 '; echo", "operations/1", ""},
		{"its directory", "basename \"$(pwd -P)\"; basename \"$0\"", "start.sh", ""},
		{"arguments", `test ${#1} = 16 && echo "operations/$2"`, "operations/second", ""},
		{"no name", "echo", "", "operations.running: command ./start.sh: it printed no name on standard output"},
		{"failing", "echo operations/1; echo cannot reach s3cret-token >&2; exit 3", "", "operations.running: command ./start.sh: exit status 3: cannot reach [redacted]"},
		{"a child stays behind", "sleep 30 & echo operations/1", "operations/1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "start.sh"), []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755))
			target, err := Parse(filepath.Join(dir, "t.yaml"), []byte("rest: {url: http://localhost}\nauth: {bearer: s3cret-token}\noperations: {running: {command: [./start.sh, \"{unique}\", second], cleanup: {command: [sh, -c, \"echo {name} > cleaned\"]}}}"), LoadOptions{})
			require.NoError(t, err)
			defer target.Close()
			got, err := start(t, target, StartRequest{Role: Running})
			if tt.problem != "" {
				require.EqualError(t, err, tt.problem)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.Name)
			require.NoError(t, got.Cleanup(context.Background()))
			cleaned, err := os.ReadFile(filepath.Join(dir, "cleaned"))
			require.NoError(t, err)
			assert.Equal(t, tt.want+"\n", string(cleaned))
		})
	}
}

func TestCommandIsBounded(t *testing.T) {
	recipe := &commandRecipe{wire: newDraft(0).wire, limit: 100 * time.Millisecond,
		argv: []text{{{literal: "sh"}}, {{literal: "-c"}}, {{literal: "echo waiting >&2; exec sleep 600"}}}}
	_, _, err := recipe.run(context.Background(), nil)
	assert.EqualError(t, err, "command sh: killed: it did not end within 100ms: waiting")
}
