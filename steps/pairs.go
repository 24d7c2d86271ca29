package steps

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
)

// pairs are the relations of two ids in which a lookup may confuse them: the
// first is cancelled, the second must not be. %s is unique to the case, and
// lower-case letters and digits.
func pairs(relation, unique string) (cancelled, bystander string, ok bool) {
	// 63 characters are what AIP-122 lets an id have.
	long := unique + strings.Repeat("x", 62-len(unique))
	switch relation {
	case "continuing":
		return unique + "1", unique + "10", true
	case "beginning":
		return unique + "10", unique + "1", true
	case "ending":
		return unique, "a" + unique, true
	case "having for its end":
		return "a" + unique, unique, true
	case "ending in a segment like":
		return "a/" + unique, "b/" + unique, true
	case "differing only in case from":
		return unique + "case", unique + "Case", true
	case "being in lower case":
		return unique + "Case", unique + "case", true
	case "being below":
		return unique, unique + "/b", true
	case "being above":
		return unique + "/b", unique, true
	case "being a pattern that matches":
		return unique + "_1", unique + "-1", true
	case "being an expression that matches":
		return unique + ".1", unique + "-1", true
	case "differing only at the end from":
		return long + "1", long + "2", true
	}
	return "", "", false
}

// givenPair starts two operations whose ids the suite chose, first the one that is
// to be cancelled.
func givenPair(ctx context.Context, relation string) error {
	return of(ctx).startPair(ctx, relation, false)
}

// givenPairReversed is givenPair with the other operation started first, which a
// lookup finds that stops at its first match.
func givenPairReversed(ctx context.Context, relation string) error {
	return of(ctx).startPair(ctx, relation, true)
}

// startPair starts the two operations of a pair. A service that cannot have both
// ids, or takes them for one, has nothing to confuse.
func (w *world) startPair(ctx context.Context, relation string, reversed bool) error {
	one, other, ok := pairs(relation, "c"+strings.ToLower(rand.Text()[:11]))
	if !ok {
		return fmt.Errorf("no ids are known for %q", relation)
	}
	ids := []string{one, other}
	if reversed {
		slices.Reverse(ids)
	}
	var ops []*operation
	for _, id := range ids {
		op, err := w.startNamed(ctx, id)
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	if ops[0].name == ops[1].name {
		return inapplicable("the ids %q and %q are one operation here", one, other)
	}
	for _, op := range ops {
		if err := w.inProgress(ctx, op); err != nil {
			return err
		}
	}
	if reversed {
		slices.Reverse(ops)
	}
	w.it, w.others = ops[0], ops[1:]
	w.facts["another pair"] = func(ctx context.Context) error { return w.startPair(ctx, relation, reversed) }
	return nil
}
