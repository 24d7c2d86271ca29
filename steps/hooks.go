package steps

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cucumber/godog"

	"github.com/lro-tools/conform/reports"
)

type cancelKey struct{}

// before makes the world of a case, or ends it at once.
func (s *suite) before(ctx context.Context, p *godog.Scenario) (context.Context, error) {
	c, round, err := s.script.find(p.Name)
	if err != nil {
		return ctx, err
	}
	seat := &seat{seats: s.run.seats.Load()}
	seat.take(s.ctxs[c.transport])
	w := newWorld(s.run, c)
	w.seat = seat
	w.id = c.id + repeatSuffix(round)
	if f := s.run.options.OnStart; f != nil {
		f(w.id)
	}
	ctx, w.tooMuch = context.WithCancelCause(s.ctxs[c.transport])
	ctx, cancel := context.WithTimeout(ctx, s.run.caseLimit())
	ctx = context.WithValue(context.WithValue(ctx, worldKey{}, w), cancelKey{}, cancel)
	if ctx.Err() != nil {
		w.ended = stopped(ctx)
		return ctx, godog.ErrSkip
	}
	if b := s.run.support[c.transport].blocked; b != "" {
		w.ended = s.blockedCase(w, b)
		return ctx, godog.ErrSkip
	}
	if leak := s.run.support[c.transport].leak; leak != nil {
		w.ended = w.leaking(leak)
		return ctx, godog.ErrSkip
	}
	return ctx, nil
}

// blockedCase ends a case of a transport that cannot be judged.
func (s *suite) blockedCase(w *world, reason string) error {
	sup := s.run.support[w.plan.transport]
	if sup.unlike && w.plan.requirement.ID == "transport.parity" {
		w.exchanges = append(w.exchanges, sup.exchanges...)
		return w.accuse("transport.parity", len(w.exchanges)-1, "both transports act on the same operations", reason,
			"an operation that was started is not found over %s, while the other transport finds its own", w.plan.transport)
	}
	for _, b := range sup.breaches {
		if b.Requirement == w.plan.requirement.ID {
			w.exchanges = append(w.exchanges, sup.exchanges...)
			return &violation{b}
		}
	}
	return inconclusive("%s", reason)
}

// caseLimit bounds one case, whatever the server does.
func (r *run) caseLimit() time.Duration {
	t := r.target.Timeouts
	return time.Minute + 3*t.Settle + 10*t.Observe + 6*t.Request
}

func (s *suite) beforeStep(ctx context.Context, _ *godog.Step) (context.Context, error) {
	if w, ok := ctx.Value(worldKey{}).(*world); ok {
		w.at++
	}
	return ctx, nil
}

// afterStep takes the verdict from the step itself: godog's own result counts
// skips and undefined steps in ways that do not suit a judge.
func (s *suite) afterStep(ctx context.Context, st *godog.Step, status godog.StepResultStatus, err error) (context.Context, error) {
	w, ok := ctx.Value(worldKey{}).(*world)
	if !ok || w.at < 1 || w.at > len(w.steps) {
		return ctx, nil
	}
	step := &w.steps[w.at-1]
	if w.ended != nil {
		return ctx, nil
	}
	switch {
	case status == godog.StepPassed:
		step.Status = "passed"
	case err != nil:
		err = w.unlessFoundAgain(ctx, err)
		step.Status, step.Message = "failed", err.Error()
		switch e := err.(type) {
		case *violation:
		case *ruling:
			step.Status = "skipped"
			if e.verdict == reports.Inconclusive && ctx.Err() != nil { // why the case was ended, not how a step met it
				err = stopped(ctx)
			} else {
				err = w.tellOfAge(e)
			}
			step.Message = err.Error()
		default:
			w.suiteBug = true
			err = inconclusive("suite error: %v", err)
			step.Message = err.Error()
		}
		w.ended = err
	default:
		w.suiteBug = true
		w.ended = inconclusive("suite error: step %q is %v", st.Text, status)
	}
	return ctx, nil
}

// after ends a case: what it started is cancelled, and its result kept.
func (s *suite) after(ctx context.Context, _ *godog.Scenario, _ error) (context.Context, error) {
	w, ok := ctx.Value(worldKey{}).(*world)
	if !ok {
		return ctx, nil
	}
	defer ctx.Value(cancelKey{}).(context.CancelFunc)()
	defer w.seat.end()
	if w.tooMuch != nil {
		defer w.tooMuch(nil)
	}
	c := s.finish(ctx, w)
	s.run.kept.Add(-int64(w.kept))
	c.ID = w.id
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results[c.ID] = c
	r, _ := w.ended.(*ruling)
	s.disturbed[c.ID] = r != nil && r.disturbed
	s.starved[c.ID] = w.starved.Load() || w.crowded.Load()
	s.mistaken[c.ID] = w.mistaken
	c = s.doubt(c.ID)
	if !s.rehearsing && !(s.patient && (broken(c) || c.Verdict == reports.Inconclusive)) {
		s.announce(c)
	}
	return ctx, nil
}

// announce tells of a case that has ended; s.mu must be held.
func (s *suite) announce(c reports.Case) {
	s.done++
	s.told[c.ID] = true
	if f := s.run.options.OnCase; f != nil {
		f(s.done, s.pending, c)
	}
}

// finish makes the report's case of a world. A panic of ours is a suite error.
func (s *suite) finish(ctx context.Context, w *world) (c reports.Case) {
	defer func() {
		if e := recover(); e != nil {
			c = decided(w.plan, inconclusive("suite error: %v", e))
			c.SuiteBug = true
		}
	}()
	w.cleanup(ctx)
	return w.result()
}

// result is what the case found.
func (w *world) result() reports.Case {
	c := decided(w.plan, &ruling{verdict: reports.Passed})
	c.Steps, c.ElapsedMS = w.steps, float64(time.Since(w.began).Microseconds())/1000
	switch e := w.ended.(type) {
	case *violation:
		if w.noteOnly(e.Requirement) {
			w.noteFor(e.Requirement, "%s", e.Error())
			break
		}
		c.Verdict, c.Reason = reports.Failed, e.Error()
		w.breaches = slices.Insert(slices.DeleteFunc(w.breaches, func(b reports.Breach) bool { return b.Requirement == e.Requirement }), 0, e.Breach)
	case *ruling:
		c.Verdict, c.Reason, c.Needs = e.verdict, e.reason, e.needs
	}
	own := w.plan.requirement.ID
	for _, b := range w.breaches {
		delete(w.held, b.Requirement)
		if b.Requirement != own {
			c.Broke = append(c.Broke, b.Requirement)
		} else if c.Verdict != reports.Failed {
			c.Verdict, c.Reason = reports.Failed, (&violation{b}).Error()
		}
	}
	w.plan.unlessMissing(&c)
	c.Held = slices.Sorted(maps.Keys(w.held))
	c.Breaches, c.Notes, c.Observed, c.SuiteBug = w.breaches, w.notes, w.observed, w.suiteBug
	if w.exchanges != nil {
		c.Exchanges = w.run.evidence(fold(w.exchanges, w.breaches))
	}
	return c
}
