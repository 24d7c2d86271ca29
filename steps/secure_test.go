package steps

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// An authority signs the certificates of a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.issue("ca", a.cert)
	return a
}

// issue signs a certificate and writes it and its key to files of that name.
func (a *authority) issue(name string, template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	if a.key == nil {
		a.key = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(a.t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	require.NoError(a.t, os.WriteFile(filepath.Join(a.dir, name+".pem"), certPEM, 0o600))
	require.NoError(a.t, os.WriteFile(filepath.Join(a.dir, name+".key"), keyPEM, 0o600))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(a.t, err)
	return pair
}

func (a *authority) leaf(name string, serial int64, usage x509.ExtKeyUsage) tls.Certificate {
	return a.issue(name, &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name + ".example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage}})
}

// pool is a pool that holds the authority alone.
func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	data, err := os.ReadFile(filepath.Join(a.dir, "ca.pem"))
	require.NoError(a.t, err)
	require.True(a.t, p.AppendCertsFromPEM(data))
	return p
}

// serveSecurely serves both transports by TLS to callers with a certificate.
func (a *authority) serveSecurely(s *reference.Server) (rest, grpc string) {
	pair := a.leaf("server", 2, x509.ExtKeyUsageServerAuth)
	var at [2]string
	for i, side := range []struct {
		protocol string
		serve    func(net.Listener) error
	}{{"http/1.1", s.ServeREST}, {"h2", s.ServeGRPC}} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: a.pool(),
			ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{side.protocol}})
		require.NoError(a.t, err)
		at[i] = l.Addr().String()
		ended := make(chan error, 1)
		go func() { ended <- side.serve(l) }()
		a.t.Cleanup(func() {
			assert.NoError(a.t, s.Close())
			assert.NoError(a.t, <-ended)
		})
	}
	return at[0], at[1]
}

// tokenEndpoint gives out tokens that the reference server knows, and counts them.
func (a *authority) tokenEndpoint(token string) *atomic.Int64 {
	asked := new(atomic.Int64)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": %q, "token_type": "Bearer", "expires_in": 3600}`, token)
	}))
	a.t.Cleanup(endpoint.Close)
	account, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "a@example.com", "private_key_id": "1",
		"private_key": a.rsaKey(), "token_uri": endpoint.URL})
	require.NoError(a.t, err)
	path := filepath.Join(a.dir, "account.json")
	require.NoError(a.t, os.WriteFile(path, account, 0o600))
	a.t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
	return asked
}

// rsaKey is a key as service accounts have it.
func (a *authority) rsaKey() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(a.t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// TestWholeRunBehindTLSAndTokens judges a server that asks for a certificate
// and a token, over both transports: nothing is accused, and what is about
// callers is judged.
func TestWholeRunBehindTLSAndTokens(t *testing.T) {
	a := newAuthority(t)
	s, err := reference.New(reference.Options{Tokens: tokens()})
	require.NoError(t, err)
	rest, grpc := a.serveSecurely(s)
	a.leaf("client", 3, x509.ExtKeyUsageClientAuth)
	asked := a.tokenEndpoint("owner-token")
	start := `{http: {path: "projects/demo/jobs:start", body: {kind: %s}}}`
	text := fmt.Sprintf(`
rest: {url: "https://%s/v1beta", name: "projects/*/operations/**", list: projects/demo}
grpc: {address: "%s"}
tls: {ca: ca.pem, cert: client.pem, key: client.key, server_name: server.example.com}
auth: {google: {scopes: ["https://www.googleapis.com/auth/earthengine"]}}
principals: {stranger: {bearer: stranger-token}}
cancellation: guaranteed
operations:
  running: `+start+`
  succeeding: `+start+`
  failing: {grpc: {method: conform.reference.v1.Jobs/Start, body: {parent: projects/demo, kind: failing}}}
timeouts: {request: 5s, settle: 5s, observe: 100ms}
`, rest, grpc, "running", "succeeding")
	target, err := targets.Parse(filepath.Join(a.dir, "t.yaml"), []byte(text), targets.LoadOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	r := judge(t, target, Options{})
	assert.Empty(t, failedOf(r))
	for _, id := range []string{"cancel.accept.in-progress", "cancel.state.code-1", "auth.missing-credentials", "auth.insufficient"} {
		q := r.Requirement(id)
		require.NotNil(t, q, id)
		assert.Equal(t, map[targets.Transport]reports.Verdict{targets.REST: reports.Passed, targets.GRPC: reports.Passed}, q.Transports, "%s: %s", id, q.Reason)
	}
	assert.Less(t, asked.Load(), int64(20), "a token is kept, and not asked for with each call")
}

// What TLS does not allow is no answer, and told as such.
func TestTLSThatIsNotTrusted(t *testing.T) {
	a := newAuthority(t)
	s, err := reference.New(reference.Options{})
	require.NoError(t, err)
	rest, grpc := a.serveSecurely(s)
	for name, c := range map[string]struct{ tls, says string }{
		"unknown authority":     {"tls: {server_name: server.example.com}", "unknown authority"},
		"another name":          {"tls: {ca: ca.pem, server_name: other.example.com}", "server.example.com, not other.example.com"},
		"no client certificate": {"tls: {ca: ca.pem, server_name: server.example.com}", "certificate required"},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("rest: {url: \"https://%s/v1beta\"}\ngrpc: {address: \"%s\"}\n%s\noperations: {running: {command: [echo, projects/demo/operations/x]}}\ntimeouts: {request: 2s, settle: 1s, observe: 20ms}\n", rest, grpc, c.tls)
			target, err := targets.Parse(filepath.Join(a.dir, "t.yaml"), []byte(text), targets.LoadOptions{})
			require.NoError(t, err)
			defer func() { assert.NoError(t, target.Close()) }()
			r, err := Run(t.Context(), target, Options{})
			require.NoError(t, err)
			assert.Equal(t, reports.Error, r.Outcome)
			assert.Contains(t, r.Reason, c.says)
			assert.Empty(t, failedOf(r))
		})
	}
}
