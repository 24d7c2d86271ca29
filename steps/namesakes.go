package steps

import (
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/reports"
)

// The namesakes of a run are operations under a name that no operation had for a
// while: it was deleted, or there was none. A server may give such a name out
// again, and a case that still asks for the first then meets the operation of
// another. Only these names are kept, which are few.
type namesakes struct {
	mu     sync.Mutex
	vacant map[string]*vacancy
}

// A vacancy is a name that no operation had.
type vacancy struct {
	next    *mistaken               // the case whose operation was given the name since; nil: none was
	callers map[*mistaken]time.Time // the cases that have called by the name since, and when last
}

// mistaken tells of a case whether calls of its own, or of another case, may have
// met a namesake, and its name.
type mistaken struct{ name atomic.Pointer[string] }

func newNamesakes() *namesakes { return &namesakes{vacant: map[string]*vacancy{}} }

// vacate enters a name that no operation has, or will have none once a Delete is
// accepted; undo takes that back.
func (n *namesakes) vacate(name string) (undo func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.vacant[name]
	if before == nil || before.next != nil {
		n.vacant[name] = &vacancy{callers: map[*mistaken]time.Time{}}
	}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if delete(n.vacant, name); before != nil {
			n.vacant[name] = before
		}
	}
}

// give takes note that an operation of a case was given the name. Calls of others
// that were made since its start was asked for may have met it.
func (n *namesakes) give(name string, begun time.Time, to *mistaken) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := n.vacant[name]
	if v == nil {
		return
	}
	for m, last := range v.callers {
		if m != to && begun.Before(last) {
			m.name.Store(&name)
			to.name.Store(&name)
		}
	}
	v.next, v.callers = to, nil
}

// called takes note of a call by a name, before it is made and once it was answered.
func (n *namesakes) called(name string, by *mistaken) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch v := n.vacant[name]; {
	case v == nil || v.next == by:
	case v.next == nil:
		v.callers[by] = time.Now()
	default:
		by.name.Store(&name)
		v.next.name.Store(&name)
	}
}

// given tells whether a name was given out again.
func (n *namesakes) given(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := n.vacant[name]
	return v != nil && v.next != nil
}

// nameIn is the name of the operation that a request is about; "" where it is a
// collection, or none.
func nameIn(request proto.Message) string {
	named, _ := request.(interface{ GetName() string })
	if named == nil {
		return ""
	}
	return named.GetName()
}

// byName makes a call by a name, with what the namesakes of the run are told of it.
func (w *world) byName(request proto.Message, do func() call) call {
	name := nameIn(request)
	w.run.namesakes.called(name, w.mistaken)
	defer w.run.namesakes.called(name, w.mistaken)
	return do()
}

// meetsNamesake takes note of a look at an operation that was deleted, whose name the
// case's own next operation was given.
func (w *world) meetsNamesake(op *operation) {
	op.looking.Lock()
	deleted := !op.deleted.IsZero()
	op.looking.Unlock()
	if deleted {
		w.meetsNamesakeOf(op.name)
	}
}

// meetsNamesakeOf takes note that an answer shows a name which no operation had, where
// one was given it since.
func (w *world) meetsNamesakeOf(name string) {
	if w.run.namesakes.given(name) {
		w.mistaken.name.Store(&name)
	}
}

// doubt takes back what a case has found that may have met a namesake: it is to be
// judged once more, by itself. It returns the result that stands; s.mu must be held.
func (s *suite) doubt(id string) reports.Case {
	c, m := s.results[id], s.mistaken[id]
	if m == nil || m.name.Load() == nil || !unsettling(c) {
		return c
	}
	r := disturbed("the name was given out again: %s is an operation that was deleted, or that there was not, and another that was started since", *m.name.Load()).(*ruling)
	c.Verdict, c.Reason, c.Needs = r.verdict, r.reason, ""
	c.Breaches, c.Broke, c.Notes = nil, nil, nil
	s.results[id], s.disturbed[id] = c, true
	return c
}

// doubtAll is doubt for all results: that a case has met a namesake may show only when
// the start of that is answered, or when the other case calls.
func (s *suite) doubtAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.results {
		s.doubt(id)
	}
}
