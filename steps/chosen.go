package steps

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"

	"github.com/lro-tools/conform/targets"
)

func chosenSteps() []definition {
	return []definition{
		step(`two operations, the id of one (.+) the other's`, givenPair),
		step(`two operations, the id of one (.+) that of the other, which is started sooner`, givenPairReversed),
		step(`an operation whose id has (a colon|a hyphen|an underscore|a dot|a tilde)`, givenMarked),
		step(`an operation whose id the client has chosen, of (\d+) characters`, givenOfLength),
		step(`a name for an operation that is not started yet`, givenNameAhead),
		step(`an operation is started under that name`, whenStartsNamed),
		step(`it goes on, if that cancel was refused`, thenGoesOnIfRefused),
	}
}

// marks are characters that ids may have besides letters and digits: the colon
// stands before the verb of a cancel as well, the others are unreserved (RFC
// 3986, section 2.3).
var marks = map[string]string{"a colon": ":", "a hyphen": "-", "an underscore": "_", "a dot": ".", "a tilde": "~"}

// givenMarked starts an operation whose id has a mark within it. A service that
// takes no such id is not concerned.
func givenMarked(ctx context.Context, mark string) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	w.facts["mark"] = mark
	op, err := w.startInProgress(ctx, targets.Chosen)
	w.it = op
	return err
}

// givenOfLength starts an operation whose id has a length, of lower-case letters and
// digits: 63 characters are what AIP-122 lets an id have.
func givenOfLength(ctx context.Context, length string) error {
	w := of(ctx)
	n, err := strconv.Atoi(length)
	if err != nil {
		return err
	}
	w.facts["length"] = n
	return w.bringAbout(ctx, targets.Chosen, w.startInProgress)
}

// chosenID makes an id: with the scenario's mark in it, or of its length.
func (w *world) chosenID() string {
	words, _ := w.facts["mark"].(string)
	unique := strings.ToLower(rand.Text())
	id := "c" + unique[:8] + marks[words] + unique[8:16]
	if n, ok := w.facts["length"].(int); ok {
		id = (id + strings.Repeat("x", max(n-len(id), 0)))[:n]
	}
	return id
}

// startChosen starts an operation under an id that the scenario asks for, and sees
// it in progress.
func (w *world) startChosen(ctx context.Context) (*operation, error) {
	if err := w.run.role(targets.Chosen); err != nil {
		return nil, err
	}
	op, err := w.startNamed(ctx, w.chosenID())
	if err != nil {
		return nil, err
	}
	words, _ := w.facts["mark"].(string)
	if last := op.name[strings.LastIndexByte(op.name, '/')+1:]; !strings.Contains(last, marks[words]) {
		return op, inapplicable("the service gives its operations names without %s: %s", words, op.name)
	}
	return op, w.inProgress(ctx, op)
}

// startNamed starts an operation under an id. A service that refuses the id is not
// concerned by what is asked of operations with such.
func (w *world) startNamed(ctx context.Context, id string) (*operation, error) {
	op, err := w.start(ctx, targets.Chosen, id)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, stopped(ctx)
	case err != nil && w.crowded.Load():
		return nil, err
	case err != nil:
		return nil, inapplicable("no operation with the id %q can be started here: %v", id, err)
	}
	return op, nil
}

// givenNameAhead makes the name of an operation that is to be started later, from
// that of one under another id, which goes on beside it.
func givenNameAhead(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	if err := w.run.role(targets.Chosen); err != nil {
		return err
	}
	w.unknownRole = targets.Chosen
	model, ahead := w.chosenID(), w.chosenID()
	op, err := w.startNamed(ctx, model)
	if err != nil {
		return err
	}
	if err := w.inProgress(ctx, op); err != nil {
		return err
	}
	at := strings.LastIndex(op.name, model)
	if at < 0 {
		return inapplicable("the service names its operations without the ids that are chosen for them: %s", op.name)
	}
	w.facts["model"], w.facts["ahead"] = op, ahead
	w.unknown = op.name[:at] + ahead + op.name[at+len(model):]
	c, err := w.repeatTransient(ctx, func() call { return w.call(ctx, targets.Get, getRequest(w.unknown), "is the name unknown?") })
	if err == nil && !notFound(c.Exchange) {
		err = inapplicable("Get of a name under which nothing was started is answered %s", c.Status())
	}
	return err
}

// whenStartsNamed starts an operation under the name that was cancelled ahead. A
// service may keep such a name from being used, or go on to say that it does not
// know it.
func whenStartsNamed(ctx context.Context) error {
	w := of(ctx)
	ahead := w.facts["ahead"].(string)
	op, err := w.startNamed(ctx, ahead)
	if err != nil {
		return err
	}
	if w.it = op; op.name != w.unknown {
		return inapplicable("the operation with the id %q is named %s, and not %s", ahead, op.name, w.unknown)
	}
	l, err := w.appears(ctx, op)
	if err == nil && !l.found {
		err = inapplicable("Get of the operation that was started under the name is answered %s, as it was before", l.Status())
	}
	return err
}

// thenGoesOnIfRefused judges that a refused cancel of a name has no effect on the
// operation that is started under it later. It must repeat, while one of a name that
// was not cancelled goes on.
func thenGoesOnIfRefused(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if err := w.refusedWithoutEffect(c); err != nil {
		return err
	}
	err := w.unaffected(ctx, w.it, "a cancel of its name that was answered "+c.Status()+" before it was started")
	if !isViolation(err) {
		return err
	}
	err = w.confirmed(ctx, err, w.startAhead)
	if model := w.facts["model"].(*operation); isViolation(err) {
		switch touched, failed := w.touched(ctx, model); {
		case failed != nil:
			return failed
		case touched:
			return inconclusive("an operation does not go on either whose name nobody has cancelled: %v", err)
		}
	}
	return err
}

// startAhead does once more what the scenario does: it cancels a name, and starts an
// operation under it.
func (w *world) startAhead(ctx context.Context) (*operation, error) {
	for _, do := range [...]func(context.Context) error{givenNameAhead, whenCancelsUnknown, whenStartsNamed} {
		if err := do(ctx); err != nil {
			return w.it, err
		}
	}
	return w.it, w.refusedWithoutEffect(w.theCall())
}
