package steps

import (
	"context"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// whenOtherCancelsBoth cancels an operation that exists and a name that no
// operation has, with other credentials.
func whenOtherCancelsBoth(ctx context.Context, who string) error {
	w := of(ctx)
	p := principal(who)
	if err := w.mayCall(p); err != nil {
		return err
	}
	return w.compareAs(func(exists bool) (call, error) {
		if exists {
			return w.cancelAs(ctx, plainAs(p), "by a "+who)
		}
		return w.repeatTransient(ctx, func() call {
			r := targets.RawRequest{Method: targets.Cancel, Message: cancelRequest(w.unknown), Principal: p}
			return w.raw(ctx, r, "by a "+who+", of what does not exist")
		})
	})
}

// whenOtherAsksForBoth asks Get for both, with other credentials. Who may read
// operations, and not cancel them, is told which there are.
func whenOtherAsksForBoth(ctx context.Context, who string) error {
	w := of(ctx)
	p := principal(who)
	if err := w.mayCall(p); err != nil {
		return err
	}
	return w.compareAs(func(exists bool) (call, error) {
		name := w.unknown
		if exists {
			name = w.it.name
		}
		c, err := w.repeatTransient(ctx, func() call {
			return w.raw(ctx, targets.RawRequest{Method: targets.Get, Message: getRequest(name), Principal: p}, "by a "+who)
		})
		if err == nil && exists && c.Accepted() {
			err = inapplicable("a %s may read operations here", who)
		}
		return c, err
	})
}

// compareAs makes a call about what exists and one about what does not, which
// thenNoLeak compares, and makes again in either order.
func (w *world) compareAs(ask func(exists bool) (call, error)) error {
	both := func(first int) (pair [2]call, err error) {
		for i := range pair {
			j := (first + i) % 2
			if pair[j], err = ask(j == 0); err != nil {
				return pair, err
			}
		}
		return pair, nil
	}
	pair, err := both(0)
	w.facts["call"], w.facts["other"], w.facts["pair"] = pair[0], pair[1], both
	return err
}

// thenNoLeak compares what a caller without permission is told of an operation
// that exists and of a name that no operation has: code and ErrorInfo.reason.
// What differs from call to call tells nothing of what exists.
func thenNoLeak(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	other, _ := w.facts["other"].(call)
	both, _ := w.facts["pair"].(func(int) ([2]call, error))
	if err := w.denied(ctx, c); err != nil {
		return err
	}
	if toldOf(c) == toldOf(other) {
		if messageOf(c, w.it.name) != messageOf(other, w.unknown) {
			w.note("a caller without permission gets another message for an operation that exists than for one that does not")
		}
		return nil
	}
	if w.toldEnded(c) {
		return w.stateFirst(c)
	}
	for i := range rounds - 1 {
		pair, err := both(i + 1)
		switch {
		case err != nil:
			return err
		case toldOf(pair[0]) != toldOf(c) || toldOf(pair[1]) != toldOf(other):
			w.note("the denial of the same call is told in different ways")
			return nil
		}
	}
	if statusless(c.Exchange) || statusless(other.Exchange) {
		return inconclusive("a denial has no grpc-status (see grpc.status-in-trailers)")
	}
	return w.accuse(w.plan.requirement.ID, other.index, toldOf(c)+", as for an operation that exists", toldOf(other),
		"a caller without permission can tell which operations exist")
}

// toldOf is what a denial tells its caller: its status, and the reason of its
// ErrorInfo.
func toldOf(c call) string {
	if reason := reasonOf(c); reason != "" {
		return c.Status() + ", reason " + reason
	}
	return c.Status()
}

// detailsOf are the details of an error as JSON shows them.
func detailsOf(c call) []any {
	if c.Transport == targets.GRPC {
		return grpcDetails(c)
	}
	doc := object(c.Doc)
	if e := object(doc["error"]); e != nil {
		doc = e
	}
	list, _ := doc["details"].([]any)
	return list
}

// reasonOf is the reason of an error's ErrorInfo; "" where it has none.
func reasonOf(c call) string {
	for _, d := range detailsOf(c) {
		m := object(d)
		if t, _ := m["@type"].(string); t == errorInfoType || strings.HasSuffix(t, "/"+errorInfoType) {
			reason, _ := m["reason"].(string)
			return reason
		}
	}
	return ""
}

// messageOf is the message of an error, with the name that was asked for masked.
func messageOf(c call, name string) string {
	text := ""
	if c.Transport == targets.GRPC {
		if c.GRPC != nil {
			text = c.GRPC.StatusDetail
		}
	} else {
		doc := object(c.Doc)
		if e := object(doc["error"]); e != nil {
			doc = e
		}
		text, _ = doc["message"].(string)
	}
	text = strings.ReplaceAll(text, name, "NAME")
	return strings.ReplaceAll(text, name[strings.LastIndexByte(name, '/')+1:], "ID")
}
