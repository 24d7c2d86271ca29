package steps

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

func beyondSteps() []definition {
	return []definition{
		step(`the client cancels it on a condition that does not hold`, whenCancelsIfMatch),
		step(`it is recorded whether the condition counts`, thenConditionRecorded),
		step(`it is recorded how long that took`, thenTimeRecorded),
		step(`it is recorded what is left of the work`, thenRestRecorded),
	}
}

// whenCancelsIfMatch cancels with an entity tag that nothing has (RFC 9110,
// section 13.1.1).
func whenCancelsIfMatch(ctx context.Context) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	c, err := w.cancelAs(ctx, func(op *operation) targets.RawRequest {
		return targets.RawRequest{Method: targets.Cancel, Message: cancelRequest(op.name), Header: map[string]string{"if-match": `"no-such-tag"`}}
	}, "")
	w.facts["call"] = c
	return err
}

func thenConditionRecorded(ctx context.Context) error {
	w := of(ctx)
	w.observe(w.plan.requirement.ID, "a cancel with an If-Match that nothing matches answers "+w.theCall().Status())
	return nil
}

func thenTimeRecorded(ctx context.Context) error {
	w := of(ctx)
	s, err := w.mustBeCancelled()
	if err != nil {
		return err
	}
	took := s.received.Sub(w.it.acceptedAt()).Round(time.Millisecond)
	w.observe(w.plan.requirement.ID, fmt.Sprintf("a cancelled operation was seen done %v after its cancel was accepted", took))
	return nil
}

// thenRestRecorded records what a cancelled operation itself tells of the work
// that was done: resources behind it are not looked at.
func thenRestRecorded(ctx context.Context) error {
	w := of(ctx)
	s, err := w.mustBeCancelled()
	if err != nil {
		return err
	}
	details, _ := object(s.doc["error"])["details"].([]any)
	var types []string
	for _, d := range details {
		t, _ := object(d)["@type"].(string)
		types = append(types, t[strings.LastIndexByte(t, '/')+1:])
	}
	sort.Strings(types)
	seen := "the error of a cancelled operation has no details"
	if len(types) > 0 {
		seen = "the error of a cancelled operation has the details " + strings.Join(types, ", ")
	}
	if s.hasResponse {
		seen += ", and there is a response beside it"
	}
	w.observe(w.plan.requirement.ID, seen)
	return nil
}
