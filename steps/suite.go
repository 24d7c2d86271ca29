// Package steps judges a server: the vocabulary of the scenarios, and the run
// that drives them against a target.
package steps

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cucumber/godog"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps/hidepath"
	"github.com/lro-tools/conform/targets"
)

// PATH is back before any function of this package runs; see hidepath.
var _ = hidepath.Restore()

// Options choose what of the contract is judged, and how fast. The zero value
// judges everything.
type Options struct {
	Run, Skip   []string      // requirement ids with *, or text in a scenario's name
	Transport   string        // rest, grpc, or all ("")
	Level       string        // must ("") or should: the lowest level that counts
	Concurrency int           // scenarios at work at a time (see seats); 0: 16
	Repeat      int           // how often each case is run; 0: once
	Seed        int64         // shuffles the order of the cases, each seed in its own way; 0: as in the files
	Timeout     time.Duration // the whole run; 0: 10 minutes
	Shard       int           // 1 to Shards: which part of the cases is run
	Shards      int           // 0 or 1: all of them
	Yes         bool          // more than 50 operations may be started on a target that is not loopback
	Version     string        // of the suite, for the report
	Baseline    []reports.KnownFailure
	Cases       []string // ids of the cases to run, beside Run and Skip; nil: all
	// OnStart, if set, is told of each case that begins, and OnExchange of each
	// call of a case, by any goroutine; id is the case's.
	OnStart    func(id string)
	OnExchange func(id string, e targets.Exchange)
	// OnCase, if set, is told of each case that has ended, one at a time.
	OnCase func(done, planned int, c reports.Case)
	// Signal, if set, tells after the run which signal cancelled its context (0: none).
	Signal func() int

	only map[string]bool // ids of the cases to run; nil: all
}

const (
	defaultConcurrency = 16
	defaultTimeout     = 10 * time.Minute
)

// Run judges a target. An error is one of usage, such as a pattern that
// matches nothing (*PatternError): nothing was judged and there is no report.
// Whatever the server does, there is a report. When ctx is cancelled the
// report holds what was found until then, and its outcome is interrupted.
func Run(ctx context.Context, target *targets.Target, o Options) (*reports.Report, error) {
	Preload()
	c, err := catalogue()
	if err != nil {
		return nil, err
	}
	if o.Concurrency <= 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	s := &suite{run: newRun(target, o, c.requirements), results: map[string]reports.Case{},
		disturbed: map[string]bool{}, mistaken: map[string]*mistaken{}, starved: map[string]bool{}, told: map[string]bool{}}
	return s.judgeWithin(ctx, c)
}

// judgeWithin judges within the time that the options set.
func (s *suite) judgeWithin(ctx context.Context, c contract) (*reports.Report, error) {
	limited, cancel := context.WithTimeoutCause(ctx, s.run.options.Timeout, fmt.Errorf("the time for the run was over (--timeout %v)", s.run.options.Timeout))
	defer cancel()
	s.ctxs = map[targets.Transport]context.Context{}
	for _, t := range targets.Transports() {
		c, gone := context.WithCancelCause(limited)
		defer gone(nil)
		s.ctxs[t], s.run.health[t].gone = c, gone
		s.run.health[t].pulse = func(ctx context.Context) bool { return s.run.answers(ctx, t) }
	}
	// Where nothing is selected there is nothing wrong with the selection, and
	// the first calls need not wait until the features are parsed.
	if wholeContract(s.run.target, s.run.options) {
		s.run.prepare(limited, s.run.judgeable())
	}
	var err error
	if s.cases, err = everyCase(); err != nil {
		return nil, err
	}
	if err := choose(s.cases, c.requirements, s.run.target, s.run.options); err != nil {
		return nil, err
	}
	s.judge(limited)
	return s.report(ctx, c.requirements, c.digest), nil
}

// A suite is one run of the scenarios.
type suite struct {
	run   *run
	cases []*planned

	ctxs map[targets.Transport]context.Context

	mu        sync.Mutex
	script    script
	results   map[string]reports.Case
	disturbed map[string]bool      // results that may be owed to other cases, by id
	starved   map[string]bool      // cases that the target had no room for: a Get brought no answer, or no operation was started, by id
	told      map[string]bool      // results that were announced, by id
	mistaken  map[string]*mistaken // what tells of a case whether it met operations of others, by id

	// rehearsing is true while the results may be dropped: nobody is told of
	// them.
	rehearsing bool
	patient    bool // what was not passed may be asked once more
	done       int
	pending    int
}

// judge runs every case that is selected and can be run.
func (s *suite) judge(ctx context.Context) {
	var open []*planned
	judged := map[targets.Transport]bool{}
	for _, c := range s.cases {
		if r := s.static(c); r != nil {
			s.results[c.id] = decided(c, r)
			continue
		}
		open = append(open, c)
		judged[c.transport] = true
		if c.requirement.ID == consistent {
			s.run.support[c.transport].changes.judged = true
		}
	}
	if len(open) == 0 {
		return
	}
	var transports []targets.Transport
	for _, t := range targets.Transports() {
		if judged[t] {
			transports = append(transports, t)
		}
	}
	s.run.prepare(ctx, transports)
	s.pending = len(open) * max(1, s.run.options.Repeat)
	s.growOld(open)
	sociable, running, ended, others := phases(open)
	if len(sociable) > 0 {
		s.sideBySide(ctx, sociable)
	}
	s.rounds(ctx, running) // before the others, which would do their harm to what is oldest
	s.last(ctx, ended, others)
	for _, t := range transports {
		s.run.endAged(context.WithoutCancel(ctx), t)
		if op := s.run.support[t].spare; op != nil {
			s.run.endOperation(context.WithoutCancel(ctx), t, op)
		}
	}
	s.run.sweep(ctx)
}

// static decides a case without a call, where it can be.
func (s *suite) static(c *planned) error {
	if c.deselected != "" {
		return &ruling{verdict: reports.Deselected, reason: c.deselected}
	}
	r := s.run
	ep := r.target.Endpoints[c.transport]
	if ep == nil || !ep.Judge {
		return inapplicable("the target has no %s to judge", c.transport)
	}
	if a := r.target.Roles[targets.Running]; !a.Configured {
		reason := "no operation of the role running can be started"
		if a.Unavailable != "" {
			reason += ": " + a.Unavailable
		}
		return untested("operations.running", "%s", reason)
	}
	if id := c.requirement.ID; id == metadataState && r.target.MetadataState == "" {
		return inapplicable("%s", unseenIsFine[id]) // whatever roles there are
	}
	missing := r.roles(c.requirement)
	without := missing != nil && r.goesWithout(c)
	if isInapplicable(missing) && !without {
		return missing
	}
	if err := r.principals(c.requirement); err != nil {
		return err
	}
	if without { // only what fails counts
		c.missing = missing
		return nil
	}
	return missing
}

// principals tells whether the callers that a requirement needs are configured.
func (r *run) principals(req features.Requirement) error {
	if req.Group == authGroup && !r.target.Authenticated {
		return inapplicable("the target file sets no auth: the server is not protected")
	}
	for _, p := range req.Principals {
		a := r.target.Principals[targets.Principal(p)]
		switch {
		case a.Unavailable != "":
			return inapplicable("principals.%s is unavailable: %s", p, a.Unavailable)
		case !a.Configured:
			return untested("principals."+p, "principals.%s is not configured", p)
		}
	}
	return nil
}

// authGroup is the catalogue's group of requirements about callers.
const authGroup = "Authentication and authorisation (only with configured principals)"

// decided is a case that was not run.
func decided(c *planned, err error) reports.Case {
	r := err.(*ruling)
	return reports.Case{ID: c.id, Feature: c.feature, File: c.file, Line: c.line, Rule: c.rule, Scenario: c.scenario,
		Transport: c.transport, Requirement: c.requirement.ID, Verdict: r.verdict, Reason: r.reason, Needs: r.needs,
		Broke: []string{}, Steps: append([]reports.Step(nil), c.steps...), Exchanges: []targets.Exchange{}}
}

// godog runs the cases of a script.
func (s *suite) godog(ctx context.Context, sc script) {
	s.script = sc
	registerSilence()
	ts := godog.TestSuite{
		Name: "conform",
		TestSuiteInitializer: func(tc *godog.TestSuiteContext) {
			sc := tc.ScenarioContext()
			sc.Before(s.before)
			sc.After(s.after)
			sc.StepContext().Before(s.beforeStep)
			sc.StepContext().After(s.afterStep)
			for _, d := range definitions() {
				sc.Step(d.pattern, d.do)
			}
		},
		Options: &godog.Options{Format: silence, Strict: true, NoColors: true, Output: io.Discard, Concurrency: s.run.seats.Load().cases,
			Randomize: s.run.options.Seed, FeatureContents: sc.features(), DefaultContext: ctx},
	}
	ts.Run() // its verdict is not ours: see after
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range sc.rounds {
		for _, c := range sc.cases {
			id := c.id + repeatSuffix(sc.first+n)
			if _, ok := s.results[id]; !ok {
				r := decided(c, inconclusive("suite error: the scenario was not run"))
				r.ID, r.SuiteBug = id, true
				s.results[id] = r
			}
		}
	}
}

// repeatSuffix tells the repetitions of a case apart; the first has none.
func repeatSuffix(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("#%d", n+1)
}

// sideBySideAtMost is how many cases, with their repetitions, are given to godog
// at a time: it keeps all of them in memory.
const sideBySideAtMost = 2000
