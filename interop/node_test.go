package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets/reference"
)

// installing is the time that npm gets to install the clients, and running the
// time that one of them gets to cancel an operation.
const (
	installing = 5 * time.Minute
	running    = time.Minute
)

// nodeModules installs the JavaScript clients that package-lock.json names. It
// skips where there is no Node to run them, except under CI, where a skip would
// go unseen.
func nodeModules(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is needed under CI: %v", tool, err)
			}
			t.Skipf("the JavaScript clients need %s: %v", tool, err)
		}
	}
	if installed(t) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), installing)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = "node"
	output, err := npm.CombinedOutput()
	require.NoError(t, err, "npm ci: %s", output)
}

// installed tells whether node_modules is newer than the lock file: npm ci
// writes a lock file of its own there when it has finished.
func installed(t *testing.T) bool {
	lock, err := os.Stat(filepath.Join("node", "package-lock.json"))
	require.NoError(t, err)
	done, err := os.Stat(filepath.Join("node", "node_modules", ".package-lock.json"))
	return err == nil && !done.ModTime().Before(lock.ModTime())
}

// node runs one of the scripts and returns what it printed.
func node(t *testing.T, script string, arguments ...string) (answer struct {
	Done   bool
	Code   int
	Failed string
}) {
	ctx, cancel := context.WithTimeout(t.Context(), running)
	defer cancel()
	command := exec.CommandContext(ctx, "node", append([]string{script}, arguments...)...)
	command.Dir = "node"
	// Else google-gax looks for a metadata server beyond this machine.
	command.Env = append(os.Environ(), "METADATA_SERVER_DETECTION=none")
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	// A failed call is told in the answer; anything else has no answer.
	if err := command.Run(); stdout.Len() == 0 {
		t.Fatalf("%s: %v\n%s", script, err, stderr.String())
	}
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &answer), "%s printed %q", script, stdout.String())
	return answer
}

// A nodeClient is a JavaScript client and how it is run.
type nodeClient struct {
	name      string
	template  string // of the names that it can cancel
	operation string
	call      func(t *testing.T, e endpoints, name string) (script string, arguments []string)
}

// nodeClients are the libraries with which JavaScript programs cancel
// operations.
func nodeClients() []nodeClient {
	gax := func(transport string) func(*testing.T, endpoints, string) (string, []string) {
		return func(t *testing.T, e endpoints, name string) (string, []string) {
			address := e.grpc
			if transport == "rest" {
				address = strings.TrimPrefix(e.rest, "http://")
			}
			host, port, err := net.SplitHostPort(address)
			require.NoError(t, err)
			return "gax.js", []string{transport, host, port, name}
		}
	}
	return []nodeClient{
		{"google-gax over gRPC", "operations/**", "operations/by-gax", gax("grpc")},
		{"google-gax over REST", "operations/**", "operations/by-gax", gax("rest")},
		{"earthengine", "projects/*/operations/**", "projects/demo/operations/by-earth-engine",
			func(_ *testing.T, e endpoints, name string) (string, []string) {
				return "earthengine.js", []string{e.rest, name}
			}},
	}
}

func TestNodeClientsCancelOperations(t *testing.T) {
	nodeModules(t)
	for _, c := range nodeClients() {
		t.Run(c.name, func(t *testing.T) {
			server := serve(t, reference.Options{Base: "/v1", Template: c.template})
			script, arguments := c.call(t, server.endpoints, server.start(t, c.operation))
			answer := node(t, script, arguments...)
			assert.Empty(t, answer.Failed)
			assert.True(t, answer.Done, "the cancelled operation ends")
			assert.Equal(t, int(codes.Canceled), answer.Code, "error.code of the cancelled operation")

			script, arguments = c.call(t, server.endpoints, c.operation+"-none")
			failed := node(t, script, arguments...).Failed
			assert.Contains(t, failed, c.operation+"-none", "the server's message about an operation that never was")
			assert.Contains(t, failed, "not found")
		})
	}
}
