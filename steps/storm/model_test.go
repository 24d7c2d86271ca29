package storm

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// at makes an event that lasts a millisecond.
func at(ms int, m targets.Method, a answer) event {
	start := time.Duration(ms) * time.Millisecond
	e := event{transport: targets.REST, method: m, start: start, end: start + time.Millisecond, answer: a}
	switch a {
	case missing:
		e.code = codes.NotFound
	case refused:
		e.code = codes.FailedPrecondition
	case fault:
		e.code = codes.Internal
	}
	return e
}

func shows(ms int, s snapshot) event {
	e := at(ms, targets.Get, accepted)
	e.seen, e.snapshot = true, s
	return e
}

func waits(ms int, s snapshot) event {
	e := shows(ms, s)
	e.method = targets.Wait
	return e
}

func overGRPC(e event) event {
	e.transport = targets.GRPC
	return e
}

func lasting(e event, ms int) event {
	e.end = e.start + time.Duration(ms)*time.Millisecond
	return e
}

func named(e event, name string) event {
	e.name = name
	return e
}

// endsCall makes an answer one that the operation's error became.
func endsCall(e event) event {
	e.code, e.status = codes.Canceled, "HTTP 499 CANCELLED"
	return e
}

func entry(e event) event {
	e.entry = true
	return e
}

// TestModel holds each rule to what it accuses and what it lets pass.
func TestModel(t *testing.T) {
	progress := snapshot{}
	succeeded := snapshot{done: true, hasResponse: true, payload: 1}
	other := snapshot{done: true, hasResponse: true, payload: 2}
	cancelled := snapshot{done: true, hasError: true, errorCode: 1}
	aborted := snapshot{done: true, hasError: true, errorCode: 10}
	cancel := func(ms int, a answer) event { return at(ms, targets.Cancel, a) }
	get := func(ms int, a answer) event { return at(ms, targets.Get, a) }
	for _, c := range []struct {
		name   string
		role   targets.Role
		events []event
		want   []string
		calls  int // of the shrunk sequence of the first
	}{
		{"a plain cancel", "", []event{shows(0, progress), cancel(2, accepted), shows(4, progress), shows(6, cancelled), overGRPC(shows(8, cancelled))}, nil, 0},
		{"a response before done", "", []event{shows(0, progress), shows(2, snapshot{hasResponse: true, payload: 1}), shows(4, succeeded)}, []string{"operation.result.none-before-done"}, 1},
		{"both results", "", []event{shows(0, snapshot{done: true, hasResponse: true, hasError: true})}, []string{"operation.result.exclusive"}, 1},
		{"both results, of which gRPC shows one", "", []event{overGRPC(shows(0, aborted)), shows(2, snapshot{done: true, hasResponse: true, hasError: true}), overGRPC(shows(4, aborted))}, []string{"operation.result.exclusive"}, 1},
		{"done goes back", "", []event{shows(0, succeeded), shows(2, progress)}, []string{"operation.terminal.done-monotonic"}, 2},
		{"done goes back over the other transport", "", []event{shows(0, succeeded), overGRPC(shows(2, progress))}, []string{"operation.terminal.done-monotonic"}, 2},
		{"calls at the same time are in no order", "", []event{lasting(shows(0, progress), 10), shows(2, succeeded)}, nil, 0},
		{"a list may be stale", "", []event{shows(0, succeeded), entry(shows(2, progress))}, nil, 0},
		{"the result changes", "", []event{shows(0, succeeded), cancel(1, accepted), shows(2, cancelled)}, []string{"operation.terminal.result-immutable"}, 2},
		{"the code changes", "", []event{cancel(0, accepted), shows(2, cancelled), shows(4, aborted)}, []string{"operation.terminal.result-immutable"}, 2},
		{"the payload changes", "", []event{shows(0, succeeded), shows(2, other)}, []string{"operation.terminal.result-immutable"}, 2},
		{"payloads are not compared across transports", "", []event{shows(0, succeeded), overGRPC(shows(2, other))}, nil, 0},
		{"the result comes after done", "", []event{shows(0, snapshot{done: true}), shows(2, succeeded)}, []string{"operation.terminal.result-immutable"}, 2},
		{"each transport has its own result", "", []event{shows(0, succeeded), overGRPC(shows(2, aborted)), shows(4, succeeded)}, []string{"transport.parity"}, 3},
		{"a gap after a cancel", "", []event{shows(0, progress), cancel(2, accepted), get(4, missing), shows(6, progress)}, []string{"get.after-cancel.continuous"}, 4},
		{"not visible at once", "", []event{get(0, missing), shows(2, progress)}, nil, 0},
		{"a copy learns of it late", "", []event{waits(0, progress), cancel(2, accepted), get(4, missing), shows(6, progress)}, nil, 0},
		{"a copy has yet to learn of it", "", []event{cancel(0, accepted), waits(2, cancelled), get(4, missing)}, nil, 0},
		{"cancel deletes", "", []event{shows(0, progress), cancel(2, accepted), get(4, missing)}, []string{"cancel.state.not-deleted"}, 3},
		{"it ended, and was deleted", "", []event{shows(0, progress), cancel(2, accepted), shows(4, cancelled), get(60, missing)}, []string{"cancel.state.not-deleted"}, 3},
		{"it is not kept", "", []event{shows(0, progress), cancel(2, accepted), shows(4, cancelled), get(150, missing)}, []string{"cancel.state.retention"}, 3},
		{"kept for as long as it is watched", "", []event{shows(0, progress), cancel(2, accepted), shows(40, cancelled), get(205, missing)}, nil, 0},
		{"seen in progress until then", "", []event{cancel(2, accepted), shows(30, progress), shows(40, cancelled), get(205, missing)}, []string{"cancel.state.retention"}, 4},
		{"successes are not kept", "", []event{shows(0, succeeded), cancel(2, accepted), get(20, missing)}, nil, 0},
		{"we deleted it", "", []event{shows(0, progress), cancel(2, accepted), at(3, targets.Delete, accepted), get(4, missing)}, nil, 0},
		{"it expired", "", []event{shows(0, progress), cancel(2, accepted), shows(4, cancelled), get(500, missing)}, nil, 0},
		{"deleted, but not at once", "", []event{shows(0, succeeded), at(2, targets.Delete, accepted), shows(4, succeeded)}, nil, 0},
		{"found long after its deletion", "", []event{shows(0, succeeded), at(2, targets.Delete, accepted), shows(1200, succeeded)}, []string{"cancel.deleted.not-found"}, 2},
		{"unknown to a cancel", "", []event{shows(0, progress), cancel(2, missing), shows(4, progress)}, []string{"cancel.accept.in-progress"}, 3},
		{"finished meanwhile, and unknown to a cancel", "", []event{shows(0, progress), cancel(2, missing), shows(4, succeeded)}, nil, 0},
		{"finished, and unknown to a cancel", "", []event{shows(0, succeeded), cancel(2, missing), shows(4, succeeded)}, []string{"cancel.finished.status-legal"}, 3},
		{"fault for a finished one", "", []event{shows(0, succeeded), cancel(2, fault)}, []string{"cancel.finished.status-legal"}, 2},
		{"refused for a finished one", "", []event{shows(0, succeeded), cancel(2, refused)}, nil, 0},
		{"fault for a repeat", "", []event{cancel(0, accepted), cancel(2, fault), shows(4, progress)}, []string{"cancel.repeat.code-legal"}, 2},
		{"fault for a repeat of what is finished", "", []event{cancel(0, accepted), shows(2, cancelled), cancel(4, fault)}, []string{"cancel.finished.status-legal"}, 2},
		{"fault for a repeat of what may be finished", "", []event{shows(0, progress), cancel(2, accepted), cancel(4, fault), shows(6, cancelled)}, nil, 0},
		{"fault at the same time", "", []event{cancel(0, accepted), lasting(cancel(0, fault), 2), shows(1, progress)}, []string{"cancel.concurrent.no-server-error"}, 2},
		{"fault at the same time, of what is finished", "", []event{shows(0, succeeded), lasting(shows(2, succeeded), 2), cancel(3, fault)}, []string{"cancel.finished.status-legal"}, 2},
		{"no effect", "", []event{shows(0, progress), cancel(2, accepted), shows(1200, progress)}, []string{"cancel.effect.best-effort"}, 2},
		{"no effect yet", "", []event{shows(0, progress), cancel(2, accepted), shows(900, progress)}, nil, 0},
		{"ends otherwise", "", []event{shows(0, progress), cancel(2, accepted), shows(4, progress), shows(6, aborted)}, []string{"cancel.state.code-1"}, 2},
		{"may end otherwise in a race", targets.Succeeding, []event{shows(0, progress), cancel(2, accepted), shows(6, succeeded)}, nil, 0},
		{"refused, and yet cancelled", "", []event{shows(0, progress), cancel(2, refused), shows(4, cancelled)}, []string{"cancel.rejected.no-effect"}, 2},
		{"one of two refused", "", []event{shows(0, progress), cancel(1, accepted), cancel(2, refused), shows(4, cancelled)}, nil, 0},
		{"refused as it was cancelled already", "", []event{shows(0, cancelled), cancel(2, refused), shows(4, cancelled)}, []string{"cancel.isolation.siblings"}, 1},
		{"cancelled by nobody", "", []event{shows(0, progress), shows(2, cancelled)}, []string{"cancel.isolation.siblings"}, 1},
		{"cancelled at the same time as it is cancelled", "", []event{shows(0, progress), lasting(shows(2, cancelled), 3), cancel(4, accepted)}, nil, 0},
		{"fails with code 1 by itself", targets.Failing, []event{shows(0, progress), shows(2, cancelled)}, nil, 0},
		{"refused, and fails with code 1 by itself", targets.Failing, []event{shows(0, progress), cancel(2, refused), shows(4, cancelled)}, nil, 0},
		{"another operation", "", []event{named(shows(0, progress), "operations/a"), named(shows(2, cancelled), "operations/b"), named(shows(4, progress), "operations/a"), cancel(6, accepted)}, []string{"cancel.state.name-unchanged"}, 1},
		{"its name is another everywhere", "", []event{named(shows(0, progress), "operations/b"), cancel(2, accepted), named(shows(4, cancelled), "operations/b")}, nil, 0},
		{"Get fails after a cancel", "", []event{shows(0, progress), cancel(2, accepted), get(4, fault), shows(6, cancelled)}, []string{"cancel.state.get-ok"}, 2},
		{"Get answers with the end", "", []event{shows(0, progress), cancel(2, accepted), shows(4, cancelled), endsCall(get(6, refused))}, []string{"cancel.state.get-ok"}, 2},
		{"Get fails before a cancel", "", []event{get(0, fault), cancel(2, accepted), shows(4, cancelled)}, nil, 0},
		{"the first cancel is refused", "", []event{shows(0, progress), cancel(2, refused), shows(4, progress)}, []string{"cancel.accept.in-progress"}, 2},
		{"the first of two at a time is refused", "", []event{shows(0, progress), lasting(cancel(2, refused), 3), cancel(4, accepted), shows(6, progress)}, nil, 0},
		{"refused while it ends", targets.Succeeding, []event{shows(0, progress), cancel(2, refused), shows(4, progress), shows(6, succeeded)}, nil, 0},
		{"a call without an answer may have done anything", "", []event{shows(0, progress), cancel(2, silent), shows(4, cancelled)}, nil, 0},
		{"ends in nothing", "", []event{shows(0, progress), cancel(2, accepted), shows(4, snapshot{done: true}), shows(6, snapshot{done: true})}, []string{"cancel.state.code-1"}, 3},
		{"ends in nothing by itself", targets.Succeeding, []event{shows(0, progress), cancel(2, accepted), shows(4, snapshot{done: true}), shows(6, snapshot{done: true})}, nil, 0},
		{"its result has yet to come", "", []event{shows(0, progress), cancel(2, accepted), shows(4, snapshot{done: true})}, nil, 0},
		{"a list shows another result", "", []event{shows(0, succeeded), entry(shows(2, cancelled)), shows(4, succeeded)}, []string{"list.consistent-with-get"}, 3},
		{"a list shows a part", "", []event{shows(0, succeeded), entry(shows(2, snapshot{done: true})), shows(4, succeeded)}, nil, 0},
		{"a list shows another payload", "", []event{shows(0, succeeded), entry(shows(2, other)), shows(4, succeeded)}, nil, 0},
		{"unrequested again", "", []event{shows(0, snapshot{flag: set}), shows(2, snapshot{flag: unset})}, []string{"cancel.effect.requested-flag"}, 2},
		{"an older state of all of it", "", []event{shows(0, snapshot{flag: set}), cancel(1, accepted), shows(2, cancelled), shows(4, snapshot{flag: unset})}, []string{"operation.terminal.done-monotonic"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := &targets.Target{Guaranteed: true, Timeouts: targets.Timeouts{Settle: time.Second, Observe: 200 * time.Millisecond}}
			role := c.role
			if role == "" {
				role = targets.Running
			}
			events := slices.Clone(c.events)
			identify(events, "operations/a", func(targets.Transport) bool {
				return slices.ContainsFunc(events, func(e event) bool { return e.name == "operations/a" })
			})
			h := history{events, factsOf(events, role, target)}
			h.cancellable = true
			var got []string
			for _, f := range check(h) {
				got = append(got, f.requirement)
			}
			assert.Equal(t, c.want, got)
			if len(got) > 0 {
				assert.Len(t, shrink(h, find(h, got[0])).events, c.calls)
			}
		})
	}
}

// TestResultsAreShownInTheirOrder demands that one result is said to follow
// another only where calls show that.
func TestResultsAreShownInTheirOrder(t *testing.T) {
	succeeded := snapshot{done: true, hasResponse: true, payload: 1}
	aborted := snapshot{done: true, hasError: true, errorCode: 10}
	atOnce := []event{lasting(shows(0, aborted), 20), lasting(shows(1, succeeded), 20)}
	f := immutable(history{events: atOnce})
	assert.Equal(t, "it was done with error code 10, and at the same time done with a response", f.message)
	f = immutable(history{events: append(atOnce, shows(30, aborted))})
	assert.Equal(t, "it was done with a response, and then done with error code 10", f.message)
	assert.Equal(t, []event{atOnce[1], shows(30, aborted)}, f.events)
}

// TestGapsAreNoneWhileCopiesLearn demands that what is not found is a gap only once
// all copies of the server must know it, where some are known to learn late.
func TestGapsAreNoneWhileCopiesLearn(t *testing.T) {
	events := []event{shows(0, snapshot{}), at(2, targets.Cancel, accepted), at(4, targets.Get, missing), shows(6, snapshot{})}
	for visible, gap := range map[time.Duration]bool{0: true, 4 * time.Millisecond: true, 5 * time.Millisecond: false} {
		f := continuous(history{events, facts{deleted: never, visible: visible}})
		assert.Equal(t, gap, f != nil, visible)
	}
}
