// Package storm explores races: many clients call the methods of many
// operations while the moment of their completion is swept, and each history
// is checked against the model of an operation.
package storm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// Options choose how a storm blows. The zero value is ten seconds of 16
// clients that call as fast as they are answered.
type Options struct {
	Duration   time.Duration // until no operation is started any more; 0: 10 s
	Rate       float64       // calls a second, sent when they are due whatever the server does; 0: each client calls when it was answered
	Operations int           // at most so many are started; 0: as many as the time allows
	Clients    int           // calls at a time at the most, but for Waits; 0: 16
	Seed       int64         // of all that is left to chance
	Transport  string        // rest, grpc, or all ("")
	Level      string        // must ("") or should: the lowest level that counts
	Shard      int           // 1 to Shards: which part of the operations is started
	Shards     int           // 0 or 1: all of them
	Yes        bool          // more than 50 operations may be started on a target that is not loopback
	KeepGoing  bool          // do not end at the first violation that counts
	Version    string        // of the suite, for the report
	// OnProgress, if set, is told several times a second how far the storm is.
	OnProgress func(Progress)
	// Signal, if set, tells after the storm which signal cancelled its context (0: none).
	Signal func() int
}

// Progress is how far a storm is.
type Progress struct {
	Elapsed    time.Duration
	Calls      int64
	Live       int // operations under way
	Judged     int
	Violations int
	Draining   bool // no operation is started any more
	Calm       bool // it blows on without cancels, to see what is cancelled all the same
}

// What the zero Options stand for.
const (
	defaultDuration = 10 * time.Second
	defaultClients  = 16
	// foreignRate is the rate on a target that is not loopback, unless one is
	// given: to flood somebody's server takes a decision.
	foreignRate = 100
	// foreignLimit is how many operations are started, unasked, on a target
	// that is not loopback.
	foreignLimit = 50
)

func (o Options) withDefaults(t *targets.Target) Options {
	if o.Duration <= 0 {
		o.Duration = defaultDuration
	}
	if o.Clients <= 0 {
		o.Clients = defaultClients
	}
	if o.Shards <= 1 {
		o.Shard, o.Shards = 1, 1
	}
	if o.Level == "" {
		o.Level = reports.LevelMust
	}
	if loopback(t) {
		return o
	}
	if o.Rate <= 0 {
		o.Rate = foreignRate
	}
	if !o.Yes && !t.Confirmed && (o.Operations <= 0 || o.Operations > foreignLimit) {
		o.Operations = foreignLimit
	}
	return o
}

func loopback(t *targets.Target) bool {
	for _, ep := range t.Endpoints {
		if !ep.Loopback {
			return false
		}
	}
	return true
}

// Run lets a storm loose on a target. An error is one of usage: nothing was
// sent and there is no report.
func Run(ctx context.Context, t *targets.Target, o Options) (*Report, error) {
	catalogue, err := features.Requirements()
	if err != nil {
		return nil, err
	}
	e, err := newEngine(t, o.withDefaults(t))
	if err != nil {
		return nil, err
	}
	for _, q := range catalogue {
		e.levels[q.ID], _ = q.Effective(t.Profile, t.Guaranteed)
	}
	began := time.Now()
	e.run(ctx)
	e.silences()
	return e.report(ctx, catalogue, began), nil
}

// newEngine makes ready what a storm needs.
func newEngine(t *targets.Target, o Options) (*engine, error) {
	e := &engine{target: t, options: o, wake: make(chan struct{}, 1), waits: make(chan struct{}, waitsPerClient*o.Clients),
		live: map[int]*episode{}, byName: map[string]*episode{}, names: map[string]bool{}, traffic: map[targets.Transport]*Traffic{},
		judged: map[targets.Role]int{}, found: map[string]Violation{}, broken: map[string]int{},
		naturals: map[targets.Role]natural{}, pages: map[targets.Transport]string{}, levels: map[string]string{}, exposed: exposure{}, offers: map[targets.Transport]*offer{},
		heard: map[company]*hearing{}, gets: map[targets.Transport]time.Duration{}}
	for _, tr := range targets.Transports() {
		ep := t.Endpoints[tr]
		if ep != nil && ep.Judge && (o.Transport == "" || o.Transport == "all" || o.Transport == string(tr)) {
			e.transports = append(e.transports, tr)
			e.traffic[tr] = newTraffic()
			e.offers[tr] = &offer{wait: ep.Wait, delete: ep.Delete}
		}
	}
	e.pace = newPace(o.Clients)
	if len(e.transports) == 0 {
		return nil, errors.New("the target has no transport to judge")
	}
	// An operation in five ends with an error of its own.
	for _, r := range []targets.Role{targets.Running, targets.Succeeding, targets.Running, targets.Succeeding, targets.Failing} {
		if t.Roles[r].Configured {
			e.roles = append(e.roles, r)
		}
	}
	return e, nil
}

// report makes the report of what the engine found.
func (e *engine) report(ctx context.Context, catalogue []features.Requirement, began time.Time) *Report {
	o := e.options
	r := &Report{Schema: Schema, Suite: o.Version, Started: began.UTC().Format(time.RFC3339Nano),
		Target:    reports.Target{Name: e.target.Name, Implementation: e.target.Implementation, Profile: e.target.Profile},
		ElapsedMS: float64(time.Since(began).Microseconds()) / 1000, StartingMS: float64(e.open.Microseconds()) / 1000, Level: o.Level, Seed: o.Seed, Clients: o.Clients, Rate: o.Rate,
		Operations: e.judged, Traffic: e.traffic, Violations: []Violation{}, Leftover: e.leftover, Again: e.again, Alone: e.alone - e.broken[siblings], Quiet: e.calmed, Problem: e.problem,
		Running: e.target.Roles[targets.Running].Configured}
	if o.Shards > 1 {
		r.Shards = []string{fmt.Sprintf("%d/%d", o.Shard, o.Shards)}
	}
	if ep := e.target.Endpoints[targets.REST]; ep != nil {
		r.Target.REST = ep.Address
	}
	if ep := e.target.Endpoints[targets.GRPC]; ep != nil {
		r.Target.GRPC = ep.Address
	}
	if e.alone == 0 {
		e.tellRefused()
	}
	if _, ok := e.found[siblings]; ok {
		delete(e.found, effect) // it had its effect on others
	}
	for _, q := range catalogue {
		if v, ok := e.found[q.ID]; ok {
			v.Level, v.Seen = e.levels[q.ID], e.broken[q.ID]
			r.Violations = append(r.Violations, v)
		}
	}
	if ctx.Err() != nil {
		r.Signal = 2
		if o.Signal != nil && o.Signal() != 0 {
			r.Signal = o.Signal()
		}
	}
	r.conclude()
	return r
}
