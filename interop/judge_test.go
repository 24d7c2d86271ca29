package interop_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets/reference"
)

var update = flag.Bool("update", false, "write the golden files anew")

// transcoders are pieces of software that serve REST in front of a gRPC
// server, as their users set them up.
func transcoders() map[string]func(*testing.T, string) (http.Handler, error) {
	dial := func(t *testing.T, address string) *grpc.ClientConn {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, conn.Close()) })
		return conn
	}
	return map[string]func(*testing.T, string) (http.Handler, error){
		"grpc-gateway": func(t *testing.T, address string) (http.Handler, error) {
			return gateway(dial(t, address))
		},
		"grpc-gateway-strict": func(t *testing.T, address string) (http.Handler, error) {
			return gateway(dial(t, address), runtime.WithStrictDeepWildcardMatching(),
				runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptReserved))
		},
		"vanguard": func(_ *testing.T, address string) (http.Handler, error) { return vanguardTranscoder(address) },
	}
}

// The suite judges each transcoder, and what it finds is pinned: a finding that
// comes or goes is a change of the transcoder or a mistake of ours. Each is
// explained, and checked against the transcoder's source, beside the golden file.
func TestTranscoders(t *testing.T) {
	for name, transcoder := range transcoders() {
		t.Run(name, func(t *testing.T) {
			// A cancel takes effect before it is answered, and may be repeated,
			// so that what is seen does not depend on how soon one looks; and
			// operations that end by themselves last long enough to be met
			// in progress by a machine that is busy.
			server := serve(t, reference.Options{Base: "/" + version, CancelDelay: -1, FinishedOK: true, Natural: time.Second})
			handler, err := transcoder(t, server.grpc)
			require.NoError(t, err)
			front := httptest.NewServer(handler)
			t.Cleanup(front.Close)

			report, err := steps.Run(t.Context(), server.target(t, front.URL), steps.Options{Level: "should"})
			require.NoError(t, err)
			require.Empty(t, report.Problem)
			found := findings(report)
			golden(t, filepath.Join("testdata", name+".golden"), found.String())
			explained(t, filepath.Join("testdata", name+".md"), found)
		})
	}
}

// A finding is a requirement that the suite has something to say about.
type finding struct {
	id, level string
	verdict   reports.Verdict
	remarks   []string // the reason and the notes
}

type findingList []finding

// findings are the requirements that were broken, that could not be told, or
// that have notes.
func findings(r *reports.Report) findingList {
	var list findingList
	for _, q := range r.Requirements {
		f := finding{id: q.ID, level: q.Level, verdict: q.Verdict}
		if q.Verdict == reports.Failed || q.Verdict == reports.Inconclusive {
			f.remarks = append(f.remarks, stable(q.Reason))
		}
		for _, n := range q.Notes {
			f.remarks = append(f.remarks, "note: "+stable(n))
		}
		if len(f.remarks) == 0 {
			continue
		}
		slices.Sort(f.remarks)
		f.remarks = slices.Compact(f.remarks)
		list = append(list, f)
	}
	return list
}

// stable replaces what differs from run to run: names, addresses and times.
func stable(s string) string {
	for _, r := range []struct{ pattern, by string }{
		{`projects/[A-Za-z0-9%._~-]+/operations/[^\s":,;)]*`, "NAME"},
		{`127\.0\.0\.1:\d+`, "ADDRESS"},
		{`\d+(\.\d+)?(µs|ms|s)\b`, "TIME"},
	} {
		s = regexp.MustCompile(r.pattern).ReplaceAllString(s, r.by)
	}
	return strings.ReplaceAll(s, "\n", " ")
}

// String is the form of the golden file.
func (l findingList) String() string {
	var b strings.Builder
	for _, f := range l {
		fmt.Fprintf(&b, "%s %s %s\n", f.verdict, f.level, f.id)
		for _, r := range f.remarks {
			fmt.Fprintf(&b, "    %s\n", r)
		}
	}
	return b.String()
}

// golden compares what was found with the golden file.
func golden(t *testing.T, file, got string) {
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "%s; rewrite it with -update", file)
}

// explained demands that the explanations have a section for each finding, and
// for nothing else.
func explained(t *testing.T, file string, found findingList) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var sections, ids []string
	for _, m := range regexp.MustCompile("(?m)^## `([^`]+)`$").FindAllStringSubmatch(string(text), -1) {
		sections = append(sections, m[1])
	}
	for _, f := range found {
		ids = append(ids, f.id)
	}
	assert.ElementsMatch(t, ids, sections, "the sections of %s", file)
}
