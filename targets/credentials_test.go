package targets

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	ownerSecret    = "owner-secret-93"
	strangerSecret = "stranger-secret-17"
	headerSecret   = "session=cookie-value-5"
)

// secured describes a connection with two principals, whose Refused counts.
func secured(address string, refused *int) Connection {
	of := func(secret string) Credentials {
		return Credentials{Headers: func(context.Context) (map[string]string, error) {
			return map[string]string{"Authorization": "Bearer " + secret, "X-Own-Pass": secret + "-own"}, nil
		}, Refused: func() { *refused++ }}
	}
	return Connection{Addresses: []string{address}, Headers: map[string]string{"X-Env": "test", "Cookie": headerSecret},
		Credentials: map[Principal]Credentials{Owner: of(ownerSecret), Stranger: of(strangerSecret)}}
}

// eachTransport runs a test against a REST and a gRPC server that answer with
// what they were sent: in a header, in the body, and in an error's message.
func eachTransport(t *testing.T, test func(t *testing.T, client Client, got chan http.Header, refused *int)) {
	echo := func(r *http.Request) string {
		token := r.Header.Get("Authorization")
		return fmt.Sprintf("%s %s %s %s %s", token, base64.StdEncoding.EncodeToString([]byte(token)), r.Header.Get("X-Own-Pass"),
			r.Header.Get("Cookie"), hex.EncodeToString([]byte(r.Header.Get("X-Own-Pass"))))
	}
	t.Run("rest", func(t *testing.T) {
		got, refused := make(chan http.Header, 8), 0
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got <- r.Header
			w.Header().Set("X-Echo", echo(r))
			w.WriteHeader(401)
			fmt.Fprintf(w, `{"error":{"code":401,"status":"UNAUTHENTICATED","message":%q}}`, echo(r))
		})
		test(t, restAt(t, secured(url, &refused)), got, &refused)
	})
	t.Run("grpc", func(t *testing.T) {
		got, refused := make(chan http.Header, 8), 0
		address := serveH2(t, func(w http.ResponseWriter, r *http.Request) {
			got <- r.Header
			answer(200, map[string]string{"X-Echo": echo(r), "Grpc-Status": "16", "Grpc-Message": echo(r)}, "", nil)(w, r)
		})
		test(t, grpcAt(t, secured(address, &refused)), got, &refused)
	})
}

func TestPrincipals(t *testing.T) {
	eachTransport(t, func(t *testing.T, client Client, got chan http.Header, refused *int) {
		request := &longrunningpb.GetOperationRequest{Name: "x"}
		for _, c := range []struct {
			principal           Principal
			authorization, pass string
			cookie              string
			refused             int
		}{
			{Owner, "Bearer " + ownerSecret, ownerSecret + "-own", headerSecret, 1},
			{Stranger, "Bearer " + strangerSecret, strangerSecret + "-own", "", 2},
			{Nobody, "", "", "", 2},
		} {
			_, err := client.Raw(t.Context(), RawRequest{Method: Get, Message: request, Principal: c.principal})
			require.NoError(t, err)
			h := <-got
			assert.Equal(t, c.authorization, h.Get("Authorization"))
			assert.Equal(t, c.pass, h.Get("X-Own-Pass"))
			assert.Equal(t, c.cookie, h.Get("Cookie"))
			assert.Equal(t, "test", h.Get("X-Env"), "headers that prove nothing stay")
			assert.Equal(t, c.refused, *refused, "how often the credentials were told")
		}
		_, err := client.Raw(t.Context(), RawRequest{Method: Get, Message: request, Principal: "somebody"})
		assert.ErrorContains(t, err, "no credentials are configured")
		assert.Empty(t, got, "nothing is sent for a principal that is not configured")
	})
}

// TestNoSecretIsRecorded looks for the secrets, and their encodings, in all
// that a report may show.
func TestNoSecretIsRecorded(t *testing.T) {
	eachTransport(t, func(t *testing.T, client Client, got chan http.Header, _ *int) {
		x, err := client.Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "x/" + ownerSecret})
		require.NoError(t, err)
		text, err := json.Marshal(x)
		require.NoError(t, err)
		for _, s := range []string{ownerSecret, "owner-sec", headerSecret, hex.EncodeToString([]byte(ownerSecret)),
			base64.RawStdEncoding.EncodeToString([]byte("Bearer " + ownerSecret))[12:], base64.RawStdEncoding.EncodeToString([]byte(ownerSecret))} {
			assert.NotContains(t, string(text), s)
		}
		assert.Contains(t, string(text), Redacted)
		<-got
	})
}

func TestNoSecretInAProblem(t *testing.T) {
	refused := 0
	dial := func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("proxy answered: bad token " + ownerSecret)
	}
	for _, make := range []func(Connection) (Client, error){NewREST, NewGRPC} {
		c := secured("http://127.0.0.1:1", &refused)
		if _, err := make(c); err != nil {
			c.Addresses = []string{"127.0.0.1:1"}
		}
		c.Dial = dial
		client, err := make(c)
		require.NoError(t, err)
		x, err := client.Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "x"})
		require.ErrorContains(t, err, "bad token "+Redacted)
		assert.Contains(t, x.Problem, "unreachable: ")
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), x.Problem, fmt.Sprint(errors.Unwrap(err))} {
			assert.NotContains(t, text, ownerSecret)
		}
	}
}

func TestCredentialsThatFail(t *testing.T) {
	lost := errors.New("no token: " + strings.Repeat("x", 10))
	c := Connection{Addresses: []string{serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })},
		Credentials: map[Principal]Credentials{Owner: {Headers: func(context.Context) (map[string]string, error) { return nil, lost }}}}
	x, err := restAt(t, c).Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "x"})
	assert.ErrorIs(t, err, lost)
	assert.NotErrorIs(t, err, io.EOF)
	assert.Equal(t, "unreachable: credentials: "+lost.Error(), x.Problem)
}
