package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// defaultCredentials are application default credentials whose tokens come
// from an endpoint on loopback.
func defaultCredentials(t *testing.T, token string) {
	t.Helper()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": %q, "token_type": "Bearer", "expires_in": 3600}`, token)
	}))
	t.Cleanup(endpoint.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	account, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "a@example.com", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": endpoint.URL})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "account.json")
	require.NoError(t, os.WriteFile(path, account, 0o600))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
}

// standFor is the reference server in the place of a public API.
func standFor(t *testing.T, o reference.Options) (rest, grpc string) {
	t.Helper()
	s, err := reference.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	var at [2]string
	for i, serve := range []func(net.Listener) error{s.ServeREST, s.ServeGRPC} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		at[i] = l.Addr().String()
		go func() { _ = serve(l) }() // ends with the server
	}
	return "http://" + at[0], at[1]
}

// valued gives every variable of a target file a value.
func valued(t *testing.T, file string, values map[string]string) targets.LoadOptions {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^[^#\n]*?\$\{([A-Z_]+)\}`).FindAllStringSubmatch(string(data), -1) {
		names[m[1]] = true
	}
	assert.NotEmpty(t, names)
	return targets.LoadOptions{Env: func(name string) (string, bool) {
		if v, ok := values[name]; ok {
			return v, true
		}
		return "demo", true
	}, Set: []string{"timeouts.request=5s", "timeouts.settle=5s", "timeouts.observe=100ms"}}
}

// judged holds a target file to a run in which nothing fails.
func judged(t *testing.T, file string, load targets.LoadOptions) *reports.Report {
	t.Helper()
	target, err := targets.Load(file, load)
	require.NoError(t, err)
	defer func() { assert.NoError(t, target.Close()) }()
	r, err := steps.Run(context.Background(), target, steps.Options{Level: reports.LevelShould, Timeout: time.Minute})
	require.NoError(t, err)
	passed := 0
	for _, q := range r.Requirements {
		if q.Verdict == reports.Passed {
			passed++
		}
		assert.NotContains(t, []reports.Verdict{reports.Failed}, q.Verdict, "%s: %s", q.ID, q.Reason)
	}
	assert.Greater(t, passed, 60, r.Reason)
	assert.Empty(t, r.Problem)
	return r
}

const publicTargets = "../../targets/"

// The target file of Earth Engine is run for real, on the reference server
// with Earth Engine's bindings, in each of its versions.
func TestEarthEngine(t *testing.T) {
	defaultCredentials(t, "earthengine-token")
	for _, version := range []string{"v1", "v1beta", "v1alpha"} {
		rest, _ := standFor(t, reference.Options{EarthEngine: true, Base: "/" + version, Tokens: map[string]reference.Caller{"earthengine-token": reference.Owner}})
		load := valued(t, publicTargets+"earthengine.yaml", map[string]string{"EE_VERSION": version})
		load.Set = append(load.Set, "rest.url="+rest+"/"+version, "cancellation=guaranteed")
		r := judged(t, publicTargets+"earthengine.yaml", load)
		for _, q := range r.Requirements {
			if q.ID == "cancel.state.metadata-state" || q.ID == "wait.done-immediate" || q.ID == "cancel.state.listed" || q.ID == "cancel.finished.preserves-failure" {
				assert.Equal(t, reports.Passed, q.Verdict, "%s: %s", q.ID, q.Reason)
			}
		}
	}
}

// The other target files are run under their templates; operations are started
// in the way of the reference server.
func TestPublicAPIs(t *testing.T) {
	defaultCredentials(t, "public-token")
	for file, o := range map[string]struct{ template, parent, base string }{
		"translate":       {"projects/*/locations/*/operations/*", "projects/demo/locations/demo/", "/v3"},
		"firestore":       {"projects/*/databases/*/operations/*", "projects/demo/databases/demo/", "/v1"},
		"cloudbuild":      {"operations/**", "", "/v1"},
		"storagetransfer": {"transferOperations/**", "", "/v1"},
		"spanner":         {"projects/*/instances/*/databases/*/operations/*", "projects/demo/instances/demo/databases/demo/", "/v1"},
	} {
		t.Run(file, func(t *testing.T) {
			rest, grpc := standFor(t, reference.Options{Template: o.template, Base: o.base, Tokens: map[string]reference.Caller{"public-token": reference.Owner}})
			path := publicTargets + file + ".yaml"
			plain, err := targets.Load(path, valued(t, path, nil))
			require.NoError(t, err, "as it is")
			assert.Equal(t, o.template, plain.Endpoints[targets.REST].NamePattern)
			require.NoError(t, plain.Close())
			load := valued(t, path, nil)
			load.Set = append(load.Set, "rest.url="+rest+o.base, "cancellation=guaranteed", "operations.running={http: {path: '"+o.parent+"jobs:start'}}", "metadata={}")
			if file == "spanner" {
				load.Set = append(load.Set, "grpc.address="+grpc, "grpc.plaintext=true")
			}
			if file == "cloudbuild" {
				load.Set = append(load.Set, "operations.nested={http: {path: '"+o.parent+"jobs:start', body: {kind: nested}}}")
			}
			judged(t, path, load)
		})
	}
}

// An export that Earth Engine would not take is refused.
func TestEarthEngineRefusesOtherExports(t *testing.T) {
	rest, _ := standFor(t, reference.Options{EarthEngine: true, Base: "/v1"})
	for _, body := range []string{"", "{", `{"expression": {}}`, `[]`} {
		resp, err := http.Post(rest+"/v1/projects/demo/image:export", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
		require.NoError(t, resp.Body.Close())
	}
}
