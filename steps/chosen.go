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
	case err != nil:
		return nil, inapplicable("no operation with the id %q can be started here: %v", id, err)
	}
	return op, nil
}
