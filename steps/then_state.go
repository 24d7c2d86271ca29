package steps

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

func stateSteps() []definition {
	return []definition{
		step(`it is done`, thenDone),
		step(`its error code is 1`, thenCode1),
		step(`it has no response`, thenNoResponse),
		step(`its error has a message`, thenErrorMessage),
		step(`it is not deleted`, thenNotDeleted),
		step(`Get succeeds and returns it`, thenGetOK),
		step(`its metadata is of the type that it was`, thenMetadataKept),
		step(`it can be read for as long as it is watched`, thenRetained),
		step(`it can be read for as long as the other`, thenRetainedLikeOther),
	}
}

// mustBeCancelled lets a scenario about cancelled operations go on only where
// there is one.
func (w *world) mustBeCancelled() (settled, error) {
	s := w.settled()
	if s.end != endedCancelled {
		return s, inconclusive("%s", w.ineffective(w.it, s))
	}
	return s, nil
}

func thenDone(ctx context.Context) error {
	w := of(ctx)
	if s := w.settled(); s.end == endedInName {
		return w.failAt(s.snapshot, "done: true with error code 1", "the operation shows the error of a cancelled one, but is not done")
	}
	_, err := w.mustBeCancelled()
	return err
}

// thenCode1 judges the code of an operation that ended after an accepted
// cancel. Where the cancellation is not guaranteed, another legal end says
// nothing about cancelled operations.
func thenCode1(ctx context.Context) error {
	w := of(ctx)
	s, ended := w.facts["settled"].(settled)
	if !ended { // the cancel may have been refused
		var err error
		if _, s, err = w.settleIt(ctx); err != nil {
			return err
		}
	}
	const want = "done with error code 1 (CANCELLED)"
	switch {
	case s.end == endedCancelled:
		return nil
	case s.end == endedWrongly && s.hasError && !s.codeRead && w.broken("operation.json.error-is-status") >= 0:
		return inconclusive("the operation's error cannot be read (see operation.json.error-is-status)")
	case s.end == endedWrongly, s.end == endedOtherwise && w.run.target.Guaranteed:
		return w.unlessUnsteady(ctx, w.it, w.failAt(s.snapshot, want, "a cancelled operation does not end with error code 1"))
	}
	return inconclusive("%s", w.ineffective(w.it, s))
}

func thenNoResponse(ctx context.Context) error {
	w := of(ctx)
	s, err := w.mustBeCancelled()
	if err != nil {
		return err
	}
	if s.hasResponse {
		return w.unlessUnsteady(ctx, w.it, w.failAt(s.snapshot, "no response beside the error", "a cancelled operation has a response"))
	}
	if _, present := s.doc["response"]; present {
		w.note("response is sent as null")
	}
	return nil
}

func thenErrorMessage(ctx context.Context) error {
	w := of(ctx)
	s, err := w.mustBeCancelled()
	if err == nil && w.broken("operation.json.error-is-status") >= 0 {
		return inconclusive("the operation's error cannot be read (see operation.json.error-is-status)")
	}
	if err == nil && strings.TrimSpace(s.message) == "" {
		return w.failAt(s.snapshot, "a text that is not empty", "the error of a cancelled operation has no message")
	}
	return err
}

// firstGets is how many Gets right after the end judge that a cancelled
// operation is not deleted; later ones judge retention.
const firstGets = 3

func thenNotDeleted(ctx context.Context) error {
	w := of(ctx)
	s := w.settled()
	const want = "Get returns the operation"
	if s.end == endedVanished {
		if err := w.expired(s.blind); err != nil {
			return err
		}
		return w.fail(s.look.call, want, "the operation is gone after its cancel was accepted")
	}
	end, err := w.mustBeCancelled()
	if err != nil {
		return err
	}
	for range firstGets {
		l, err := w.get(ctx, w.it)
		if err != nil {
			return err
		}
		if !l.found && notFound(l.Exchange) {
			if err := w.unlessExpired(w.it, end.snapshot, l); err != nil {
				return err
			}
			return w.fail(l.call, want, "the cancelled operation is gone")
		}
	}
	return nil
}

// unlessExpired is a ruling where an operation that is gone may have ended so long
// ago that a server may have forgotten it (AIP-151): it owes it for the
// observation window, and what a slow one shows comes late. It ended after the last
// look that showed it in progress.
func (w *world) unlessExpired(op *operation, end snapshot, gone look) error {
	op.looking.Lock()
	defer op.looking.Unlock()
	since := op.accepted
	for _, s := range op.snapshots {
		if !s.done && s.sent.After(since) && s.received.Before(end.received) {
			since = s.sent
		}
	}
	if since.IsZero() {
		since = end.received
	}
	return w.expired(gone.End().Sub(since))
}

// expired is a ruling where an operation that is gone may have ended that long ago.
func (w *world) expired(age time.Duration) error {
	if age > 3*w.observeFor() {
		return inconclusive("the operation may be gone %v after its end, which is far longer than it is watched for: the target is too slow to tell when it went", age.Round(time.Millisecond))
	}
	return nil
}

// thenGetOK judges that Get of a cancelled operation succeeds: the operation's
// error is not the call's.
func thenGetOK(ctx context.Context) error {
	w := of(ctx)
	s := w.settled()
	const want = "success, with the operation"
	if s.end == endedUnreadable && s.garbled {
		return w.fail(s.look.call, want, "Get of a cancelled operation returns something that is no operation")
	}
	if s.end == endedUnreadable {
		return w.fail(s.look.call, want, "Get of a cancelled operation fails")
	}
	if s.end == endedSilent {
		if err := w.getIsSilent(ctx, s.look.call); err != nil {
			return err
		}
		return w.fail(s.look.call, want, "Get of a cancelled operation brings no answer, again on fresh ones, while other Gets are answered")
	}
	if s.gap != nil && !notFound(s.gap.Exchange) {
		return w.getFailsMeanwhile(ctx, s.gap.call)
	}
	if _, err := w.mustBeCancelled(); err != nil {
		return err
	}
	if code := s.look.HTTP; w.rest() && code != 200 {
		return w.fail(s.look.call, "the status 200", "Get of a cancelled operation has another status of success")
	}
	const many = "Get of a cancelled operation returns more than one message, which clients take for an error"
	if manyMessages(s.look.call) {
		return w.failMany(s.look.call, want, many)
	}
	return w.whileWatched(ctx, func(l look) error {
		switch {
		case !l.found && notFound(l.Exchange):
			return inconclusive("Get answered NOT_FOUND (see cancel.state.not-deleted, cancel.state.retention)")
		case !l.found || l.garbled:
			return w.fail(l.call, want, "Get of a cancelled operation does not return it")
		case manyMessages(l.call):
			return w.failMany(l.call, want, many)
		}
		return nil
	})
}

// whileWatched judges what the Gets of the observation window show, and at
// least of the first ones, however slow the server.
func (w *world) whileWatched(ctx context.Context, judge func(look) error) error {
	looks := 0
	visit := func(l look) (bool, error) {
		looks++
		return false, judge(l)
	}
	_, err := w.poll(ctx, w.it, w.observeFor(), visit)
	for err == nil && looks < firstGets+2 {
		_, err = w.poll(ctx, w.it, 0, visit)
	}
	return err
}

// getFailsMeanwhile judges a Get that failed between the accepted cancel and
// the end, and then worked again. It is a finding where that is so of another
// operation too, and not before its cancel.
func (w *world) getFailsMeanwhile(ctx context.Context, first call) error {
	op, err := w.startInProgress(ctx, w.it.role)
	if err != nil {
		return err
	}
	if _, err := w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) {
		if !l.found || l.garbled {
			return false, inconclusive("Get of an operation that nobody cancelled answered %s", l.Status())
		}
		return false, nil
	}); err != nil {
		return err
	}
	_, s, err := w.cancelAndSettle(ctx, op)
	if err != nil {
		return err
	}
	if s.gap == nil || notFound(s.gap.Exchange) {
		return inconclusive("Get failed once after the cancel was accepted (%s), but not of another operation", first.Status())
	}
	return w.fail(s.gap.call, "success, with the operation", "Get fails for a while after a cancel was accepted, again and again")
}

// getIsSilent is silent for the Get of a cancelled operation, with the Get of
// one in progress as the control.
func (w *world) getIsSilent(ctx context.Context, first call) error {
	return w.silent(ctx, first, func() (call, error) {
		op, err := w.startInProgress(ctx, w.it.role)
		if err != nil {
			return call{}, err
		}
		_, s, err := w.cancelAndSettle(ctx, op)
		return s.look.call, err
	}, func() (call, error) {
		op, err := w.start(ctx, w.it.role, "")
		if err != nil {
			return call{}, err
		}
		return w.call(ctx, targets.Get, getRequest(op.name), "control: is any Get answered?"), nil
	})
}

func thenMetadataKept(ctx context.Context) error {
	w := of(ctx)
	s, err := w.mustBeCancelled()
	if err != nil {
		return err
	}
	before := ""
	for _, e := range w.it.snapshots {
		if !e.done {
			before = metadataType(e)
		}
		if before != "" {
			break
		}
	}
	if before == "" {
		return inapplicable("the operation had no metadata before it was cancelled")
	}
	kept := func(s snapshot) error {
		if m := s.doc["metadata"]; w.rest() && m != nil && !isAny(m) {
			return inconclusive("the metadata of the cancelled operation is no google.protobuf.Any (see operation.json.any-type)")
		}
		if after := metadataType(s); after != before {
			return w.accuse(w.plan.requirement.ID, s.exchange, "metadata of the type "+before, fmt.Sprintf("%q", after), "the metadata of the operation is gone, or of another type, once it is cancelled")
		}
		return nil
	}
	if err := kept(s.snapshot); err != nil {
		return err
	}
	return w.whileWatched(ctx, func(l look) error {
		if !l.found || l.garbled {
			return inconclusive("Get answered %s", l.Status())
		}
		return kept(l.snapshot)
	})
}

// thenRetained judges the end of the observation window; the first Gets belong
// to cancel.state.not-deleted.
func thenRetained(ctx context.Context) error {
	w := of(ctx)
	end, err := w.mustBeCancelled()
	if err != nil {
		return err
	}
	looks := 0
	return w.whileWatched(ctx, func(l look) error {
		looks++
		if l.found || !notFound(l.Exchange) {
			return nil
		}
		if looks <= firstGets {
			return inconclusive("Get answered NOT_FOUND right after the end (see cancel.state.not-deleted)")
		}
		if err := w.unlessExpired(w.it, end.snapshot, l); err != nil {
			return err
		}
		return w.fail(l.call, fmt.Sprintf("Get returns the operation for the observation window (%v)", w.observeFor()), "the cancelled operation is gone")
	})
}

// thenRetainedLikeOther judges that a cancelled operation is not gone while another
// is kept that was cancelled before it: a worker that missed the cancel may have taken
// it away when it was through.
func thenRetainedLikeOther(ctx context.Context) error {
	w := of(ctx)
	if s := w.settled(); s.end != endedCancelled {
		return inapplicable("the operation was not cancelled before its end: %s", w.ineffective(w.it, s))
	}
	l, err := w.get(ctx, w.it)
	if err != nil || !notFound(l.Exchange) {
		return err
	}
	other, err := w.get(ctx, w.others[0])
	if err != nil {
		return err
	}
	if !other.found {
		return inapplicable("what was cancelled is not kept for that long: another operation is not found either")
	}
	return w.fail(l.call, "Get returns the operation, as it does one that was cancelled sooner", "the cancelled operation is gone once others of its role have ended by themselves")
}
