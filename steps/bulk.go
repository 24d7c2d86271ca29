package steps

import (
	"bytes"
	"fmt"
	"slices"

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
	if ex.Method == targets.List {
		w.weigh(len(ex.Response.Body) + w.ownIn(ex.Doc))
		return ex
	}
	last, known := w.latest[ex.Request.Line]
	if known && bytes.Equal(last.Body, ex.Body) && ex.HTTP == last.HTTP && (ex.DocErr == nil) == (last.DocErr == nil) {
		ex.Body, ex.Doc, ex.Response.Body = last.Body, last.Doc, last.Response.Body
		if ex.GRPC != nil && len(ex.GRPC.Payloads) > 0 && bytes.Equal(ex.GRPC.Payloads[0], ex.Body) {
			ex.GRPC.Payloads[0] = ex.Body
		}
		return ex
	}
	w.latest[ex.Request.Line] = ex
	w.weigh(len(ex.Body) + len(ex.Response.Body) + size(ex.Doc))
	return ex
}

// weigh counts what is kept; the caller holds the mutex.
func (w *world) weigh(n int) {
	w.kept += n
	if w.kept > mostKept && w.tooMuch != nil {
		w.tooMuch(fmt.Errorf("the answers of this case take up more than %d MiB, which is not kept", mostKept>>20))
	}
}

// ownIn is the size of the case's own operations in a list: of its entries
// these alone are remembered. A list as a whole is judged when it comes.
func (w *world) ownIn(list any) int {
	n := 0
	entries, _ := object(list)["operations"].([]any)
	for _, e := range entries {
		name, _ := object(e)["name"].(string)
		if slices.ContainsFunc(w.mine, func(op *operation) bool { return op.name == name }) {
			n += size(e)
		}
	}
	return n
}

// size is what a document takes up, about.
func size(doc any) int {
	n := valueSize
	switch v := doc.(type) {
	case string:
		n += len(v)
	case map[string]any:
		for k, e := range v {
			n += valueSize + len(k) + size(e)
		}
	case []any:
		for _, e := range v {
			n += size(e)
		}
	}
	return n
}

// recorded is the exchange as the case records it: a list without its bulk.
func recorded(ex targets.Exchange) targets.Exchange {
	if ex.Method == targets.List {
		ex.Body, ex.Doc = nil, nil
		if ex.GRPC != nil {
			slim := *ex.GRPC
			slim.Payloads = nil
			ex.GRPC = &slim
		}
	}
	return ex
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

// longestList bounds the names that are remembered of one list, in bytes.
const longestList = 8 << 20
