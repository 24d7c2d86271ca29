package steps

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// probeWait is the timeout of the Wait that finds out whether Wait is offered.
const probeWait = 100 * time.Millisecond

// optional are the methods that a server need not offer
// (google/longrunning/operations.proto), each with its place in offers.
var optional = map[targets.Method]int{targets.List: 0, targets.Wait: 1, targets.Delete: 2}

// offered finds out, once for each transport of a run, whether the server
// offers an optional method. The error is a ruling: inapplicable where it does
// not, untested where the target file leaves out what a call needs.
func (w *world) offered(ctx context.Context, m targets.Method) error {
	t := w.plan.transport
	if m == targets.List && !w.ep.HasList {
		if strings.HasPrefix(w.plan.requirement.ID, "error.") { // which Cancel and Get show as well
			return inapplicable("it is not known that List is offered: %s.list is not configured", t)
		}
		return untested(string(t)+".list", "%s.list is not configured: it is not known what List is asked for", t)
	}
	declared := w.declared(m)
	if declared != nil && !*declared {
		return inapplicable("the target declares that %s is not offered over %s", m, t)
	}
	err := w.run.offers[t].answer(ctx, optional[m], w.seat, func() error { return w.probeOffer(ctx, m) })
	if declared != nil && isInapplicable(err) {
		// The methods are optional, so that the server breaks nothing; but
		// whoever declares one wants it judged, and a lost route must show.
		return inconclusive("the target declares that %s is offered over %s, but %s", m, t, err.(*ruling).reason)
	}
	return err
}

// unoffered is the ruling that the method which requirements are about, by the first
// word of their ids, was found not to be offered; nil elsewhere. Roles that are not
// configured leave nothing untested then.
func (o *offers) unoffered(requirement string) error {
	group, _, _ := strings.Cut(requirement, ".")
	o.mu.Lock()
	defer o.mu.Unlock()
	for m, i := range optional {
		if strings.HasPrefix(strings.ToLower(string(m)), group) && isInapplicable(o.err[i]) {
			return o.err[i]
		}
	}
	return nil
}

// declared is what the target file says about a method; nil: nothing.
func (w *world) declared(m targets.Method) *bool {
	switch m {
	case targets.Wait:
		return w.ep.Wait
	case targets.Delete:
		return w.ep.Delete
	}
	return nil
}

// notOffered tells whether an answer to a call for an operation that exists
// says that there is no such method: UNIMPLEMENTED, or over REST what routers
// answer where nothing is bound. A verb that is not bound may also be taken
// for part of a malformed name.
func notOffered(c call) bool {
	if unimplemented(c.Exchange) {
		return true
	}
	return c.err == nil && c.Transport == targets.REST &&
		(c.HTTP == 404 || c.HTTP == 405 || c.Method == targets.Wait && c.HTTP == 400 && isCode(c.Exchange, codes.InvalidArgument))
}

func (w *world) probeOffer(ctx context.Context, m targets.Method) error {
	var c call
	var err error
	switch m {
	case targets.List:
		c, err = w.probeList(ctx)
	case targets.Wait:
		c, err = w.probeWait(ctx)
	default:
		c, err = w.probeDelete(ctx)
	}
	if err != nil {
		return err
	}
	if notOffered(c) && (m != targets.Delete || w.run.offers[w.plan.transport].deleted == "") {
		hint := ""
		if m == targets.List && c.HTTP == 404 {
			hint = fmt.Sprintf(" (where it is, %s.list: %q names no collection)", c.Transport, w.ep.List)
		}
		return inapplicable("%s is not offered: it answers %s%s", m, c.Status(), hint)
	}
	w.checkError(c)
	if m == targets.List && !c.Accepted() {
		return inconclusive("List answered %s", c.Status())
	}
	return nil
}

func (w *world) probeList(ctx context.Context) (call, error) {
	return w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.List, listRequest(w.ep.List, "", ""), "is List offered?")
	})
}

// probeWait waits shortly for an operation in progress. That no answer comes,
// or that the expiry is an error, is for the scenarios to judge: a method that
// is not there is refused at once.
func (w *world) probeWait(ctx context.Context) (call, error) {
	op, err := w.startInProgress(ctx, targets.Running)
	if err != nil {
		return call{}, err
	}
	for try := 1; ; try++ {
		c := w.call(ctx, targets.Wait, waitRequest(op.name, probeWait), "is Wait offered?")
		switch {
		case c.err != nil && ctx.Err() != nil:
			return c, stopped(ctx)
		case c.err != nil && c.err.Kind != targets.TimedOut:
			return c, inconclusive("Wait brought no answer: %v", c.err)
		case c.err != nil || !transient(c.Exchange) || c.Code == codes.DeadlineExceeded:
			return w.asksByQuery(ctx, op, c), nil
		case try == transientTries || !sleep(ctx, firstPause*20):
			return c, inconclusive("Wait answered %s, %d times", c.Status(), try)
		}
	}
}

// probeDelete deletes an operation that has ended: the work of one in progress
// would go on, and nobody could cancel it any more.
func (w *world) probeDelete(ctx context.Context) (call, error) {
	how := "succeeded"
	if !w.run.target.Roles[targets.Succeeding].Configured {
		how = "been cancelled"
	}
	for try := 1; ; try++ {
		op, err := w.finished(ctx, how)
		if err != nil {
			return call{}, err
		}
		c := w.delete(ctx, op, "is Delete offered?")
		switch {
		case c.err != nil && ctx.Err() != nil:
			return c, stopped(ctx)
		case c.err != nil:
			return c, inconclusive("Delete brought no answer: %v", c.err)
		case !transient(c.Exchange):
			gone, err := w.deletesAllTheSame(ctx, op, c, how)
			if c.Accepted() || gone {
				w.run.offers[w.plan.transport].deleted = op.name
			}
			return c, err
		case try == transientTries:
			return c, inconclusive("Delete answered %s, %d times", c.Status(), try)
		}
	}
}

// delete deletes an operation that the case has started.
func (w *world) delete(ctx context.Context, op *operation, note string) call {
	op.looking.Lock()
	op.deleting = true
	op.looking.Unlock()
	if op.lastDone() {
		w.run.ended(op.name) // before the name may be another's
	}
	undo := w.run.namesakes.vacate(op.name)
	c := w.call(ctx, targets.Delete, deleteRequest(op.name), note)
	if c.err == nil && !c.Accepted() && !notFound(c.Exchange) && !transient(c.Exchange) {
		undo()
	}
	if c.Accepted() {
		op.over.Store(true)
	}
	if c.Accepted() && !errorAsSuccess(c.Exchange) {
		op.looking.Lock()
		op.deleted = c.Start
		op.looking.Unlock()
	}
	return c
}
