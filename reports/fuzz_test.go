package reports

import (
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/features"
)

// FuzzReport reads a report that anybody may have written, concludes it again
// and renders it in every format: nothing panics, whatever it holds.
func FuzzReport(f *testing.F) {
	for _, name := range []string{"testdata/sample.json.golden"} {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(`{"cases":[{"id":"x","verdict":"failed","requirement":"cancel.state.done","breaches":[{"exchange":7}]}]}`))
	f.Add([]byte(`{"cases":[{"steps":[{}],"exchanges":[{"request":{"headers":null}}],"breaches":[{"exchange":-9}]}],"requirements":[{}]}`))
	catalogue, err := features.Requirements()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(data)
		if err != nil {
			return
		}
		Conclude(r, catalogue, r.Criteria)
		for name, write := range Writers() {
			if name == "github" {
				continue // writes a file that the environment names
			}
			_ = write(io.Discard, r)
		}
	})
}
