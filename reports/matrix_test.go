package reports

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

func TestMatrixWriters(t *testing.T) {
	a, b := sampleReport(), sampleReport()
	b.Target.Name = "other-service"
	b.Cases[2] = newCase("cancel.state.code-1", targets.REST, Passed, "")
	Conclude(b, smallCatalogue(), b.Criteria)
	for format, w := range MatrixWriters() {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, w(&out, NewMatrix(a, b)))
			golden(t, "matrix."+format+".golden", []byte(strings.NewReplacer(pageCSS, "(style)", digest(pageCSS), "(digest)").Replace(out.String())))
			out.Reset()
			require.NoError(t, w(&out, NewMatrix(a, hostileReport())))
			for _, bad := range []string{"\x1b", "\x00", "\r"} {
				assert.NotContains(t, out.String(), bad)
			}
			if format == "html" {
				assert.NotContains(t, out.String(), "<img")
			}
		})
	}
}

func TestMatrixKnowsWhatOnlyOneReportHas(t *testing.T) {
	a, b := sampleReport(), sampleReport()
	Conclude(a, smallCatalogue()[:2], a.Criteria)
	b.Suite.Version = "2.0.0"
	m := NewMatrix(a, b)
	require.Len(t, m.Rows, len(smallCatalogue()))
	last := m.Rows[len(m.Rows)-1].Cells
	assert.Equal(t, []Verdict{"", Passed}, []Verdict{last[0].Verdict, last[1].Verdict})
	assert.Equal(t, "The servers were judged by different versions of the suite.", m.caution())
}
