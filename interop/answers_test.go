package interop_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets/reference"
)

// An answer is what a server might send for a cancel that it carried out, and
// which REST clients take it for a failure.
type answer struct {
	name        string
	status      int
	contentType string
	body        string
	breaks      []string // names of clients
}

// answers are the reasons why the catalogue allows one form of success alone:
// each of the others makes some official client report a failure
// (cancel.response.status-200, .empty-json-object and .content-type-json).
func answers() []answer {
	return []answer{
		{"an empty object", http.StatusOK, "application/json", "{}", nil},
		{"an empty object as text", http.StatusOK, "text/plain", "{}", []string{"earthengine"}},
		{"no content", http.StatusNoContent, "", "", []string{"earthengine"}},
		{"no body", http.StatusOK, "application/json", "", []string{"cloudbuild", "google-gax over REST", "earthengine"}},
		{"null", http.StatusOK, "application/json", "null", []string{"google-gax over REST", "earthengine"}},
	}
}

// answering serves the reference server, but answers every cancel that it
// accepted with a.
func answering(t *testing.T, s *server, a answer) endpoints {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ":cancel") {
			s.reference.Handler().ServeHTTP(w, r)
			return
		}
		carriedOut := httptest.NewRecorder()
		s.reference.Handler().ServeHTTP(carriedOut, r)
		assert.Equal(t, http.StatusOK, carriedOut.Code, "%s %s", r.Method, r.URL)
		// Nil, as net/http would guess a type where there is no such key.
		w.Header()["Content-Type"] = nil
		if a.contentType != "" {
			w.Header().Set("Content-Type", a.contentType)
		}
		w.WriteHeader(a.status)
		_, err := w.Write([]byte(a.body))
		assert.True(t, err == nil || a.status == http.StatusNoContent, "%v", err)
	}))
	t.Cleanup(front.Close)
	return endpoints{rest: front.URL, grpc: s.grpc}
}

func TestAnswersThatBreakClients(t *testing.T) {
	nodeModules(t)
	for _, a := range answers() {
		t.Run(a.name, func(t *testing.T) {
			for client, connect := range goClients() {
				if client == "longrunning over gRPC" {
					continue
				}
				t.Run(client, func(t *testing.T) {
					server := serve(t, standard())
					name := server.start(t, "operations/answered")
					err := connect(t, answering(t, server, a)).cancel(t.Context(), name)
					expect(t, a, client, err != nil)
				})
			}
			for _, c := range nodeClients() {
				if c.name == "google-gax over gRPC" {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					server := serve(t, reference.Options{Base: "/v1", Template: c.template})
					script, arguments := c.call(t, answering(t, server, a), server.start(t, c.operation))
					expect(t, a, c.name, node(t, script, arguments...).Failed != "")
				})
			}
		})
	}
}

// expect compares whether a client reported a failure with what the table says.
func expect(t *testing.T, a answer, client string, failed bool) {
	t.Helper()
	require.Equal(t, slices.Contains(a.breaks, client), failed, "%s takes %s for a failure", client, a.name)
}
