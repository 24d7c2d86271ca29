package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

func givenSteps() []definition {
	return []definition{
		step(`an? (running|pending|slow|nested|uncancellable) operation`, givenInProgress),
		step(`a running operation that has gone on for a while`, givenOld),
		step(`a running operation that has just been started`, givenNew),
		step(`(another|two other|three other) running operations?`, givenOthers),
		step(`another (pending|nested) operation`, givenOtherOf),
		step(`another operation that (is about to succeed|has succeeded)`, givenOtherSucceeding),
		step(`an operation that has (succeeded|failed|been cancelled)( some time ago)?`, givenFinished),
		step(`a (pending|nested|slow) operation that has been cancelled`, givenCancelled),
		step(`an operation that was cancelled while a Wait for it was pending`, givenCancelledWaited),
		step(`an operation that is about to (succeed|fail)`, givenAboutTo),
		step(`a name( of several segments)? that no operation has`, givenUnknownName),
		step(`a name that (differs only in case from|begins with|lies below|has another parent than) that of a running operation`, givenNearName),
		step(`a server that supports cancel`, givenSupport),
		step(`a server without cancel`, givenNoSupport),
	}
}

// givenInProgress starts an operation and sees it in progress.
func givenInProgress(ctx context.Context, role string) error {
	w := of(ctx)
	return w.bringAbout(ctx, targets.Role(role), w.startInProgress)
}

// bringAbout makes an operation of a role the one that is spoken of.
func (w *world) bringAbout(ctx context.Context, r targets.Role, how func(context.Context, targets.Role) (*operation, error)) error {
	if err := w.canSpend(r); err != nil {
		return err
	}
	op, err := how(ctx, r)
	w.it = op
	return err
}

// canSpend rules on a role whose few operations, given by name, are for the
// requirements that are about it: others are judged on running ones.
func (w *world) canSpend(r targets.Role) error {
	if r == targets.Running || slices.Contains(w.plan.requirement.Roles, string(r)) || !w.run.scarce(r) {
		return nil
	}
	return inapplicable("the operations of the role %s are given by name, and too few to be spent on what is judged of running ones", r)
}

// givenOld starts an operation and lets it go on for the observation window.
func givenOld(ctx context.Context) error {
	w := of(ctx)
	op, err := w.startInProgress(ctx, targets.Running)
	w.it = op
	w.facts["single"] = true
	if err != nil {
		return err
	}
	if _, err := w.poll(ctx, op, w.observeFor(), func(l look) (bool, error) { return l.done, nil }); err != nil {
		return err
	}
	return w.inProgress(ctx, op)
}

// givenNew starts an operation and does not look at it.
func givenNew(ctx context.Context) error {
	w := of(ctx)
	w.facts["single"] = true
	op, err := w.startNew(ctx)
	if err == nil {
		op.unseen = true
	}
	w.it = op
	return err
}

// startNew starts a running operation, and be there one that was looked at before
// the first case.
func (w *world) startNew(ctx context.Context) (*operation, error) {
	op, err := w.start(ctx, targets.Running, "")
	if err == nil && op.begun.Before(w.began) {
		op, err = w.start(ctx, targets.Running, "")
	}
	return op, err
}

// givenOthers starts bystanders, each seen in progress.
func givenOthers(ctx context.Context, count string) error {
	w := of(ctx)
	n := map[string]int{"another": 1, "two other": 2, "three other": 3}[count]
	for range n {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return err
		}
		w.others = append(w.others, op)
	}
	return nil
}

// givenOtherOf starts a bystander of another role, seen in progress.
func givenOtherOf(ctx context.Context, role string) error {
	w := of(ctx)
	if err := w.canSpend(targets.Role(role)); err != nil {
		return err
	}
	op, err := w.startInProgress(ctx, targets.Role(role))
	if err == nil {
		w.others = append(w.others, op)
	}
	return err
}

// givenOtherSucceeding starts a bystander that ends by itself, or has.
func givenOtherSucceeding(ctx context.Context, when string) error {
	w := of(ctx)
	var op *operation
	var err error
	if when == "has succeeded" {
		op, err = w.finished(ctx, "succeeded")
	} else if op, err = w.start(ctx, targets.Succeeding, ""); err == nil {
		_, err = w.mustFind(ctx, op)
	}
	if err == nil {
		w.others = append(w.others, op)
	}
	return err
}

// givenFinished brings about an operation that has ended, and has seen it so,
// where it says so for the observation window.
func givenFinished(ctx context.Context, how, ago string) error {
	w := of(ctx)
	op, err := w.finished(ctx, how)
	if w.it = op; err != nil || ago == "" {
		return err
	}
	return w.lookOn(ctx, op, w.observeFor())
}

// givenCancelled brings about a cancelled operation of a role.
func givenCancelled(ctx context.Context, role string) error {
	w := of(ctx)
	return w.bringAbout(ctx, targets.Role(role), w.cancelled)
}

// givenCancelledWaited cancels an operation while Waits for it are pending.
func givenCancelledWaited(ctx context.Context) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.Wait); err != nil {
		return err
	}
	if err := w.needCancel(); err != nil {
		return err
	}
	if err := givenInProgress(ctx, string(targets.Running)); err != nil {
		return err
	}
	r, err := w.cancelWhileWaiting(ctx, w.it)
	w.it = cmp.Or(r.op, w.it)
	return err
}

// finished starts an operation and follows it to its end.
func (w *world) finished(ctx context.Context, how string) (*operation, error) {
	if how == "been cancelled" {
		return w.cancelled(ctx, targets.Running)
	}
	role := targets.Succeeding
	if how == "failed" {
		role = targets.Failing
	}
	op, err := w.start(ctx, role, "")
	if err != nil {
		return nil, err
	}
	l, err := w.untilDone(ctx, op)
	if err != nil {
		return op, err
	}
	switch {
	case role == targets.Succeeding && (!l.hasResponse || l.hasError):
		return op, inconclusive("succeeding does not behave as declared: the operation ended with %s, not with a response", l.result())
	case role == targets.Failing && (!l.hasError || l.hasResponse || l.code == 1):
		return op, inconclusive("failing does not behave as declared: the operation ended with %s, not with an error other than CANCELLED", l.result())
	}
	return op, nil
}

// untilDone follows an operation that ends by itself.
func (w *world) untilDone(ctx context.Context, op *operation) (look, error) {
	var last look
	late, err := w.poll(ctx, op, w.settleFor(), func(l look) (bool, error) {
		last = l
		if notFound(l.Exchange) && time.Since(op.begun) < w.visibleFor() {
			return false, nil
		}
		if !l.found || l.garbled {
			return false, inconclusive("Get of an operation that was started answered %s", l.Status())
		}
		return l.done, nil
	})
	if err != nil {
		return last, err
	}
	if late {
		return last, inconclusive("%s never ends: the operation was still in progress %v after its start", op.role, time.Since(op.begun).Round(10*time.Millisecond))
	}
	return last, nil
}

// cancelled brings about a cancelled operation of a role.
func (w *world) cancelled(ctx context.Context, role targets.Role) (*operation, error) {
	if err := w.needCancel(); err != nil {
		return nil, err
	}
	op, err := w.startInProgress(ctx, role)
	if err != nil {
		return op, err
	}
	op, _, err = w.cancelOnce(ctx, op)
	if err != nil {
		return op, err
	}
	_, err = w.becomesCancelled(ctx, op)
	return op, err
}

// givenAboutTo starts an operation that will end by itself. Whoever only follows
// it need not have seen it in progress: on a busy machine it may be done by now.
func givenAboutTo(ctx context.Context, how string) error {
	w := of(ctx)
	role := targets.Succeeding
	if how == "fail" {
		role = targets.Failing
	}
	op, err := w.start(ctx, role, "")
	if err != nil {
		return err
	}
	w.it = op
	_, err = w.mustFind(ctx, op)
	return err
}

// givenUnknownName finds a well-formed name of no operation.
func givenUnknownName(ctx context.Context, several string) error {
	w := of(ctx)
	if several != "" {
		w.unknownRole = targets.Nested
	}
	name, err := w.unknownName(ctx)
	w.unknown = name
	return err
}

// unknownOperation stands for the operation that there is not.
func (w *world) unknownOperation() *operation {
	return &operation{name: w.unknown, role: w.unknownRole}
}

// below relates a name to one that is its beginning, up to a slash.
const below = "lies below"

// givenNearName starts an operation and makes a name from its own, of no other.
// Names are compared as they are written, and whole (AIP-122); where Get takes the
// name for an operation, or has no route for it, it is no unknown one.
func givenNearName(ctx context.Context, relation string) error {
	w := of(ctx)
	op, err := w.startInProgress(ctx, targets.Running)
	if w.it = op; err != nil {
		return err
	}
	p, err := w.pathOf(op.name)
	if err != nil {
		return err
	}
	w.facts["relation"] = relation
	if w.unknown, err = w.nearName(relation, p); err != nil {
		return err
	}
	c, err := w.repeatTransient(ctx, func() call { return w.call(ctx, targets.Get, getRequest(w.unknown), "is the name unknown?") })
	if err == nil && (!notFound(c.Exchange) || ofRouter(c.Exchange)) { // routes may ask for the letters of an id
		err = inapplicable("Get of a name that %s that of an operation is answered %s", relation, c.Status())
	}
	return err
}

// nearName is a name made from another; the error is a ruling where there is none.
func (w *world) nearName(relation string, p namePath) (string, error) {
	name := p.name()
	switch relation {
	case "begins with":
		return longer(name), nil
	case below:
		w.unknownRole = targets.Nested
		return name + "/b1", w.run.role(targets.Nested)
	case "has another parent than":
		if len(p.parents) == 0 {
			return "", inapplicable("the name %s has no parent", name)
		}
		return p.elsewhere(p.parents[len(p.parents)-1], 0).name(), nil
	}
	other := strings.TrimSuffix(name, p.id()) + otherCase(p.id())
	if other == name {
		return "", inapplicable("the id of %s has no letters", name)
	}
	return other, nil
}

func givenSupport(ctx context.Context) error { return of(ctx).needCancel() }

func givenNoSupport(ctx context.Context) error {
	if !of(ctx).unsupported() {
		return inapplicable("the server supports cancel")
	}
	return nil
}

// unknownTries is how many made-up names are tried.
const unknownTries = 4

// unknownName is the name of no operation: the target file's, or the name of a
// real one whose last four letters and digits are replaced by others of their
// class. It is used only if Get does not find it.
func (w *world) unknownName(ctx context.Context) (string, error) {
	return w.unknownLike(ctx, w.unknownRole)
}

// unknownLike is unknownName for names like those of a role's operations.
func (w *world) unknownLike(ctx context.Context, role targets.Role) (string, error) {
	real := ""
	switch {
	case w.run.target.Unknown == "":
		if err := w.canSpend(role); err != nil {
			return "", err
		}
		op, err := w.startInProgress(ctx, role)
		if err != nil {
			return "", err
		}
		real = op.name
	case role != targets.Running:
		return "", inapplicable("the target file says which name is unknown (key unknown), so that none of a %s operation is made up", role)
	}
	last := ""
	for try := range unknownTries {
		name := w.run.target.Unknown
		if name == "" {
			name = unlike(real, try)
		}
		c := w.call(ctx, targets.Get, getRequest(name), "is the name unknown?")
		if c.err != nil {
			return "", inconclusive("Get of a name that no operation has brought no answer: %v", c.err)
		}
		w.checkErrorAbout(&operation{name: name, role: role}, c)
		if notFound(c.Exchange) || errorAsSuccess(c.Exchange) {
			return name, nil
		}
		last = fmt.Sprintf("Get of %s answered %s", name, c.Status())
		if w.run.target.Unknown != "" {
			break
		}
	}
	return "", inconclusive("no name of no operation was found (key unknown): %s", last)
}

// highDigits is how long a number is made that is to be no operation's yet: the
// next ones may be given out at any moment. It still fits 32 bits.
const highDigits = 9

// unlike replaces the last four letters and digits of a name by others of
// their class; different tries give different names. The letters of an id in
// hexadecimal stay such, as routes may ask for them, and an id that is a number
// becomes a high one.
func unlike(name string, try int) string {
	b := []byte(name)
	last := strings.LastIndexByte(name, '/') + 1
	hex := strings.Trim(strings.ToLower(name[last:]), "0123456789abcdef-") == ""
	for i, left := len(b)-1, 4; i >= last && left > 0; i-- {
		n := 2 + try*2 + left
		shift, letter := byte(1+n%8), byte(26)
		if hex {
			shift, letter = byte(1+n%5), 6
		}
		switch c := b[i]; {
		case c >= '0' && c <= '9':
			b[i] = '0' + (c-'0'+byte(1+n%8))%10
		case c >= 'a' && c <= 'z':
			b[i] = 'a' + (c-'a'+shift)%letter
		case c >= 'A' && c <= 'Z':
			b[i] = 'A' + (c-'A'+shift)%letter
		default:
			continue
		}
		left--
	}
	if id := name[last:]; id != "" && strings.Trim(id, "0123456789") == "" {
		b[last] = '9'
		if id[0] == '9' {
			b[last] = '8'
		}
		missing := max(highDigits-len(id), 0)
		if try > 0 { // every such number may be taken
			missing = max(missing, 7) + try
		}
		return name[:last] + strings.Repeat("9", missing) + string(b[last:])
	}
	return string(b)
}
