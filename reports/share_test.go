package reports

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWithoutBodies(t *testing.T) {
	r := sampleReport()
	before := string(render(t, JSON, r))
	shared := r.WithoutBodies()
	for format, w := range Writers() {
		t.Setenv(summaryVariable, "")
		out := string(render(t, w, shared))
		assert.NotContains(t, out, "stopped", format)
	}
	assert.Equal(t, before, string(render(t, JSON, r)), "the report itself is left as it is")
	assert.Equal(t, r.Outcome, shared.Outcome)
	assert.Equal(t, r.Requirements, shared.Requirements)
}
