package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

// The target files of the README are valid, and the long one has every role.
func TestReadmeTargetFiles(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	blocks := strings.Split(string(data), "```yaml\n")[1:]
	require.Len(t, blocks, 2)
	for i, b := range blocks {
		text, _, closed := strings.Cut(b, "```")
		require.True(t, closed)
		target, err := targets.Parse("README.md", []byte(text), targets.LoadOptions{AllowForeign: true,
			Env: func(name string) (string, bool) { return "secret-of-" + name, true }})
		require.NoError(t, err)
		if i == 1 {
			assert.Len(t, target.Roles, len(targets.Roles()))
		}
		assert.NoError(t, target.Close())
	}
}
