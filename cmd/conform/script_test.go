package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience bounds the commands of these tests, far beyond what they need.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"conform": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": exitCode, "conformant": conformantRun, "serve": serveProcess, "answer": answerServer, "mutter": mutteringServer, "deadport": deadPort, "leftovers": leftovers, "lines": lines,
		}})
}

// exitCode runs a command and compares its exit code: code 2 conform run ...
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// conformantRun runs a command that must end with exit code 0 and an outcome
// that says so.
func conformantRun(ts *testscript.TestScript, _ bool, args []string) {
	exitCode(ts, false, append([]string{"0"}, args...))
	said := strings.TrimSpace(ts.ReadFile("stderr"))
	if last := said[strings.LastIndex(said, "\n")+1:]; !strings.HasPrefix(last, "conformant: ") {
		ts.Fatalf("got %q, want the outcome conformant", last)
	}
}

// serveProcess runs conform serve with more flags until the script ends, and
// puts its addresses in the environment, as REST and GRPC.
func serveProcess(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command("conform", append([]string{"serve"}, args...)...)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines := bufio.NewReader(out)
	for _, name := range []string{"REST", "gRPC"} {
		line, err := lines.ReadString('\n')
		ts.Check(err)
		address, ok := strings.CutPrefix(strings.TrimSpace(line), name+" ")
		if !ok {
			ts.Fatalf("got %q, want the address of %s", line, name)
		}
		ts.Setenv(strings.ToUpper(name), address)
		if host, ok := strings.CutPrefix(address, "http://"); ok {
			ts.Setenv("RESTHOST", strings.TrimSuffix(host, "/v1beta"))
		}
	}
	ts.Defer(func() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
		_, err := io.Copy(io.Discard, lines)
		ts.Check(err)
		if err := cmd.Wait(); err != nil {
			ts.Logf("conform serve: %v", err)
			ts.Check(err)
		}
	})
}

// answerServer answers every request with a status, a body and headers:
// answer 500 {} Retry-After 1.
func answerServer(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 2; i+1 < len(args); i += 2 {
			w.Header().Set(args[i], args[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, args[1])
	}))
	ts.Defer(s.Close)
	ts.Setenv("REST", s.URL+"/v1")
}

// mutteringServer answers every request with 500 and {}, and sends a text when
// nobody has asked for anything more.
func mutteringServer(ts *testscript.TestScript, _ bool, args []string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}")
		time.Sleep(20 * time.Millisecond) // by then the connection is idle
		io.WriteString(conn, args[0])
	}))
	ts.Defer(s.Close)
	ts.Setenv("REST", s.URL+"/v1")
}

// deadPort sets REST to a port on which nobody listens.
func deadPort(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv("REST", "http://"+l.Addr().String()+"/v1")
}

// lines sets a variable to several lines: lines NAME one two.
func lines(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.Join(args[1:], "\n"))
}

// leftovers fails if temporary files of reports are left in the directory.
func leftovers(ts *testscript.TestScript, _ bool, _ []string) {
	entries, err := os.ReadDir(ts.MkAbs("."))
	ts.Check(err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			ts.Fatalf("left over: %s", e.Name())
		}
	}
}

// A running is a command in the background.
type running struct {
	*exec.Cmd
	errs *bufio.Reader
}

func background(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	cmd := exec.Command("conform", args...)
	cmd.Dir = dir
	cmd.Stdout = io.Discard
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	stop := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { stop.Stop() })
	return &running{cmd, bufio.NewReader(stderr)}
}

// until reads standard error up to a line that holds the text.
func (r *running) until(t *testing.T, text string) {
	t.Helper()
	for {
		line, err := r.errs.ReadString('\n')
		require.NoError(t, err, "waiting for %q", text)
		if strings.Contains(line, text) {
			return
		}
	}
}

// end waits for the exit code, and returns the last line of standard error.
func (r *running) end(t *testing.T) (code int, last string) {
	t.Helper()
	rest, err := io.ReadAll(r.errs)
	require.NoError(t, err)
	if err := r.Wait(); err != nil {
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
	}
	lines := strings.Split(strings.TrimSpace(string(rest)), "\n")
	return r.ProcessState.ExitCode(), lines[len(lines)-1]
}

func TestSignalEndsARunInOrder(t *testing.T) {
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		dir := t.TempDir()
		r := background(t, dir, "run", "-v", "--repeat", "500", "--report", "json:report.json", "--evidence", "evidence.jsonl")
		r.until(t, "passed ")
		require.NoError(t, r.Process.Signal(signal))
		code, last := r.end(t)
		assert.Equal(t, want, code)
		assert.Contains(t, last, "interrupted by SIG")
		got, err := readReport(dir + "/report.json")
		require.NoError(t, err)
		assert.EqualValues(t, "interrupted", got.Outcome)
		assert.NotEmpty(t, got.Cases)
		seen, err := readReport(dir + "/evidence.jsonl")
		require.NoError(t, err)
		assert.Equal(t, len(got.Cases), len(seen.Cases))
		assert.Equal(t, got.Outcome, seen.Outcome)
	}
}

func TestServeEndsInOrder(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := exec.Command("conform", "serve")
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		stop := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewReader(out)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(signal))
		_, err = io.Copy(io.Discard, lines)
		require.NoError(t, err)
		assert.NoError(t, cmd.Wait(), signal.String())
		stop.Stop()
	}
}

// What was written before the process was killed still makes a report.
func TestEvidenceSurvivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	r := background(t, dir, "run", "-v", "--repeat", "500", "--evidence", "evidence.jsonl")
	r.until(t, "passed ")
	r.until(t, "passed ")
	require.NoError(t, r.Process.Kill()) // SIGKILL
	r.end(t)
	code, _ := background(t, dir, "report", "evidence.jsonl", "--report", "html:killed.html").end(t)
	assert.Zero(t, code)
	page, err := os.ReadFile(dir + "/killed.html")
	require.NoError(t, err)
	assert.Contains(t, string(page), "<h1>interrupted</h1>")
	got, err := readReport(dir + "/evidence.jsonl")
	require.NoError(t, err)
	assert.EqualValues(t, "interrupted", got.Outcome)
	assert.Equal(t, "reference server", got.Target.Name)
	assert.NotZero(t, got.Summary["MUST"].Inconclusive, "what was not reached")
}
