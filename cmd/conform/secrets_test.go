package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets/reference"
)

// canaries are secrets, by the channel in which they are planted. None looks
// like a credential by itself.
func canaries() map[string]string {
	return map[string]string{
		"OWNER_TOKEN":     "canary-owner/bearer+91a7",
		"STRANGER_TOKEN":  "canary-stranger-52f0",
		"API_KEY":         "canary apikey&83c1",
		"SESSION_SECRET":  "canary-session-b6d4",
		"RECIPE_PASSWORD": "canary-recipe-\"quoted\"-17ee",
		"QUERY_KEY":       "canary-query-4c29",
		"COMMAND_TOKEN":   "canary-command-77ab",
	}
}

// forms are how a secret may show.
func forms(secret string) []string {
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.ReplaceAll(secret, `"`, `\"`),
		base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))}
}

// echoing answers as the reference server does, and adds to each answer, and
// to the message of each error, all that the request brought.
func echoing(s *reference.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var seen strings.Builder
		fmt.Fprintf(&seen, "%s %s", r.URL, r.RequestURI)
		for name, values := range r.Header {
			v := strings.Join(values, ",")
			fmt.Fprintf(&seen, " %s=%s %s %s", name, v, base64.StdEncoding.EncodeToString([]byte(v)), hex.EncodeToString([]byte(v)))
		}
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, r)
		w.Header().Set("X-Echo", strings.ReplaceAll(seen.String(), "\n", " "))
		w.Header().Set("Content-Type", "application/json")
		body := answer.Body.String()
		if answer.Code >= 400 {
			body = strings.Replace(body, `"message":"`, fmt.Sprintf(`"message":"%s `, strings.Trim(fmt.Sprintf("%q", seen.String()), `"`)), 1)
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write([]byte(body))
	})
}

// TestSecretsShowNowhere plants a canary in every channel by which a secret
// gets in, and searches everything that comes out: each format, the log, the
// errors, the evidence, the plan and the lines to repeat a call with.
func TestSecretsShowNowhere(t *testing.T) {
	secrets := canaries()
	for name, v := range secrets {
		t.Setenv(name, v)
	}
	for name, bearer := range map[string]string{"from the environment": `{bearer: "${OWNER_TOKEN}", headers: {X-Api-Key: "${API_KEY}"}}`,
		"of a command": `{command: [sh, -c, "echo $COMMAND_TOKEN"], headers: {X-Api-Key: "${API_KEY}"}}`} {
		t.Run(name, func(t *testing.T) {
			// An honest server shows little; one that refuses every cancel shows all of its errors.
			m, ok := reference.Lookup("cancel-refused-in-progress")
			if !ok {
				m = reference.Mutants()[0]
			}
			s, err := reference.NewMutant(reference.Options{Tokens: map[string]reference.Caller{secrets["OWNER_TOKEN"]: reference.Owner,
				secrets["COMMAND_TOKEN"]: reference.Owner, secrets["STRANGER_TOKEN"]: reference.Stranger}}, m)
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, s.Close()) })
			server := httptest.NewServer(echoing(s))
			t.Cleanup(server.Close)
			searchOutputs(t, server.URL, bearer, secrets)
		})
	}
}

func searchOutputs(t *testing.T, address, bearer string, secrets map[string]string) {
	dir := t.TempDir()
	file := filepath.Join(dir, "t.yaml")
	start := `{http: {path: "projects/demo/jobs:start?key=${QUERY_KEY}", headers: {X-Password: "${RECIPE_PASSWORD}"}, body: {kind: %s}}}`
	text := "name: canaries\nrest: {url: \"" + address + "/v1beta\", name: \"projects/*/operations/**\", list: projects/demo, headers: {Cookie: \"session=${SESSION_SECRET}\"}}\n" +
		"auth: " + bearer + "\nprincipals: {stranger: {bearer: \"${STRANGER_TOKEN}\"}}\noperations:\n" +
		"  running: " + fmt.Sprintf(start, "running") + "\n  succeeding: " + fmt.Sprintf(start, "succeeding") +
		"\n  failing: {http: {path: \"nowhere?key=${QUERY_KEY}\", headers: {X-Password: \"${RECIPE_PASSWORD}\"}, body: {secret: \"${RECIPE_PASSWORD}\"}}}\n" +
		"timeouts: {request: 5s, settle: 300ms, observe: 20ms}\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	before, err := os.ReadDir(dir)
	require.NoError(t, err)
	args := []string{"run", file, "-v", "--evidence", filepath.Join(dir, "evidence.jsonl")}
	for _, format := range []string{"json", "junit", "html", "markdown", "github", "ctrf", "badge", "messages"} {
		args = append(args, "--report", format+":"+filepath.Join(dir, "report."+format))
	}
	var out bytes.Buffer
	for _, args := range [][]string{args, {"run", file, "--plan"}, {"doctor", file}, {"doctor", file, "--set", "rest.url=http://127.0.0.1:1/v1"},
		{"run", file, "--set", "operations.running.http.path=nowhere?key=${QUERY_KEY}"},
		{"replay", filepath.Join(dir, "report.json")}, {"report", filepath.Join(dir, "report.json")},
		{"storm", file, "--duration", "300ms"}} {
		fmt.Fprintf(&out, "\n$ conform %s\n", args[0])
		code := execute(args, &app{out: &out, err: &out, env: func(string) (string, bool) { return "", false }})
		t.Logf("conform %s: %d", args[0], code)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "output"), out.Bytes(), 0o600))
	searched := 0
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == before[0].Name() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		searched++
		for name, secret := range secrets {
			for _, form := range forms(secret) {
				if i := bytes.Index(data, []byte(form)); i >= 0 {
					t.Errorf("%s shows %s: …%s…", path, name, data[max(0, i-200):min(len(data), i+80)])
				}
			}
		}
		return err
	}))
	assert.Greater(t, searched, 9, "every report was written")
	assert.Contains(t, out.String(), "[redacted]", "what was planted got as far as the recorder")
}
