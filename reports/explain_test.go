package reports

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

func TestDiagnose(t *testing.T) {
	const other = "cancel.state.code-1"
	both := func(ids ...string) map[targets.Transport][]string {
		return map[targets.Transport][]string{targets.REST: ids, targets.GRPC: ids}
	}
	faults := []Fault{
		{Name: "one", Doc: "Breaks one.", Broken: both(probe)},
		{Name: "two", Doc: "Breaks two.", Broken: both(probe, other)},
		{Name: "twin", Doc: "Breaks one as well.", Broken: both(probe)},
		{Name: "unlike", Doc: "Breaks another.", Broken: both("grpc.unary")},
	}
	verdicts := func(restProbe, grpcProbe, restOther, grpcOther Verdict) []Case {
		return []Case{newCase(probe, targets.REST, restProbe, ""), newCase(probe, targets.GRPC, grpcProbe, ""),
			newCase(other, targets.REST, restOther, ""), newCase(other, targets.GRPC, grpcOther, "")}
	}
	tests := []struct {
		name  string
		cases []Case
		want  string
	}{
		{"exactly one fault's", verdicts(Failed, Failed, Failed, Failed), "the server behaves like the mutant `two` (Breaks two)"},
		{"what two faults have in common", verdicts(Failed, Failed, Passed, Passed), "the server behaves like the mutant `one` (Breaks one), or the mutant `twin` (Breaks one as well)"},
		{"one transport only", verdicts(Failed, Passed, Failed, Passed), "the server behaves over REST like the mutant `two` (Breaks two)"},
		{"not judged does not speak against it", verdicts(Failed, Failed, Failed, Inconclusive), "the server behaves like the mutant `two` (Breaks two)"},
		{"part of the failures", append(verdicts(Failed, Failed, Passed, Passed), newCase("cancel.accept.pending", targets.REST, Failed, "")),
			"the server behaves over gRPC like the mutant `one` (Breaks one), or the mutant `twin` (Breaks one as well)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Report{Cases: tt.cases}
			Conclude(r, smallCatalogue(), Criteria{RunningConfigured: true})
			r.Diagnose(faults)
			assert.Equal(t, tt.want, r.Requirement(probe).LikelyCause)
			assert.Empty(t, r.Requirement("grpc.unary").LikelyCause)
		})
	}
}

func TestRepeatedCasesShowHowOftenTheyPassed(t *testing.T) {
	again := newCase(probe, targets.REST, Failed, "late")
	again.ID += "#2"
	third := newCase(probe, targets.REST, Passed, "")
	third.ID += "#3"
	r := &Report{Cases: []Case{newCase(probe, targets.REST, Passed, ""), again, third}}
	Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true})
	q := r.Requirements[0]
	assert.Equal(t, Failed, q.Verdict)
	assert.Equal(t, Ratio{Passed: 2, Judged: 3}, q.Runs[targets.REST])
	assert.Equal(t, "flaky: failed in 1 of 3; late", q.Reason)
	assert.Equal(t, Nonconformant, r.Outcome)
	assert.Contains(t, string(render(t, Text(false), r)), "judged again: REST passed 2 of 3")
	assert.Equal(t, []string{"0 requirements went the same way each time", probe + ": REST passed 2 of 3"}, r.steadiness())

	r = &Report{Cases: []Case{newCase(probe, targets.REST, Failed, "late")}}
	Conclude(r, catalogueOf(probe), Criteria{RunningConfigured: true})
	assert.Nil(t, r.Requirements[0].Runs)
	assert.Equal(t, "late", r.Requirements[0].Reason)
}

// repeatable is a case whose calls can be made again, in what a script has to
// mind: names, secrets, unique values, polls, waits, another caller.
func repeatable() *Case {
	rest := func(at time.Duration, m targets.Method, line, body, status, answer string) targets.Exchange {
		e := call(at, m, line, status, answer)
		e.Request.Body = body
		e.Request.Headers = map[string]string{"Host": "127.0.0.1:8080", "Authorization": targets.Redacted, "User-Agent": "conform"}
		if body != "" {
			e.Request.Headers["Content-Type"] = "application/json"
		}
		return e
	}
	const name = "projects/demo/operations/3DNU363IM57LNU4S"
	c := failingCase()
	start := rest(0, "", "POST /v1/projects/demo/jobs:start?id=it's", `{"id":"job-k3x9q0w2m4n8b7v1"}`, "200 OK", `{"name":"`+name+`"}`)
	start.Note = "start of role running"
	stranger := rest(2*time.Millisecond, targets.Cancel, "POST /v1/"+name+":cancel", "{}", "403 Forbidden", "{}")
	stranger.Principal = targets.Stranger
	running := `{"name":"` + name + `"}`
	grpc := targets.Exchange{Transport: targets.GRPC, Method: targets.Get, At: 200 * time.Millisecond, Elapsed: time.Millisecond,
		Request: targets.Message{Line: "/google.longrunning.Operations/GetOperation", Body: `{"name":"` + name + `"}`,
			Headers: map[string]string{":authority": "127.0.0.1:9090", ":scheme": "http", "content-type": "application/grpc", "authorization": targets.Redacted}},
		Response: targets.Message{Line: "grpc-status 5 NOT_FOUND"}}
	bytes := grpc
	bytes.At, bytes.Request.Body = 202*time.Millisecond, "0aff"
	c.Exchanges = []targets.Exchange{start, stranger,
		rest(4*time.Millisecond, targets.Get, "GET /v1/"+name, "", "200 OK", running),
		rest(24*time.Millisecond, targets.Get, "GET /v1/"+name, "", "200 OK", running),
		rest(84*time.Millisecond, targets.Get, "GET /v1/"+name, "", "200 OK", running),
		grpc, bytes}
	c.Breaches[0].Exchange = 5
	return &c
}

func TestACaseIsRepeatedByHand(t *testing.T) {
	got := strings.Join(repeatLines(sampleReport(), repeatable()), "\n") + "\n"
	golden(t, "repeat.golden", []byte(got))
	assert.Nil(t, repeatLines(sampleReport(), &(&Report{Cases: []Case{*repeatable()}}).WithoutBodies().Cases[0]))
}

func TestANameIsSpelledAsItWas(t *testing.T) {
	s := &script{asked: map[string]bool{}}
	s.know("operations/Abcdefgh", "NAME1")
	word := s.encodedName("http://127.0.0.1:1/v1/operations%2F%41bcdefg%68:cancel")
	require.NotEmpty(t, word)
	require.Equal(t, []string{percentFunction}, s.inputs)
	out, err := exec.CommandContext(t.Context(), "bash", "-euc", percentFunction+"; NAME1=operations/Zyxwvuts; printf %s "+word).Output()
	require.NoError(t, err)
	assert.Equal(t, "http://127.0.0.1:1/v1/operations%2F%5Ayxwvut%73:cancel", string(out))
	assert.Empty(t, s.encodedName("http://127.0.0.1:1/v1/operations/Abcdefgh"), "as it is known")
	assert.Empty(t, s.encodedName("http://127.0.0.1:1/v1/operations/%41nother"))
}

// A shell runs the script as it is written: what the stand-ins for curl and
// grpcurl are given is what was sent, with this run's values.
func TestAShellRunsTheScript(t *testing.T) {
	dir := t.TempDir()
	stand := "#!/bin/sh\nprintf '%s|' \"$@\" >> \"$LOG\"; echo >> \"$LOG\"\necho '{\"name\": \"projects/demo/operations/FRESH\"}'\n"
	for _, tool := range []string{"curl", "grpcurl"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, tool), []byte(stand), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sleep"), []byte("#!/bin/sh\n"), 0o700))
	log := filepath.Join(dir, "log")
	cmd := exec.CommandContext(t.Context(), "bash", "-eu", "-c", strings.Join(repeatLines(sampleReport(), repeatable()), "\n"))
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "LOG="+log, "AUTHORIZATION=Bearer mine", "STRANGER_AUTHORIZATION=Bearer theirs")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	sent, err := os.ReadFile(log)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(sent)), "\n")
	require.Len(t, lines, 6, string(sent))
	assert.Contains(t, lines[0], "|http://127.0.0.1:8080/v1/projects/demo/jobs:start?id=it's|")
	assert.NotContains(t, lines[0], "k3x9q0w2m4n8b7v1", "a fresh value")
	assert.Regexp(t, `"id":"job-u[0-9a-f]{14}x"`, lines[0])
	assert.Contains(t, lines[1], "|Authorization: Bearer theirs|")
	assert.Contains(t, lines[1], "|http://127.0.0.1:8080/v1/projects/demo/operations/FRESH:cancel|")
	assert.Contains(t, lines[2], "|Authorization: Bearer mine|")
	assert.Contains(t, lines[4], `|{"name":"projects/demo/operations/FRESH"}|127.0.0.1:9090|google.longrunning.Operations/GetOperation|`)
	assert.Contains(t, lines[5], "--http2-prior-knowledge")
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"plain-1.0/x": "plain-1.0/x", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(rm)": "'$(rm)'", "a\x1b[2J": `$'a\x1b[2J'`, "a\nb": `$'a\x0ab'`,
	} {
		got := shellQuote(in)
		assert.Equal(t, want, got)
		out, err := exec.CommandContext(t.Context(), "bash", "-c", "printf %s "+got).Output()
		require.NoError(t, err)
		assert.Equal(t, in, string(out))
	}
}

func TestAnOperationThatWasStartedBeforeTheCaseIsStartedAsElsewhere(t *testing.T) {
	other := *repeatable()
	c := repeatable()
	c.Exchanges = c.Exchanges[2:5] // its start belongs to no case
	for i := range c.Exchanges {
		c.Exchanges[i].Request.Line = strings.ReplaceAll(c.Exchanges[i].Request.Line, "3DNU363IM57LNU4S", "ANOTHER1")
	}
	r := sampleReport()
	other.Exchanges[0].Note = "start of role running"
	other.Exchanges[1], other.Exchanges[2] = other.Exchanges[2], other.Exchanges[1]
	r.Cases = []Case{other, *c}
	script := strings.Join(repeatLines(r, c), "\n")
	assert.Contains(t, script, "(start of role running, as before another case)")
	assert.Contains(t, script, `"http://127.0.0.1:8080/v1/${NAME1}"`)
	assert.NotContains(t, script, "ANOTHER1")
	assert.NotContains(t, script, "NAME1:?")

	r.Cases = []Case{*c}
	assert.Contains(t, strings.Join(repeatLines(r, c), "\n"), `: "${NAME1:?set it to the name of a fresh operation`)
}
