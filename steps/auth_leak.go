package steps

import (
	"context"
	"strings"

	"github.com/lro-tools/conform/targets"
)

func whenOtherCancelsBoth(ctx context.Context, who string) error {
	w := of(ctx)
	if err := w.mayCall(principal(who)); err != nil {
		return err
	}
	return w.compareAs(func(first int) ([2]call, error) { return w.cancelBothAs(ctx, who, first) })
}

func whenOtherAsksForBoth(ctx context.Context, who string) error {
	w := of(ctx)
	p := principal(who)
	if err := w.mayCall(p); err != nil {
		return err
	}
	ask := func(name string) (call, error) {
		return w.repeatTransient(ctx, func() call {
			return w.raw(ctx, targets.RawRequest{Method: targets.Get, Message: getRequest(name), Principal: p}, "by a "+who)
		})
	}
	return w.compareAs(func(first int) (pair [2]call, err error) {
		names := [2]string{w.it.name, w.unknown}
		for i := range 2 {
			j := (first + i) % 2
			if pair[j], err = ask(names[j]); err != nil {
				return pair, err
			}
		}
		if pair[0].Accepted() {
			err = inapplicable("a %s may read operations here", who)
		}
		return pair, err
	})
}

func (w *world) compareAs(both func(first int) ([2]call, error)) error {
	pair, err := both(0)
	w.facts["call"], w.facts["other"], w.facts["pair"] = pair[0], pair[1], both
	return err
}

func (w *world) cancelBothAs(ctx context.Context, who string, first int) (pair [2]call, err error) {
	for i := range 2 {
		j := (first + i) % 2
		if j == 0 {
			pair[j], err = w.cancelAs(ctx, plainAs(principal(who)), "by a "+who)
		} else {
			pair[j], err = w.repeatTransient(ctx, func() call {
				r := targets.RawRequest{Method: targets.Cancel, Message: cancelRequest(w.unknown), Principal: principal(who)}
				return w.raw(ctx, r, "by a "+who+", of what does not exist")
			})
		}
		if err != nil {
			return pair, err
		}
	}
	return pair, nil
}

func thenNoLeak(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	other, _ := w.facts["other"].(call)
	both, _ := w.facts["pair"].(func(int) ([2]call, error))
	if err := w.denied(ctx, c); err != nil {
		return err
	}
	if w.it.lastDone() && !isDenied(c.Exchange) && !notFound(c.Exchange) {
		return inconclusive("the cancel of a finished operation is answered %s (see auth.before-validation)", c.Status())
	}
	if toldOf(c) == toldOf(other) {
		if messageOf(c, w.it.name) != messageOf(other, w.unknown) {
			w.note("a caller without permission gets another message for an operation that exists than for one that does not")
		}
		return nil
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

func toldOf(c call) string {
	if reason := reasonOf(c); reason != "" {
		return c.Status() + ", reason " + reason
	}
	return c.Status()
}

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
