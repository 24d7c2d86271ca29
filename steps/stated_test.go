package steps

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// shortWaits keep the runs of these tests short; nothing is judged by them.
const shortWaits = "timeouts: {request: 1s, settle: 300ms, observe: 50ms}\n"

// patientWaits are for servers that answer at once: under the race detector the
// first answers can take seconds.
const patientWaits = "timeouts: {request: 30s, settle: 300ms, observe: 50ms}\n"

// described is a target of a target file with shortWaits.
func described(t *testing.T, format string, args ...any) *targets.Target {
	t.Helper()
	return written(t, shortWaits+format, args...)
}

// written is a target of a target file.
func written(t *testing.T, format string, args ...any) *targets.Target {
	t.Helper()
	target, err := targets.Parse("target.yaml", fmt.Appendf(nil, format, args...), targets.LoadOptions{AllowForeign: true})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	return target
}

// everything answers every request alike.
func everything(t *testing.T, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status/100 == 3 {
			w.Header().Set("Location", "https://login.example.com/")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// nowhere is an address at which nothing listens.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

const (
	byRecipe = "operations: {running: {http: {method: POST, path: /jobs, body: {}}}}\n"
	byNames  = "operations: {running: {names: [operations/a, operations/b, operations/c, operations/d]}}\n"
)

// The stated cases of servers that do nothing right: the exit code, and the
// reason that is told.
func TestServersThatCannotBeJudged(t *testing.T) {
	tests := []struct {
		name, address, roles string
		code                 int
		reason               string
	}{
		{"success for everything, by recipe", everything(t, 200, "{}"), byRecipe, 4, "name"},
		{"success for everything, by names", everything(t, 200, "{}"), byNames, 1, ""},
		{"a fault for everything", everything(t, 500, `{"error":{"code":500,"message":"broken","status":"INTERNAL"}}`), byRecipe, 4, "500"},
		{"a fault for everything, by names", everything(t, 500, "{}"), byNames, 4, "500"},
		{"a redirect for everything", everything(t, 302, ""), byRecipe, 4, "302"},
		{"a redirect for everything, by names", everything(t, 302, ""), byNames, 4, "302"},
		{"nobody there", "http://" + nowhere(t), byRecipe, 4, "refused"},
		{"nobody there, by names", "http://" + nowhere(t), byNames, 4, "refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := judge(t, written(t, patientWaits+"rest: {url: %s/v1}\n%s", tt.address, tt.roles), Options{})
			assert.Equal(t, tt.code, r.ExitCode(), r.Reason)
			assert.Contains(t, r.Reason+" "+r.Problem, tt.reason)
			noSuiteError(t, r)
		})
	}
}

// A server that answers success to everything has operations without a name,
// and is found out by that.
func TestSuccessForEverythingByCommand(t *testing.T) {
	t.Parallel()
	r := judge(t, described(t, "rest: {url: %s/v1}\noperations: {running: {command: [echo, \"operations/{unique}\"]}}\n", everything(t, 200, "{}")), Options{})
	assert.Equal(t, 1, r.ExitCode(), r.Reason)
	assert.Contains(t, accused(r, targets.REST), "cancel.state.name-unchanged")
}

// restOf is the REST address of an honest server.
func restOf(t *testing.T) string {
	t.Helper()
	s, err := reference.New(reference.Options{})
	require.NoError(t, err)
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		assert.NoError(t, s.Close())
	})
	return h.URL
}

const startJob = "operations: {running: {http: {method: POST, path: \"projects/demo/jobs:start\", body: {kind: running}}}}\n"

// One transport that works is judged; the other, which is dead, makes the run
// incomplete and not an error.
func TestOneTransportIsDead(t *testing.T) {
	t.Parallel()
	r := judge(t, described(t, "rest: {url: %s/v1beta}\ngrpc: {address: %q, plaintext: true}\n%s", restOf(t), nowhere(t), startJob), Options{})
	assert.Equal(t, 3, r.ExitCode(), r.Reason)
	assert.Empty(t, list(accused(r, targets.REST)))
	assert.Empty(t, list(accused(r, targets.GRPC)))
	for _, c := range r.Cases {
		if c.Transport == targets.GRPC && c.Verdict == reports.Inconclusive {
			assert.Contains(t, c.Reason, "cannot be reached")
		}
	}
	assert.Equal(t, reports.Passed, r.Requirement("cancel.accept.in-progress").Transports[targets.REST])
}

// A target that dies half way ends the run with one reason, long before the
// time-outs of its cases.
func TestTargetDiesHalfWay(t *testing.T) {
	s, err := reference.New(reference.Options{})
	require.NoError(t, err)
	var calls atomic.Int64
	h := httptest.NewUnstartedServer(nil)
	dying := make(chan struct{})
	h.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 60 {
			close(dying)
		}
		s.Handler().ServeHTTP(w, r)
	})
	h.Start()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		<-dying
		_ = h.Listener.Close()
		h.CloseClientConnections()
	}()
	t.Cleanup(func() {
		<-closed
		h.Close()
		assert.NoError(t, s.Close())
	})
	target := described(t, "rest: {url: %s/v1beta}\n%s", h.URL, startJob)
	target.Timeouts = targets.DefaultTimeouts() // with these, a case for each time-out would take minutes
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := Run(ctx, target, Options{})
	require.NoError(t, err)
	require.NoError(t, ctx.Err(), "the run took longer than 30 s")
	assert.Empty(t, list(accused(r, targets.REST)))
	const together = 16 // cases that may have had a call under way when it died
	gone, others := map[string]int{}, map[string]int{}
	for _, c := range r.Cases {
		switch {
		case c.Verdict != reports.Inconclusive:
		case strings.Contains(c.Reason, "the target is gone over rest"):
			gone[c.Reason]++
		default:
			others[c.Reason]++
		}
	}
	assert.Len(t, gone, 1)
	total := 0
	for _, n := range others {
		total += n
	}
	assert.LessOrEqual(t, total, together, "%v", others)
	assert.Contains(t, []int{3, 4}, r.ExitCode(), r.Reason)
	noSuiteError(t, r)
}

// A panic while a case is judged is ours: it is never the server's failure.
func TestPanicIsASuiteError(t *testing.T) {
	t.Parallel()
	target := honest(t, reference.Options{})
	starter := target.Starter
	target.Starter = targets.StartFunc(func(ctx context.Context, r targets.StartRequest) (targets.Started, error) {
		if r.Role == targets.Failing {
			panic("no slot")
		}
		return starter.Start(ctx, r)
	})
	r := judge(t, target, Options{Run: []string{"cancel.finished.preserves-*"}})
	seen := false
	for _, c := range r.Cases {
		if c.SuiteBug {
			seen = true
			assert.Equal(t, "cancel.finished.preserves-failure", c.Requirement)
			assert.Equal(t, reports.Inconclusive, c.Verdict)
			assert.Contains(t, c.Reason, "suite error")
		}
		assert.NotEqual(t, reports.Failed, c.Verdict, c.Reason)
	}
	assert.True(t, seen)
}

// What was declared about cancel decides which requirement a refusal breaks.
func TestSupportIsDeclared(t *testing.T) {
	tests := []struct {
		name, declared string
		noCancel       bool
		rest, grpc     []string
	}{
		{"none, and none declared", targets.CancelUnsupported, true, nil, nil},
		{"none, found out", targets.CancelAuto, true, nil, nil},
		{"none, though declared", targets.CancelSupported, true, []string{"cancel.accept.in-progress"}, []string{"cancel.accept.in-progress"}},
		{"some, though none declared", targets.CancelUnsupported, false, []string{"cancel.unimplemented.http-501"}, []string{"cancel.unimplemented.grpc-12"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := honest(t, reference.Options{NoCancel: tt.noCancel})
			target.Cancel = tt.declared
			r := judge(t, target, Options{})
			for tr, want := range map[targets.Transport][]string{targets.REST: tt.rest, targets.GRPC: tt.grpc} {
				found := accused(r, tr)
				assert.Equal(t, want, slices.Sorted(maps.Keys(found)), "over %s: %s", tr, list(found))
			}
			noSuiteError(t, r)
		})
	}
}

// Where one transport does not find what the other does, parity is broken and
// nothing else can be told.
func TestTransportsOfTwoServices(t *testing.T) {
	t.Parallel()
	m, ok := reference.Lookup("separate-grpc-store")
	require.True(t, ok)
	s, err := reference.NewMutant(reference.Options{}, m)
	require.NoError(t, err)
	r := judge(t, describe(t, s), Options{})
	for _, c := range r.Cases {
		switch {
		case c.Transport != targets.GRPC:
		case c.Requirement == "transport.parity":
			assert.Equal(t, reports.Failed, c.Verdict, c.Reason)
		default:
			assert.Contains(t, []reports.Verdict{reports.Inconclusive, reports.Inapplicable}, c.Verdict, c.ID)
			assert.Empty(t, c.Broke)
		}
	}
}
