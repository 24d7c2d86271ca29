package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/schemas"
	"github.com/lro-tools/conform/targets"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update")
	assert.Equal(t, string(want), string(got))
}

func render(t *testing.T, w Writer, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, w(&b, r))
	return b.Bytes()
}

func TestWritersAgainstGoldenFiles(t *testing.T) {
	t.Setenv(summaryVariable, "")
	for format, w := range Writers() {
		t.Run(format, func(t *testing.T) {
			out := string(render(t, w, sampleReport()))
			if format == "html" {
				shown := func(s string) string { return strings.ReplaceAll(digest(s), "+", "&#43;") } // as in an attribute
				out = strings.NewReplacer(pageCSS, "(style)", pageJS, "(script)", shown(pageCSS), "(digest)", shown(pageJS), "(digest)").Replace(out)
			}
			if format == "messages" { // the machine, which differs
				lines := strings.SplitAfterN(out, "\n", 2)
				require.Contains(t, lines[0], `"meta":`)
				out = lines[1]
			}
			golden(t, "sample."+format+".golden", []byte(out))
		})
	}
}

func TestTextEndsWithAdviceOnlyWhereIncomplete(t *testing.T) {
	r := sampleReport()
	assert.Equal(t, Nonconformant, r.Outcome)
	assert.NotContains(t, string(render(t, Text(false), r)), "operations:\n")

	r.Cases = append([]Case(nil), r.Cases...)
	r.Cases[2] = newCase("cancel.state.code-1", targets.REST, Passed, "")
	Conclude(r, smallCatalogue(), r.Criteria)
	require.Equal(t, Incomplete, r.Outcome)
	text := string(render(t, Text(false), r))
	assert.True(t, strings.HasSuffix(text, r.Advice), text)
	assert.Contains(t, r.Advice, "  pending: {unavailable:")
	assert.NotContains(t, r.Advice, "slow", "a SHOULD does not count")
	golden(t, "incomplete.text.golden", []byte(text))
}

func TestColorOnlyWhereAsked(t *testing.T) {
	assert.NotContains(t, string(render(t, Text(false), sampleReport())), "\x1b")
	assert.Contains(t, string(render(t, Text(true), sampleReport())), ansiRed+"FAILED"+ansiReset)
}

func TestJSONKeepsItsSchemaAndReadsBack(t *testing.T) {
	bare := &Report{Started: "2026-01-02T03:04:05Z", Problem: "connection refused"}
	Conclude(bare, smallCatalogue(), Criteria{RunningConfigured: true})
	full := sampleReport()
	full.Target.File, full.Target.Set = "target.yaml", []string{"rest.url=http://127.0.0.1:1/v1"}
	again := newCase("cancel.state.code-1", targets.REST, Passed, "")
	again.ID += "#2"
	stranger := call(0, targets.Cancel, "POST /v1/operations/a:cancel", "403 Forbidden", "{}")
	stranger.Principal = targets.Stranger
	again.Exchanges = []targets.Exchange{stranger}
	full.Cases = append(full.Cases, again)
	Conclude(full, smallCatalogue(), Criteria{RunningConfigured: true, Baseline: []KnownFailure{{Requirement: "cancel.state.code-1", Transport: targets.REST,
		Fingerprint: "012345678901", Reason: "x", Issue: "https://example.com/1", Expires: "2027-01-01", Where: "known.yaml:2"}}})
	full.Diagnose([]Fault{{Name: "a", Doc: "Does so.", Broken: map[targets.Transport][]string{targets.REST: {"cancel.state.code-1"}}}})
	for name, r := range map[string]*Report{"sample": sampleReport(), "hostile": hostileReport(), "bare": bare, "full": full} {
		t.Run(name, func(t *testing.T) {
			data := render(t, JSON, r)
			d := json.NewDecoder(bytes.NewReader(data))
			d.UseNumber()
			var doc any
			require.NoError(t, d.Decode(&doc))
			require.NoError(t, schemas.Validate("report", doc))
			back, err := Decode(data)
			require.NoError(t, err)
			// Bytes that were no UTF-8 are replaced by now.
			again, err := Decode(render(t, JSON, back))
			require.NoError(t, err)
			assert.True(t, assert.ObjectsAreEqual(back, again))
			assert.Equal(t, len(r.Cases), len(again.Cases))
		})
	}
}

// hostileReport is what a server that attacks the reader could cause.
func hostileReport() *Report {
	evil := "\x1b[2J\x1b]0;owned\x07\u202e\u2066</script><img src=x onerror=alert(1)>]]>\x00\xff\u2028::error::x\r\n|`${x}`<!--"
	c := failingCase()
	c.Reason = evil
	c.Steps[2].Message = evil
	for i := range c.Breaches {
		c.Breaches[i].Message, c.Breaches[i].Actual, c.Breaches[i].Pointer = evil, evil, evil
	}
	c.Notes["cancel.state.code-1"] = []string{evil}
	c.Observed["cancel.effect.may-complete"] = evil
	big := evil + strings.Repeat("A", 1<<20)
	c.Exchanges[4].Response = targets.Message{Line: "200 " + evil, Headers: map[string]string{"X-" + evil: evil}, Body: big}
	c.Exchanges[3].Problem = evil
	untested := newCase("cancel.accept.pending", targets.REST, Untested, evil)
	untested.Needs = "operations.pending"
	r := &Report{Suite: Suite{Version: "1.2.3"}, Started: "2026-01-02T03:04:05Z",
		Target:   Target{Name: evil, Implementation: map[string]string{"project": evil}, Profile: "lro", REST: "http://127.0.0.1/" + evil},
		Cases:    []Case{c, untested, newCase("cancel.accept.in-progress", targets.REST, Inconclusive, evil)},
		Leftover: []string{evil}, Problem: evil}
	Conclude(r, smallCatalogue(), Criteria{RunningConfigured: true})
	return r
}

func TestHostileTextIsHarmless(t *testing.T) {
	t.Setenv(summaryVariable, "")
	r := hostileReport()
	for format, w := range Writers() {
		t.Run(format, func(t *testing.T) {
			out := string(render(t, w, r))
			assert.True(t, utf8.ValidString(out))
			for _, bad := range []string{"\x1b", "\x00", "\x07", "\r"} {
				assert.NotContains(t, out, bad)
			}
			if format != "json" { // data, read by programs
				for _, bad := range []string{"\u202e", "\u2066", "\u2028"} {
					assert.NotContains(t, out, bad)
				}
				assert.Less(t, len(out), 3<<20)
			}
		})
	}
}

func TestJUnitIsWellFormed(t *testing.T) {
	for name, r := range map[string]*Report{"sample": sampleReport(), "hostile": hostileReport()} {
		t.Run(name, func(t *testing.T) {
			d := xml.NewDecoder(bytes.NewReader(render(t, JUnit, r)))
			tests, failures := 0, 0
			for {
				token, err := d.Token()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				if e, ok := token.(xml.StartElement); ok {
					switch e.Name.Local {
					case "testcase":
						tests++
					case "failure":
						failures++
					}
				}
			}
			assert.Greater(t, tests, len(r.Cases))
			assert.Equal(t, 2, failures, "the case and the invariant that it broke")
		})
	}
}

func TestHarmless(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "a ü ✓ 漢", "a ü ✓ 漢"},
		{"escape", "\x1b[31m", `\u001b[31m`},
		{"not UTF-8", "a\xffb", `a\xffb`},
		{"bidi", "a\u202eb", `a\u202eb`},
		{"tag characters", "\U000e0041", `\U000e0041`},
		{"lines", "a\r\nb\tc", `a\r\nb` + "\tc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, line(tt.in)) })
	}
	assert.Equal(t, "a\nb", harmless("a\nb", true))
	assert.Equal(t, "ü… (3 bytes more)", excerpt("üüa", 3))
}
