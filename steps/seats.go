package steps

import (
	"context"
	"sync"
	"time"
)

// besideMost is how many cases there may be beside those at work, where the ones
// that merely wait give up their place: eight times as many, at most this. A
// contract has dozens of cases that wait for what is slow to stop.
const besideMost = 128

// restsAfter is how long a case waits for one thing before it gives up its
// place.
const restsAfter = 20 * time.Millisecond

// seats are the places of the cases that are at work. On loopback a case that
// watches an operation, or waits for one to end, lets another take its place,
// so that a run is not made of the sum of its waits. Elsewhere the number of
// cases bounds the operations in progress as well, and they sit it out.
type seats struct {
	free  chan struct{}
	cases int // alive at a time
}

func newSeats(n int, yield bool) *seats {
	if n <= 1 || !yield {
		return &seats{cases: n}
	}
	return &seats{free: make(chan struct{}, n), cases: n + min(8*n, besideMost)}
}

// A seat is the place of one case.
type seat struct {
	seats   *seats
	turn    sync.Mutex // held while the place is taken
	mu      sync.Mutex
	taken   bool
	resting int // waits of the case that are under way
}

// take waits for a place; where ctx ends before, the case goes on without one.
func (s *seat) take(ctx context.Context) {
	if s.seats.free == nil {
		return
	}
	s.turn.Lock() // one wait of the case takes it for all
	defer s.turn.Unlock()
	s.mu.Lock()
	needless := s.taken || s.resting > 0
	s.mu.Unlock()
	if needless {
		return
	}
	select {
	case s.seats.free <- struct{}{}:
	case <-ctx.Done():
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken || s.resting > 0 { // another wait has ended, or begun, meanwhile
		<-s.seats.free
		return
	}
	s.taken = true
}

// leave gives the place up; the caller holds the mutex.
func (s *seat) leave() {
	if s.taken {
		<-s.seats.free
		s.taken = false
	}
}

// rest gives the place up until the last wait of the case is over.
func (s *seat) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting++
	s.leave()
}

// rise ends a wait that rest began.
func (s *seat) rise(ctx context.Context) {
	s.mu.Lock()
	s.resting--
	last := s.resting == 0 && !s.taken
	s.mu.Unlock()
	if last {
		s.take(ctx)
	}
}

// await waits, without the place, for what another case does, and tells whether
// that came before the end of ctx.
func (s *seat) await(ctx context.Context, done <-chan struct{}) bool {
	s.rest()
	defer s.rise(ctx)
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// end gives the place up for good.
func (s *seat) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
}
