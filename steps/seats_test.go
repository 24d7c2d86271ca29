package steps

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets/reference"
)

// TestSeatsBoundTheCasesAtWork lets many cases work and wait by turns, some
// with several waits under way, and counts those at work.
func TestSeatsBoundTheCasesAtWork(t *testing.T) {
	s := newSeats(3, true)
	assert.Equal(t, 27, s.cases)
	var working, most atomic.Int64
	work := func() {
		n := working.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		working.Add(-1)
	}
	var cases sync.WaitGroup
	for range s.cases {
		cases.Go(func() {
			own := &seat{seats: s}
			own.take(t.Context())
			defer own.end()
			for range 100 {
				work()
				var waits sync.WaitGroup
				for range 2 {
					waits.Go(func() {
						own.rest()
						own.rise(t.Context())
					})
				}
				waits.Wait()
			}
		})
	}
	cases.Wait()
	assert.LessOrEqual(t, most.Load(), int64(3))
	assert.Empty(t, s.free, "every place was given up")
}

func TestSeatsOfOneAtATimeAreKept(t *testing.T) {
	for _, s := range []*seats{newSeats(1, true), newSeats(5, false)} {
		own := &seat{seats: s}
		own.take(t.Context())
		own.rest()
		own.rise(t.Context())
		own.end()
		assert.Nil(t, s.free)
	}
	assert.Equal(t, 5, newSeats(5, false).cases)
}

// A case whose time is over waits for no place.
func TestSeatIsNotWaitedForOnceTheTimeIsOver(t *testing.T) {
	s := newSeats(2, true)
	for range 2 {
		(&seat{seats: s}).take(t.Context())
	}
	over, end := context.WithCancel(t.Context())
	end()
	late := &seat{seats: s}
	late.take(over)
	late.end()
	assert.Len(t, s.free, 2)
}

// Cases that wait for what another one finds out do not keep the places that this
// one needs.
func TestFewPlacesAreEnough(t *testing.T) {
	t.Parallel()
	s, err := reference.New(reference.Options{})
	require.NoError(t, err)
	r := judge(t, describe(t, s), Options{Run: []string{"delete.*", "wait.*", "list.*"}, Concurrency: 2})
	for _, c := range r.Cases {
		assert.NotEqual(t, reports.Inconclusive, c.Verdict, "%s: %s", c.ID, c.Reason)
	}
}
