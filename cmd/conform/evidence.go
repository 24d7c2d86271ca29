package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
)

// An evidence file has one line of JSON per case, written when the case ends,
// so that what was found survives whatever ends the process. The first line
// carries the report without its cases as well; a run that came to its end
// writes that once more, in a last line of its own.
type evidence struct {
	mu      sync.Mutex
	file    *os.File // nil: none is kept
	share   bool
	run     *reports.Report // until the first line is written
	written map[string]bool // ids of cases
	err     error           // the first that kept a line from being written
}

// evidenceLine is one line.
type evidenceLine struct {
	*reports.Case
	Run *reports.Report `json:"run,omitempty"`
}

// createEvidence opens the file of a judgement; "" keeps none.
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
		return nil, err
	}
	t := j.target
	e.file, e.run = f, &reports.Report{
		Schema: reports.Schema, Suite: reports.Suite{Version: version(), Catalogue: digest}, Level: j.options.Level,
		Target:  reports.Target{Name: t.Name, Implementation: t.Implementation, Profile: t.Profile, File: t.File, Set: t.Set},
		Started: time.Now().UTC().Format(time.RFC3339Nano),
		Criteria: reports.Criteria{Guaranteed: t.Guaranteed, RunningConfigured: t.Roles[targets.Running].Configured,
			Baseline: j.options.Baseline},
	}
	if ep := t.Endpoints[targets.REST]; ep != nil {
		e.run.Target.REST = ep.Address
	}
	if ep := t.Endpoints[targets.GRPC]; ep != nil {
		e.run.Target.GRPC = ep.Address
	}
	return e, nil
}

// add writes the line of a case that has ended.
func (e *evidence) add(c reports.Case) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil || e.written[c.ID] {
		return
	}
	e.written[c.ID] = true
	if e.share {
		c = (&reports.Report{Cases: []reports.Case{c}}).WithoutBodies().Cases[0]
	}
	e.line(evidenceLine{&c, e.run})
	e.run = nil
}

func (e *evidence) line(l evidenceLine) {
	data, err := json.Marshal(l)
	if err == nil {
		_, err = e.file.Write(append(data, '\n'))
	}
	if e.err == nil {
		e.err = err
	}
}

// close adds the cases that were decided without being run, so that the file
// of a run that ended says all that its report says.
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
		e.line(evidenceLine{Run: &end})
	}
	return errors.Join(e.err, e.file.Close())
}

// readEvidence makes a report of an evidence file. Without its last line the
// run did not come to its end, and what is missing is inconclusive.
func readEvidence(data []byte) (*reports.Report, error) {
	var r *reports.Report
	var cases []reports.Case
	ended := false
	for n, line := range bytes.Split(data, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var l evidenceLine
		if err := json.Unmarshal(line, &l); err != nil {
			if r == nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			break // cut short
		}
		if l.Run != nil {
			r = l.Run
		}
		if l.Case != nil {
			cases = append(cases, *l.Case)
		}
		ended = l.Case == nil
	}
	if r == nil {
		return nil, errors.New("no line tells of the run")
	}
	r.Cases = cases
	return r, concludeEvidence(r, ended)
}

func concludeEvidence(r *reports.Report, ended bool) error {
	catalogue, err := features.Requirements()
	if err != nil {
		return err
	}
	if !ended {
		missing, err := steps.Cases("the run was interrupted before")
		if err != nil {
			return err
		}
		for _, c := range missing {
			if !slices.ContainsFunc(r.Cases, func(have reports.Case) bool { return have.ID == c.ID }) {
				r.Cases = append(r.Cases, c)
			}
		}
	}
	reports.Conclude(r, catalogue, r.Criteria)
	if !ended {
		r.Outcome, r.Reason = reports.Interrupted, "interrupted: the run ended before its report was written"
	}
	return nil
}
