package storm

import "slices"

// shrink makes the history that shows a finding as small as it gets: no event
// that is left can be taken away. It keeps the facts, so that leaving out a
// call cannot make a breach of what was none.
func shrink(h history, f *finding) *finding {
	least := f
	for events := f.events; ; {
		smaller := false
		for i := range events {
			rest := slices.Delete(slices.Clone(events), i, i+1)
			if g := find(history{rest, h.facts}, f.requirement); g != nil {
				least, events, smaller = g, g.events, true
				break
			}
		}
		if !smaller {
			slices.SortStableFunc(least.events, func(a, b event) int { return int(a.start - b.start) })
			return least
		}
	}
}

// find returns the breach of one requirement that a history shows.
func find(h history, requirement string) *finding {
	for _, f := range check(h) {
		if f.requirement == requirement {
			return f
		}
	}
	return nil
}
