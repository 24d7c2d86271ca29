package steps

import (
	"context"
	"errors"
	"sort"
	"time"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// report makes the report of the run from the results of its cases.
func (s *suite) report(ctx context.Context, catalogue []features.Requirement, digest string) *reports.Report {
	r := s.run
	out := &reports.Report{
		Schema: reports.Schema, Suite: reports.Suite{Version: r.options.Version, Catalogue: digest},
		Target:    reports.Target{Name: r.target.Name, Implementation: r.target.Implementation, Profile: r.target.Profile, File: r.target.File, Set: r.target.Set},
		Started:   r.began.UTC().Format(time.RFC3339Nano),
		ElapsedMS: float64(time.Since(r.began).Microseconds()) / 1000,
		Level:     r.options.Level, Leftover: r.left, Pace: r.paces.kept(),
	}
	if out.Level == "" {
		out.Level = "must"
	}
	if out.Target.Implementation == nil {
		out.Target.Implementation = map[string]string{}
	}
	if ep := r.target.Endpoints[targets.REST]; ep != nil {
		out.Target.REST = ep.Address
	}
	if ep := r.target.Endpoints[targets.GRPC]; ep != nil {
		out.Target.GRPC = ep.Address
	}
	for _, c := range s.cases {
		if s.results[c.id].Verdict == reports.Untested {
			if err := r.offers[c.transport].unoffered(c.requirement.ID); err != nil {
				s.results[c.id] = decided(c, err)
			}
		}
	}
	out.Cases = s.resultsOf(s.cases)
	sort.Strings(out.Leftover)
	out.Problem = s.problem()
	if errors.Is(context.Cause(ctx), context.Canceled) || ctx.Err() != nil {
		out.Signal = 2
		if f := r.options.Signal; f != nil && f() != 0 {
			out.Signal = f()
		}
	}
	reports.Conclude(out, catalogue, reports.Criteria{Guaranteed: r.target.Guaranteed,
		RunningConfigured: r.target.Roles[targets.Running].Configured, Baseline: r.options.Baseline})
	return out
}

// problem is why nothing could be judged on any transport; "" where something
// could, or where no transport was to be judged.
func (s *suite) problem() string {
	r := s.run
	if r.problem != "" && !r.ran { // where some could be started, the cases of the others tell of it
		return r.problem
	}
	text := ""
	for _, t := range targets.Transports() {
		ep := r.target.Endpoints[t]
		if ep == nil || !ep.Judge {
			continue
		}
		b := r.support[t].blocked
		if b == "" {
			return ""
		}
		if text == "" {
			text = b
		}
	}
	return text
}
