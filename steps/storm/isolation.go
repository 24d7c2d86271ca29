package storm

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lro-tools/conform/targets"
)

// A suspect is an operation that was cancelled before any cancel of it was
// sent, between two moments. A system may do so by itself: what is cancelled is
// blamed on the cancel of another one only with a cause.
type suspect struct {
	p        *episode
	h        history
	f        *finding
	from, to time.Duration
}

// A stray is an accepted cancel that did nothing to its own operation, with a
// look that shows so, and from when until when it may have ended another one.
type stray struct {
	p        *episode
	cancel   event
	look     event
	from, to time.Duration
}

// What it takes to blame strays: so many suspects each with its own, and more
// by far than at other moments.
const (
	leastCauses  = 3
	otherMoments = 8 // before, and as many after
	betweenThem  = 50 * time.Millisecond
	mostKept     = 300 // of suspects and of strays, the last
)

// longAfter is how long after a cancel the operation must be in progress yet
// for the cancel to be a stray: a system that is slow is not to look like it.
func longAfter(stop natural) time.Duration { return 10*stop.median + 100*time.Millisecond }

// suspectOf makes a suspect of a finding.
func suspectOf(p *episode, h history, f *finding) suspect {
	s := suspect{p: p, h: h, f: f, from: p.base, to: f.events[0].end}
	for _, e := range h.events {
		if e.looks() && e.cancelled() {
			s.to = min(s.to, e.end)
		}
	}
	for _, e := range h.events {
		if e.looks() && !e.done && e.start < s.to {
			s.from = max(s.from, e.start)
		}
	}
	return s
}

// straysOf finds the strays among the cancels of an operation.
func straysOf(p *episode, events []event, stop natural) []stray {
	var out []stray
	for _, c := range events {
		if c.method != targets.Cancel || c.answer != accepted {
			continue
		}
		i := slices.IndexFunc(events, func(e event) bool { return e.looks() && !e.done && e.start >= c.end+longAfter(stop) })
		if i >= 0 {
			out = append(out, stray{p, c, events[i], c.start, c.end + stop.median})
		}
	}
	return out
}

// causes finds for each suspect a stray of its own, where the strays are moved
// by some time. It holds the strays' numbers; none where there is none.
func causes(suspects []suspect, strays []stray, by time.Duration) (found []int, n int) {
	taken := make([]bool, len(strays))
	for _, s := range suspects {
		own := none
		for i, x := range strays {
			if !taken[i] && x.p != s.p && x.from+by <= s.to && s.from <= x.to+by {
				own, taken[i] = i, true
				n++
				break
			}
		}
		found = append(found, own)
	}
	return found, n
}

// blamed finds the causes of suspects where there are more of them than chance
// gives, which is what is found at other moments, before and after.
func blamed(suspects []suspect, strays []stray, stop natural) (found []int, n int) {
	found, n = causes(suspects, strays, 0)
	if n < leastCauses {
		return nil, 0
	}
	var others []float64
	for i := -otherMoments; i <= otherMoments; i++ {
		by := time.Duration(i) * (betweenThem + stop.median)
		if reached := within(suspects, strays, by); i != 0 && 2*reached >= len(suspects) {
			_, m := causes(suspects, strays, by)
			others = append(others, float64(m*len(suspects))/float64(reached))
		}
	}
	if len(others) < otherMoments || float64(n) <= beyond(others) {
		return nil, 0
	}
	return found, n
}

// within counts the suspects that fall into the time of the strays, where these
// are moved.
func within(suspects []suspect, strays []stray, by time.Duration) (n int) {
	first, end := never, time.Duration(0)
	for _, x := range strays {
		first, end = min(first, x.from), max(end, x.to)
	}
	for _, s := range suspects {
		if first+by <= s.to && s.from <= end+by {
			n++
		}
	}
	return n
}

// beyond is what chance does not reach: more than at any of some moments, and
// four standard deviations more than on average.
func beyond(counts []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, c := range counts {
		sum, squares = sum+c, squares+c*c
	}
	mean := sum / float64(len(counts))
	return max(slices.Max(counts), mean+4*math.Sqrt(max(mean, squares/float64(len(counts))-mean*mean)))
}

// refuse takes note of an operation that was cancelled though each cancel of it was
// refused. It may have been cancelled at that moment as those are which nobody
// cancelled, and refused because it was finished: it is told where there are more
// of it, or at the end where there are none of those; e.mu must be held.
func (e *engine) refuse(p *episode, v Violation) {
	if p.calm { // which has ended together with all others
		return
	}
	e.despite = append(e.despite, v)
	if len(e.despite) >= leastCauses && len(e.despite) > e.alone {
		e.tellRefused()
	}
}

// tellRefused tells what was cancelled though its cancels were refused; e.mu must
// be held.
func (e *engine) tellRefused() {
	for _, v := range e.despite {
		e.broken[noEffect]++
		e.tell(v)
	}
	e.despite = nil
}

// trace looks for the causes of what is suspect, among the cancels of what was
// judged and of what is under way.
func (e *engine) trace() {
	e.mu.Lock()
	stop := e.naturals[targets.Running]
	suspects, strays := slices.Clone(e.suspects), slices.Clone(e.strays)
	var live []*episode
	for _, p := range e.live {
		if !p.shared.Load() {
			live = append(live, p)
		}
	}
	e.mu.Unlock()
	if len(suspects) < leastCauses {
		return
	}
	for _, p := range live {
		p.mu.Lock()
		strays = append(strays, straysOf(p, p.events, stop)...)
		p.mu.Unlock()
	}
	slices.SortFunc(strays, func(a, b stray) int { return int(a.from - b.from) })
	found, n := blamed(suspects, strays, stop)
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, own := range found {
		if own != none {
			e.broken[siblings] = n // the others may have been cancelled by the system
			e.tell(suspects[i].violation(strays[own]))
			return
		}
	}
}

// violation makes what is reported of a suspect with its cause.
func (s suspect) violation(x stray) Violation {
	v := s.p.violation(s.h, shrink(s.h, s.f))
	v.Message = fmt.Sprintf("it was cancelled before any cancel of it was sent, when a cancel of %s was accepted that did nothing to that one", x.p.name)
	for _, e := range []event{x.cancel, x.look} {
		l := s.p.line(e)
		l.Operation = x.p.name
		v.Sequence = append(v.Sequence, l)
	}
	slices.SortStableFunc(v.Sequence, func(a, b Line) int { return int(1000 * (a.FromMS - b.FromMS)) })
	return v
}

// last returns the last few of what is kept.
func last[T any](all []T) []T { return all[max(len(all)-mostKept, 0):] }
