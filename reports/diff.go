package reports

import (
	"slices"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// DiffSchema names the form of a comparison in JSON.
const DiffSchema = "conform/diff/v1"

// A Cause is what made a verdict change between two runs.
type Cause string

// The causes.
const (
	ByServer        Cause = "server"        // the server answers differently
	BySuite         Cause = "suite"         // the catalogue or a scenario is another
	ByConfiguration Cause = "configuration" // the target file or the selection is another
)

// Causes returns all causes, the one that matters most first.
func Causes() []Cause { return []Cause{ByServer, BySuite, ByConfiguration} }

// A Comparison tells what changed from one run to a later one.
type Comparison struct {
	Schema  string   `json:"schema"`
	Old     Side     `json:"old"`
	New     Side     `json:"new"`
	Changes []Change `json:"changes"`
	// Settings are differences of suite and configuration as such, in words.
	Settings []string `json:"settings"`
}

// A Side identifies one of two runs.
type Side struct {
	Suite   Suite   `json:"suite"`
	Target  Target  `json:"target"`
	Started string  `json:"started"`
	Level   string  `json:"level"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason"`
}

// A Change is a requirement whose verdict on one transport is another, or
// whose level is.
type Change struct {
	Requirement string            `json:"requirement"`
	Statement   string            `json:"statement"`
	Transport   targets.Transport `json:"transport,omitempty"` // "": on the whole
	Cause       Cause             `json:"cause"`
	From        string            `json:"from"` // a verdict or a level; "" where there was none
	To          string            `json:"to"`
	Reason      string            `json:"reason"`
}

// Worse tells whether a change is a new failure.
func (c Change) Worse() bool { return c.To == string(Failed) }

// Better tells whether a change is a failure that is gone.
func (c Change) Better() bool { return c.From == string(Failed) && c.To == string(Passed) }

// By returns the changes with a cause.
func (c *Comparison) By(cause Cause) []Change {
	var out []Change
	for _, change := range c.Changes {
		if change.Cause == cause {
			out = append(out, change)
		}
	}
	return out
}

// Regressions counts new failures that are the server's doing.
func (c *Comparison) Regressions() int {
	n := 0
	for _, change := range c.By(ByServer) {
		if change.Worse() {
			n++
		}
	}
	return n
}

// Compare tells what changed from an old report to a new one, and whose doing
// it is.
func Compare(old, new *Report) *Comparison {
	c := &Comparison{Schema: DiffSchema, Old: side(old), New: side(new), Changes: []Change{}, Settings: settings(old, new)}
	for i := range new.Requirements {
		q := &new.Requirements[i]
		before := old.Requirement(q.ID)
		if before == nil {
			c.Changes = append(c.Changes, Change{Requirement: q.ID, Statement: q.Statement, Cause: BySuite, To: string(q.Verdict), Reason: "the requirement is new"})
			continue
		}
		if before.Level != q.Level {
			c.Changes = append(c.Changes, Change{Requirement: q.ID, Statement: q.Statement, Cause: levelCause(old, new), From: before.Level, To: q.Level, Reason: "the level is another"})
		}
		for _, t := range targets.Transports() {
			if from, to := before.Transports[t], q.Transports[t]; from != to {
				c.Changes = append(c.Changes, Change{Requirement: q.ID, Statement: q.Statement, Transport: t, Cause: cause(old, new, before, q, t),
					From: string(from), To: string(to), Reason: q.Reasons[t]})
			}
		}
	}
	for _, q := range old.Requirements {
		if new.Requirement(q.ID) == nil {
			c.Changes = append(c.Changes, Change{Requirement: q.ID, Statement: q.Statement, Cause: BySuite, From: string(q.Verdict), Reason: "the requirement is gone"})
		}
	}
	return c
}

func side(r *Report) Side {
	t := r.Target
	t.Implementation = notNilMap(t.Implementation)
	return Side{Suite: r.Suite, Target: t, Started: r.Started, Level: r.Level, Outcome: r.Outcome, Reason: r.Reason}
}

// settings tells what differs in suite and configuration.
func settings(old, new *Report) []string {
	out := []string{}
	for _, f := range []struct{ what, old, new string }{
		{"suite version", old.Suite.Version, new.Suite.Version},
		{"catalogue", old.Suite.Catalogue, new.Suite.Catalogue},
		{"target", old.Target.Name, new.Target.Name},
		{"REST address", old.Target.REST, new.Target.REST},
		{"gRPC address", old.Target.GRPC, new.Target.GRPC},
		{"profile", old.Target.Profile, new.Target.Profile},
		{"level", old.Level, new.Level},
		{"cancellation", promise(old), promise(new)},
		{"implementation version", old.Target.Implementation["version"], new.Target.Implementation["version"]},
	} {
		if f.old != f.new {
			out = append(out, f.what+": "+orNone(f.old)+" → "+orNone(f.new))
		}
	}
	return out
}

func promise(r *Report) string {
	if r.Criteria.Guaranteed {
		return "guaranteed"
	}
	return "best-effort"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// levelCause tells why a level is another: the profile and the promise are
// configuration, all else is the catalogue.
func levelCause(old, new *Report) Cause {
	if old.Target.Profile != new.Target.Profile || old.Criteria.Guaranteed != new.Criteria.Guaranteed {
		return ByConfiguration
	}
	return BySuite
}

// cause tells whose doing a change of verdict is. What was not judged, on
// either side, for want of a key or by choice is configuration. Between
// judgements it is the server, unless the cases that tell of the difference
// exist on one side only: then it is the suite.
func cause(old, new *Report, before, after *Requirement, t targets.Transport) Cause {
	from, to := before.Transports[t], after.Transports[t]
	if chosen(from, before.Reasons[t]) || chosen(to, after.Reasons[t]) {
		if before.Reasons[t] == reasonNoScenario || after.Reasons[t] == reasonNoScenario {
			return BySuite
		}
		return ByConfiguration
	}
	if old.Suite.Catalogue == new.Suite.Catalogue && old.Suite.Version == new.Suite.Version {
		return ByServer
	}
	deciding, others := accusers(new, after.ID, t), old
	if to != Failed {
		deciding, others = accusers(old, after.ID, t), new
	}
	if len(deciding) == 0 {
		return ByServer
	}
	for _, c := range deciding {
		if judgedIn(others, c.ID) {
			return ByServer
		}
	}
	return BySuite
}

// chosen tells whether a verdict comes from the configuration: a missing key,
// a selection, or an inapplicability that the target file declares.
func chosen(v Verdict, reason string) bool {
	switch v {
	case "", Untested, Deselected:
		return true
	case Inapplicable:
		return strings.Contains(reason, "unavailable") || strings.Contains(reason, "not configured") || strings.Contains(reason, "not judged over")
	default:
		return false
	}
}

// judgedIn tells whether a report has a case that was carried out.
func judgedIn(r *Report, id string) bool {
	return slices.ContainsFunc(r.Cases, func(c Case) bool {
		return c.ID == id && (c.Verdict == Passed || c.Verdict == Failed || c.Verdict == Inconclusive)
	})
}
