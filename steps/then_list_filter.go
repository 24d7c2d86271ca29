package steps

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/lro-tools/conform/targets"
)

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
	last, late, err := w.untilListed(ctx, w.ep, filter, func(l listing) bool {
		odd := w.unmatched(l, done)
		if len(odd) == 0 {
			return true
		}
		if wrong == nil {
			wrong = maps.Clone(odd)
		}
		maps.DeleteFunc(wrong, func(name string, _ snapshot) bool { return odd[name].name != name })
		if w.showsBoth(l) {
			opposite, err := w.list(ctx, w.ep, oppositeFilter(filter))
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
			// A list that ends after so many may show neither of the two operations
			// by which it was to be known that filters are ignored.
			if w.ignoresBoth(ctx, filter, last) {
				w.note("List ignores the filter %s, and its opposite", filter)
				return nil
			}
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

// ignoresBoth tells whether a filter is ignored like its opposite: that lists what is
// done and what is not; or, where the whole list shows nothing that is done, all three
// show the same operation in progress.
func (w *world) ignoresBoth(ctx context.Context, filter string, filtered listing) bool {
	opposite, err := w.list(ctx, w.ep, oppositeFilter(filter))
	if err != nil || opposite.refused {
		return false
	}
	if opposite.done > 0 {
		return opposite.done < opposite.size
	}
	all, err := w.list(ctx, w.ep, "")
	return err == nil && all.done == 0 && !slices.ContainsFunc([]listing{filtered, opposite, all}, func(l listing) bool {
		s, shown := l.find(w.others[0])
		return !shown || s.done
	})
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
	all, err := w.list(ctx, w.ep, "")
	if err != nil || !shown(w.it)(all) {
		return err
	}
	if _, late, err := w.untilListed(ctx, w.ep, filter, shown(w.it)); err != nil || !late {
		return err
	}
	if w.run.role(targets.Succeeding) == nil {
		other, err := w.finished(ctx, "succeeded")
		if err != nil {
			return err
		}
		last, late, err := w.untilListed(ctx, w.ep, filter, shown(other))
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
	l, err := w.list(ctx, w.ep, "")
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
