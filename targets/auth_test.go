package targets

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// credentialsOf reads the file and returns what a principal's calls carry.
func credentialsOf(t *testing.T, dir, text string, p Principal) (Credentials, *draft) {
	t.Helper()
	r, err := read(filepath.Join(dir, "t.yaml"), []byte("rest: {url: http://localhost}\n"+text), LoadOptions{Env: environment(map[string]string{"TOKEN": "t0ken-value"})})
	require.NoError(t, err)
	d := r.draft(LoadOptions{})
	require.NoError(t, joinConfigErrors(r.errs))
	return d.credentials[p], d
}

func TestStaticCredentials(t *testing.T) {
	tests := []struct {
		text string
		p    Principal
		want map[string]string
	}{
		{`auth: {bearer: "${TOKEN}"}`, Owner, map[string]string{"Authorization": "Bearer t0ken-value"}},
		{`auth: {headers: {X-Api-Key: "${TOKEN}"}}`, Owner, map[string]string{"X-Api-Key": "t0ken-value"}},
		{`auth: {bearer: abcde, headers: {X-Api-Key: t0ken-value}}`, Owner, map[string]string{"Authorization": "Bearer abcde", "X-Api-Key": "t0ken-value"}},
		{`principals: {stranger: {headers: {Authorization: Basic t0ken-value}}}`, Stranger, map[string]string{"Authorization": "Basic t0ken-value"}},
	}
	for _, tt := range tests {
		c, d := credentialsOf(t, ".", tt.text, tt.p)
		got, err := c.Headers(context.Background())
		require.NoError(t, err)
		assert.Equal(t, tt.want, got)
		assert.Equal(t, "x "+Redacted+" y", d.redact.String("x t0ken-value y"), "known as a secret: %s", tt.text)
	}
}

func TestTokenOfACommandAndOfAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	for _, text := range []string{`auth: {command: [cat, token], headers: {X-A: b}}`, `auth: {file: token, headers: {X-A: b}}`} {
		t.Run(text, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(" first-token\n"), 0o600))
			c, d := credentialsOf(t, dir, text, Owner)
			got, err := c.Headers(context.Background())
			require.NoError(t, err)
			assert.Equal(t, map[string]string{"Authorization": "Bearer first-token", "X-A": "b"}, got)
			assert.Equal(t, Redacted, d.redact.String("first-token"))
		})
	}
	require.NoError(t, os.WriteFile(path, []byte("two\nlines"), 0o600))
	c, _ := credentialsOf(t, dir, `auth: {file: token}`, Owner)
	_, err := c.Headers(context.Background())
	assert.EqualError(t, err, "auth: it brought no token of one line")
	c, _ = credentialsOf(t, dir, `principals: {stranger: {command: [sh, -c, "echo no luck >&2; exit 1"]}}`, Stranger)
	_, err = c.Headers(context.Background())
	assert.EqualError(t, err, "principals.stranger: sh: exit status 1: no luck")
}

func TestTokensAreKeptUntilTheyExpireOrAreRefused(t *testing.T) {
	now := time.Unix(1000, 0)
	var fetches int
	var expires time.Time
	var problem error
	tk := newTokens(NewRedactor(), "auth", func(context.Context) (string, time.Time, error) {
		fetches++
		return fmt.Sprintf("token-%d", fetches), expires, problem
	}, nil)
	tk.now = func() time.Time { return now }
	get := func() string {
		h, err := tk.get(context.Background())
		require.NoError(t, err)
		return h["Authorization"]
	}
	assert.Equal(t, "Bearer token-1", get())
	tk.refused()
	assert.Equal(t, "Bearer token-1", get(), "a token just fetched is kept")
	now = now.Add(tokenGrace)
	tk.refused()
	assert.Equal(t, "Bearer token-2", get())
	now = now.Add(tokenLife - time.Nanosecond)
	assert.Equal(t, "Bearer token-2", get())
	now = now.Add(time.Nanosecond)
	expires = now.Add(time.Hour)
	assert.Equal(t, "Bearer token-3", get())
	now = now.Add(time.Hour - tokenMargin - time.Nanosecond)
	assert.Equal(t, "Bearer token-3", get())
	now = now.Add(time.Nanosecond)
	problem = errors.New("gone: token-3")
	_, err := tk.get(context.Background())
	assert.EqualError(t, err, "auth: gone: [redacted]")
	assert.ErrorIs(t, err, problem)

	tk.turn <- struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = tk.get(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestApplicationDefaultCredentials(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "google-token-%d", "token_type": "Bearer", "expires_in": 3600}`, asked.Add(1))
	}))
	defer s.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	account, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "a@example.com", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": s.URL})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "account.json")
	require.NoError(t, os.WriteFile(path, account, 0o600))

	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
	c, d := credentialsOf(t, ".", `auth: {google: {scopes: ["https://www.googleapis.com/auth/earthengine"]}}`, Owner)
	assert.Zero(t, asked.Load(), "found at the first call")
	for range 2 {
		got, err := c.Headers(context.Background())
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"Authorization": "Bearer google-token-1"}, got)
	}
	assert.Equal(t, Redacted, d.redact.String("google-token-1"))

	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path+".none")
	c, _ = credentialsOf(t, ".", `auth: {google: {}}`, Owner)
	_, err = c.Headers(context.Background())
	assert.ErrorContains(t, err, "auth: no application default credentials")
}

func TestClientCertificateAlone(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	pair := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	write := func(name, kind string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
	}
	write("cert.pem", "CERTIFICATE", pair.Certificate[0])
	write("key.pem", "PRIVATE KEY", der)
	text := "rest: {url: '" + s.URL + "'}\ntls: {ca: cert.pem, cert: cert.pem, key: key.pem, server_name: example.com}\noperations: {running: {http: {path: x}}}"
	target, err := Parse(filepath.Join(dir, "t.yaml"), []byte(text), LoadOptions{})
	require.NoError(t, err)
	defer target.Close()
	assert.True(t, target.ClientCertOnly && target.Authenticated)
	_, err = start(t, target, StartRequest{Role: Running})
	assert.ErrorContains(t, err, "was answered HTTP 404", "the certificate is trusted")

	_, err = Parse(filepath.Join(dir, "t.yaml"), []byte("rest: {url: http://localhost}\ntls: {ca: key.pem}"), LoadOptions{})
	assert.ErrorContains(t, err, "t.yaml:2:11: tls.ca: no certificate in the file")
	_, err = Parse(filepath.Join(dir, "t.yaml"), []byte("rest: {url: http://localhost}\ntls: {cert: key.pem, key: cert.pem}"), LoadOptions{})
	assert.ErrorContains(t, err, "tls.cert: the client certificate cannot be used")
}
