package steps

import (
	"context"
	"time"

	"github.com/lro-tools/conform/targets"
)

func invariantSteps() []definition {
	return []definition{
		step(`every answer keeps the rule`, thenKept),
		step(`its refusal keeps the rule`, thenRefusalKept),
		step(`the client asks for that name`, whenAsksUnknown),
		step(`a server that offers Wait`, givenWait),
		step(`the client waits for that name`, whenWaitsUnknown),
		step(`its metadata shows the request`, thenRequestShows),
	}
}

// unseenIsFine tells, for invariants about what a server need not send, what
// was not there to be judged.
var unseenIsFine = map[string]string{
	"cancel.effect.requested-flag":  "the metadata has no member that tells that the cancellation was requested",
	metadataState:                   "the metadata has no state that is known to the suite (key metadata.state)",
	"operation.json.any-type":       "no operation had metadata or a response",
	"operation.json.done-boolean":   "no answer had the member done",
	"error.http.details-any":        "no error carried details",
	"error.http.details-unique":     "no error carried details",
	"error.http.errorinfo":          "no error was answered by the service itself",
	"error.http.errorinfo-format":   "no error carried an ErrorInfo",
	"error.grpc.status-details":     "no error carried grpc-status-details-bin",
	"error.http.code-equals-status": "no error came in the form of AIP-193",
	"error.http.status-name":        "no error came in the form of AIP-193",
}

// thenKept judges an invariant on everything that the scenario has seen.
func thenKept(ctx context.Context) error {
	w := of(ctx)
	id := w.plan.requirement.ID
	if i := w.broken(id); i >= 0 {
		return &violation{w.breaches[i]}
	}
	if w.held[id] || len(w.notes[id]) > 0 {
		return nil
	}
	if why := unseenIsFine[id]; why != "" {
		return inapplicable("%s", why)
	}
	if s := w.settled(); s.exchange >= 0 && w.it != nil && s.end != endedCancelled && w.facts["settled"] != nil {
		return inconclusive("%s", w.ineffective(w.it, s))
	}
	return inconclusive("nothing was seen that could show it")
}

// thenRefusalKept is thenKept where the cancel may be refused: one that succeeds
// shows nothing.
func thenRefusalKept(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if c.Method == targets.Cancel {
		if err := w.needCancel(); err != nil {
			return err
		}
	}
	if w.broken(w.plan.requirement.ID) < 0 && c.err == nil && c.Accepted() {
		return inapplicable("%s is accepted", c.Method)
	}
	return thenKept(ctx)
}

// whenAsksUnknown gets the name of no operation.
func whenAsksUnknown(ctx context.Context) error {
	w := of(ctx)
	c, err := w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.Get, getRequest(w.unknown), "")
	})
	w.checkError(c)
	w.facts["call"] = c
	return err
}

func givenWait(ctx context.Context) error { return of(ctx).offered(ctx, targets.Wait) }

// whenWaitsUnknown waits for the name of no operation.
func whenWaitsUnknown(ctx context.Context) error {
	w := of(ctx)
	c, err := w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.Wait, waitRequest(w.unknown, probeWait), "")
	})
	if err == nil && !notOffered(c) || notFound(c.Exchange) {
		w.checkError(c)
	}
	w.facts["call"] = c
	return err
}

// thenRequestShows waits, for as long as settle allows, until the metadata shows
// that the cancellation was requested, where it has a member for that.
func thenRequestShows(ctx context.Context) error {
	w := of(ctx)
	id := w.plan.requirement.ID
	if _, err := w.get(ctx, w.it); err != nil {
		return err
	}
	n := len(w.it.snapshots)
	if n == 0 || w.held[id] || w.broken(id) >= 0 {
		return thenKept(ctx)
	}
	last := w.it.snapshots[n-1]
	if _, present := requestedFlag(w.metadata(last)); !present {
		return thenKept(ctx)
	}
	if err := w.unlessMisrouted(ctx, w.failAt(last, "a request to cancel", "the metadata does not show the request")); !isViolation(err) {
		return err
	}
	left := w.settleFor() + flagGrace - time.Since(w.it.acceptedAt())
	_, err := w.poll(ctx, w.it, left+50*time.Millisecond, func(look) (bool, error) {
		return w.held[id] || w.broken(id) >= 0, nil
	})
	if err != nil {
		return err
	}
	return thenKept(ctx)
}
