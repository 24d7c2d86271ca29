package storm

import (
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// identify marks the answers that show another operation than the one that was
// asked for. A service may call an operation by another name than its callers
// do, as long as it is always the same: keeps tells over which transports it
// was seen to call operations by the names that they were started with.
func identify(events []event, name string, keeps func(targets.Transport) bool) {
	own := map[targets.Transport]string{}
	for i, e := range events {
		if !e.seen || e.name == "" {
			continue
		}
		if own[e.transport] == "" {
			if own[e.transport] = e.name; keeps(e.transport) {
				own[e.transport] = name
			}
		}
		events[i].alien = e.name != own[e.transport]
	}
}

// ownName: a call is answered with the operation that it names.
func ownName(h history) *finding {
	for _, e := range h.events {
		if e.alien {
			return breach("cancel.state.name-unchanged", []event{e}, "the answer shows another operation, %s", e.name)
		}
	}
	return nil
}

// getSucceeds: Get of an operation whose cancel was accepted shows it, and
// does not turn its end into an error of the call.
func getSucceeds(h history) *finding {
	for _, g := range h.events {
		if g.method != targets.Get || g.end > h.deleted || !g.failed() {
			continue
		}
		for _, e := range h.events {
			if e.before(g) && (e.method == targets.Cancel && e.answer == accepted || e.looks() && e.cancelled()) {
				return breach("cancel.state.get-ok", []event{e, g}, "Get of a cancelled operation was answered %s", g.status)
			}
		}
	}
	return nil
}

// failed tells whether a Get was answered with an error that neither asks to
// try again nor says that the operation or the caller is not known.
func (e event) failed() bool {
	switch e.code {
	case codes.Canceled, codes.FailedPrecondition, codes.InvalidArgument, codes.AlreadyExists, codes.OutOfRange:
		return e.answer == refused
	}
	return e.answer == fault
}

// acceptedWhileRunning: the first cancel of an operation that keeps running is
// not refused, on a target that accepts others. It was in progress before and
// after, so that the state cannot be the reason.
func acceptedWhileRunning(h history) *finding {
	if h.role != targets.Running || !h.cancellable {
		return nil
	}
	for _, c := range h.events {
		if c.method != targets.Cancel || c.answer != refused || c.start > h.attempted || c.end > h.again ||
			c.code != codes.FailedPrecondition && c.code != codes.InvalidArgument {
			continue
		}
		for _, e := range h.events {
			if e.looks() && !e.done && c.before(e) {
				return breach("cancel.accept.in-progress", []event{c, e}, "the first cancel of an operation in progress was answered %s", c.status)
			}
		}
	}
	return nil
}

// siblings is what the cancel of another operation breaks.
const siblings = "cancel.isolation.siblings"

// oursAlone tells whether only a cancel of ours can make the operation
// CANCELLED: its own error may be any, and others may cancel what is theirs.
func (h history) oursAlone() bool { return h.role != targets.Failing && !h.foreign }

// untouched: an operation of which no cancel was sent is not cancelled, by
// those of others for instance. Whether it was by one of them is traced.
func untouched(h history) *finding {
	if !h.oursAlone() {
		return nil
	}
	for _, e := range h.events {
		if !e.looks() || !e.cancelled() || e.end > h.attempted {
			continue
		}
		return breach(siblings, []event{e}, "it was cancelled before any cancel of it was sent")
	}
	return nil
}

// endsWithResult: what is done after an accepted cancel, and keeps running without
// one, shows a result. That one has yet to come is what immutable is about.
func endsWithResult(h history) *finding {
	if !h.resultless || h.role != targets.Running || h.foreign {
		return nil
	}
	for _, c := range h.events {
		if c.method != targets.Cancel || c.answer != accepted || c.end > h.taken || shownBefore(h, c) {
			continue
		}
		var bare []event
		for _, e := range h.events {
			if e.looks() && e.done && c.before(e) && (len(bare) == 0 || bare[0].before(e)) {
				bare = append(bare, e)
			}
			if len(bare) == 2 {
				return breach("cancel.state.code-1", append([]event{c}, bare...), "an accepted cancel ended in neither error nor response")
			}
		}
	}
	return nil
}

// listed: List shows no other result than Get does before and after. It may be stale,
// or show less, and then shows no other one. Payloads are not compared.
func listed(h history) *finding {
	otherwise := func(l, g event) bool {
		return g.method == targets.Get && g.looks() && g.done && g.transport == l.transport && g.hasError != g.hasResponse &&
			(g.hasError != l.hasError || g.errorCode != l.errorCode)
	}
	for _, l := range h.events {
		if !l.shows() || !l.entry || !l.done || l.hasError == l.hasResponse {
			continue
		}
		for _, a := range h.events {
			for _, b := range h.events {
				if a.before(l) && l.before(b) && otherwise(l, a) && otherwise(l, b) {
					return breach("list.consistent-with-get", []event{a, l, b}, "a list shows it %s, while it is %s", l.text(), a.text())
				}
			}
		}
	}
	return nil
}
