package targets

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// environment looks variables up in a map.
func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

// parsed is a target file that must be right.
func parsed(t *testing.T, text string, o LoadOptions) *Target {
	t.Helper()
	if o.Env == nil {
		o.Env = environment(map[string]string{"TOKEN": "t0ken-of-owner", "KEY": "k3y-of-owner", "STRANGER_TOKEN": "t0ken-of-stranger"})
	}
	target, err := Parse(filepath.Join(t.TempDir(), "target.yaml"), []byte(text), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	return target
}

const everyKey = `
name: my-service
implementation: {organization: Example, project: exports, version: 1.4, url: "https://example.com"}
profile: google
rest:
  url: http://127.0.0.1:8080/v1beta/
  name: projects/*/operations/**
  list: projects/demo
  wait: true
  delete: false
  headers: {X-Goog-Api-Client: rest/1.0 gapic/1.0}
grpc:
  address: localhost:9090
  plaintext: true
  list: projects/other
  wait: false
  metadata: {x-env: test}
  judge: false
auth:
  bearer: ${TOKEN}
  headers: {X-Api-Key: "${KEY}"}
principals:
  stranger: {bearer: "${STRANGER_TOKEN}"}
cancellation: guaranteed
cancel: supported
metadata: {state: /state}
unknown: projects/demo/operations/none
operations:
  running:
    http: {method: PUT, path: "projects/demo/jobs:start", headers: {X-A: b}, body: {id: "job-{unique}", seconds: 60}, name: /operation/name}
    cleanup: {http: {method: DELETE, path: "jobs/{name}"}}
  succeeding:
    grpc: {method: google.showcase.v1beta1.Echo/Wait, body: {ttl: 0.5s, success: {content: hi}}}
  failing:
    command: [./start-failing.sh, "{unique}"]
  pending: {names: [operations/a, operations/b]}
  nested: {unavailable: "names have one segment here"}
  slow: {http: {url: "http://127.0.0.1:1/jobs?x=1"}}
  uncancellable: {unavailable: "every job can be cancelled"}
  chosen: {http: {path: "jobs?id={id}"}}
timeouts: {request: 3s, settle: 500ms, observe: 1m30s}
confirm: true
exclude:
  - {requirement: "wait.*", reason: "Wait is planned for Q3"}
`

func TestEveryKey(t *testing.T) {
	got := parsed(t, everyKey, LoadOptions{AllowForeign: true})
	assert.Equal(t, "my-service", got.Name)
	assert.Equal(t, map[string]string{"organization": "Example", "project": "exports", "version": "1.4", "url": "https://example.com"}, got.Implementation)
	assert.Equal(t, ProfileGoogle, got.Profile)
	assert.True(t, got.Guaranteed && got.Confirmed && got.Authenticated)
	assert.False(t, got.ClientCertOnly)
	assert.Equal(t, CancelSupported, got.Cancel)
	assert.Equal(t, "/state", got.MetadataState)
	assert.Equal(t, "projects/demo/operations/none", got.Unknown)
	assert.Equal(t, Timeouts{Request: 3 * time.Second, Settle: 500 * time.Millisecond, Observe: 90 * time.Second}, got.Timeouts)
	assert.Equal(t, []Exclusion{{"wait.*", "Wait is planned for Q3"}}, got.Exclude)
	assert.Equal(t, map[Principal]Availability{Stranger: {Configured: true}}, got.Principals)
	assert.Equal(t, map[Role]Availability{
		Running: {Configured: true}, Succeeding: {Configured: true}, Failing: {Configured: true},
		Pending: {Configured: true, Foreign: true, Count: 2}, Nested: {Unavailable: "names have one segment here"},
		Slow: {Configured: true}, Uncancellable: {Unavailable: "every job can be cancelled"}, Chosen: {Configured: true},
	}, got.Roles)

	rest, grpc := got.Endpoints[REST], got.Endpoints[GRPC]
	assert.Equal(t, "http://127.0.0.1:8080/v1beta", rest.Address)
	assert.Equal(t, "projects/*/operations/**", rest.NamePattern)
	assert.Equal(t, "projects/demo", rest.List)
	assert.True(t, rest.HasList && rest.Judge && rest.Loopback && *rest.Wait && !*rest.Delete)
	assert.Nil(t, rest.Prepare)
	assert.Equal(t, "localhost:9090", grpc.Address)
	assert.Equal(t, "projects/*/operations/**", grpc.NamePattern, "that of rest")
	assert.Equal(t, "projects/other", grpc.List)
	assert.True(t, grpc.HasList && !grpc.Judge && grpc.Loopback && !*grpc.Wait && !*grpc.Delete)
	assert.NotNil(t, grpc.Prepare)
	assert.NotNil(t, grpc.Types, "metadata.state is set")
}

func TestDefaults(t *testing.T) {
	got := parsed(t, "rest: {urls: [\"https://a.example.com/v1\", \"https://b.example.com/v1\"], list: operations}\ngrpc: {addresses: ['a.example.com:443']}", LoadOptions{})
	assert.Equal(t, "a.example.com", got.Name)
	assert.Equal(t, ProfileLRO, got.Profile)
	assert.Equal(t, CancelAuto, got.Cancel)
	assert.Equal(t, DefaultTimeouts(), got.Timeouts)
	assert.False(t, got.Guaranteed || got.Authenticated || got.Confirmed)
	assert.Empty(t, got.Roles)
	assert.Empty(t, got.Principals)
	rest, grpc := got.Endpoints[REST], got.Endpoints[GRPC]
	assert.Equal(t, "https://a.example.com/v1, https://b.example.com/v1", rest.Address)
	assert.Equal(t, "**", rest.NamePattern)
	assert.False(t, rest.Loopback || grpc.Loopback)
	assert.True(t, rest.HasList && grpc.HasList)
	assert.Equal(t, "", rest.List, "operations is GET {url}/operations")
	assert.Equal(t, "operations", grpc.List, "verbatim")
	assert.Nil(t, rest.Wait)
	assert.NotNil(t, grpc.Types, "what is seen of no known type is asked for")
	assert.Nil(t, grpc.Prepare)
	assert.True(t, rest.Judge && grpc.Judge)
}

func TestStrangerUnavailable(t *testing.T) {
	got := parsed(t, "rest: {url: http://localhost}\nprincipals: {stranger: {unavailable: all may cancel}}", LoadOptions{})
	assert.Equal(t, map[Principal]Availability{Stranger: {Unavailable: "all may cancel"}}, got.Principals)
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "::1": true, "localhost": true, "api.localhost": true,
		"10.0.0.1": false, "example.com": false, "localhost.example.com": false, "0.0.0.0": false} {
		assert.Equal(t, want, loopback(host), host)
	}
	assert.False(t, allLoopback([]string{"http://127.0.0.1:1/v1", "http://10.0.0.1/v1"}))
	assert.True(t, allLoopback([]string{"http://[::1]:1/v1", "localhost:9"}))
}

// Each mistake with the message that a user reads, all of it.
func TestMistakes(t *testing.T) {
	const rest = "rest: {url: http://localhost/v1}\n"
	tests := []struct{ name, text, want string }{
		{"unknown key", "rest:\n  ulr: http://localhost", `target.yaml:2:3: rest.ulr: unknown key; did you mean "url"?`},
		{"unknown key, nothing near", rest + "tls: {frobnicate: 1}", `target.yaml:2:7: tls.frobnicate: unknown key; known here: ca, cert, insecure, key, server_name`},
		{"unknown key at the top", rest + "operation: {}", `target.yaml:2:1: operation: unknown key; did you mean "operations"?`},
		{"unknown role", rest + "operations: {runing: {command: [x]}}", `target.yaml:2:14: operations.runing: unknown key; did you mean "running"?`},
		{"duplicate key", "rest: {url: http://localhost}\nrest: {url: http://localhost}", `target.yaml:2:1: rest: duplicate key; it stands in line 1 already`},
		{"no transport", "name: x", `target.yaml:1:1: rest or grpc is missing`},
		{"no url", "rest: {wait: true}", `target.yaml:1:7: rest: url or urls is missing`},
		{"url twice", "rest: {url: http://localhost, urls: [http://localhost]}", `target.yaml:1:7: rest: url and urls exclude each other; keep one`},
		{"a bad url", "rest: {url: localhost:80}", `target.yaml:1:13: rest.url: "localhost:80" is no base URL; write http or https, host and version, like http://127.0.0.1:8080/v1`},
		{"a bad address", "grpc: {address: 'http://localhost'}", `target.yaml:1:17: grpc.address: "http://localhost" is no address; write host:port, like 127.0.0.1:9090`},
		{"a bad duration", rest + "timeouts:\n  settle: 10", `target.yaml:3:11: timeouts.settle: "10" is no duration above zero; write a number with its unit, like 10s, 500ms or 1m30s`},
		{"a bad word", rest + "cancellation: guarantied", `target.yaml:2:15: cancellation: "guarantied" is not known here; write guaranteed or best-effort`},
		{"no boolean", rest + "confirm: yes", `target.yaml:2:10: confirm: must be true or false, not a string`},
		{"no list", rest + "operations: {running: {command: ./x}}", `target.yaml:2:33: operations.running.command: must be a list, not a string; write it like [a, b]`},
		{"no mapping", rest + "operations:", `target.yaml:2:12: operations: must be a mapping, not nothing`},
		{"two recipes", rest + "operations: {running: {command: [x], unavailable: y}}", `target.yaml:2:23: operations.running: command and unavailable exclude each other; keep one`},
		{"no recipe", rest + "operations: {running: {}}", `target.yaml:2:23: operations.running: http, grpc, command, names or unavailable is missing`},
		{"a misspelt recipe", rest + "operations: {running: {htp: {path: x}}}", `target.yaml:2:24: operations.running.htp: unknown key; did you mean "http"?`},
		{"two tokens", rest + "auth: {bearer: x, command: [y]}", `target.yaml:2:7: auth: bearer and command exclude each other; keep one`},
		{"empty", rest + "auth: {}", `target.yaml:2:7: auth: must not be empty; leave the key out, or give it a value`},
		{"empty bearer", rest + "auth: {bearer: }", `target.yaml:2:16: auth.bearer: must not be empty; leave the key out, or give it a value`},
		{"cert without key", rest + "tls: {key: missing.pem}", "target.yaml:2:6: tls: cert and key belong together\ntarget.yaml:2:12: tls.key: the file \"missing.pem\" cannot be read: no such file or directory; relative paths are relative to the target file"},
		{"grpc recipe without grpc", rest + "operations: {running: {grpc: {method: a.B/C}}}", `target.yaml:2:30: operations.running.grpc: the call needs the transport grpc, which is not configured; add grpc: {address: ..., judge: false}`},
		{"http recipe without rest", "grpc: {address: 'localhost:1'}\noperations: {running: {http: {path: x}}}", `target.yaml:2:37: operations.running.http.path: the path is below rest.url, and rest is not configured; add rest: {url: ..., judge: false}, or give the recipe its own url`},
		{"cleanup without its transport", rest + "operations: {running: {command: [x], cleanup: {grpc: {method: a.B/C}}}}", `target.yaml:2:54: operations.running.cleanup.grpc: the call needs the transport grpc, which is not configured; add grpc: {address: ..., judge: false}`},
		{"foreign names", rest + "operations: {running: {names: [a]}}", `target.yaml:2:31: operations.running.names: these operations are not started by this run; add --allow-foreign to let them be cancelled, or give a recipe`},
		{"chosen without id", rest + "operations: {chosen: {http: {path: x}}}", `target.yaml:2:22: operations.chosen: {id} does not occur, so the suite cannot choose the id; put {id} where the service takes the id of the operation`},
		{"neither judged", "rest: {url: http://localhost/v1, judge: false}", `target.yaml:1:1: judge is false for every transport; one transport must be judged`},
		{"excluded nothing", rest + "exclude: [{requirement: cancel.stat.code-1, reason: x}]", `target.yaml:2:25: exclude[0].requirement: "cancel.stat.code-1" is no requirement; did you mean "cancel.state.code-1"?`},
		{"no reason", rest + "exclude: [{requirement: 'wait.*'}]", `target.yaml:2:11: exclude[0]: reason is missing`},
		{"unset variable", rest + "auth: {bearer: \"${NOT_THERE}\"}", `target.yaml:2:16: auth.bearer: the environment variable NOT_THERE is not set; export it, or give the key with --set`},
		{"no variable", rest + "auth: {bearer: \"${a-b}\"}", `target.yaml:2:16: auth.bearer: ${a-b} names no environment variable; write ${NAME} with letters, digits and _`},
		{"a secret is not shown", "rest: {url: \"${SECRET}\"}", `target.yaml:1:13: rest.url: its value from the environment is no base URL; write http or https, host and version, like http://127.0.0.1:8080/v1`},
		{"a bad header name", "rest: {url: http://localhost, headers: {\"a b\": c}}", `target.yaml:1:41: rest.headers.a b: "a b" is no name of a header; use letters, digits and -`},
		{"a bad metadata name", "grpc: {address: 'localhost:1', metadata: {X-Env: c}}", `target.yaml:1:43: grpc.metadata.X-Env: "X-Env" is no name of metadata; use lower-case letters, digits, - and _`},
		{"a bad pointer", rest + "metadata: {state: state}", `target.yaml:2:19: metadata.state: "state" is no JSON pointer; write it like /name or /response/name`},
		{"no protoset", rest + "grpc: {address: 'localhost:1'}\noperations: {running: {grpc: {method: a.B/C, protoset: x.pb}}}", `target.yaml:3:56: operations.running.grpc.protoset: the file "x.pb" cannot be read: no such file or directory; relative paths are relative to the target file`},
		{"a tag", rest + "name: !!binary aGk=", `target.yaml:2:7: name: the tag !!binary is not supported; quote the value to make it a string`},
		{"a merge key", "a: &a {url: http://localhost}\nrest: {<<: *a}", "target.yaml:1:1: a: unknown key; known here: "},
		{"no yaml", "rest: [", "target.yaml:1:1: not readable as YAML: did not find expected node content"},
		{"not a mapping", "- a", "target.yaml:1:1: not a mapping; write keys and values, like rest: {url: ...}"},
		{"nothing", "# only a comment\n", "target.yaml: empty; write at least rest: {url: ...} or grpc: {address: ...}"},
		{"two documents", rest + "---\na: 1", "target.yaml:2:1: a second document; a target file is one YAML document"},
		{"too large", strings.Repeat("#", maxConfigBytes+1), "target.yaml: larger than 1 MiB; a target file describes one server in some hundred lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("target.yaml", []byte(tt.text), LoadOptions{Env: environment(map[string]string{"SECRET": "hidden"})})
			require.Error(t, err)
			var mistake *ConfigError
			assert.True(t, errors.As(err, &mistake))
			if strings.HasSuffix(tt.want, ": ") {
				assert.Contains(t, err.Error(), tt.want)
				return
			}
			assert.Equal(t, tt.want, err.Error())
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Parse("target.yaml", []byte(`rest: {ulr: http://localhost}
timeouts: {settle: 10, request: soon}
auth: {bearer: "${NOT_THERE}"}
operations:
  running: {grpc: {method: nonsense}}
  pending: {names: [a]}
`), LoadOptions{Env: environment(nil)})
	require.Error(t, err)
	var lines []string
	for _, l := range strings.Split(err.Error(), "\n") {
		key, _, _ := strings.Cut(l[strings.Index(l, ": ")+2:], ":")
		lines = append(lines, key)
	}
	assert.Equal(t, []string{"rest.ulr", "timeouts.settle", "timeouts.request", "auth.bearer", "operations.running.grpc", "operations.running.grpc.method", "operations.pending.names"}, lines)
}

func TestAliasesAreBounded(t *testing.T) {
	bomb := "rest: {url: http://localhost}\noperations:\n  running:\n    http:\n      path: x\n      body:\n        a: &a [1,1,1,1,1,1,1,1,1,1]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += "        " + string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ",") + "]\n"
	}
	_, err := Parse("target.yaml", []byte(bomb), LoadOptions{})
	assert.ErrorContains(t, err, "more than 50000 values; repeat less by aliases")
	_, err = Parse("target.yaml", []byte("rest: {url: http://localhost}\noperations: {running: {http: {path: x, body: &a [*a]}}}"), LoadOptions{})
	assert.ErrorContains(t, err, "an alias to itself")
	_, err = Parse("target.yaml", []byte("rest: {url: http://localhost}\noperations: {running: {http: {path: x, body: "+strings.Repeat("[", 100)+strings.Repeat("]", 100)+"}}}"), LoadOptions{})
	assert.ErrorContains(t, err, "nested deeper than 64")
}

func TestAliasesServe(t *testing.T) {
	got := parsed(t, "rest: {url: http://localhost}\noperations:\n  running: &job {command: [x]}\n  slow: *job", LoadOptions{Set: []string{"operations.slow.command[0]=y"}})
	assert.Len(t, got.Roles, 2)
}

// The target files that come with the suite are right.
func TestShippedTargetFiles(t *testing.T) {
	paths, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		target, err := Load(path, LoadOptions{Env: func(name string) (string, bool) { return "value-of-" + name, true }})
		if assert.NoError(t, err) {
			assert.NoError(t, target.Close())
		}
	}
}

func TestSecretsOfTheEnvironmentAreKnown(t *testing.T) {
	r, err := read("t.yaml", []byte(`{rest: {url: "http://localhost", headers: {X-Api-Key: "k-${PLAIN}"}}, name: "${PROJECT}", operations: {running: {http: {path: x, body: {password: "${DB_PASSWORD}"}}}}}`),
		LoadOptions{Env: environment(map[string]string{"PLAIN": "plain-value", "PROJECT": "my-project", "DB_PASSWORD": "pass-value"})})
	require.NoError(t, err)
	d := r.draft(LoadOptions{})
	assert.Equal(t, Redacted+" my-project "+Redacted, d.redact.String("plain-value my-project pass-value"))
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "t.yaml")
	_, err := Load(path, LoadOptions{})
	assert.EqualError(t, err, path+": cannot be read: no such file or directory")
	require.NoError(t, os.WriteFile(path, []byte("rest: {url: http://localhost/v1}"), 0o600))
	target, err := Load(path, LoadOptions{Rate: 5})
	require.NoError(t, err)
	assert.NoError(t, target.Close())
	assert.NoError(t, target.Close(), "closing twice is harmless")
}
