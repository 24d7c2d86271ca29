package reference

import (
	"os"
	"path/filepath"
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

// The target file of a server is valid, says of it what the suite is told of it
// within the process, and starts operations of every role that it has.
func TestTargetFile(t *testing.T) {
	for _, name := range []string{"", "names-without-parent", "names-with-location", "asks-for-tokens", "best-effort-ignores", "protected-google"} {
		t.Run(name, func(t *testing.T) {
			v, known := LookupVariant(name)
			require.Equal(t, name != "", known)
			s, err := NewVariant(Options{}, v)
			require.NoError(t, err)
			at, err := s.listen()
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, s.Close()) })
			want, err := s.describeAt(at)
			require.NoError(t, err)
			text, err := s.TargetFile(at.rest[0], at.grpc[0])
			require.NoError(t, err)
			file := filepath.Join(t.TempDir(), "target.yaml")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			got, err := targets.Load(file, targets.LoadOptions{})
			require.NoError(t, err, text)
			t.Cleanup(func() { assert.NoError(t, got.Close()) })

			assert.Equal(t, want.Profile, got.Profile)
			assert.Equal(t, want.Guaranteed, got.Guaranteed)
			for _, on := range targets.Transports() {
				assert.Equal(t, want.Endpoints[on].NamePattern, got.Endpoints[on].NamePattern)
				assert.Equal(t, want.Endpoints[on].List, got.Endpoints[on].List)
				assert.Equal(t, want.Endpoints[on].Address, got.Endpoints[on].Address)
			}
			assert.Equal(t, want.Roles, got.Roles)
			for role, a := range got.Roles {
				if !a.Configured {
					continue
				}
				op, err := got.Starter.Start(t.Context(), targets.StartRequest{Role: role, ID: "chosen-one"})
				require.NoError(t, err, role)
				x, err := got.Endpoints[targets.GRPC].Client.Call(t.Context(), targets.Get, &longrunningpb.GetOperationRequest{Name: op.Name})
				require.NoError(t, err)
				assert.True(t, x.Accepted(), "%s: %s", role, x.Status())
			}
		})
	}
}
