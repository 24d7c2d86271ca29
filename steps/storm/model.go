package storm

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// A history is what happened to one operation, in no particular order, and
// what is known of it besides. Shrinking takes events away, never facts.
type history struct {
	events []event
	facts
}

// facts are what a rule may rely on though its witnesses do not show it:
// above all that something did not happen.
type facts struct {
	role       targets.Role
	guaranteed bool
	settle     time.Duration
	observe    time.Duration
	deleted    time.Duration // when the first delete was sent; never
	// harmless: each cancel that was sent was refused with a status that
	// promises that it had no effect.
	harmless bool
	// attempted is when the first cancel was sent, again when the second was,
	// taken when the first that was accepted had been answered; never.
	attempted, again, taken time.Duration
	// last is when the last look that shows it in progress was sent; below zero
	// where none does. What a cancel is answered when it may have ended is the
	// business of finishedStatus.
	last time.Duration
	// cancellable: the target has accepted cancels of the role running.
	cancellable bool
	// foreign: others may cancel the operation.
	foreign bool
	// visible is until when copies of the target may not know the operation yet: 0
	// where none is known to be late.
	visible time.Duration
	// resultless: no look shows a result.
	resultless bool
}

// factsOf gathers the facts of a whole history.
func factsOf(events []event, role targets.Role, t *targets.Target) facts {
	f := facts{role: role, guaranteed: t.Guaranteed, settle: t.Timeouts.Settle, observe: t.Timeouts.Observe,
		deleted: never, attempted: never, again: never, taken: never, last: -1, foreign: t.Roles[role].Foreign}
	cancels, without := 0, 0
	f.resultless = !slices.ContainsFunc(events, func(e event) bool { return e.looks() && (e.hasError || e.hasResponse) })
	for _, e := range events {
		if e.looks() && !e.done {
			f.last = max(f.last, e.start)
		}
		switch e.method {
		case targets.Delete:
			f.deleted = min(f.deleted, e.start)
		case targets.Cancel:
			cancels++
			if e.definite() {
				without++
			}
			f.again = min(f.again, max(f.attempted, e.start))
			f.attempted = min(f.attempted, e.start)
			if e.answer == accepted {
				f.taken = min(f.taken, e.end)
			}
		}
	}
	f.harmless = cancels > 0 && cancels == without
	return f
}

// A finding is a rule that a history breaks, with the events that show it in
// real-time order.
type finding struct {
	requirement string
	message     string
	events      []event
}

// A rule finds the first breach of one sentence of the model; nil where the
// history keeps it.
type rule func(h history) *finding

// rules are the model of an operation (the state machine of
// google.longrunning.Operations), in the order in which a history is checked.
func rules() []rule {
	return []rule{ownName, noneBeforeDone, exclusive, monotonic, immutable, continuous, notDeleted, getSucceeds, knownToAll,
		acceptedWhileRunning, finishedStatus, repeatStatus, concurrentFault, effective, ineffective, untouched, flagStays, staysDeleted,
		endsWithResult, listed}
}

// check returns what a history breaks, one finding for each requirement.
func check(h history) []*finding {
	slices.SortStableFunc(h.events, func(a, b event) int { return int(a.start - b.start) })
	var out []*finding
	seen := map[string]bool{}
	for _, r := range rules() {
		if f := r(h); f != nil && !seen[f.requirement] {
			seen[f.requirement] = true
			out = append(out, f)
		}
	}
	return out
}

func breach(requirement string, events []event, format string, args ...any) *finding {
	return &finding{requirement, fmt.Sprintf(format, args...), events}
}

// noneBeforeDone: while done is false, neither error nor response is set.
func noneBeforeDone(h history) *finding {
	for _, e := range h.events {
		if e.shows() && !e.done && (e.hasError || e.hasResponse) {
			return breach("operation.result.none-before-done", []event{e}, "%s was there before done", e.result())
		}
	}
	return nil
}

// exclusive: never both error and response.
func exclusive(h history) *finding {
	for _, e := range h.events {
		if e.shows() && e.hasError && e.hasResponse {
			return breach("operation.result.exclusive", []event{e}, "both results were set at once")
		}
	}
	return nil
}

// monotonic: done never goes back.
func monotonic(h history) *finding {
	first := -1 // the done look that was answered first
	for i, e := range h.events {
		if e.looks() && e.done && (first < 0 || e.end < h.events[first].end) {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	for _, e := range h.events {
		if e.looks() && !e.done && h.events[first].before(e) {
			d := h.events[first]
			return breach("operation.terminal.done-monotonic", []event{d, e}, "it was %s, and then %s%s", d.text(), e.text(), elsewhere(d, e))
		}
	}
	return nil
}

func elsewhere(a, b event) string {
	if a.transport != b.transport {
		return " over the other transport"
	}
	return ""
}

// same tells whether two done looks show one result. Payloads are compared
// over one transport only.
func same(a, b event) bool {
	if a.hasError != b.hasError || a.hasResponse != b.hasResponse || a.hasError && a.errorCode != b.errorCode {
		return false
	}
	return a.transport != b.transport || a.payload == b.payload
}

// immutable: all done looks show one result, over both transports. A server
// that shows each transport another result, each always the same, breaks the
// parity instead. Both results at once are no result to compare: gRPC has room
// for one of them.
func immutable(h history) *finding {
	var distinct []event // the first done look of each result and transport
	var across *finding
	for _, b := range h.events {
		if !b.looks() || !b.done || b.hasError && b.hasResponse || slices.ContainsFunc(distinct, func(a event) bool { return a.transport == b.transport && same(a, b) }) {
			continue
		}
		for _, a := range distinct {
			if a.transport == b.transport {
				x, y, then := ordered(h, a, b)
				return breach("operation.terminal.result-immutable", []event{x, y}, "it was %s, %s %s", x.text(), then, y.text())
			}
			if !same(a, b) {
				x, y, then := ordered(h, a, b)
				across = breach("operation.terminal.result-immutable", []event{x, y}, "it was %s, %s %s over the other transport", x.text(), then, y.text())
				if c := again(h, a, b); c != nil {
					across = breach("transport.parity", []event{a, b, *c}, "one operation is %s over %s and %s over %s", a.text(), a.transport, b.text(), b.transport)
				}
			}
		}
		distinct = append(distinct, b)
	}
	return across
}

// ordered finds looks that show what two done looks show, one answered before
// the other was sent, and tells how they follow; where there are none, it is
// those two, of which it cannot be told which was first.
func ordered(h history, a, b event) (x, y event, then string) {
	shows := func(e, like event) bool {
		return e.looks() && e.done && e.transport == like.transport && same(e, like)
	}
	for _, x := range h.events {
		for _, y := range h.events {
			if x.before(y) && (shows(x, a) && shows(y, b) || shows(x, b) && shows(y, a)) {
				return x, y, "and then"
			}
		}
	}
	return a, b, "and at the same time"
}

// again finds a look that shows what a showed, over its transport, after b.
func again(h history, a, b event) *event {
	for _, c := range h.events {
		if a.before(b) && b.before(c) && c.looks() && c.done && c.transport == a.transport && same(a, c) {
			return &c
		}
	}
	return nil
}

// finishedStatus: a cancel of an operation seen done has a legal status.
func finishedStatus(h history) *finding {
	for _, c := range h.events {
		if c.method != targets.Cancel || c.end > h.deleted || !illegal(c) {
			continue
		}
		for _, e := range h.events {
			if !e.looks() || !e.done || !e.before(c) {
				continue
			}
			if c.answer != missing {
				return breach("cancel.finished.status-legal", []event{e, c}, "a cancel of a finished operation was answered %s", c.status)
			}
			for _, l := range h.events {
				if l.looks() && c.before(l) {
					return breach("cancel.finished.status-legal", []event{e, c, l}, "a cancel did not find a finished operation, which Get found before and after")
				}
			}
		}
	}
	return nil
}

// illegal tells whether the status of a cancel is none that a finished or
// cancelled operation allows.
func illegal(c event) bool {
	return c.answer == fault || c.answer == missing || c.answer == refused && (c.code == codes.AlreadyExists || c.code == codes.Canceled)
}

// repeatStatus: a cancel after an accepted one, of what is still in progress, is
// accepted or says that it comes too late.
func repeatStatus(h history) *finding {
	for _, c := range h.events {
		if c.method != targets.Cancel || c.end > h.deleted || !illegal(c) || c.answer == missing {
			continue
		}
		for _, a := range h.events {
			if a.method == targets.Cancel && a.answer == accepted && a.before(c) && c.end <= h.last {
				return breach("cancel.repeat.code-legal", []event{a, c}, "a repeated cancel was answered %s", c.status)
			}
		}
	}
	return nil
}

// concurrentFault: calls at the same time are no reason to fail.
func concurrentFault(h history) *finding {
	for _, c := range h.events {
		if c.answer != fault || c.method == targets.Cancel && c.start > h.last {
			continue
		}
		for _, e := range h.events {
			if e != c && !e.entry && e.start < c.end && c.start < e.end && (c.method == targets.Cancel || e.method == targets.Cancel) {
				return breach("cancel.concurrent.no-server-error", []event{e, c}, "a %s at the same time as another call was answered %s", c.method, c.status)
			}
		}
	}
	return nil
}

// effect is what an accepted cancel without an effect breaks.
const effect = "cancel.effect.best-effort"

// effective: where the target guarantees it, an accepted cancel makes an
// operation that keeps running CANCELLED within the settle timeout.
func effective(h history) *finding {
	if !h.guaranteed || h.role != targets.Running || h.deleted != never {
		return nil
	}
	for _, c := range h.events {
		if c.method != targets.Cancel || c.answer != accepted || c.end > h.taken {
			continue
		}
		for _, e := range h.events {
			switch {
			case !e.looks() || !c.before(e):
			case !e.done && e.start > c.end+h.settle:
				return breach(effect, []event{c, e}, "still in progress %v after an accepted cancel", h.settle)
			case e.done && !e.cancelled() && (e.hasError || e.hasResponse) && !shownBefore(h, c):
				return breach("cancel.state.code-1", []event{c, e}, "an accepted cancel ended in %s, not error code 1", e.result())
			}
		}
	}
	return nil
}

// shownBefore tells whether the operation may have been done when a cancel was
// accepted, or ended otherwise before CANCELLED could be its first result.
func shownBefore(h history, c event) bool {
	return slices.ContainsFunc(h.events, func(e event) bool { return e.looks() && e.done && (e.start < c.end || e.cancelled()) })
}

// noEffect is what a refused cancel with an effect breaks.
const noEffect = "cancel.rejected.no-effect"

// ineffective: a cancel that was refused has no effect.
func ineffective(h history) *finding {
	if !h.harmless || !h.oursAlone() {
		return nil
	}
	for _, e := range h.events {
		if !e.looks() || !e.cancelled() {
			continue
		}
		for _, c := range h.events {
			if c.method == targets.Cancel && c.start < e.end && !slices.ContainsFunc(h.events, func(d event) bool { return d.looks() && d.done && d.start < c.end }) {
				return breach(noEffect, []event{c, e}, "each cancel was refused, and yet it was cancelled")
			}
		}
	}
	return nil
}

// flagStays: a requested cancellation does not become unrequested. Where done
// goes back too, what is shown is an older state of all of it.
func flagStays(h history) *finding {
	for _, a := range h.events {
		if !a.looks() || a.flag != set {
			continue
		}
		for _, b := range h.events {
			if b.looks() && b.flag == unset && a.before(b) && !b.done {
				if monotonic(h) != nil {
					return nil
				}
				return breach("cancel.effect.requested-flag", []event{a, b}, "the metadata showed that a cancellation was requested, and then no longer")
			}
		}
	}
	return nil
}
