package steps

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// A world is one case: its operations, its calls, and what was seen beside.
type world struct {
	id      string // of the case, with what tells its repetitions apart
	run     *run
	plan    *planned
	ep      *targets.Endpoint
	client  targets.Client
	began   time.Time
	seat    *seat
	starved atomic.Bool // a Get brought no answer
	crowded atomic.Bool // an operation could not be started beside others

	mistaken *mistaken // outlives the case

	// The operations by the part they play in the scenario's sentences: it is
	// the one spoken of, others are bystanders.
	it     *operation
	others []*operation
	aged   *aged // what it is, or was to be, where that was started before the first case
	// calls are the indices of the exchanges that the scenario's When made.
	calls []int
	// unknown is the name of no operation that a Given chose, like those of the
	// operations of unknownRole.
	unknown     string
	unknownRole targets.Role
	// facts are what the steps of one scenario tell each other, by keys of
	// their own file.
	facts map[string]any

	mu        sync.Mutex
	exchanges []targets.Exchange
	latest    map[string]keptAnswer   // by request
	kept      int                     // bytes of answers
	tooMuch   context.CancelCauseFunc // ends the case; nil before the first case
	mine      []*operation            // everything that the case started
	missing   map[int]*operation      // those that a Get has not found, by its exchange
	held      map[string]bool
	breaches  []reports.Breach
	notes     map[string][]string
	observed  map[string]string
	ended     error // the violation or ruling that ended the case
	suiteBug  bool
	steps     []reports.Step
	at        int // the step being run
}

type worldKey struct{}

// of is the world of the case that a step runs in.
func of(ctx context.Context) *world { return ctx.Value(worldKey{}).(*world) }

func newWorld(r *run, p *planned) *world {
	ep := r.target.Endpoints[p.transport]
	w := &world{run: r, plan: p, ep: ep, unknownRole: targets.Running, began: time.Now(), seat: &seat{seats: r.seats.Load()}, mistaken: &mistaken{}, held: map[string]bool{}, notes: map[string][]string{},
		observed: map[string]string{}, facts: map[string]any{}, latest: map[string]keptAnswer{}, steps: append([]reports.Step(nil), p.steps...)}
	if ep != nil {
		w.client = ep.Client
	}
	return w
}

// settleFor, observeFor are the waits that the target file sets.
func (w *world) settleFor() time.Duration  { return w.run.target.Timeouts.Settle }
func (w *world) observeFor() time.Duration { return w.run.target.Timeouts.Observe }
func (w *world) requestFor() time.Duration { return w.run.target.Timeouts.Request }

func (w *world) rest() bool { return w.plan.transport == targets.REST }

// record keeps an exchange as evidence and returns its index.
func (w *world) record(ex targets.Exchange, note string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	ex.At = ex.Start.Sub(w.began)
	if note != "" {
		ex.Note = note
	}
	w.exchanges = append(w.exchanges, ex)
	if f := w.run.options.OnExchange; f != nil {
		f(w.id, ex)
	}
	return len(w.exchanges) - 1
}

// A call is an exchange of the case with its index, and the error that tells
// that no answer came.
type call struct {
	targets.Exchange
	index int
	err   *targets.NoAnswer
}

// call makes a well-formed call and checks what every answer must keep.
func (w *world) call(ctx context.Context, m targets.Method, request proto.Message, note string) call {
	if m == targets.Wait {
		defer w.waits(ctx)()
		if q := w.waitQuery(request); q != nil {
			return w.raw(ctx, *q, note)
		}
	}
	return w.byName(request, func() call {
		return w.send(ctx, w.client, m, note, func(ctx context.Context, c targets.Client) (targets.Exchange, error) {
			return c.Call(ctx, m, request)
		})
	})
}

// waits begins a Wait and returns what ends it.
func (w *world) waits(ctx context.Context) (end func()) {
	w.seat.takeTurn(ctx)
	h := w.run.health[w.plan.transport]
	h.addWait(1)
	return func() { h.addWait(-1) }
}

// raw sends a request whose every byte the scenario chose. Its answer is
// judged by the scenario alone, unless the scenario hands it to w.check.
func (w *world) raw(ctx context.Context, r targets.RawRequest, note string) call {
	return w.byName(r.Message, func() call {
		return w.send(ctx, w.client, r.Method, note, func(ctx context.Context, c targets.Client) (targets.Exchange, error) {
			return c.Raw(ctx, r)
		})
	})
}

func (w *world) send(ctx context.Context, c targets.Client, m targets.Method, note string, do func(context.Context, targets.Client) (targets.Exchange, error)) call {
	pace := w.run.paces.of(m)
	pace.wait(ctx)
	ex, err := do(ctx, c)
	pace.tell(ex)
	ex = w.keep(ex)
	out := call{Exchange: ex, index: w.record(recorded(ex), note)}
	if err != nil {
		if !errors.As(err, &out.err) {
			out.err = &targets.NoAnswer{Kind: targets.Aborted, Err: err}
		}
		if out.Problem == "" {
			out.Problem = out.err.Error()
		}
	}
	w.run.health[c.Transport()].tell(ctx, out)
	if out.err != nil && out.err.Kind != targets.Aborted && out.Method == targets.Get && ctx.Err() == nil {
		w.starved.Store(true)
	}
	if w.judges(out) {
		w.checkWire(out)
	}
	return out
}

// judges tells whether the case judges what all answers must keep of a call: each
// transport has its own cases for that.
func (w *world) judges(c call) bool { return c.Transport == w.plan.transport }

// fail makes a violation of the case's own requirement. shown is the exchange
// that shows it. Where that ended without a status it shows nothing else; nor
// does the refusal of a cancel by a server that supports it now and then.
func (w *world) fail(shown call, expected, format string, args ...any) error {
	if statusless(shown.Exchange) {
		return inconclusive("%s was answered %s (see grpc.status-in-trailers)", shown.Method, shown.Status())
	}
	if mixed, _ := w.run.support[w.plan.transport].changes.were(); mixed && shown.Method == targets.Cancel && looksUnsupported(shown.Exchange) {
		return inconclusive("support of cancel comes and goes: %s (see cancel.unimplemented.consistent)", shown.Status())
	}
	return w.accuse(w.plan.requirement.ID, shown.index, expected, shown.Status(), format, args...)
}

// failAt is fail for a snapshot.
func (w *world) failAt(s snapshot, expected, format string, args ...any) error {
	return w.accuse(w.plan.requirement.ID, s.exchange, expected, s.state(), format, args...)
}

func (w *world) accuse(requirement string, exchange int, expected, actual, format string, args ...any) error {
	return &violation{reports.Breach{Requirement: requirement, Message: fmt.Sprintf(format, args...),
		Expected: expected, Actual: actual, Exchange: exchange}}
}

// note tells of what is tolerated but worth knowing.
func (w *world) note(format string, args ...any) {
	w.noteFor(w.plan.requirement.ID, format, args...)
}

func (w *world) noteFor(requirement, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	for _, n := range w.notes[requirement] {
		if n == text {
			return
		}
	}
	w.notes[requirement] = append(w.notes[requirement], text)
}

// observe records which of several legal readings was seen.
func (w *world) observe(requirement, reading string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.observed[requirement] == "" {
		w.observed[requirement] = reading
	}
}

// noteOnly tells whether a breach of a requirement is a mere note for this target.
func (w *world) noteOnly(requirement string) bool {
	_, note := w.run.catalogue[requirement].Effective(w.run.target.Profile, w.run.target.Guaranteed)
	return note
}

// broken returns the index of the breach of a requirement in this case, or -1.
func (w *world) broken(requirement string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, b := range w.breaches {
		if b.Requirement == requirement {
			return i
		}
	}
	return -1
}

// aside records that an invariant was broken beside the case; the scenario goes on.
func (w *world) aside(requirement string, exchange int, pointer, expected, actual, format string, args ...any) {
	if !w.run.catalogue[requirement].On(string(w.plan.transport)) {
		return
	}
	message := fmt.Sprintf(format, args...)
	if w.noteOnly(requirement) {
		w.noteFor(requirement, "%s", message)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.breaches {
		if b.Requirement == requirement {
			return
		}
	}
	w.breaches = append(w.breaches, reports.Breach{Requirement: requirement, Message: message, Expected: expected,
		Actual: actual, Pointer: pointer, Exchange: exchange})
}

// hold records that an invariant was seen and kept.
func (w *world) hold(requirement string) {
	if !w.run.catalogue[requirement].On(string(w.plan.transport)) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[requirement] = true
}
