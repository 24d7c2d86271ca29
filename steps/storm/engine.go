package storm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// How many operations are under way at a time, for each client.
const livePerClient = 8

// How many Waits are under way at a time, for each client.
const waitsPerClient = 2

// unreachableUntilGone is how many calls in a row without a connection end the
// storm.
const unreachableUntilGone = 16

// An engine is one storm: clients that take what is due from one queue.
type engine struct {
	target     *targets.Target
	options    Options
	transports []targets.Transport
	roles      []targets.Role

	began       time.Time
	calls       atomic.Int64
	tickets     atomic.Int64  // moments of the open loop that were given out
	refusals    atomic.Int64  // calls in a row that found nobody
	answered    atomic.Int64  // when the last answer came
	cancellable atomic.Bool   // a cancel of the role running was accepted
	late        atomic.Bool   // a Get did not find an operation of which no cancel was sent
	wake        chan struct{} // something earlier came into the queue
	waits       chan struct{} // Waits under way
	pending     sync.WaitGroup

	mu       sync.Mutex
	queue    queue
	live     map[int]*episode
	byName   map[string]*episode
	names    map[string]bool // all that starts were answered with
	again    int             // starts that were answered with one of these
	order    []*episode      // live, for picking one
	started  int             // operations whose start was asked for
	starting int
	refused  int           // starts that failed in a row
	busy     time.Duration // when the first of them did
	closing  bool
	open     time.Duration // how long operations were started
	problem  string
	naturals map[targets.Role]natural
	pace     pace
	resting  int  // operations under way that are not called for a while
	hurry    bool // what was found counts: the rest is only ended
	levels   map[string]string
	offers   map[targets.Transport]*offer
	traffic  map[targets.Transport]*Traffic
	pages    map[targets.Transport]string // of List: the token of the page that is read next
	judged   map[targets.Role]int
	found    map[string]Violation // by requirement, the shortest
	broken   map[string]int
	suspects []suspect
	alone    int // how many of them there were in all
	strays   []stray
	despite  []Violation     // what was cancelled though its cancels were refused
	lone     []time.Duration // when the storm found each of them cancelled
	oldest   time.Duration   // how long the one that had lasted longest had lasted by then
	undone   int             // operations in progress, or being started
	peak     int             // how many there were at a time in the storm
	exposed  exposure        // of the storm
	ends     time.Duration   // when no operation is started any more
	calm     *calm           // what is under way after the storm, without cancels; nil
	calmed   *Quiet          // what it came to; nil
	after    bool            // the time of the storm is over
	gone     bool            // since then nothing can be started any more
	heard    map[company]*hearing
	gets     map[targets.Transport]time.Duration // when the last Get was sent that was answered
	leftover []string
	ended    chan struct{}
	stop     context.CancelFunc // makes no calls any more
}

// now is the time since the storm began.
func (e *engine) now() time.Duration { return time.Since(e.began) }

// run blows until the time is over and every operation that was started has
// come to its end.
func (e *engine) run(ctx context.Context) {
	e.began = time.Now()
	e.ends = e.options.Duration
	e.ended = make(chan struct{})
	if len(e.roles) == 0 {
		e.problem = "no operation can be started: configure operations.running and operations.succeeding"
		return
	}
	for _, t := range e.transports {
		if p := e.target.Endpoints[t].Prepare; p != nil {
			if err := p(ctx); err != nil {
				e.problem = fmt.Sprintf("the target cannot be prepared over %s: %v", t, err)
				return
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.stop = cancel
	var watch sync.WaitGroup
	watch.Go(func() { e.watch(ctx) })
	e.blow(ctx)
	if e.doubted(ctx) {
		e.control(ctx)
	}
	cancel()
	e.pending.Wait()
	close(e.ended)
	watch.Wait()
	e.cleanup(context.WithoutCancel(ctx))
}

// blow lets the clients call until there are no calls left.
func (e *engine) blow(ctx context.Context) {
	var clients sync.WaitGroup
	for i := range e.options.Clients {
		clients.Go(func() { e.client(ctx, i+1) })
	}
	clients.Wait()
}

// watch closes the storm when its time is over, and tells of its progress.
func (e *engine) watch(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-e.ended:
			return
		case <-ctx.Done():
			e.close("")
		case <-tick.C:
		}
		e.mu.Lock()
		if e.now() >= e.ends {
			e.closing = true
		}
		p := Progress{e.now(), e.calls.Load(), len(e.live), e.sum(), len(e.found), e.closing, e.after}
		e.mu.Unlock()
		if p.Draining {
			e.nudge()
		}
		if f := e.options.OnProgress; f != nil {
			f(p)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (e *engine) sum() int {
	n := 0
	for _, k := range e.judged {
		n += k
	}
	return n
}

// close starts no operation any more.
func (e *engine) close(problem string) {
	e.mu.Lock()
	e.closing = true
	if e.problem == "" {
		e.problem = problem
	}
	e.mu.Unlock()
	e.nudge()
}

// A client takes calls until there are none left. In an open loop each call
// has its own moment, which does not move when the server is slow.
func (e *engine) client(ctx context.Context, number int) {
	for {
		c := caller{number, -1}
		if rate := e.options.Rate / float64(e.options.Shards); rate > 0 {
			c.due = time.Duration(float64(e.tickets.Add(1)-1) / rate * float64(time.Second))
			if !sleep(ctx, c.due-e.now()) {
				return
			}
		}
		do, ok := e.next(ctx, number)
		if !ok {
			e.nudge() // the others find out as well
			return
		}
		do(ctx, c)
	}
}

// start starts an operation and plans its calls.
func (e *engine) start(ctx context.Context, c caller, index int) {
	p := e.plan(index)
	p.base = e.now()
	// What is being started when the storm is interrupted has to be known to it.
	started, err := e.target.Starter.Start(context.WithoutCancel(ctx), targets.StartRequest{Role: p.role})
	e.mu.Lock()
	e.starting--
	if err == nil && started.Name == "" {
		err = errors.New("the recipe gave no name")
	}
	if err != nil {
		e.refused++
		e.passed(p)
		if e.target.Roles[p.role].Count > 0 && e.sum() > 0 { // its names are used up
			e.roles = slices.DeleteFunc(slices.Clone(e.roles), func(r targets.Role) bool { return r == p.role })
			e.closing = e.closing || len(e.roles) == 0
			e.mu.Unlock()
			return
		}
		e.putOff(p.role, started.Exchange, err)
		e.mu.Unlock()
		sleep(ctx, 10*time.Millisecond)
		return
	}
	e.refused = 0
	p.name, p.cleanup = started.Name, started.Cleanup
	e.live[index] = p
	e.enter(p)
	p.place = len(e.order)
	e.order = append(e.order, p)
	e.mu.Unlock()
	p.begin()
}

// enter enters an operation by its name; e.mu must be held. Where a start gives
// what another one has started, each knows a part of the calls only: none of
// them is judged.
func (e *engine) enter(p *episode) {
	if e.names[p.name] {
		e.again++
		p.shared.Store(true)
		if other := e.byName[p.name]; other != nil {
			other.shared.Store(true)
		}
	}
	e.names[p.name], e.byName[p.name] = true, p
}

// putOff takes note of a start that failed, and ends the storm where there is no
// hope; e.mu must be held. A server that asks to try again is given ever more time,
// until settle has passed.
func (e *engine) putOff(r targets.Role, x targets.Exchange, err error) {
	now, advice := e.now(), ""
	if e.refused == 1 {
		e.busy = now
	}
	hopeless := e.refused >= unreachableUntilGone || e.refused == 3 && len(e.live) == 0 && e.sum() == 0
	if classify(x) == transient {
		e.pace.next = now + min(10*time.Millisecond+(now-e.busy)/2, time.Second)
		hopeless = now > e.busy+e.target.Timeouts.Settle
		advice = " (a lower --rate or --clients asks for less at a time, --operations for fewer in all)"
	}
	if hopeless && e.after { // the storm has been judged
		e.closing, e.gone = true, true
		return
	}
	if hopeless && e.problem == "" {
		e.closing, e.problem = true, fmt.Sprintf("an operation of the role %s cannot be started: %v%s", r, err, advice)
	}
}

// finish takes an operation whose history is complete out of the storm.
func (e *engine) finish(ctx context.Context, p *episode) {
	e.mu.Lock()
	delete(e.live, p.index)
	if e.byName[p.name] == p {
		delete(e.byName, p.name)
	}
	e.unlist(p)
	e.passed(p)
	if !p.shared.Load() {
		e.judged[p.role]++
	}
	e.mu.Unlock()
	e.judge(p)
	e.nudge()
	if p.cleanup != nil {
		_ = p.cleanup(ctx) // a recipe of the user's, which has told of its own troubles
	}
}

// judge checks the history of an operation.
func (e *engine) judge(p *episode) {
	if p.shared.Load() {
		return
	}
	h := p.history()
	findings := check(h)
	e.mu.Lock()
	e.listen(p, h)
	e.expose(p, h)
	e.strays = last(append(e.strays, straysOf(p, h.events, e.naturals[targets.Running])...))
	suspected := false
	for _, f := range findings {
		switch f.requirement {
		case siblings:
			e.suspect(suspectOf(p, h, f))
			suspected = true
		case noEffect:
			e.refuse(p, p.violation(h, shrink(h, f)))
		default:
			e.broken[f.requirement]++
			e.tell(p.violation(h, shrink(h, f)))
		}
	}
	e.mu.Unlock()
	if suspected {
		e.trace()
	}
}

// tell takes note of a violation; e.mu must be held.
func (e *engine) tell(v Violation) {
	if old, ok := e.found[v.Requirement]; !ok || len(v.Sequence) < len(old.Sequence) {
		e.found[v.Requirement] = v
	}
	astray := v.Requirement == effect && e.alone >= leastCauses // of which more is to be seen yet
	if e.counts(v.Requirement) && !e.options.KeepGoing && !astray {
		e.closing, e.hurry = true, true
	}
}

// counts tells whether a breach of a requirement decides the outcome.
func (e *engine) counts(requirement string) bool {
	level := e.levels[requirement]
	return level == reports.Must || level == reports.Should && e.options.Level == reports.LevelShould
}

// cleanup cancels what the storm leaves behind when it is interrupted, or the
// target is gone. What was seen of it until then is judged all the same.
func (e *engine) cleanup(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.target.Timeouts.Request)
	defer cancel()
	slots := make(chan struct{}, e.options.Clients)
	var wg sync.WaitGroup
	for _, p := range e.live {
		e.judge(p)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if p.doneAt == never {
				p.leave(ctx)
			}
			if p.cleanup != nil {
				_ = p.cleanup(ctx)
			}
		})
	}
	wg.Wait()
	e.trace()
}

// sleep waits, and tells whether the context is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
