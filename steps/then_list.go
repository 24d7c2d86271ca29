package steps

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func listSteps() []definition {
	return []definition{
		step(`a (running|pending|slow|nested) operation that is listed`, givenListed),
		step(`the client lists the operations`, whenLists),
		step(`the client lists the operations that are (done|not done)`, whenListsDone),
		step(`a server that offers List`, givenList),
		step(`the client asks for a page that no list has`, whenListsNoPage),
		step(`the client finds out whether operations can be listed`, whenTriesList),
		step(`the client cancels it and lists (what is done|all) until it has stopped`, whenListsStopping),
		step(`the list does not show its end before Get does`, thenNotListedAhead),
		step(`it is still listed`, thenStillListed),
		step(`it is listed as the other is`, thenListedLikeOther),
		step(`the list shows it as Get does`, thenListedAsGot),
		step(`(every|no) operation that is listed is done`, thenAllMatch),
		step(`the list shows no operation of that name`, thenNotListed),
		step(`it is recorded what of List is offered`, thenListRecorded),
	}
}

// givenListed starts an operation and sees it in the list while it is in
// progress: only then can its absence tell anything later.
func givenListed(ctx context.Context, role string) error {
	w := of(ctx)
	if err := w.canSpend(targets.Role(role)); err != nil {
		return err
	}
	if err := w.offered(ctx, targets.List); err != nil {
		return err
	}
	if err := w.needCancel(); err != nil {
		return err
	}
	op, err := w.startInProgress(ctx, targets.Role(role))
	if err != nil {
		return err
	}
	w.it = op
	last, late, err := w.untilListed(ctx, w.ep, "", func(l listing) bool { return l.shows(op) })
	if err == nil && late {
		err = w.notListed(op, last)
	}
	return err
}

// notListed rules on an operation in progress that a list does not show.
func (w *world) notListed(op *operation, l listing) error {
	why := fmt.Sprintf("it may be limited to other operations (key %s.list)", w.plan.transport)
	if other, how := l.nearlyOf(op); other != "" {
		why = fmt.Sprintf("it shows %q, which %s: %q", other, how, op.name)
	}
	return inconclusive("List of %q does not show an operation in progress within settle (%v): %s", w.ep.List, w.settleFor(), why)
}

func whenLists(ctx context.Context) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.List); err != nil {
		return err
	}
	l, err := w.list(ctx, w.ep, "")
	w.facts["listing"] = l
	if err == nil && l.refused {
		err = inconclusive("List answered %s", l.last.Status())
	}
	return err
}

func whenListsDone(ctx context.Context, which string) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.List); err != nil {
		return err
	}
	spellings := doneFilters
	if which == "not done" {
		spellings = activeFilters
	}
	filter, err := w.acceptedFilter(ctx, spellings[:]...)
	w.facts["filter"] = filter
	return err
}

func givenList(ctx context.Context) error { return of(ctx).offered(ctx, targets.List) }

// noPage is a page token that no server has given.
const noPage = "conform-has-made-this-up"

// whenListsNoPage asks for a page that no list has told of.
func whenListsNoPage(ctx context.Context) error {
	w := of(ctx)
	c, err := w.repeatTransient(ctx, func() call {
		return w.call(ctx, targets.List, listRequest(w.ep.List, "", noPage), "")
	})
	if err != nil {
		return err
	}
	return w.wantsError(c, "List takes any page token")
}

// thenStillListed judges that a cancelled operation stays in the list. A list
// that shows it to those who filter for done operations has a default filter.
func thenStillListed(ctx context.Context) error {
	w := of(ctx)
	if _, err := w.mustBeCancelled(); err != nil {
		return err
	}
	shows := func(l listing) bool { return l.shows(w.it) }
	last, late, err := w.staysListed(ctx, shows)
	if err != nil || !late {
		return err
	}
	if l, err := w.get(ctx, w.it); err != nil {
		return err
	} else if err := w.stillFound(l); err != nil {
		return err
	}
	if err := w.unlessRenamed(); err != nil {
		return err
	}
	for _, f := range doneFilters {
		l, err := w.list(ctx, w.ep, f)
		if err != nil {
			return err
		}
		if !l.refused && shows(l) {
			w.note("the cancelled operation is listed only with the filter %s", f)
			return nil
		}
	}
	if err := w.listsOlder(ctx); err != nil {
		return err
	}
	return w.accuse(w.plan.requirement.ID, last.last.index, "the cancelled operation among those that are listed", fmt.Sprintf("%d others", last.size),
		"the operation was listed while it was in progress and is no longer, %v after its end", w.settleFor())
}

// staysListed reads lists until shows tells that one is enough, and again at the end
// of the observation window; late tells that settle went by before that.
func (w *world) staysListed(ctx context.Context, shows func(listing) bool) (last listing, late bool, err error) {
	last, late, err = w.untilListed(ctx, w.ep, "", shows)
	if err == nil && !late {
		if err = w.whileWatched(ctx, w.stillFound); err == nil {
			last, late, err = w.untilListed(ctx, w.ep, "", shows)
		}
	}
	return last, late, err
}

// listsOlder is the control of an operation that is listed no longer: one that is
// older than another, and goes on, is listed when that has been cancelled. A list
// may end after the newest so many.
func (w *world) listsOlder(ctx context.Context) error {
	older, err := w.startInProgress(ctx, w.it.role)
	if err != nil {
		return err
	}
	op, err := w.cancelFresh(ctx, w.it.role)
	if err != nil {
		return err
	}
	if _, err = w.becomesCancelled(ctx, op); err != nil {
		return err
	}
	shown := false
	_, late, err := w.staysListed(ctx, func(l listing) bool {
		shown = l.shows(older)
		return shown && l.shows(op)
	})
	switch {
	case err != nil:
		return err
	case !late:
		return inconclusive("another operation is listed when it has been cancelled")
	case !shown:
		return inconclusive("an operation in progress is listed no longer either: the list may end after the newest ones")
	}
	return nil
}

// unlessRenamed is a ruling on an operation that is not listed under its name
// where Get does not show it so either.
func (w *world) unlessRenamed() error {
	if w.broken("cancel.state.name-unchanged") >= 0 {
		return inconclusive("the operation is not listed under its name, nor does Get show it so (see cancel.state.name-unchanged)")
	}
	return nil
}

// stillFound rules on a Get that does not return the operation: what is gone
// need not be listed.
func (w *world) stillFound(l look) error {
	if !l.found || l.garbled {
		return inconclusive("Get answered %s", l.Status())
	}
	return nil
}

// thenListedAsGot compares the entry of a finished operation with what Get
// showed. A stale entry has until settle.
func thenListedAsGot(ctx context.Context) error {
	w := of(ctx)
	var got snapshot
	for _, s := range w.it.snapshots {
		if s.done {
			got = s
		}
	}
	partial := false
	same := func(l listing) bool {
		s, shown := l.find(w.it)
		partial = shown && partialView(got, s)
		return shown && (partial || s.done && sameResult(got, s))
	}
	last, _ := w.facts["listing"].(listing)
	late := false
	if !same(last) {
		var err error
		if last, late, err = w.untilListed(ctx, w.ep, "", same); err != nil {
			return err
		}
	}
	if partial {
		w.note("List shows a part of each operation only")
	}
	if !late {
		return nil
	}
	s, shown := last.find(w.it)
	if !shown { // by default the list may show what is in progress
		for _, f := range doneFilters {
			if l, err := w.list(ctx, w.ep, f); err != nil || l.refused {
				continue
			} else if _, shown = l.find(w.it); !shown {
				continue
			}
			w.note("the operation is listed only with the filter %s", f)
			var err error
			if last, late, err = w.untilListed(ctx, w.ep, f, same); err != nil || !late {
				return err
			}
			s, shown = last.find(w.it)
			break
		}
	}
	if !shown {
		return inconclusive("the operation is not listed (see cancel.state.listed)")
	}
	if err := s.unreadable(); err != nil {
		return err
	}
	return w.unlessUnsteady(ctx, w.it, w.failAt(s, "as Get shows it: "+got.state(), "List shows a finished operation unlike Get, %v after its end", w.settleFor()))
}

// whenTriesList finds out whether List and its filters are offered.
func whenTriesList(ctx context.Context) error {
	w := of(ctx)
	err := w.offered(ctx, targets.List)
	if err == nil {
		_, err = w.acceptedFilter(ctx, doneFilters[:]...)
	}
	if err == nil || isInapplicable(err) {
		w.facts["offer"] = err
		return nil
	}
	return err
}

// thenListRecorded records which part of List the server leaves out. A refusal
// has a code that says so; anything else was ruled out before.
func thenListRecorded(ctx context.Context) error {
	w := of(ctx)
	err, _ := w.facts["offer"].(error)
	if err == nil {
		return inapplicable("List and the filter %s are offered", doneFilters[0])
	}
	w.observe(w.plan.requirement.ID, err.(*ruling).reason)
	return nil
}

// isDenied tells whether an answer is UNAUTHENTICATED or PERMISSION_DENIED.
func isDenied(ex targets.Exchange) bool {
	return ex.Answered() && !ex.Accepted() && (isCode(ex, codes.Unauthenticated, codes.PermissionDenied) || ex.HTTP == 401 || ex.HTTP == 403)
}
