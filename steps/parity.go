package steps

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

func paritySteps() []definition {
	return []definition{
		step(`a server that cancels over both transports`, givenBoth),
		step(`a server that is judged over both transports`, givenJudgedOverBoth),
		step(`the client (cancels|asks for) (it|that name) over both transports`, whenOverBoth),
		step(`the client cancels it over one transport, and then over the other`, whenCancelsCrossing),
		step(`both answers have the same code`, thenSameCode),
		step(`the second cancel is answered like a repeated one`, thenRepeatLegalAcross),
		step(`the other transport shows the same end`, thenOtherShowsEnd),
	}
}

// otherEnd is the endpoint of the transport that the case does not judge; a
// ruling where there is none to compare with.
func (w *world) otherEnd() (*targets.Endpoint, error) {
	for _, t := range targets.Transports() {
		if t == w.plan.transport {
			continue
		}
		ep := w.run.target.Endpoints[t]
		if ep == nil || !ep.Judge {
			return nil, inapplicable("only %s is judged", w.plan.transport)
		}
		if b := w.run.support[t].blocked; b != "" {
			return nil, inconclusive("%s", b)
		}
		return ep, nil
	}
	return nil, inapplicable("there is one transport only")
}

// across makes a well-formed call over a transport, mostly the other. The
// invariants of that are judged by its own cases.
func (w *world) across(ctx context.Context, ep *targets.Endpoint, m targets.Method, request proto.Message) call {
	if ep == w.ep {
		return w.call(ctx, m, request, "")
	}
	note := fmt.Sprintf("over %s", ep.Client.Transport())
	return w.send(ctx, ep.Client, m, note, func(ctx context.Context, c targets.Client) (targets.Exchange, error) {
		return c.Call(ctx, m, request)
	})
}

// cancelAcross cancels a fresh operation of a role over the other transport.
func (w *world) cancelAcross(ctx context.Context, ep *targets.Endpoint, role targets.Role) (*operation, call, error) {
	var op *operation
	var out call
	for try := 1; try <= transientTries; try++ {
		var err error
		if op, err = w.startInProgress(ctx, role); err != nil {
			return op, call{}, err
		}
		op.attempt()
		out = w.across(ctx, ep, targets.Cancel, cancelRequest(op.name))
		if out.err != nil {
			return op, out, inconclusive("the cancel over %s brought no answer: %v", out.Transport, out.err)
		}
		if !transient(out.Exchange) {
			return op, out, nil
		}
	}
	return op, out, inconclusive("cancel over %s answered %s, %d times", out.Transport, out.Status(), transientTries)
}

// acceptedAcross is cancelAcross for a place where the cancel must be accepted: that it
// is not is the business of cancel.accept.in-progress.
func (w *world) acceptedAcross(ctx context.Context, ep *targets.Endpoint, role targets.Role) (*operation, error) {
	op, c, err := w.cancelAcross(ctx, ep, role)
	if err == nil && !c.Accepted() {
		err = inconclusive("over %s the plain cancel was refused with %s (see cancel.accept.in-progress)", c.Transport, c.Status())
	}
	return op, err
}

// givenJudgedOverBoth rules out servers that are judged on one transport.
func givenJudgedOverBoth(ctx context.Context) error {
	_, err := of(ctx).otherEnd()
	return err
}

// givenBoth rules out servers that are judged on one transport, or that
// support cancel on one. operations.proto lets a method say that it is not
// supported: that only one transport has a cancel is worth a note.
func givenBoth(ctx context.Context) error {
	w := of(ctx)
	ep, err := w.otherEnd()
	if err != nil {
		return err
	}
	mine, other := w.plan.transport, ep.Client.Transport()
	if w.run.support[mine].level != unsupportedCancel {
		mine, other = other, mine
	}
	switch {
	case w.run.support[mine].level != unsupportedCancel:
		return nil
	case w.run.support[other].level != unsupportedCancel && !w.run.support[other].unprobed && !w.run.support[mine].asMissing:
		w.note("cancel is supported over %s, and not over %s", other, mine)
	}
	return inapplicable("the server does not support cancel over %s", mine)
}

// rounds is how often both transports are asked the same, turn about: a server
// that answers the same call differently from time to time does not differ by
// transport.
const rounds = 4

// whenOverBoth asks both transports the same, turn about.
func whenOverBoth(ctx context.Context, what, whom string) error {
	w := of(ctx)
	ep, err := w.otherEnd()
	if err != nil {
		return err
	}
	name := w.unknown
	if whom == "it" {
		name = w.it.name
	}
	ask := func(c targets.Client) func() call {
		note := fmt.Sprintf("over %s", c.Transport())
		m, request := targets.Get, proto.Message(getRequest(name))
		if what == "cancels" {
			m, request = targets.Cancel, cancelRequest(name)
		}
		return func() call {
			return w.send(ctx, c, m, note, func(ctx context.Context, c targets.Client) (targets.Exchange, error) { return c.Call(ctx, m, request) })
		}
	}
	if whom == "it" {
		w.appearsAcross(ctx, ep, w.it)
	}
	var answers [rounds][2]call
	for i := range rounds {
		for k := range 2 {
			j := (i + k) % 2 // who is asked first changes
			c := [...]targets.Client{w.client, ep.Client}[j]
			if answers[i][j], err = w.repeatTransient(ctx, ask(c)); err != nil {
				return err
			}
		}
	}
	w.facts["both"], w.facts["whom"] = answers, whom
	return nil
}

// appearsAcross looks at an operation over the other transport until that finds
// it: it may become visible on one after the other.
func (w *world) appearsAcross(ctx context.Context, ep *targets.Endpoint, op *operation) {
	for since := time.Now(); time.Since(since) < w.visibleFor(); {
		c := w.across(ctx, ep, targets.Get, getRequest(op.name))
		if c.err != nil || !notFound(c.Exchange) || !sleep(ctx, longestPoll/8) {
			return
		}
	}
}

// thenSameCode judges that the codes go together. An answer that is wrong
// whatever the other transport says belongs to another requirement.
func thenSameCode(ctx context.Context) error {
	w := of(ctx)
	answers := w.facts["both"].([rounds][2]call)
	first := answers[0]
	for _, pair := range answers {
		for j, c := range pair {
			if why := w.wrongAlone(c); why != "" {
				return w.unlessCrossing(ctx, c, inconclusive("over %s: %s", c.Transport, why))
			}
			if !sameCode(c.Exchange, first[j].Exchange) {
				w.note("over %s the same call is answered in different ways", c.Transport)
				return nil
			}
		}
	}
	if sameCode(first[0].Exchange, first[1].Exchange) {
		w.observe(w.plan.requirement.ID, "the transports agree")
		return nil
	}
	if err := w.acceptedOnBoth(ctx); err != nil {
		return err
	}
	shown, other := first[1], first[0]
	if notFound(other.Exchange) {
		shown, other = other, shown
	}
	if w.facts["whom"] == "it" && shown.Method == targets.Get && notFound(shown.Exchange) {
		w.unfound(w.it, shown)
	}
	return w.fail(shown, other.Status()+", as over "+string(other.Transport), "the same call has different codes over the two transports")
}

// acceptedOnBoth sees that the plain cancel of a fresh operation is accepted
// over both transports: else the difference is that of
// cancel.accept.in-progress.
func (w *world) acceptedOnBoth(ctx context.Context) error {
	if err := w.controlAccepted(ctx); err != nil {
		return err
	}
	ep, err := w.otherEnd()
	if err != nil {
		return err
	}
	_, err = w.acceptedAcross(ctx, ep, targets.Running)
	return err
}

// wrongAlone tells why an answer is wrong whatever the other transport says;
// "" where it is one of the legal ones.
func (w *world) wrongAlone(c call) string {
	unknown := w.facts["whom"] == "that name"
	switch {
	case c.Transport == targets.GRPC && !c.GRPC.HasStatus:
		return "the answer has no grpc-status (see grpc.status-in-trailers)"
	case errorAsSuccess(c.Exchange):
		return "an error was sent with success (see error.http.no-2xx-error)"
	case misnamed(c.Exchange):
		return "the error names another code than its HTTP status stands for (see error.http.status-name)"
	case unknown && !notFound(c.Exchange) && !isCode(c.Exchange, codes.PermissionDenied, codes.InvalidArgument):
		return fmt.Sprintf("%s of an unknown name answered %s (see cancel.unknown.not-found)", c.Method, c.Status())
	case c.Method == targets.Get && !unknown && !c.Accepted() && !notFound(c.Exchange):
		return "Get answered " + c.Status()
	case c.Method == targets.Cancel && !unknown && !c.Accepted() &&
		!isCode(c.Exchange, codes.FailedPrecondition, codes.Aborted, codes.InvalidArgument, codes.Unimplemented):
		return fmt.Sprintf("the cancel of a finished operation is answered %s (see cancel.finished.status-legal)", c.Status())
	}
	return ""
}

// sameCode tells whether two answers have the same code. The code of a REST
// answer that does not name it is known by its HTTP status only.
func sameCode(a, b targets.Exchange) bool {
	if a.Accepted() || b.Accepted() || a.Code == b.Code {
		return a.Accepted() == b.Accepted()
	}
	named := func(ex targets.Exchange) bool { return ex.Transport == targets.GRPC || namesCode(ex) }
	if named(a) && named(b) {
		return false
	}
	status := func(ex targets.Exchange) int {
		if ex.Transport == targets.REST {
			return ex.HTTP
		}
		return targets.HTTPStatus(ex.Code)
	}
	return status(a) == status(b)
}

// misnamed tells whether a REST error names a code that does not go with its HTTP
// status.
func misnamed(ex targets.Exchange) bool {
	if ex.Transport != targets.REST || ex.Accepted() {
		return false
	}
	name, _ := object(object(ex.Doc)["error"])["status"].(string)
	code, known := targets.CodeByName(name)
	return known && targets.HTTPStatus(code) != ex.HTTP
}

// namesCode tells whether a REST answer names its code in its body.
func namesCode(ex targets.Exchange) bool {
	doc := object(ex.Doc)
	if name, ok := object(doc["error"])["status"].(string); ok {
		c, known := targets.CodeByName(name)
		return known && c == ex.Code
	}
	return rawStatus(doc)
}

// thenOtherShowsEnd judges that an operation which has ended has the same end over
// the other transport, within settle, be it that it was cancelled over one.
func thenOtherShowsEnd(ctx context.Context) error {
	w := of(ctx)
	if _, ended := w.facts["both"]; !ended {
		if _, err := w.mustBeCancelled(); err != nil {
			return err
		}
	}
	ep, err := w.otherEnd()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(w.settleFor())
	var lost time.Time // since when the other transport has not found it
	for pause := firstPause; ; pause = min(time.Duration(float64(pause)*pauseGrowth), longestPoll) {
		last := !time.Now().Before(deadline)
		c, err := w.repeatTransient(ctx, func() call { return w.across(ctx, ep, targets.Get, getRequest(w.it.name)) })
		if err != nil {
			return err
		}
		end, err := w.readsAcross(ctx, c, last || !lost.IsZero() && time.Since(lost) > w.observeFor())
		if end || err != nil {
			return w.unlessOwnToo(ctx, ep, err)
		}
		switch {
		case !notFound(c.Exchange):
			lost = time.Time{}
		case lost.IsZero():
			lost = time.Now()
		}
		if !sleep(ctx, min(pause, max(time.Until(deadline), 0))) {
			return stopped(ctx)
		}
	}
}

// unlessOwnToo keeps the finding that the other transport does not show the end
// of an operation only where it does of one that was cancelled over it: what it
// shows of any cancelled operation is judged by its own cases. Other errors stay.
func (w *world) unlessOwnToo(ctx context.Context, ep *targets.Endpoint, finding error) error {
	if end, _ := w.it.end(); !isViolation(finding) || !end.cancelled() {
		return finding
	}
	op, err := w.acceptedAcross(ctx, ep, targets.Running)
	if err != nil {
		return err
	}
	var c call
	for began, pause := time.Now(), firstPause; time.Since(began) < w.settleFor(); pause = min(2*pause, longestPoll) {
		if c, err = w.repeatTransient(ctx, func() call { return w.across(ctx, ep, targets.Get, getRequest(op.name)) }); err != nil {
			return err
		}
		if readOperation(c.Exchange, c.index, object(c.Doc)).cancelled() {
			return finding
		}
		if notFound(c.Exchange) && time.Since(began) > w.observeFor() || !sleep(ctx, pause) {
			break
		}
	}
	return inconclusive("what was cancelled over %s does not become a cancelled operation there either: %s (see cancel.state)", c.Transport, c.Status())
}

// readsAcross judges one look over the other transport. end tells that no
// later one is needed; last that there is none.
func (w *world) readsAcross(ctx context.Context, c call, last bool) (end bool, err error) {
	shown, _ := w.it.end()
	want := fmt.Sprintf("%s, as over %s", shown.state(), w.plan.transport)
	doc, ok := c.Doc.(map[string]any)
	switch {
	case notFound(c.Exchange) && last:
		if l, err := w.get(ctx, w.it); err != nil || !l.found {
			return true, inconclusive("neither transport finds the operation any more")
		}
		w.unfound(w.it, c)
		return true, w.fail(c, want, "an operation that has ended is not found over %s, while %s finds it", c.Transport, w.plan.transport)
	case notFound(c.Exchange):
		return false, nil
	case !c.Accepted() || !ok || c.DocErr != nil || errorAsSuccess(c.Exchange):
		return true, inconclusive("over %s Get answered %s (see cancel.state.get-ok)", c.Transport, c.Status())
	}
	s := readOperation(c.Exchange, c.index, doc)
	switch {
	case w.run.namesAnother(w.it, s):
		return true, inconclusive("over %s Get answered with another operation: %s (see cancel.state.name-unchanged)", c.Transport, s.name)
	case s.cancelled() && shown.cancelled(), s.done && sameResult(shown, s):
		return true, nil
	case !s.done && !last:
		return false, nil
	}
	if l, err := w.get(ctx, w.it); err != nil || !l.done || !sameResult(shown, l.snapshot) {
		return true, inconclusive("the operation does not keep its end (see operation.terminal.*)")
	}
	if !s.done {
		return true, w.failAt(s, want, "an operation that has ended goes on over %s", c.Transport)
	}
	for _, s := range []snapshot{s, shown} {
		if end, _ := classify(look{snapshot: s, found: true}); end == endedWrongly && !shown.cancelled() {
			return true, inconclusive("over %s the operation ended with %s (see operation.result.*, operation.error.*)", s.transport, s.result())
		}
	}
	return true, w.failAt(s, want, "an operation that has ended has another end over %s", c.Transport)
}
