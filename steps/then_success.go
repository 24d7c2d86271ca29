package steps

import (
	"context"
	"fmt"
	"sync"

	"github.com/lro-tools/conform/targets"
)

// successRule is what one requirement asks of every success of a cancel over
// REST.
type successRule struct {
	want    string
	message string
	// instead says what a success is instead; "" where it is as it should be.
	instead func(call) string
}

// successRules are by requirement.
var successRules = map[string]successRule{
	"cancel.response.status-200": {"HTTP 200", "a successful cancel is not answered 200", func(c call) string {
		if c.HTTP == 200 {
			return ""
		}
		return c.Status()
	}},
	"cancel.response.empty-json-object": {"{}", "the body of success is not an empty JSON object", notEmpty},
	"cancel.response.content-type-json": {"application/json", "the success does not say that it is JSON", func(c call) string {
		t := mediaType(c.Header)
		if len(c.Body) == 0 || t == "application/json" || t == "text/json" {
			return ""
		}
		return fmt.Sprintf("%q", t)
	}},
}

// notEmpty says what the body of a success is other than an empty object; "" where
// it is one, and where another success than 200 has none: that has a requirement
// of its own.
func notEmpty(c call) string {
	m, ok := c.Doc.(map[string]any)
	switch {
	case len(c.Body) == 0 && c.HTTP != 200:
		return ""
	case len(c.Body) == 0:
		return "no body at all"
	case c.DocErr != nil:
		return "a body that is no JSON value: " + c.DocErr.Error()
	case !ok:
		return clip(targets.Canonical(c.Doc))
	case len(m) != 0:
		return "members: " + clip(targets.Canonical(c.Doc))
	}
	return ""
}

// judgeSuccess judges the success by the scenario's requirement.
func (w *world) judgeSuccess(c call) error {
	r := successRules[w.plan.requirement.ID]
	if actual := r.instead(c); actual != "" {
		return w.accuse(w.plan.requirement.ID, c.index, r.want, actual, "%s", r.message)
	}
	return nil
}

func thenStatus200(ctx context.Context) error {
	w := of(ctx)
	c, err := w.success()
	if err != nil {
		return err
	}
	return w.judgeSuccess(c)
}

// thenEmptyObject judges the body of success: one JSON object without members.
func thenEmptyObject(ctx context.Context) error {
	w := of(ctx)
	c, err := w.success()
	switch {
	case err != nil:
		return err
	case len(c.Body) == 0 && c.HTTP != 200:
		return inconclusive("HTTP %d came without a body (see cancel.response.status-200)", c.HTTP)
	case errorAsSuccess(c.Exchange):
		return inconclusive("an error was sent with success (see error.http.no-2xx-error)")
	}
	return w.judgeSuccess(c)
}

// thenContentType judges the media type of success. An answer without a body
// has its own requirement.
func thenContentType(ctx context.Context) error {
	w := of(ctx)
	c, err := w.success()
	switch {
	case err != nil:
		return err
	case len(c.Body) == 0:
		return inconclusive("the answer has no body (see cancel.response.empty-json-object)")
	case mediaType(c.Header) == "text/json":
		w.note("success is text/json: some clients accept it")
	}
	return w.judgeSuccess(c)
}

// successes remembers the first success over REST that is not what each of the
// requirements about it asks for, whichever case brought it about.
type successes struct {
	mu    sync.Mutex
	wrong map[string]call // by requirement
}

// lookAtSuccess takes note of a success that is not answered as it should be.
func (w *world) lookAtSuccess(c call) {
	if !w.rest() || !c.Accepted() || errorAsSuccess(c.Exchange) {
		return
	}
	all := &w.run.support[w.plan.transport].successes
	for id, r := range successRules {
		if r.instead(c) != "" {
			all.tell(id, c)
		}
	}
}

func (s *successes) tell(requirement string, c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong == nil {
		s.wrong = map[string]call{}
	}
	if _, known := s.wrong[requirement]; !known {
		s.wrong[requirement] = c
	}
}

func (s *successes) of(requirement string) (call, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.wrong[requirement]
	return c, ok
}

// thenEverySuccess judges all cancels of the run that succeeded, whatever they
// were about.
func thenEverySuccess(ctx context.Context) error {
	w := of(ctx)
	if _, err := w.success(); err != nil {
		return err
	}
	c, ok := w.run.support[w.plan.transport].successes.of(w.plan.requirement.ID)
	if !ok {
		return nil
	}
	w.exchanges = append(w.exchanges, c.Exchange)
	c.index = len(w.exchanges) - 1
	return w.judgeSuccess(c)
}
