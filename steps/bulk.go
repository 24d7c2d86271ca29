package steps

import (
	"bytes"
	"fmt"

	"github.com/lro-tools/conform/targets"
)

// mostKept is how much the answers of one case may take up, in bytes. With 16
// cases at a time and what the collector leaves lying, a run stays well below
// 300 MB, whatever the server sends.
const mostKept = 4 << 20

// valueSize is what a value of a decoded document takes up, about.
const valueSize = 64

// keep makes an answer fit to be kept: one that brings what the last of its
// request brought shares its memory, as polls mostly do. A case whose answers
// take up too much ends, since nothing of them may be forgotten before it is
// judged.
func (w *world) keep(ex targets.Exchange) targets.Exchange {
	if len(ex.Body) == 0 {
		return ex
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.latest[ex.Request.Line]
	if known && bytes.Equal(last.Body, ex.Body) && ex.HTTP == last.HTTP && (ex.DocErr == nil) == (last.DocErr == nil) {
		ex.Body, ex.Doc, ex.Response.Body = last.Body, last.Doc, last.Response.Body
		if ex.GRPC != nil && len(ex.GRPC.Payloads) > 0 && bytes.Equal(ex.GRPC.Payloads[0], ex.Body) {
			ex.GRPC.Payloads[0] = ex.Body
		}
		return ex
	}
	w.latest[ex.Request.Line] = ex
	w.kept += len(ex.Body) + len(ex.Response.Body) + valueSize*values(ex.Doc)
	if w.kept > mostKept && w.tooMuch != nil {
		w.tooMuch(fmt.Errorf("the answers of this case take up more than %d MiB, which is not kept", mostKept>>20))
	}
	return ex
}

// values counts the values in a document.
func values(doc any) int {
	n := 1
	switch v := doc.(type) {
	case map[string]any:
		for _, e := range v {
			n += 1 + values(e)
		}
	case []any:
		for _, e := range v {
			n += values(e)
		}
	}
	return n
}

// evidence leaves of the exchanges what reports show: what only judging needs
// goes with its case.
func evidence(exchanges []targets.Exchange) []targets.Exchange {
	for i := range exchanges {
		e := &exchanges[i]
		e.Body, e.Doc, e.DocErr, e.Header, e.GRPC = nil, nil, nil, nil, nil
	}
	return exchanges
}
