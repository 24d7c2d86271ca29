package steps

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// mostKept is how much the answers of one case may take up, in bytes, where those of
// all cases that are under way take up more than mostOfAll: progress that is another
// at each poll must not end a case. With what the collector leaves lying, a run stays
// well below 300 MB, whatever the server sends.
const (
	mostKept  = 4 << 20
	mostOfAll = 12 * mostKept
)

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
		own := w.ownIn(ex.Doc)
		w.weigh(own + min(len(ex.Response.Body), shownOfPage+own))
		return ex
	}
	asked := ex.Request.Line + "\n" + ex.Request.Body // over gRPC the operation stands in the body
	last, known := w.latest[asked]
	now := keptAnswer{Exchange: ex, size: len(ex.Body), sum: sha256.Sum256(ex.Body)}
	if known && ex.HTTP == last.HTTP && (ex.DocErr == nil) == (last.DocErr == nil) && last.says(now) {
		alone := ex.GRPC != nil && len(ex.GRPC.Payloads) > 0 && bytes.Equal(ex.GRPC.Payloads[0], ex.Body)
		ex.Body, ex.Doc, ex.Response.Body = last.Body, last.Doc, last.Response.Body
		if alone {
			ex.GRPC.Payloads[0] = ex.Body
		}
		return ex
	}
	if ex.Method == targets.Get || ex.Method == targets.Wait {
		now.shorten()
	}
	w.latest[asked] = now
	w.weigh(len(now.Body) + len(now.Response.Body) + size(now.Doc))
	return now.Exchange
}

// A keptAnswer is what was kept of one, with the size and the digest of what came.
type keptAnswer struct {
	targets.Exchange
	size int
	sum  [sha256.Size]byte
}

// says tells whether an answer says what another does: byte by byte, or over gRPC in
// another order, as the entries of a map come in any.
func (a keptAnswer) says(b keptAnswer) bool {
	return a.size == b.size && (a.sum == b.sum || b.Transport == targets.GRPC && b.DocErr == nil && reflect.DeepEqual(a.Doc, b.Doc))
}

// shownOfAnswer is how much is kept, as evidence, of the beginning and of the end of
// an answer that is longer than both, in bytes.
const shownOfAnswer = 16 << 10

// shorten leaves of a long answer what it says, decoded, and the beginning and the end
// of its text.
func (a *keptAnswer) shorten() {
	text := a.Response.Body
	if len(text) <= 2*shownOfAnswer {
		return
	}
	from, to := runeAt(text, shownOfAnswer), runeAt(text, len(text)-shownOfAnswer)
	a.Response.Body = fmt.Sprintf("%s… (%d bytes, SHA-256 of the whole %x) …%s", text[:from], to-from, a.sum[:8], text[to:])
	a.Body = nil
	if a.GRPC != nil {
		slim := *a.GRPC
		slim.Payloads = make([][]byte, len(slim.Payloads))
		a.GRPC = &slim
	}
}

// runeAt is where the character begins that a place of a text lies in.
func runeAt(text string, at int) int {
	for at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

// shownOfPage is how much is kept of the beginning of a page, and from each of
// the case's own operations on, in bytes.
const shownOfPage = 512

// abridge leaves of a page, once it is judged, its beginning and the case's own
// operations, where nothing on it was broken.
func (w *world) abridge(page call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.ContainsFunc(w.breaches, func(b reports.Breach) bool { return b.Exchange == page.index }) {
		return
	}
	ex := &w.exchanges[page.index]
	from := []int{0}
	for _, op := range w.mine {
		if at := strings.Index(ex.Response.Body, op.name); at >= 0 {
			from = append(from, at)
		}
	}
	if w.ownIn(page.Doc) == 0 {
		ex.Note = foreignPage
	}
	slices.Sort(from)
	ex.Response.Body = excerpts(ex.Response.Body, from)
}

// excerpts are the parts of a text that begin at some places, in their order.
func excerpts(text string, from []int) string {
	var b strings.Builder
	end, left := 0, 0
	for _, at := range from {
		at = max(at, end)
		for at > end && !utf8.RuneStart(text[at]) {
			at--
		}
		if at > end {
			b.WriteString("…")
			left += at - end
		}
		end = min(at+shownOfPage, len(text))
		for end < len(text) && !utf8.RuneStart(text[end]) {
			end++
		}
		b.WriteString(text[at:end])
	}
	if left += len(text) - end; left == 0 {
		return text
	}
	fmt.Fprintf(&b, "… (%d bytes more)", left)
	return b.String()
}

// weigh counts what is kept; the caller holds the mutex.
func (w *world) weigh(n int) {
	w.kept += n
	if all := w.run.kept.Add(int64(n)); w.kept > mostKept && all > mostOfAll && w.tooMuch != nil {
		w.tooMuch(disturbed("the answers of this case take up more than %d MiB, beside those of others, which is not kept", mostKept>>20))
	}
}

// ownIn is the size of the case's own operations in a list, and of what must
// not be there: of its entries these alone are remembered. A list as a whole is
// judged when it comes. The caller holds the mutex.
func (w *world) ownIn(list any) int {
	n := 0
	entries, _ := object(list)["operations"].([]any)
	for _, e := range entries {
		name, _ := object(e)["name"].(string)
		if name == w.unknown || slices.ContainsFunc(w.mine, func(op *operation) bool { return op.name == name }) {
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
// goes with its case. Headers that are alike are kept once for the whole run.
func (r *run) evidence(exchanges []targets.Exchange) []targets.Exchange {
	out := make([]targets.Exchange, len(exchanges)) // no longer than what was folded
	for i, e := range exchanges {
		e.Body, e.Doc, e.DocErr, e.Header, e.GRPC = nil, nil, nil, nil, nil
		e.Request.Headers, e.Response.Headers = r.headers.one(e.Request.Headers), r.headers.one(e.Response.Headers)
		out[i] = e
	}
	return out
}

// headersMost bounds the headers that are held to be met again; those of
// answers differ every second, by their date.
const headersMost = 4096

// A headerSet knows headers that were recorded. Nobody changes them.
type headerSet struct {
	mu    sync.Mutex
	seed  maphash.Seed
	known map[uint64]map[string]string
}

func newHeaderSet() *headerSet {
	return &headerSet{seed: maphash.MakeSeed(), known: map[uint64]map[string]string{}}
}

// one returns the header that is like h and was met first.
func (s *headerSet) one(h map[string]string) map[string]string {
	if len(h) == 0 {
		return h
	}
	var sum uint64 // of the fields, in whatever order
	for name, value := range h {
		sum += maphash.String(s.seed, name) * (maphash.String(s.seed, value) | 1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.known[sum]; maps.Equal(k, h) {
		return k
	}
	if len(s.known) >= headersMost {
		clear(s.known)
	}
	s.known[sum] = h
	return h
}
