package storm

import (
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

// gone returns the answers NOT_FOUND to what the transport had shown before
// and this storm had not begun to delete. One that reads must have shown it
// itself: a copy may learn of an operation later than what Wait looks at, or than
// another copy.
func (h history) gone(methods ...targets.Method) (found, lost []event) {
	for _, e := range h.events {
		if e.answer != missing || e.end > h.deleted || e.start < h.visible || !slices.Contains(methods, e.method) {
			continue
		}
		for _, f := range h.events {
			if f.looks() && f.transport == e.transport && f.before(e) && (e.method == targets.Cancel || f.method == e.method) {
				found, lost = append(found, f), append(lost, e)
				break
			}
		}
	}
	return found, lost
}

// cancelBefore finds a cancel that was accepted before a call was sent.
func (h history) cancelBefore(l event) *event {
	for _, c := range h.events {
		if c.method == targets.Cancel && c.answer == accepted && c.before(l) {
			return &c
		}
	}
	return nil
}

// continuous: after an accepted cancel, Get always finds the operation.
func continuous(h history) *finding {
	found, lost := h.gone(targets.Get, targets.Wait)
	for i, l := range lost {
		c := h.cancelBefore(l)
		if c == nil {
			continue
		}
		for _, e := range h.events {
			if e.looks() && l.before(e) {
				return breach("get.after-cancel.continuous", []event{found[i], *c, l, e}, "it was there, then NOT_FOUND, and then there again")
			}
		}
	}
	return nil
}

// firstMoments is for how long after its end a cancelled operation that is gone
// counts as deleted; later it was not kept. It is longer than the calls take
// that see it go.
const firstMoments = 100 * time.Millisecond

// notDeleted: a cancelled operation is not deleted, and is kept for the
// observation window, after which finished ones may expire. What ended by
// itself may be forgotten sooner.
func notDeleted(h history) *finding {
	found, lost := h.gone(targets.Get)
	ended, end := never, event{}
	for _, e := range h.events {
		if e.looks() && e.done && e.end < ended {
			ended, end = e.end, e
		}
	}
	for i, l := range lost {
		back := slices.ContainsFunc(h.events, func(e event) bool { return e.looks() && l.before(e) })
		c := h.cancelBefore(l)
		switch {
		case c == nil || back:
			continue
		case ended == never || end.cancelled() && l.start <= ended+firstMoments:
			return breach("cancel.state.not-deleted", []event{found[i], *c, l}, "after an accepted cancel it is NOT_FOUND")
		case end.cancelled():
			last := *c // when it had not ended yet
			for _, e := range h.events {
				if e.looks() && !e.done && e.start > last.start {
					last = e
				}
			}
			if l.end < last.start+h.observe {
				return breach("cancel.state.retention", slices.Compact([]event{*c, last, end, l}), "it was cancelled, and is NOT_FOUND %v after its end was seen", (l.start - ended).Round(time.Millisecond))
			}
		}
	}
	return nil
}

// knownToAll: an operation that Get finds before and after, in progress, is not
// unknown to a cancel between the two.
func knownToAll(h history) *finding {
	found, lost := h.gone(targets.Cancel)
	for i, l := range lost {
		for _, e := range h.events {
			if e.looks() && !e.done && l.before(e) {
				return breach("cancel.accept.in-progress", []event{found[i], l, e}, "a cancel did not find the operation, which Get found before and after")
			}
		}
	}
	return nil
}

// staysDeleted: what was deleted is found by nobody, once that has had the time
// to show (settle).
func staysDeleted(h history) *finding {
	for _, d := range h.events {
		if d.method != targets.Delete || d.answer != accepted {
			continue
		}
		for _, e := range h.events {
			if e.looks() && e.start > d.end+h.settle {
				return breach("cancel.deleted.not-found", []event{d, e}, "a deleted operation is still found, %s", e.text())
			}
		}
	}
	return nil
}
