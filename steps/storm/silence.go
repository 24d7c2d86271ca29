package storm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

// unansweredAs tells why a call that was sent brought no answer; "" where it did, or
// where that says nothing of the server. One that used a connection before may close
// it at the moment of the call.
func unansweredAs(x targets.Exchange, kind targets.NoAnswerKind) targets.NoAnswerKind {
	switch {
	case kind == targets.TimedOut, kind == targets.Reset && !x.Reused:
		return kind
	}
	return ""
}

// A company is how cancels of operations in progress were sent: over which
// transport, and alone or at the same time as another one of the operation.
type company struct {
	transport targets.Transport
	alone     bool
}

// A hearing is what became of such cancels.
type hearing struct {
	calls  int
	silent map[targets.NoAnswerKind][]Violation // one for each operation, where Get was answered meanwhile
	deaf   int                                  // that brought no answer at all
}

// company tells how a cancel of an operation in progress was sent; ok is false where
// it may have been done, or that cannot be told. One that brought no answer is taken
// to have lasted as long as others do.
func (h history) company(c event, others time.Duration) (alone, ok bool) {
	if h.foreign || c.method != targets.Cancel || c.end > h.deleted || c.answer == silent && c.none == "" {
		return false, false
	}
	if slices.ContainsFunc(h.events, func(e event) bool { return e.looks() && e.done && e.before(c) }) {
		return false, false
	}
	if h.role != targets.Running && !slices.ContainsFunc(h.events, func(e event) bool { return e.looks() && !e.done && c.start < e.start }) {
		return false, false
	}
	end := c.end
	if c.none == targets.TimedOut && others > 0 {
		end = min(end, c.start+others)
	}
	if c.start <= h.attempted && end <= h.again {
		return true, true
	}
	return false, h.beside(c) != nil
}

// beside finds a cancel of the operation that was answered, and was sent at the same
// time as another one.
func (h history) beside(c event) *event {
	for _, d := range h.events {
		if d != c && d.method == targets.Cancel && d.answer != silent && c.start < d.end && d.start < min(c.end, c.start+d.end-d.start) {
			return &d
		}
	}
	return nil
}

// meanwhile finds the first and the last Get over the transport of a cancel that was
// sent after it and answered, where the cancel waited in vain before it was given up.
func (h history) meanwhile(c event) []event {
	var out []event
	for _, e := range h.events {
		if e.method == targets.Get && e.looks() && e.transport == c.transport && c.start < e.start && (c.none == targets.Reset || e.end < c.end) {
			out = append(out, e)
		}
	}
	if len(out) < 2 {
		return nil
	}
	return []event{out[0], out[len(out)-1]}
}

// listen takes note of the cancels of an operation that brought no answer, and of the
// others; e.mu must be held.
func (e *engine) listen(p *episode, h history) {
	for _, c := range h.events {
		alone, ok := h.company(c, e.traffic[c.transport].Cancel.At(99))
		if !ok {
			continue
		}
		with := company{c.transport, alone}
		if e.heard[with] == nil {
			e.heard[with] = &hearing{silent: map[targets.NoAnswerKind][]Violation{}}
		}
		heard := e.heard[with]
		heard.calls++
		if c.none == "" {
			continue
		}
		heard.deaf++
		seen := heard.silent[c.none]
		gets := h.meanwhile(c)
		if gets == nil && !c.lone || len(seen) > 0 && seen[len(seen)-1].Index == p.index {
			continue
		}
		shown := append([]event{c}, gets...)
		if d := h.beside(c); d != nil && !alone {
			shown = append(shown, *d)
		}
		slices.SortStableFunc(shown, func(a, b event) int { return int(a.start - b.start) })
		heard.silent[c.none] = append(seen, p.violation(h, &finding{events: shown}))
	}
}

// How often a cancel has to bring no answer, each time of another operation, to be a
// finding; and how many that were sent alone would then have brought none if what was
// sent at the same time were not the reason.
const (
	silentOften    = 3
	expectedSilent = 5
)

// silences judges the cancels that brought no answer, once all have been heard. That
// nothing is answered any more is no finding, nor that cancels take ever longer: the
// server may have had too much to do.
func (e *engine) silences() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.problem != "" {
		return
	}
	for _, t := range e.transports {
		alone, together := e.heard[company{t, true}], e.heard[company{t, false}]
		if alone == nil || e.traffic[t].Cancel.Max() > e.target.Timeouts.Request/2 {
			continue
		}
		for _, kind := range unansweredKinds() {
			if s := alone.silent[kind]; len(s) >= silentOften {
				e.conclude("cancel.accept.in-progress", s, "the first cancel of an operation in progress brought no answer (%s), while Get was answered", kind)
			}
			if together == nil || alone.deaf > 0 {
				continue
			}
			if s := together.silent[kind]; len(s) >= silentOften && len(s)*alone.calls >= expectedSilent*together.calls {
				e.conclude(togetherBreaks(kind), s, "a cancel at the same time as another one brought no answer (%s), while Get was answered, and so were cancels that were sent alone", kind)
			}
		}
	}
}

// togetherBreaks is what cancels at once break that bring no answer.
func togetherBreaks(kind targets.NoAnswerKind) string {
	if kind == targets.Reset {
		return "cancel.concurrent.no-server-error"
	}
	return "cancel.concurrent.single-outcome"
}

// conclude enters what was seen of several operations; e.mu must be held.
func (e *engine) conclude(requirement string, seen []Violation, format string, kind targets.NoAnswerKind) {
	e.broken[requirement] += len(seen)
	if _, ok := e.found[requirement]; ok {
		return
	}
	v := seen[0]
	v.Requirement, v.Message = requirement, fmt.Sprintf(format, kind)
	e.found[requirement] = v
}

func unansweredKinds() []targets.NoAnswerKind {
	return []targets.NoAnswerKind{targets.TimedOut, targets.Reset}
}

// unanswered tells in words which calls over a transport brought no answer; "" where
// all did.
func (t *Traffic) unanswered() string {
	var out []string
	for _, m := range []targets.Method{targets.Cancel, targets.Get, targets.List, targets.Wait, targets.Delete} {
		var kinds []string
		sum := int64(0)
		for _, k := range unansweredKinds() {
			if n := t.Unanswered[m][k]; n > 0 {
				sum += n
				kinds = append(kinds, fmt.Sprintf("%d %s", n, k))
			}
		}
		if sum > 0 {
			out = append(out, fmt.Sprintf("%d of %d %s (%s)", sum, t.Methods[m], m, strings.Join(kinds, ", ")))
		}
	}
	return strings.Join(out, ", ")
}

// lost takes note of a call that brought no answer.
func (t *Traffic) lost(m targets.Method, kind targets.NoAnswerKind, n int64) {
	if t.Unanswered[m] == nil {
		t.Unanswered[m] = map[targets.NoAnswerKind]int64{}
	}
	t.Unanswered[m][kind] += n
}
