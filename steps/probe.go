package steps

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// Whether cancel is supported on a transport.
type supportLevel int

const (
	supportedCancel supportLevel = iota
	unsupportedCancel
)

// probes is how many operations it takes to find out whether cancel is supported.
const probes = 3

// support is what was found out about cancel on one transport before the
// first case, and whether the transport can be judged at all.
type support struct {
	level supportLevel
	// asMissing: all answers were 404 or 405, as of a route that is not there.
	asMissing bool
	changes   changes
	successes successes
	// unprobed: no answer could tell, or operations are too scarce to ask.
	unprobed  bool
	exchanges []targets.Exchange
	breaches  []reports.Breach // of invariants, by these exchanges
	// waitsByQuery: over REST the timeout of a Wait is kept as a query parameter alone.
	waitsByQuery atomic.Bool
	// blocked is why no case of the transport can be judged; "" where they can.
	blocked string
	// unlike: operations are not found here while the other transport finds them.
	unlike bool
	// leak is the finding that a cancel reaches other operations as well; nil
	// where none was made. Nothing else can be judged then.
	leak *violation
	// spare is an operation that was started and only looked at.
	spare *operation
}

// offers caches which optional methods the transport offers.
type offers struct {
	mu      sync.Mutex
	asked   [3]chan struct{} // closed when the answer is there; nil before anybody asks
	err     [3]error
	deleted string          // the name of an operation that was deleted to find out; "" where none was
	tooLong map[string]bool // filters by which a list is longer than anybody reads
	longest atomic.Int64    // the timeout that a Wait is let ask for, where longer ones were refused; 0 where none was
}

// tellTooLong takes note that a list is longer than it is read, and isTooLong
// tells so: it only becomes longer.
func (o *offers) tellTooLong(filter string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tooLong == nil {
		o.tooLong = map[string]bool{}
	}
	o.tooLong[filter] = true
}

func (o *offers) isTooLong(filter string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tooLong[filter]
}

// answer returns what one case finds out for all. The others wait without their
// places, of which the one that asks may need one. Where its time is over
// before, another asks.
func (o *offers) answer(ctx context.Context, i int, s *seat, ask func() error) error {
	for {
		o.mu.Lock()
		answered := o.asked[i]
		if answered == nil {
			break
		}
		o.mu.Unlock()
		if !s.await(ctx, answered) {
			return stopped(ctx)
		}
		o.mu.Lock()
		err, last := o.err[i], o.asked[i] == answered
		o.mu.Unlock()
		if last {
			return err
		}
	}
	answered := make(chan struct{})
	o.asked[i] = answered
	o.mu.Unlock()
	err := ask()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err[i] = err; err != nil && ctx.Err() != nil {
		o.asked[i] = nil
	}
	close(answered)
	return err
}

// askAgain lets be asked once more what of the offers could not be told.
func (r *run) askAgain() {
	for _, o := range r.offers {
		o.mu.Lock()
		for i, err := range o.err {
			if err != nil && !isInapplicable(err) {
				o.asked[i] = nil
			}
		}
		o.mu.Unlock()
	}
}

// judgeable are the transports that the target lets be judged.
func (r *run) judgeable() []targets.Transport {
	var out []targets.Transport
	for _, t := range targets.Transports() {
		if ep := r.target.Endpoints[t]; ep != nil && ep.Judge {
			out = append(out, t)
		}
	}
	return out
}

// prepare finds out, before the first case, on which transports an operation
// just started is found, and whether cancel is supported there. It does so once.
func (r *run) prepare(ctx context.Context, transports []targets.Transport) {
	if r.prepared || r.role(targets.Running) != nil {
		return
	}
	r.prepared = true
	var wg sync.WaitGroup
	for _, t := range transports {
		wg.Go(func() { r.prepareTransport(ctx, t) })
	}
	wg.Wait()
	r.compareVisibility(transports)
	for _, t := range transports {
		if r.support[t].blocked == "" {
			wg.Go(func() { r.probeSupport(ctx, t) })
		}
	}
	wg.Wait()
}

// prelude is a case that is not in the report: what the run does before the first.
func (r *run) prelude(t targets.Transport) *world {
	return newWorld(r, &planned{id: "before the first case", transport: t, requirement: features.Requirement{}})
}

func (r *run) prepareTransport(ctx context.Context, t targets.Transport) {
	s := r.support[t]
	ep := r.target.Endpoints[t]
	w := r.prelude(t)
	if ep.Prepare != nil {
		if err := ep.Prepare(ctx); err != nil {
			s.blocked = fmt.Sprintf("the target cannot be prepared over %s: %v", t, err)
			return
		}
	}
	op, err := w.start(ctx, targets.Running, "")
	if err != nil {
		s.blocked = err.(*ruling).reason
		return
	}
	s.spare = op
	l, err := w.appears(ctx, op)
	if err == nil && notFound(l.Exchange) && !ofRouter(l.Exchange) {
		l, err = w.appearsWithin(ctx, op, w.settleFor()) // the service knows the path, if not yet the operation
	}
	if r, ok := err.(*ruling); ok && r.silent != nil {
		s.blocked = fmt.Sprintf("the target cannot be reached over %s: %v", t, r.silent.err)
		s.exchanges = w.exchanges
		return
	}
	switch {
	case err == nil && notFound(l.Exchange) && w.askAfresh(ctx, w.client, op).found > 0:
		s.spare = nil // over some connections it is found, which is no matter of the transport
	case err != nil:
		s.blocked = fmt.Sprintf("the target cannot be judged over %s: %v", t, err)
	case !l.found:
		s.blocked = fmt.Sprintf("Get of an operation just started answers %s over %s", l.Status(), t)
		s.unlike = notFound(l.Exchange)
	}
	s.exchanges, s.breaches = w.exchanges, w.breaches
	if s.blocked != "" && err == nil && (l.HTTP >= 500 || l.HTTP >= 300 && l.HTTP < 400) {
		s.breaches = nil // what stands in front of a server that is down keeps none of its promises
	}
}

// compareVisibility finds out whether an operation that one transport does not
// find is found over the other: then the transports are not the same service.
func (r *run) compareVisibility(transports []targets.Transport) {
	for _, t := range transports {
		s := r.support[t]
		if !s.unlike {
			continue
		}
		s.unlike = false
		for _, other := range transports {
			if other != t && r.support[other].blocked == "" {
				s.unlike = true
				s.blocked += " while the other transport finds its own (see transport.parity)"
			}
		}
	}
}

// ofRouter tells whether an answer over REST is no error of the service, but of
// what stands before it.
func ofRouter(ex targets.Exchange) bool {
	return ex.Transport == targets.REST && !envelope(object(ex.Doc))
}

// probeSupport cancels three fresh operations, each seen in progress before
// and after, and draws the conclusion that the target file leaves open
// (cancel: auto).
func (r *run) probeSupport(ctx context.Context, t targets.Transport) {
	s := r.support[t]
	if r.target.Cancel == targets.CancelUnsupported {
		s.level = unsupportedCancel
		return
	}
	if r.target.Cancel == targets.CancelSupported {
		return
	}
	if r.scarce(targets.Running) {
		s.unprobed = true
		return
	}
	// Transports take turns: the cancels of one may reach the operations of the
	// other.
	r.probing.Lock()
	defer r.probing.Unlock()
	// The spare only looks on: it was started long before.
	spare := s.spare
	s.spare = nil
	w := r.prelude(t)
	ops := make([]*operation, probes)
	for i := range ops {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil { // once more: the one started before may have been stopped meanwhile
			if op, err = w.startInProgress(ctx, targets.Running); err != nil {
				break
			}
		}
		ops[i] = op
	}
	idle := append(w.idleElsewhere(ctx), spare)
	answers := make([]probeAnswer, probes)
	answers[0] = w.probe(ctx, ops[0], spare)
	if answers[0].Accepted() {
		r.probeLeak(ctx, w, w.closeLooks(), ops[:1], append(slices.Clone(ops[1:]), idle...))
	}
	var wg sync.WaitGroup
	for i := 1; i < probes; i++ {
		wg.Go(func() { answers[i] = w.probe(ctx, ops[i], spare) })
	}
	var others []*operation
	if answers[0].Accepted() {
		others = w.cancelOtherKinds(ctx)
	}
	wg.Wait()
	if s.leak == nil && answers[1].Accepted() && answers[2].Accepted() {
		r.probeLeak(ctx, w, leakProbe{w.observeFor() / 8, 2}, append(ops[1:], others...), idle)
	}
	if spare != nil && !spare.lastDone() {
		s.spare = spare
	}
	w.cleanup(ctx)
	s.exchanges = w.exchanges
	r.conclude(s, answers)
}

// changes tells that support comes and goes: some cancels of running operations
// were answered UNIMPLEMENTED and some not.
type changes struct {
	mu        sync.Mutex
	seen      bool
	exchanges []targets.Exchange // that show it
	// judged: a case is still to come that judges it.
	judged bool
}

func (c *changes) tell(exchanges ...targets.Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.seen {
		c.seen, c.exchanges = true, exchanges
	}
}

// were tells whether they were seen, and what shows it.
func (c *changes) were() (bool, []targets.Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen, c.exchanges
}

// tellRefused takes note that the plain cancel of a running operation, which
// goes on, was answered UNIMPLEMENTED: the probes found that the server supports
// cancel. Where no case is to come that judges this, the refusal is all there is.
func (w *world) tellRefused(op *operation, c call) {
	s := w.run.support[w.plan.transport]
	if op.role == targets.Running && unimplemented(c.Exchange) && s.level == supportedCancel && s.changes.judged &&
		!s.unprobed && w.run.target.Cancel == targets.CancelAuto {
		s.changes.tell(c.Exchange)
	}
}

// conclude draws the conclusion from the probes (all of one kind, or mixed).
// Where some could not tell, those that could are enough to see that there is
// no cancel, but not to find that its route is missing.
func (r *run) conclude(s *support, answers []probeAnswer) {
	var valid, none, missing int
	for _, a := range answers {
		if !a.valid {
			continue
		}
		valid++
		switch {
		case unimplemented(a.Exchange):
			none++
		case a.Transport == targets.REST && (a.HTTP == 404 || a.HTTP == 405):
			missing++
		}
	}
	switch {
	case valid == 0:
		s.unprobed = true
	case none == valid:
		s.level = unsupportedCancel
	case missing == probes:
		s.level, s.asMissing = unsupportedCancel, true
	case none > 0:
		s.changes.tell(s.exchanges...)
	}
}

// A probeAnswer is the answer to one probing cancel; valid where the operation
// was in progress before, and after a refusal still; or where it was not, and the
// refusal is UNIMPLEMENTED, while an idle operation is: then the cancel has ended
// it in spite of its answer (see cancel.unimplemented.no-effect).
type probeAnswer struct {
	targets.Exchange
	valid bool
}

// probe cancels an operation. What says nothing is repeated on a fresh one: on a
// server that is busy now and then, it would pass for another kind of answer.
func (w *world) probe(ctx context.Context, op, idle *operation) probeAnswer {
	var c call
	for try := 1; ; try++ {
		if op == nil || w.inProgress(ctx, op) != nil {
			return probeAnswer{}
		}
		if c = w.cancel(ctx, op); c.err == nil && !transient(c.Exchange) {
			break
		}
		if try == transientTries || !sleep(ctx, pauseBefore(try)) {
			return probeAnswer{}
		}
		op, _ = w.startInProgress(ctx, op.role)
	}
	if c.Accepted() {
		op.over.Store(true)
		return probeAnswer{Exchange: c.Exchange, valid: true}
	}
	if w.inProgress(ctx, op) != nil && (!unimplemented(c.Exchange) || idle == nil || w.inProgress(ctx, idle) != nil) {
		return probeAnswer{}
	}
	return probeAnswer{Exchange: c.Exchange, valid: true}
}

// scarce tells whether the operations of a role are given by name and too few
// to be spent on finding things out.
func (r *run) scarce(role targets.Role) bool {
	a := r.target.Roles[role]
	return a.Count > 0 && a.Count < 20
}
