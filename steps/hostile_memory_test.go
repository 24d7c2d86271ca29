package steps

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// mostMemory is how much a run may take up at its peak, in KiB.
const mostMemory = 300 << 10

// memoryChild is the variable by which a child process learns what to judge.
const memoryChild = "CONFORM_TEST_MEMORY_TARGET"

// inflated answers every Get with an operation whose metadata are as big as an
// answer may be, and as many small values as fit.
func inflated(inner http.Handler) http.Handler {
	wide := json.RawMessage(`{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"wide":[` + strings.Repeat("[],", 300_000) + `[]]}}`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		inner.ServeHTTP(answer, r)
		var op map[string]json.RawMessage
		body := answer.Body.Bytes()
		if r.Method == http.MethodGet && answer.Code == http.StatusOK && json.Unmarshal(body, &op) == nil && op["name"] != nil {
			op["metadata"] = wide
			body, _ = json.Marshal(op)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	})
}

// TestMemoryUnderAttack judges each server in a process of its own, whose peak
// of resident memory the kernel tells.
func TestMemoryUnderAttack(t *testing.T) {
	t.Parallel()
	if at := os.Getenv(memoryChild); at != "" {
		judgeInChild(t, at)
		return
	}
	if _, err := os.ReadFile("/proc/self/status"); err != nil {
		t.Skip("the peak of resident memory is not told here")
	}
	if testing.Short() {
		t.Skip("the race detector, with which short runs are made, needs memory of its own")
	}
	attacks := restAttacks()
	for _, name := range []string{"gigabytes", "compression bomb", "a wide document", "200,000 levels", "header flood", "tokens without end"} {
		t.Run(name, func(t *testing.T) {
			lessThanMost(t, func(inner http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if cancels(r, 0) && !honestly(w, r, inner) {
						attacks[name](w, r)
					} else if !cancels(r, 0) {
						inner.ServeHTTP(w, r)
					}
				})
			})
		})
	}
	t.Run("big pages without end", func(t *testing.T) {
		var page atomic.Int64
		lessThanMost(t, func(inner http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !lists(r, 0) {
					inner.ServeHTTP(w, r)
					return
				}
				n := page.Add(1)
				var b strings.Builder
				for i := range 8000 {
					fmt.Fprintf(&b, `{"name":"projects/demo/operations/%d-%d","metadata":{"@type":"x","a":[]}},`, n, i)
				}
				answer("application/json", fmt.Appendf(nil, `{"operations":[%s],"nextPageToken":"%d"}`, strings.TrimSuffix(b.String(), ","), n))(w, r)
			})
		})
	})
	t.Run("operations of 900 KiB", func(t *testing.T) { lessThanMost(t, inflated) })
}

func lessThanMost(t *testing.T, around func(http.Handler) http.Handler) {
	s, err := reference.New(reference.Options{Natural: 200 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	address := serveBoth(t, around(s.Handler()))
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestMemoryUnderAttack$", "-test.v")
	cmd.Env = append(os.Environ(), memoryChild+"="+address)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Run(), out.String())
	found := regexp.MustCompile(`peak (\d+) KiB`).FindStringSubmatch(out.String())
	require.NotNil(t, found, out.String())
	peak, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	t.Log(found[0])
	assert.Less(t, peak, mostMemory)
}

// judgeInChild runs the whole suite and tells the peak of its memory.
func judgeInChild(t *testing.T, address string) {
	text := fmt.Sprintf(`
rest: {url: "http://%s/v1beta", name: "projects/*/operations/**", list: projects/demo}
operations:
  running: {http: {path: "projects/demo/jobs:start", body: {kind: running}}}
  succeeding: {http: {path: "projects/demo/jobs:start", body: {kind: succeeding}}}
  failing: {http: {path: "projects/demo/jobs:start", body: {kind: failing}}}
timeouts: {request: 2s, settle: 2s, observe: 200ms}
`, address)
	target, err := targets.Parse("hostile.yaml", []byte(text), targets.LoadOptions{})
	require.NoError(t, err)
	defer func() { assert.NoError(t, target.Close()) }()
	r, err := Run(t.Context(), target, Options{Timeout: 20 * time.Second})
	require.NoError(t, err)
	require.NotEmpty(t, r.Cases)
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, peak)
	t.Logf("peak %s KiB, outcome %s", peak[1], r.Outcome)
}
