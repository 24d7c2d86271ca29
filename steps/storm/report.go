package storm

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// Schema names the form of the report of a storm.
const Schema = "conform/storm/v1"

// A Report is what a storm found. Reports of several shards are joined by
// Merge.
type Report struct {
	Schema     string          `json:"schema"`
	Suite      string          `json:"suite"` // version
	Target     reports.Target  `json:"target"`
	Started    string          `json:"started"` // RFC 3339
	ElapsedMS  float64         `json:"elapsed_ms"`
	StartingMS float64         `json:"starting_ms"` // until no operation was started any more: then those under way are followed to their end
	Level      string          `json:"level"`       // must or should: the lowest level that counts
	Seed       int64           `json:"seed"`
	Clients    int             `json:"clients"`
	Rate       float64         `json:"rate"` // calls a second that were offered; 0: as fast as they were answered
	Shards     []string        `json:"shards,omitempty"`
	Outcome    reports.Outcome `json:"outcome"`
	Reason     string          `json:"reason"`
	Problem    string          `json:"problem,omitempty"` // why nothing, or no longer anything, could be judged
	Signal     int             `json:"signal,omitempty"`
	// Operations counts those that were judged, by role.
	Operations map[targets.Role]int           `json:"operations"`
	Traffic    map[targets.Transport]*Traffic `json:"transports"`
	Violations []Violation                    `json:"violations"`
	Leftover   []string                       `json:"leftover,omitempty"`        // could not be cancelled at the end
	Again      int                            `json:"started_again,omitempty"`   // starts that gave an operation which had been started before: it is not judged
	Alone      int                            `json:"cancelled_alone,omitempty"` // operations that were cancelled though no cancel of them had been sent, which need not be a fault
	Quiet      *Quiet                         `json:"quiet,omitempty"`           // what followed, to tell whether it was one
	Running    bool                           `json:"running"`                   // an operation of the role running could be started
}

// A Quiet is what came of a storm that blew on without cancels, since operations
// had been cancelled though no cancel of them had been sent.
type Quiet struct {
	ElapsedMS  float64 `json:"elapsed_ms"`
	Operations int     `json:"operations"`
	Live       int     `json:"live"`            // in progress at a time, as in the storm
	Storm      int     `json:"storm_cancelled"` // how many had been cancelled in the storm
	Expected   float64 `json:"expected"`        // how many would be, by a system that cancels by itself
	Alone      int     `json:"cancelled"`       // how many were
	Again      int     `json:"cancelled_again"` // how many were when it blew with cancels once more
	Blames     bool    `json:"blames"`
	Reason     string  `json:"reason"`
}

// Traffic is what went over one transport.
type Traffic struct {
	Calls    int64                    `json:"calls"`
	Starting int64                    `json:"calls_starting"` // calls while operations were started: the rate is that of these
	Methods  map[targets.Method]int64 `json:"methods"`
	Silent   int64                    `json:"unanswered"`
	// Unanswered counts those of them that were sent, by method and by why.
	Unanswered map[targets.Method]map[targets.NoAnswerKind]int64 `json:"unanswered_methods"`
	Cancel     *Latency                                          `json:"cancel"`          // from when it was due (rate) or sent to its answer
	Accepted   int64                                             `json:"cancel_accepted"` // cancels that were
	Ending     *Latency                                          `json:"cancel_to_done"`  // from an accepted cancel's answer to the first look that showed done
}

// A Violation is a requirement that one operation's history breaks, with the
// smallest part of it that shows so.
type Violation struct {
	Requirement string       `json:"requirement"`
	Level       string       `json:"level"`
	Message     string       `json:"message"`
	Operation   string       `json:"operation"`
	Index       int          `json:"index"` // of the operation in the storm of this seed
	Role        targets.Role `json:"role"`
	Calls       int          `json:"calls"` // of the whole history
	Seen        int          `json:"seen"`  // in how many operations the requirement was broken
	Sequence    []Line       `json:"sequence"`
	Around      []Line       `json:"around,omitempty"` // the last cancels and deletions before the end of the sequence, which need not be there
}

// A Line is one call of a sequence. Times are in ms from the operation's start.
type Line struct {
	FromMS    float64           `json:"from_ms"`
	ToMS      float64           `json:"to_ms"`
	Client    int               `json:"client"`
	Transport targets.Transport `json:"transport"`
	Method    targets.Method    `json:"method"`
	Answer    string            `json:"answer"`
	Operation string            `json:"operation,omitempty"` // where it is another than the one that is shown
}

// Bounds of what is measured, in microseconds, and its significant digits.
const (
	shortest = 1
	longest  = int64(time.Hour / time.Microsecond)
	digits   = 3
)

// A Latency is a distribution of durations, kept by an HDR histogram.
type Latency struct{ h *hdrhistogram.Histogram }

func newLatency() *Latency { return &Latency{hdrhistogram.New(shortest, longest, digits)} }

func (l *Latency) add(d time.Duration) {
	// The error is only that of a value out of range, which the bounds exclude.
	_ = l.h.RecordValue(min(max(d.Microseconds(), shortest), longest))
}

// Count is how many durations were recorded.
func (l *Latency) Count() int64 { return l.h.TotalCount() }

// At is the duration at a percentile (0 to 100).
func (l *Latency) At(percentile float64) time.Duration {
	return time.Duration(l.h.ValueAtPercentile(percentile)) * time.Microsecond
}

// Max is the longest duration.
func (l *Latency) Max() time.Duration { return time.Duration(l.h.Max()) * time.Microsecond }

type latencyJSON struct {
	Count       int64              `json:"count"`
	Percentiles map[string]float64 `json:"percentiles_ms"`
	Histogram   string             `json:"histogram"` // HdrHistogram V2, compressed, base64; microseconds
}

// percentiles are those that reports show.
func percentiles() map[string]float64 {
	return map[string]float64{"50": 50, "90": 90, "99": 99, "99.9": 99.9, "100": 100}
}

// MarshalJSON writes the percentiles, and the histogram itself, from which
// Merge takes up again without loss.
func (l *Latency) MarshalJSON() ([]byte, error) {
	text, err := l.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	x := latencyJSON{Count: l.Count(), Percentiles: map[string]float64{}, Histogram: string(text)}
	for name, p := range percentiles() {
		x.Percentiles[name] = float64(l.At(p).Microseconds()) / 1000
	}
	return json.Marshal(x)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Latency) UnmarshalJSON(data []byte) error {
	var x latencyJSON
	if err := json.Unmarshal(data, &x); err != nil {
		return err
	}
	h, err := hdrhistogram.Decode([]byte(x.Histogram))
	if err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	*l = *newLatency()
	if dropped := l.h.Merge(h); dropped > 0 || l.Count() != x.Count {
		return errors.New("histogram: does not hold what its count says")
	}
	return nil
}

// Decode reads the JSON form of a report; ok is false where the document is
// none of a storm.
func Decode(data []byte) (r *Report, ok bool, err error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil || head.Schema != Schema {
		return nil, false, nil
	}
	r = &Report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, true, err
	}
	return r, true, nil
}

// ExitCode is that of the outcome, as for a run.
func (r *Report) ExitCode() int {
	return (&reports.Report{Outcome: r.Outcome, Signal: r.Signal}).ExitCode()
}

// conclude draws the outcome from what was found. The first that holds counts.
func (r *Report) conclude() {
	counted := 0
	for _, v := range r.Violations {
		if v.Level == reports.Must || v.Level == reports.Should && r.Level == reports.LevelShould {
			counted++
		}
	}
	judged := 0
	for _, n := range r.Operations {
		judged += n
	}
	gaps := r.gaps()
	switch {
	case r.Signal != 0:
		r.Outcome, r.Reason = reports.Interrupted, "interrupted by a signal"
	case counted > 0:
		r.Outcome, r.Reason = reports.Nonconformant, fmt.Sprintf("nonconformant: %s broken in %d operations", plural(counted, "requirement"), judged)
	case r.Problem != "" && judged == 0:
		r.Outcome, r.Reason = reports.Error, "error: "+r.Problem
	case r.Problem != "":
		r.Outcome, r.Reason = reports.Incomplete, "incomplete: "+r.Problem
	case judged == 0 && r.Again > 0:
		r.Outcome, r.Reason = reports.Incomplete, fmt.Sprintf("incomplete: %s gave an operation that had been started before, and no other came to its end", plural(r.Again, "start"))
	case judged == 0:
		r.Outcome, r.Reason = reports.Incomplete, "incomplete: no operation came to its end in the time"
	case len(gaps) > 0:
		r.Outcome, r.Reason = reports.Incomplete, "incomplete: "+strings.Join(gaps, "; ")
	case len(r.Violations) > 0:
		r.Outcome, r.Reason = reports.Conformant, fmt.Sprintf("no violation that counts at level %s in %s; broken besides: %s", r.Level, plural(judged, "operation"), plural(len(r.Violations), "requirement"))
	default:
		r.Outcome, r.Reason = reports.Conformant, fmt.Sprintf("no violation in %s", plural(judged, "operation"))
	}
}

// gaps tells what could not be judged, though the storm went well.
func (r *Report) gaps() []string {
	var out []string
	for _, t := range targets.Transports() {
		traffic := r.Traffic[t]
		if traffic == nil {
			continue
		}
		if traffic.Accepted == 0 {
			out = append(out, fmt.Sprintf("no cancel was accepted over %s", t))
		}
		if lost := traffic.unanswered(); lost != "" {
			out = append(out, fmt.Sprintf("over %s there was no answer to %s", t, lost))
		}
	}
	if !r.Running {
		out = append(out, "operations.running is not configured")
	}
	return out
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Merge joins the reports of the shards of one storm: traffic adds up, and the
// percentiles are those of all durations together.
func Merge(parts ...*Report) (*Report, error) {
	if len(parts) == 0 {
		return nil, errors.New("merge: there is no report")
	}
	first := parts[0]
	out := &Report{Schema: Schema, Suite: first.Suite, Target: first.Target, Started: first.Started, Level: first.Level,
		Seed: first.Seed, Operations: map[targets.Role]int{}, Traffic: map[targets.Transport]*Traffic{}, Violations: []Violation{}}
	for i, p := range parts {
		if p.Suite != first.Suite || p.Target.Name != first.Target.Name || p.Seed != first.Seed || p.Level != first.Level {
			return nil, fmt.Errorf("merge: report %d: suite, target, seed and level are not those of the first", i+1)
		}
		for _, s := range p.Shards {
			if slices.Contains(out.Shards, s) {
				return nil, fmt.Errorf("merge: report %d: shard %s is there twice", i+1, s)
			}
			out.Shards = append(out.Shards, s)
		}
		out.add(p)
	}
	if n := shardsMissing(out.Shards); n > 0 && out.Problem == "" {
		out.Problem = plural(n, "shard") + " not among the merged reports"
	}
	slices.Sort(out.Shards)
	slices.SortStableFunc(out.Violations, func(a, b Violation) int { return a.Index - b.Index })
	out.conclude()
	return out, nil
}

// shardsMissing is how many shards I/N are not among those named.
func shardsMissing(names []string) int {
	missing := 0
	for _, s := range names {
		var i, n int
		if _, err := fmt.Sscanf(s, "%d/%d", &i, &n); err == nil {
			missing = max(missing, n-len(names))
		}
	}
	return missing
}

func (r *Report) add(p *Report) {
	r.ElapsedMS = max(r.ElapsedMS, p.ElapsedMS)
	r.StartingMS = max(r.StartingMS, p.StartingMS)
	r.Started = min(r.Started, p.Started)
	r.Clients += p.Clients
	r.Rate += p.Rate
	r.Signal = max(r.Signal, p.Signal)
	r.Running = r.Running || p.Running
	r.Again += p.Again
	r.Alone += p.Alone
	if r.Problem == "" {
		r.Problem = p.Problem
	}
	r.Violations = append(r.Violations, p.Violations...)
	r.Leftover = append(r.Leftover, p.Leftover...)
	for role, n := range p.Operations {
		r.Operations[role] += n
	}
	for _, t := range slices.Sorted(maps.Keys(p.Traffic)) {
		if r.Traffic[t] == nil {
			r.Traffic[t] = newTraffic()
		}
		r.Traffic[t].merge(p.Traffic[t])
	}
}

// CallsPerSecond is the rate over a transport while operations were started; 0
// where there is none, as in a report of before it was kept.
func (r *Report) CallsPerSecond(t targets.Transport) float64 {
	if r.StartingMS <= 0 || r.Traffic[t] == nil {
		return 0
	}
	return float64(r.Traffic[t].Starting) / (r.StartingMS / 1000)
}

func newTraffic() *Traffic {
	return &Traffic{Methods: map[targets.Method]int64{}, Unanswered: map[targets.Method]map[targets.NoAnswerKind]int64{},
		Cancel: newLatency(), Ending: newLatency()}
}

func (t *Traffic) merge(o *Traffic) {
	t.Calls += o.Calls
	t.Starting += o.Starting
	t.Silent += o.Silent
	t.Accepted += o.Accepted
	for m, n := range o.Methods {
		t.Methods[m] += n
	}
	for m, kinds := range o.Unanswered {
		for k, n := range kinds {
			t.lost(m, k, n)
		}
	}
	t.Cancel.h.Merge(o.Cancel.h)
	t.Ending.h.Merge(o.Ending.h)
}
