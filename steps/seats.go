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
	free  chan struct{} // taken by a case at work; nil where all that are alive are
	waits chan struct{} // taken by a case that calls Wait, until it ends; nil where several may at a time
	cases int           // alive at a time
}

func newSeats(n int, yield bool) *seats {
	if n <= 1 || !yield {
		return &seats{cases: n}
	}
	return &seats{free: make(chan struct{}, n), cases: n + min(8*n, besideMost)}
}

// fewSeats are those where the target stands few calls at a time: one case after the
// other has its Waits.
func fewSeats(n int) *seats {
	return &seats{waits: make(chan struct{}, 1), cases: n}
}

// single tells whether one case is at work at a time.
func (s *seats) single() bool { return s.cases == 1 }

// A seat is the place of one case.
type seat struct {
	seats   *seats
	taking  sync.Mutex // held while one wait takes the place for all
	first   sync.Once  // Wait of the case, which takes the turn for all
	mu      sync.Mutex
	taken   bool
	hasTurn bool // to call Wait
	resting int  // waits of the case that are under way
}

// take waits for a place; where ctx ends before, the case goes on without one.
func (s *seat) take(ctx context.Context) {
	if s.seats.free == nil {
		return
	}
	s.taking.Lock()
	defer s.taking.Unlock()
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

// takeTurn waits until the case may call Wait, where cases take turns at that; where
// ctx ends before, the case goes on all the same.
func (s *seat) takeTurn(ctx context.Context) {
	if s.seats.waits == nil {
		return
	}
	s.first.Do(func() {
		select {
		case s.seats.waits <- struct{}{}:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.hasTurn = true
		case <-ctx.Done():
		}
	})
}

// end gives the place, and the turn, up for good.
func (s *seat) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
	if s.hasTurn {
		<-s.seats.waits
		s.hasTurn = false
	}
}
