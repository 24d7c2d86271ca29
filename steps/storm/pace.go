package storm

import (
	"sync/atomic"
	"time"
)

// A pace decides how many operations are under way at a time. More of them are
// more chances to meet a race, but only as long as calls are made when they
// are due: a look that comes late misses the moment that it is for.
type pace struct {
	clients int
	room    float64       // how many may be under way: from one to livePerClient for each client
	lived   time.Duration // how long one is under way, on average
	next    time.Duration // when the next may be started
	least   time.Duration // after another one, at the fastest
}

// How the number of operations under way follows the calls: that it is to have
// come down by a third takes some 400 calls in a row that were due.
const (
	lessRoom = 0.999
	moreRoom = 1
)

func newPace(clients int) pace {
	return pace{clients: clients, room: float64(clients * livePerClient / 2), lived: 250 * time.Millisecond, least: never}
}

// due takes note of a call that is made since it is due, spare of one that a
// client makes who has nothing else to do.
func (p *pace) due()   { p.room = max(float64(p.clients), p.room*lessRoom) }
func (p *pace) spare() { p.room = min(float64(p.clients*livePerClient), p.room+moreRoom) }

// started takes note of a start: the next follows in such a time that starts,
// and so ends, are spread evenly and do not come in waves.
func (p *pace) started(now time.Duration) {
	after := time.Duration(float64(p.lived) / p.room / 2)
	p.next, p.least = now+after, min(p.least, after)
}

// ended takes note of how long an operation was under way.
func (p *pace) ended(life time.Duration) { p.lived += (life - p.lived) / 16 }

// hot is when the state of an operation is expected to change, for whoever has
// a look to spare.
type hot struct{ at atomic.Int64 }

func (h *hot) set(at time.Duration) { h.at.Store(int64(at)) }

// distance is how far that is from now.
func (h *hot) distance(now time.Duration) time.Duration {
	return (now - time.Duration(h.at.Load())).Abs()
}

// Most races are missed by less than a millisecond, which is about how long a
// call waits for the others where as many clients call as keep the server busy.
// So the storm abates: in each period all of its clients call, then half of
// them, and then a quarter, about as many fewer operations.
const (
	period   = time.Second
	halfFrom = period * 2 / 5
	fewFrom  = period * 4 / 5
	fewest   = 2
)

// active is how many of the clients call now; the fewer, the less room is left.
func (p *pace) active(now time.Duration) int {
	n := p.clients
	switch now %= period; {
	case now >= fewFrom:
		n /= 4
	case now >= halfFrom:
		n /= 2
	}
	n = min(max(n, fewest), p.clients)
	p.room = min(p.room, float64(n*livePerClient))
	return n
}
