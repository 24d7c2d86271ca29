// Package steps judges a server: the vocabulary of the scenarios, and the run
// that drives them against a target.
package steps

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
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
		disturbed: map[string]bool{}, told: map[string]bool{}}
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
	disturbed map[string]bool // results that may be owed to other cases, by id
	told      map[string]bool // results that were announced, by id
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
	sociable, others := phases(open)
	if len(sociable) > 0 {
		s.sideBySide(ctx, sociable)
	}
	s.last(ctx, others)
	for _, t := range transports {
		if op := s.run.support[t].spare; op != nil {
			s.run.endOperation(context.WithoutCancel(ctx), t, op)
		}
	}
	s.run.sweep(ctx)
}

// rounds runs cases as often as each is repeated.
func (s *suite) rounds(ctx context.Context, cases []*planned) {
	if len(cases) == 0 {
		return
	}
	cases = slowestFirst(cases)
	rounds, batch := max(1, s.run.options.Repeat), max(1, sideBySideAtMost/len(cases))
	for i := 0; i < rounds; i += batch {
		if i > 0 && ctx.Err() != nil {
			break // the first round says of every case why it was not judged
		}
		s.godog(ctx, script{cases, i, min(batch, rounds-i)})
	}
}

// sideBySide judges cases that do not harm each other on a server that works.
// Some are run once more: those that missed their moment on a busy machine, and
// those that others may have disturbed.
func (s *suite) sideBySide(ctx context.Context, cases []*planned) {
	if s.run.options.Repeat > 1 { // which is several tries already
		s.rounds(ctx, cases)
		return
	}
	s.patient = true
	s.rounds(ctx, cases)
	s.rounds(ctx, s.unsettled(ctx, cases))
	s.oneByOne(ctx, s.disturbedBy(cases))
	s.oneByOne(ctx, s.misattributed(cases))
	s.patient = false
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cases {
		if r, ok := s.results[c.id]; ok && !s.told[c.id] {
			s.announce(r)
		}
	}
}

// unsettledAtMost is the part of the cases, one in so many, that is run once
// more, and unsettledAnyway how many are in any case: where more cannot be told,
// it is no matter of the moment.
const (
	unsettledAtMost = 20
	unsettledAnyway = 8
)

// unsettled are the cases that missed their moment: on a transport where next to
// all could tell, and none found anything, those that could not.
func (s *suite) unsettled(ctx context.Context, cases []*planned) []*planned {
	if ctx.Err() != nil {
		return nil
	}
	var out []*planned
	for _, t := range targets.Transports() {
		var open []*planned
		all, found := 0, false
		for _, c := range cases {
			if c.transport != t {
				continue
			}
			all++
			r := s.results[c.id]
			found = found || broken(r)
			if r.Verdict == reports.Inconclusive {
				open = append(open, c)
			}
		}
		if !found && len(open) <= max(all/unsettledAtMost, unsettledAnyway) {
			out = append(out, open...)
		}
	}
	return out
}

// oneByOneAtMost is how many cases of a transport are run once more by
// themselves.
const oneByOneAtMost = 8

// oneByOne runs cases by themselves.
func (s *suite) oneByOne(ctx context.Context, cases []*planned) {
	for _, c := range cases {
		if ctx.Err() != nil {
			return
		}
		s.rounds(ctx, []*planned{c})
	}
}

// disturbedBy are cases that could not tell because an operation ended, or was
// touched, without their doing, and whose requirement is not found broken by
// others. First come those about the cancels of others, which is the likely
// cause and would not be found by cases that disturb each other.
func (s *suite) disturbedBy(cases []*planned) []*planned {
	var out []*planned
	for _, t := range targets.Transports() {
		failed := map[string]bool{}
		var first, then []*planned
		for _, c := range cases {
			switch r := s.results[c.id]; {
			case c.transport != t:
			case broken(r):
				failed[c.requirement.ID] = true
			case r.Verdict != reports.Inconclusive || !s.disturbed[c.id]:
			case c.requirement.ID == siblings:
				first = append(first, c)
			default:
				then = append(then, c)
			}
		}
		open := slices.DeleteFunc(append(first, then...), func(c *planned) bool { return failed[c.requirement.ID] })
		out = append(out, open[:min(len(open), oneByOneAtMost)]...)
	}
	return out
}

// misattributed are the cases that found something else on a server whose
// cancels touch other operations: what they saw may be the doing of the cancels
// of other cases. Where there are many, it is not.
func (s *suite) misattributed(cases []*planned) []*planned {
	touches := false
	var found []*planned
	for _, c := range cases {
		switch {
		case !broken(s.results[c.id]):
		case c.requirement.ID == siblings:
			touches = true
		default:
			found = append(found, c)
		}
	}
	if !touches || len(found) > 2*oneByOneAtMost {
		return nil
	}
	return found
}

// broken tells of a case that found something.
func broken(r reports.Case) bool {
	return r.Verdict == reports.Failed || len(r.Breaches) > 0
}

// last judges the groups that follow all other cases. Each may harm the others,
// but that is the fault of few servers: they are run at the same time first, and
// what was found counts for the groups that nothing happened to. The others are
// run once more, one after the other.
func (s *suite) last(ctx context.Context, groups [][]*planned) {
	if len(groups) > 1 {
		s.rehearsing = true
		s.rounds(ctx, slices.Concat(groups...))
		s.rehearsing = false
		groups = slices.DeleteFunc(groups, s.settled)
	}
	for _, cases := range groups {
		s.rounds(ctx, cases)
	}
}

// settled announces the results of cases that were rehearsed, or, where one of
// them may be owed to other cases, forgets all of them.
func (s *suite) settled(cases []*planned) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	results := s.resultsOf(cases)
	settled := !slices.ContainsFunc(results, func(r reports.Case) bool {
		return broken(r) || r.Verdict == reports.Inconclusive
	})
	for _, r := range results {
		if settled {
			s.announce(r)
		} else {
			delete(s.results, r.ID)
		}
	}
	return settled
}

// resultsOf are the results that there are of cases and their repetitions, in
// order.
func (s *suite) resultsOf(cases []*planned) []reports.Case {
	var out []reports.Case
	for _, c := range cases {
		for n := range max(1, s.run.options.Repeat) {
			if r, ok := s.results[c.id+repeatSuffix(n)]; ok {
				out = append(out, r)
			}
		}
	}
	return out
}

// phases parts cases into those that can run side by side, and groups of those
// that follow: what judges by all that was seen, and those that may harm all
// others.
func phases(cases []*planned) (sociable []*planned, groups [][]*planned) {
	names := []string{consistent}
	byName := map[string][]*planned{}
	for _, c := range cases {
		name := endangers(c)
		if concludes(c) {
			name = consistent
		}
		if byName[name] == nil && name != "" && name != consistent {
			names = append(names, name)
		}
		byName[name] = append(byName[name], c)
	}
	for _, name := range names {
		if len(byName[name]) > 0 {
			groups = append(groups, byName[name])
		}
	}
	return byName[""], groups
}

// concludes tells of a case that judges by what all others have seen.
func concludes(c *planned) bool {
	return c.requirement.ID == consistent ||
		slices.ContainsFunc(c.steps, func(s reports.Step) bool { return strings.HasSuffix(s.Text, "of the whole run") })
}

// endangers tells of a case that may, on a faulty server, cancel the operations
// of all others, what it sends: it runs when they have ended, so that none of
// them is blamed. "" for all others.
func endangers(c *planned) string {
	switch id := c.requirement.ID; {
	case id == "cancel.route.zero-segment-name", id == "grpc.empty-name", id == "grpc.malformed-payload":
		return id
	case strings.HasPrefix(id, "cancel.malformed."):
		return "a malformed name" + c.id[strings.LastIndexByte(c.id, '/'):]
	}
	return ""
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
	var missing error
	for _, name := range c.requirement.Roles {
		if err := r.role(targets.Role(name)); err != nil {
			if err.(*ruling).verdict == reports.Inapplicable {
				return err
			}
			missing = err
		}
	}
	if err := r.principals(c.requirement); err != nil {
		if err.(*ruling).verdict == reports.Inapplicable {
			return err
		}
		missing = err
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
		Options: &godog.Options{Format: silence, Strict: true, NoColors: true, Output: io.Discard, Concurrency: s.run.seats.cases,
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
