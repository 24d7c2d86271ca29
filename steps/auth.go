package steps

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func authSteps() []definition {
	return []definition{
		step(`a (caller without credentials|stranger) cancels it`, whenOtherCancels),
		step(`a (caller without credentials|stranger) cancels it while its owner waits for it`, whenOtherCancelsWaited),
		step(`a (caller without credentials|stranger) cancels it with a member that no request has`, whenOtherAddsMember),
		step(`a (caller without credentials|stranger) cancels it by sending (.+)`, whenOtherCancelsInForm),
		step(`a (caller without credentials|stranger) cancels it, and that name`, whenOtherCancelsBoth),
		step(`a (caller without credentials|stranger) asks for it, and for that name`, whenOtherAsksForBoth),
		step(`its owner cancels it and, before it has stopped, a (caller without credentials|stranger) does`, whenOtherRepeats),
		step(`the caller is told to say who it is`, thenUnauthenticated),
		step(`the caller is told that it has no permission`, thenForbidden),
		step(`the caller is denied all the same`, thenDeniedFirst),
		step(`both answers are the same`, thenNoLeak),
		step(`the cancel that was denied has no effect`, thenDeniedNoEffect),
	}
}

// noMember is the body of a cancel with a member that CancelOperationRequest
// does not have.
const noMember = `{"noSuchMember":"x"}`

func principal(words string) targets.Principal {
	if words == "stranger" {
		return targets.Stranger
	}
	return targets.Nobody
}

// cancelAs sends a cancel with other credentials. A transient answer is
// repeated on a fresh operation. Whether its form is right is not judged: what
// denies a call is often not the service.
func (w *world) cancelAs(ctx context.Context, request func(op *operation) targets.RawRequest, note string) (call, error) {
	w.facts["as"] = request
	for try := 1; ; try++ {
		w.it.attempt()
		c := w.raw(ctx, request(w.it), note)
		switch {
		case c.err != nil && ctx.Err() != nil:
			return c, stopped(ctx)
		case c.err != nil:
			return c, inconclusive("the cancel brought no answer: %v", c.err)
		case !transient(c.Exchange):
			return c, nil
		case try == transientTries:
			return c, inconclusive("cancel answered %s, %d times", c.Status(), try)
		}
		fresh, err := w.again(ctx, w.it)
		if err != nil {
			return c, err
		}
		w.it = fresh
	}
}

func plainAs(p targets.Principal) func(op *operation) targets.RawRequest {
	return func(op *operation) targets.RawRequest {
		return targets.RawRequest{Method: targets.Cancel, Message: cancelRequest(op.name), Principal: p}
	}
}

func whenOtherCancels(ctx context.Context, who string) error {
	w := of(ctx)
	p := principal(who)
	if err := w.mayCall(p); err != nil {
		return err
	}
	c, err := w.cancelAs(ctx, plainAs(p), "by a "+who)
	w.facts["call"] = c
	if err != nil || c.Accepted() {
		return err
	}
	// A denial must last: what remembers its callers, or its decisions, may take a
	// later call for that of somebody known, or of the owner, who looks meanwhile.
	for range laterToo {
		for range ownerLooks {
			_, _ = w.get(ctx, w.it)
		}
		again, err := w.cancelAs(ctx, plainAs(p), "by a "+who+", again")
		if err != nil {
			break
		}
		if again.Accepted() {
			w.facts["call"] = again
			break
		}
	}
	return nil
}

// ownerLooks is how often the owner looks at an operation between cancels of others.
const ownerLooks = 3

// whenOtherCancelsWaited cancels with other credentials what somebody waits for, who
// has the permission.
func whenOtherCancelsWaited(ctx context.Context, who string) error {
	w := of(ctx)
	if err := w.mayCall(principal(who)); err != nil {
		return err
	}
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	return w.whileWaiting(ctx, w.it, func() error { return whenOtherCancels(ctx, who) })
}

// whenOtherCancelsInForm cancels with other credentials, by a request of another
// form than the plain one: what checks callers may look at one form only.
func whenOtherCancelsInForm(ctx context.Context, who, form string) error {
	w := of(ctx)
	p := principal(who)
	if err := w.mayCall(p); err != nil {
		return err
	}
	if _, err := w.formed(form, w.it); err != nil {
		return err
	}
	c, err := w.cancelAs(ctx, func(op *operation) targets.RawRequest {
		r, _ := w.formed(form, op) // it could be made for the first operation
		r.Principal = p
		return r
	}, "by a "+who)
	w.facts["call"] = c
	if err == nil && !c.Accepted() && !isDenied(c.Exchange) {
		// The request may be looked at before the caller is.
		w.note("a cancel by %s, sent by a %s, is answered %s", form, who, c.Status())
		w.facts["denied"] = true
	}
	return err
}

// whenOtherRepeats cancels an operation that its owner has cancelled, with other
// credentials, while it is still in progress: that it was asked for already is no
// answer to everybody.
func whenOtherRepeats(ctx context.Context, who string) error {
	w := of(ctx)
	p := principal(who)
	if err := w.mayCall(p); err != nil {
		return err
	}
	if _, err := w.cancelIt(ctx); err != nil {
		return err
	}
	c := w.raw(ctx, plainAs(p)(w.it), "by a "+who)
	w.facts["call"] = c
	switch {
	case c.err != nil && ctx.Err() != nil:
		return stopped(ctx)
	case c.err != nil:
		return inconclusive("the cancel brought no answer: %v", c.err)
	case transient(c.Exchange):
		return inconclusive("the cancel was answered %s", c.Status())
	}
	if !c.Accepted() && !isDenied(c.Exchange) && !serverFault(c.Exchange) {
		// The state may be looked at before the caller is.
		w.note("a repeated cancel by a %s is answered %s", who, c.Status())
		w.facts["denied"] = true
	}
	l, err := w.mustFind(ctx, w.it)
	if err == nil && l.done {
		return inconclusive("the operation had stopped when it was cancelled again (see auth.before-validation)")
	}
	return err
}

func whenOtherAddsMember(ctx context.Context, who string) error {
	w := of(ctx)
	c, err := w.cancelAs(ctx, func(op *operation) targets.RawRequest {
		r := plainForm(op)
		r.Principal, r.Body = principal(who), []byte(noMember)
		return r
	}, "by a "+who)
	w.facts["call"] = c
	return err
}

// noCancelHere rules on an answer that no caller's identity can change: that
// there is no cancel may come before the question who asks. Where there is one,
// the caller must meet that answer each time.
func (w *world) noCancelHere(ctx context.Context, c call) error {
	switch {
	case w.unsupported() && (unimplemented(c.Exchange) || w.run.support[w.plan.transport].asMissing):
		return inapplicable("the server does not support cancel: %s", c.Status())
	case !unimplemented(c.Exchange):
		return nil
	}
	role := targets.Running
	if w.it.role == targets.Pending || w.it.role == targets.Nested { // which may be kinds that nobody can cancel
		role = w.it.role
	}
	op, err := w.startInProgress(ctx, role)
	if err != nil {
		return err
	}
	control := w.cancel(ctx, op)
	if !control.Accepted() {
		err = inconclusive("the cancel of the owner is answered %s as well", control.Status())
	}
	if err != nil || w.run.scarce(w.it.role) {
		return err
	}
	judged := w.it
	defer func() { w.it = judged }()
	for range confirmations {
		if w.it, err = w.again(ctx, judged); err != nil {
			return err
		}
		again, err := w.cancelAs(ctx, plainAs(c.Principal), "is it so each time?")
		if err != nil {
			return err
		}
		if !unimplemented(again.Exchange) {
			return inconclusive("the cancel is answered UNIMPLEMENTED, but not always (see %s)", consistent)
		}
	}
	return nil
}

// thenUnauthenticated judges the cancel of a caller without credentials. The
// target says that it is protected (key auth), so that success is a finding.
func thenUnauthenticated(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if err := w.noCancelHere(ctx, c); err != nil {
		return err
	}
	switch {
	case isCode(c.Exchange, codes.Unauthenticated), c.HTTP == 401, w.facts["denied"] == true:
		return nil
	case isCode(c.Exchange, codes.PermissionDenied), c.HTTP == 403:
		w.note("a caller without credentials is answered PERMISSION_DENIED instead of UNAUTHENTICATED")
		return nil
	case c.Accepted():
		if err := w.unlessErrorsSucceed(ctx, c); err != nil {
			return err
		}
		return w.fail(c, "UNAUTHENTICATED (HTTP 401, gRPC 16)", "a cancel without credentials is accepted")
	case w.toldEnded(c):
		return w.stateFirst(c)
	}
	if err := w.unlessPlainToo(ctx, c); err != nil {
		return err
	}
	return w.fail(c, "UNAUTHENTICATED (HTTP 401, gRPC 16)", "a cancel without credentials is not answered UNAUTHENTICATED")
}

// thenForbidden judges the cancel of a caller who is known and may not cancel.
// NOT_FOUND, which hides the operation, is a note but in the profile google
// (AIP-211).
func thenForbidden(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if err := w.noCancelHere(ctx, c); err != nil {
		return err
	}
	const want = "PERMISSION_DENIED (HTTP 403, gRPC 7)"
	switch {
	case isCode(c.Exchange, codes.PermissionDenied), c.HTTP == 403, w.facts["denied"] == true:
		return nil
	case notFound(c.Exchange) && w.run.target.Profile != targets.ProfileGoogle:
		w.note("a caller without permission is answered NOT_FOUND instead of PERMISSION_DENIED")
		return nil
	case c.Accepted():
		if err := w.unlessErrorsSucceed(ctx, c); err != nil {
			return err
		}
		return w.fail(c, want, "the cancel of a caller without permission is accepted")
	}
	if err := w.unlessPlainToo(ctx, c); err != nil {
		return err
	}
	return w.fail(c, want, "the cancel of a caller without permission is not answered PERMISSION_DENIED")
}

// toldEnded tells whether the cancel of a finished operation was refused for
// another reason than its caller.
func (w *world) toldEnded(c call) bool {
	return w.it.lastDone() && !c.Accepted() && !isDenied(c.Exchange) && !notFound(c.Exchange) && !serverFault(c.Exchange)
}

// stateFirst rules on such a refusal: whether the state may be looked at before the
// caller is a question of the order alone.
func (w *world) stateFirst(c call) error {
	return inapplicable("the cancel of a finished operation is answered %s (see auth.before-validation)", c.Status())
}

// denialOwner is the requirement that owns how a call was denied.
func denialOwner(c call) string {
	if c.Principal == targets.Nobody {
		return "auth.missing-credentials"
	}
	return "auth.insufficient"
}

// denied lets a scenario go on whose cancel was to be denied, in whatever way.
func (w *world) denied(ctx context.Context, c call) error {
	switch {
	case c.Accepted():
		return inconclusive("the cancel was not denied: %s (see %s)", c.Status(), denialOwner(c))
	case serverFault(c.Exchange):
		return inconclusive("the cancel was answered %s (see %s)", c.Status(), denialOwner(c))
	}
	return w.noCancelHere(ctx, c)
}

// thenDeniedNoEffect watches the operation, as its owner, after a cancel that
// was denied. Whether it was denied in the right way is judged elsewhere.
func thenDeniedNoEffect(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if err := w.denied(ctx, c); err != nil {
		return err
	}
	err := w.unaffected(ctx, w.it, "a cancel that was answered "+c.Status())
	request, known := w.facts["as"].(func(op *operation) targets.RawRequest)
	if !isViolation(err) || !known {
		return err
	}
	return w.confirmed(ctx, err, func(ctx context.Context) (*operation, error) {
		op, err := w.freshLike(ctx, w.it)
		if err != nil {
			return nil, err
		}
		op.attempt()
		c := w.raw(ctx, request(op), "is it denied, and has an effect, again?")
		if c.err != nil || c.Accepted() {
			return nil, inconclusive("denied once, but not again: %s", c.Status())
		}
		return op, nil
	})
}

// thenDeniedFirst judges that permission is asked for before the request and
// the state of the operation are looked at: the answer is the denial that the
// plain cancel of an operation in progress gets.
func thenDeniedFirst(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if isDenied(c.Exchange) {
		return nil
	}
	if c.Accepted() && c.Principal == targets.Nobody {
		return w.denied(ctx, c)
	}
	if err := w.noCancelHere(ctx, c); err != nil {
		return err
	}
	judged := w.it
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return err
	}
	w.it = op
	control, err := w.cancelAs(ctx, plainAs(c.Principal), "control: is the caller denied at all?")
	w.it = judged
	if err != nil {
		return err
	}
	if err := w.denied(ctx, control); err != nil {
		return err
	}
	if c.Status() == control.Status() {
		return nil // it hides everything: see auth.insufficient
	}
	return w.fail(c, control.Status()+", as for any other cancel of this caller", "the request or the operation's state is looked at before the caller's permission")
}
