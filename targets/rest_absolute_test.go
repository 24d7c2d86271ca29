package targets

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAbsoluteTargetsLeaveTheBaseURL(t *testing.T) {
	asked := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.RequestURI }))
	t.Cleanup(s.Close)
	c, err := NewREST(Connection{Addresses: []string{s.URL + "/v1beta/"}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	for _, tt := range []struct {
		absolute bool
		want     string
	}{{false, "/v1beta/operations/a"}, {true, "/operations/a"}} {
		_, err := c.Raw(t.Context(), RawRequest{HTTPMethod: "GET", Target: "/operations/a", Absolute: tt.absolute})
		require.NoError(t, err)
		assert.Equal(t, tt.want, <-asked)
	}
}
