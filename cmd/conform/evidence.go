package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// The events of an evidence log.
const (
	runStarted  = "run-started"  // run: the report without cases and requirements
	caseStarted = "case-started" // id
	callMade    = "call"         // id, call: the exchange, when it has ended
	caseEnded   = "case-ended"   // case: as in the report
	runEnded    = "run-ended"    // run: the report without cases and requirements
)

// An event is one line of an evidence log.
type event struct {
	Event string            `json:"event"`
	At    string            `json:"at"`           // RFC 3339
	ID    string            `json:"id,omitempty"` // of the case
	Run   *reports.Report   `json:"run,omitempty"`
	Case  *reports.Case     `json:"case,omitempty"`
	Call  *targets.Exchange `json:"call,omitempty"`
}

// An evidence log has one line of JSON per event, written as it happens, so
// that what was found survives whatever ends the process. A log that does not
// end with run-ended is that of a run that was killed.
type evidence struct {
	mu      sync.Mutex
	file    *os.File // nil: none is kept
	share   bool
	written map[string]bool // ids of cases that have ended
	err     error           // the first that kept a line from being written
}

// createEvidence opens the log of a judgement; "" keeps none.
func createEvidence(path string, j *judgement) (*evidence, error) {
	e := &evidence{share: j.flags.share, written: map[string]bool{}}
	if path == "" {
		return e, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("--evidence %s: %w", path, rootCause(err))
	}
	digest, err := features.Digest()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t := j.target
	run := &reports.Report{
		Schema: reports.Schema, Suite: reports.Suite{Version: version(), Catalogue: digest}, Level: j.options.Level,
		Target:  reports.Target{Name: t.Name, Implementation: t.Implementation, Profile: t.Profile, File: t.File, Set: t.Set},
		Started: time.Now().UTC().Format(time.RFC3339Nano),
		Criteria: reports.Criteria{Guaranteed: t.Guaranteed, RunningConfigured: t.Roles[targets.Running].Configured,
			Baseline: j.options.Baseline},
	}
	if ep := t.Endpoints[targets.REST]; ep != nil {
		run.Target.REST = ep.Address
	}
	if ep := t.Endpoints[targets.GRPC]; ep != nil {
		run.Target.GRPC = ep.Address
	}
	e.file = f
	e.write(event{Event: runStarted, Run: run})
	return e, e.err
}

// begin writes that a case begins.
func (e *evidence) begin(id string) { e.write(event{Event: caseStarted, ID: id}) }

// call writes a call of a case.
func (e *evidence) call(id string, x targets.Exchange) {
	if e.share {
		x = withoutBodies(reports.Case{Exchanges: []targets.Exchange{x}}).Exchanges[0]
	}
	e.write(event{Event: callMade, ID: id, Call: &x})
}

// add writes a case that has ended.
func (e *evidence) add(c reports.Case) {
	e.mu.Lock()
	known := e.written[c.ID]
	e.written[c.ID] = true
	e.mu.Unlock()
	if known {
		return
	}
	if e.share {
		c = withoutBodies(c)
	}
	e.write(event{Event: caseEnded, ID: c.ID, Case: &c})
}

func withoutBodies(c reports.Case) reports.Case {
	return (&reports.Report{Cases: []reports.Case{c}}).WithoutBodies().Cases[0]
}

// write writes one line, whole, so that lines of several cases do not mix.
func (e *evidence) write(v event) {
	if e.file == nil {
		return
	}
	v.At = time.Now().UTC().Format(time.RFC3339Nano)
	data, err := json.Marshal(v)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		_, err = e.file.Write(append(data, '\n'))
	}
	if e.err == nil {
		e.err = err
	}
}

// close adds the cases that were decided without being run, so that the log of
// a run that ended says all that its report says.
func (e *evidence) close(r *reports.Report) error {
	if e.file == nil {
		return nil
	}
	if r != nil {
		for _, c := range r.Cases {
			e.add(c)
		}
		end := *r
		end.Cases, end.Requirements = nil, nil
		e.write(event{Event: runEnded, Run: &end})
	}
	return errors.Join(e.err, e.file.Close())
}
