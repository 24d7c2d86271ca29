package steps

import (
	"context"
	"fmt"
	"maps"
	"slices"

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
	_, late, err := w.untilListed(ctx, "", func(l listing) bool {
		_, shown := l.find(op)
		return shown
	})
	if err == nil && late {
		err = inconclusive("List of %q does not show an operation in progress within settle (%v): it may be limited to other operations (key %s.list)", w.ep.List, w.settleFor(), w.plan.transport)
	}
	return err
}

func whenLists(ctx context.Context) error {
	w := of(ctx)
	if err := w.offered(ctx, targets.List); err != nil {
		return err
	}
	l, err := w.list(ctx, "")
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
	shows := func(l listing) bool {
		_, shown := l.find(w.it)
		return shown
	}
	last, late, err := w.untilListed(ctx, "", shows)
	if err == nil && !late { // and is it so at the end of the window, too?
		if err = w.whileWatched(ctx, w.stillFound); err == nil {
			last, late, err = w.untilListed(ctx, "", shows)
		}
	}
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
		l, err := w.list(ctx, f)
		if err != nil {
			return err
		}
		if !l.refused && shows(l) {
			w.note("the cancelled operation is listed only with the filter %s", f)
			return nil
		}
	}
	return w.accuse(w.plan.requirement.ID, last.last.index, "the cancelled operation among those that are listed", fmt.Sprintf("%d others", last.size),
		"the operation was listed while it was in progress and is no longer, %v after its end", w.settleFor())
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
		if last, late, err = w.untilListed(ctx, "", same); err != nil {
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
			if l, err := w.list(ctx, f); err != nil || l.refused {
				continue
			} else if _, shown = l.find(w.it); !shown {
				continue
			}
			w.note("the operation is listed only with the filter %s", f)
			var err error
			if last, late, err = w.untilListed(ctx, f, same); err != nil || !late {
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

// steadyLooks is how many more Gets must show an operation's end as the others
// did before anything is told from it: one in several may not.
const steadyLooks = 20

// steady rules on an operation whose end Get, asked some more times, has shown in
// two ways: nothing can be told from either.
func (w *world) steady(ctx context.Context, op *operation) error {
	for i := 0; ; i++ {
		if err := op.contradicted(); err != nil || i == steadyLooks {
			return err
		}
		if _, err := w.mustFind(ctx, op); err != nil {
			return err
		}
	}
}

// unlessUnsteady keeps a finding about the end of an operation only where Get
// shows that end again and again. Other errors stay.
func (w *world) unlessUnsteady(ctx context.Context, op *operation, finding error) error {
	if isViolation(finding) {
		if err := w.steady(ctx, op); err != nil {
			return err
		}
	}
	return finding
}

// contradicted is a ruling on an operation whose end Get has shown in two ways.
func (op *operation) contradicted() error {
	op.looking.Lock()
	defer op.looking.Unlock()
	var first *snapshot
	for i, s := range op.snapshots {
		switch {
		case s.waited:
		case first == nil:
			if s.done {
				first = &op.snapshots[i]
			}
		case s.done && !sameResult(*first, s):
			return inconclusive("Get itself has shown two results (see operation.terminal.result-immutable)")
		case !s.done && first.received.Before(s.sent):
			return inconclusive("Get itself has shown the end, and then none (see operation.terminal.done-monotonic)")
		}
	}
	return nil
}

// partialView tells whether an entry leaves members out that Get shows, and
// contradicts it in none: a done operation without its result, or one without
// its metadata and all else but the name.
func partialView(got, s snapshot) bool {
	bare := !s.hasError && !s.hasResponse
	if s.done {
		return bare && (got.hasError || got.hasResponse)
	}
	return bare && s.doc["metadata"] == nil && got.doc["metadata"] != nil
}

// thenAllMatch judges a filter on the list's own entries: each answer must
// match itself. A server that gives the whole list whatever the filter is does
// not know filters, which is a deviation of List and no more than a note. An
// entry may be stale until settle: only one that is wrong in every reading is a
// finding, however many others have ended just now.
func thenAllMatch(ctx context.Context, which string) error {
	w := of(ctx)
	filter, _ := w.facts["filter"].(string)
	done := which == "every"
	ignored := false
	var wrong map[string]snapshot // in every reading
	last, late, err := w.untilListed(ctx, filter, func(l listing) bool {
		odd := w.unmatched(l, done)
		if len(odd) == 0 {
			return true
		}
		if wrong == nil {
			wrong = maps.Clone(odd)
		}
		maps.DeleteFunc(wrong, func(name string, _ snapshot) bool { return odd[name].name != name })
		if w.showsBoth(l) {
			opposite, err := w.list(ctx, oppositeFilter(filter))
			ignored = err == nil && !opposite.refused && w.showsBoth(opposite)
		}
		return ignored
	})
	switch {
	case err != nil:
		return err
	case ignored:
		w.note("List ignores the filter %s", filter)
		return nil
	case late && len(wrong) == 0:
		return inconclusive("List with the filter %s shows operations that have ended just now as they were before", filter)
	case late:
		if s, odd := w.unlike(ctx, last, wrong, done); odd {
			return w.failAt(s, fmt.Sprintf("done: %t in every entry", done), "List with the filter %s shows %s, which does not match it", filter, s.name)
		}
	}
	if !done {
		return nil
	}
	return w.judgeOmission(ctx, filter, last)
}

// unmatched are the entries that do not match the filter, by the names that List
// shows. A list that shows a part of each operation only does not tell which are
// done: there, the one that is known not to match must not be shown.
func (w *world) unmatched(l listing, done bool) map[string]snapshot {
	out := map[string]snapshot{}
	s, shown := l.find(w.it)
	partial := shown && !s.done && !s.hasError && !s.hasResponse && s.doc["metadata"] == nil
	for name, s := range l.ours {
		known := name == w.others[0].name && done
		if s.done != done && !partial || partial && known {
			out[name] = s
		}
	}
	return out
}

// unlike finds, of entries that do not match the filter, one that is so by Get
// too. Where it is not the filter is right, and the entry is the business of
// list.consistent-with-get.
func (w *world) unlike(ctx context.Context, l listing, odd map[string]snapshot, done bool) (snapshot, bool) {
	for _, name := range slices.Sorted(maps.Keys(odd)) {
		c := w.call(ctx, targets.Get, getRequest(name), "control: is it done?")
		if c.err == nil && c.Accepted() && readOperation(c.Exchange, c.index, object(c.Doc)).done == done {
			continue
		}
		return l.ours[name], true
	}
	return snapshot{}, false
}

// showsBoth tells whether a list shows the finished operation and the one in
// progress.
func (w *world) showsBoth(l listing) bool {
	s, finished := l.find(w.it)
	a, active := l.find(w.others[0])
	return finished && s.done && active && !a.done
}

// judgeOmission judges a filter that leaves out a cancelled operation which the
// whole list shows as done. A filter that finds no other finished operation
// either speaks another language than the suite: what is listed does match.
func (w *world) judgeOmission(ctx context.Context, filter string, filtered listing) error {
	shown := func(op *operation) func(listing) bool {
		return func(l listing) bool {
			s, shown := l.find(op)
			return shown && s.done
		}
	}
	if _, there := filtered.find(w.it); there {
		return nil
	}
	all, err := w.list(ctx, "")
	if err != nil || !shown(w.it)(all) {
		return err
	}
	if _, late, err := w.untilListed(ctx, filter, shown(w.it)); err != nil || !late {
		return err
	}
	if w.run.role(targets.Succeeding) == nil {
		other, err := w.finished(ctx, "succeeded")
		if err != nil {
			return err
		}
		last, late, err := w.untilListed(ctx, filter, shown(other))
		if err != nil {
			return err
		}
		if !late && !shown(w.it)(last) {
			if err := w.unlessRenamed(); err != nil {
				return err
			}
			return w.accuse(w.plan.requirement.ID, last.last.index, "every operation that is done", "an operation that succeeded, and not the cancelled one",
				"List with the filter %s leaves out the cancelled operation, which the whole list shows as done", filter)
		}
	}
	w.note("List with the filter %s leaves out the cancelled operation", filter)
	return nil
}

// thenNotListed judges that no list has a name. Where there is no list, what
// Get answers decides alone.
func thenNotListed(ctx context.Context) error {
	w := of(ctx)
	if w.offered(ctx, targets.List) != nil {
		return nil
	}
	l, err := w.list(ctx, "")
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if l.unknown != nil {
		return w.fail(*l.unknown, "no entry of that name", "the cancel of a name of no operation has brought about an entry of the list")
	}
	if err != nil {
		w.note("the list could not be read to its end: Get alone has judged")
	}
	return nil
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
