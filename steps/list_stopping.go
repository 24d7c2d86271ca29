package steps

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

// listsAhead is how long a list must have shown an end that Get did not show
// before that tells anything, and aheadOfOthers how many times as long as it does
// of what stops at once: Get may read from a copy that learns of ends later.
const (
	listsAhead    = 300 * time.Millisecond
	aheadOfOthers = 4
)

// An advance is how long a list has shown the end of an operation while Get did
// not, how long after the accepted cancel that began, and the entry that did.
type advance struct {
	time.Duration
	after time.Duration
	shown snapshot
}

// mayTell tells whether a list may have taken the cancel for the end: it shows that
// from soon after the one on, and not from when the operation may have stopped.
func (a advance) mayTell() bool {
	return a.Duration >= listsAhead && a.after < a.Duration/2
}

// whenListsStopping cancels an operation that is slow to stop and lists it until it
// has stopped. What a list has shown too early counts where it is so again, and for
// far longer than it usually is ahead of Get.
func whenListsStopping(ctx context.Context, which string) error {
	w := of(ctx)
	if err := w.needCancel(); err != nil {
		return err
	}
	filter := ""
	if which != "all" {
		var err error
		if filter, err = w.acceptedFilter(ctx, doneFilters[:]...); err != nil {
			return err
		}
	}
	var usual time.Duration
	for op, again := w.it, false; ; again = true {
		a, err := w.listsEnd(ctx, op, filter)
		if err != nil || !a.mayTell() {
			return err
		}
		if again {
			w.facts["ahead"], w.facts["listed ahead"] = a, a.Duration >= aheadOfOthers*usual
			return nil
		}
		if usual, err = w.listsOthers(ctx, filter); err != nil {
			return err
		}
		if op, err = w.startInProgress(ctx, op.role); err != nil {
			return err
		}
	}
}

// listsOthers is how long a list shows the end of operations that stop at once
// before Get does, at most.
func (w *world) listsOthers(ctx context.Context, filter string) (time.Duration, error) {
	var all [oneDoes]advance
	err := together(len(all), func(i int) error {
		op, err := w.startInProgress(ctx, targets.Running)
		if err != nil {
			return err
		}
		l, err := w.list(ctx, w.ep, filter)
		if err != nil {
			return err
		}
		switch s, there := l.find(op); {
		case there && filter != "":
			return inapplicable("the filter %s is not one for what is done here: List shows an operation in progress", filter)
		case there && s.done:
			return inconclusive("List shows an operation as done that is in progress, and that nobody has cancelled")
		}
		all[i], err = w.listsEnd(ctx, op, filter)
		return err
	})
	most := slices.MaxFunc(all[:], func(a, b advance) int { return cmp.Compare(a.Duration, b.Duration) })
	return most.Duration, err
}

// listsEnd cancels an operation and lists it until Get shows its end, each time
// before it asks Get.
func (w *world) listsEnd(ctx context.Context, op *operation, filter string) (advance, error) {
	var out advance
	op, _, err := w.cancelOnce(ctx, op)
	if err != nil {
		return out, err
	}
	var since time.Time
	pause := 5 * firstPause
	for began := time.Now(); time.Since(began) < w.settleFor(); pause = min(2*pause, slowStop/8) {
		s, at, err := w.listsAsDone(ctx, op, filter)
		if err != nil {
			return out, err
		}
		l, err := w.mustFind(ctx, op)
		switch {
		case err != nil || l.done:
			return out, err
		case at.IsZero():
			since, out = at, advance{}
		case since.IsZero():
			since = at
		}
		if !since.IsZero() {
			out = advance{l.snapshot.sent.Sub(since), since.Sub(op.acceptedAt()), s}
		}
		if !sleep(ctx, pause) {
			return out, stopped(ctx)
		}
	}
	return out, inconclusive("%s", w.ineffective(op, settled{end: endedNever}))
}

// listsAsDone finds an operation in a list as one that is done, and tells when that
// was received; never: the zero time. A filter has taken it for done only where the
// list without one does not show it so.
func (w *world) listsAsDone(ctx context.Context, op *operation, filter string) (snapshot, time.Time, error) {
	l, err := w.list(ctx, w.ep, filter)
	if err != nil {
		return snapshot{}, time.Time{}, err
	}
	s, there := l.find(op)
	if !there || filter == "" && !s.done {
		return s, time.Time{}, nil
	}
	if filter != "" {
		all, err := w.list(ctx, w.ep, "")
		if other, there := all.find(op); err != nil || there && other.done {
			return s, time.Time{}, err
		}
	}
	return s, l.last.End(), nil
}

// thenNotListedAhead judges that what is being cancelled is not listed as done.
func thenNotListedAhead(ctx context.Context) error {
	w := of(ctx)
	if ahead, _ := w.facts["listed ahead"].(bool); !ahead {
		return nil
	}
	a, _ := w.facts["ahead"].(advance)
	return w.failAt(a.shown, "in progress, as Get shows it", "List shows an operation as done that is being cancelled, %v before Get does, twice", a.Round(time.Millisecond))
}
