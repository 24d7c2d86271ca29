package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
)

// A logReading is what an evidence log tells.
type logReading struct {
	run     *reports.Report
	cases   []reports.Case
	have    map[string]bool               // ids of cases that have ended
	started map[string]bool               // ids of cases that have begun
	calls   map[string][]targets.Exchange // by id of the case
	ended   bool
}

// readEvidence makes a report of an evidence log. Where the run did not come
// to its end, what is missing is inconclusive, and the outcome interrupted.
func readEvidence(data []byte) (*reports.Report, error) {
	l := &logReading{have: map[string]bool{}, started: map[string]bool{}, calls: map[string][]targets.Exchange{}}
	for n, line := range bytes.Split(data, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var v event
		if err := json.Unmarshal(line, &v); err != nil {
			if l.run == nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			break // cut short
		}
		l.take(v)
	}
	if l.run == nil {
		return nil, errors.New("no line tells of the run")
	}
	return l.conclude()
}

func (l *logReading) take(v event) {
	switch {
	case v.Event == runStarted || v.Event == runEnded:
		if v.Run != nil {
			l.run, l.ended = v.Run, v.Event == runEnded
		}
	case v.Event == caseStarted:
		l.started[v.ID] = true
	case v.Event == callMade && v.Call != nil:
		l.calls[v.ID] = append(l.calls[v.ID], *v.Call)
	case v.Event == caseEnded && v.Case != nil:
		l.cases, l.have[v.Case.ID] = append(l.cases, *v.Case), true
	}
}

// conclude makes the report.
func (l *logReading) conclude() (*reports.Report, error) {
	catalogue, err := features.Requirements()
	if err != nil {
		return nil, err
	}
	if !l.ended {
		if err := l.addMissing(); err != nil {
			return nil, err
		}
	}
	r := l.run
	r.Cases = l.cases
	reports.Conclude(r, catalogue, r.Criteria)
	if !l.ended {
		r.Outcome, r.Reason = reports.Interrupted, "interrupted: the run ended before its report was written"
	}
	return r, diagnose(r)
}

// addMissing adds the cases that had not ended: those that were running keep
// the calls they had made.
func (l *logReading) addMissing() error {
	missing, err := steps.Cases("the run was interrupted before")
	if err != nil {
		return err
	}
	for _, c := range missing {
		if l.have[c.ID] {
			continue
		}
		if l.started[c.ID] {
			c.Reason = "the run was interrupted while it ran"
			c.Exchanges = append(c.Exchanges, l.calls[c.ID]...)
		}
		l.cases = append(l.cases, c)
	}
	return nil
}
