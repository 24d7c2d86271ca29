package steps

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets/reference"
)

// That only one transport has a cancel is told, and not held against the server.
func TestCancelOverOneTransport(t *testing.T) {
	t.Parallel()
	v, ok := reference.LookupVariant("cancels-over-rest-alone")
	require.True(t, ok)
	s, err := reference.NewVariant(reference.Options{Natural: 400 * time.Millisecond}, v)
	require.NoError(t, err)
	r := judge(t, describe(t, s), Options{Run: []string{"transport.parity"}})
	got := r.Requirement("transport.parity")
	assert.Equal(t, reports.Passed, got.Verdict)
	assert.Contains(t, got.Notes, "cancel is supported over rest, and not over grpc")
}
