package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/lro-tools/conform/targets"
)

// aborts is how many calls are aborted in each way, each a little later after it was
// sent.
const aborts = 11

// whenAborts gives up calls that only look, before they are answered. A Wait
// is sure to be under way when it is given up; what is answered sooner than it
// is given up was not aborted. Over gRPC there are as many whose deadline comes:
// the server is told of that, and ends such a call by itself.
func whenAborts(ctx context.Context, how string) error {
	w := of(ctx)
	m := map[string]targets.Method{"get": targets.Get, "list": targets.List, "wait for": targets.Wait}[how]
	w.facts["how"] = fmt.Sprintf("an aborted %s", m)
	w.facts["again"] = func() error { return whenAborts(ctx, how) }
	if m == targets.Wait {
		w.facts["waited"] = true
	}
	patience := 2 * w.requestFor()
	if m != targets.Get {
		// Found out with another operation: what the expiry of a Wait does to
		// one is not the doing of an aborted call.
		if err := w.offered(ctx, m); err != nil {
			return err
		}
	}
	aborted := 0
	for i := range aborts {
		after := 20 * time.Microsecond << i
		if m == targets.Wait {
			after = time.Duration(i+1) * 5 * time.Millisecond
		}
		if w.abort(ctx, m, patience, after).err != nil {
			aborted++
		}
		if !w.rest() {
			w.overruns(ctx, m, patience, after)
		}
		if ctx.Err() != nil {
			return stopped(ctx)
		}
	}
	if aborted == 0 {
		return inconclusive("every %s was answered before it could be aborted", m)
	}
	return nil
}

// abort gives up a call some time after it was sent.
func (w *world) abort(ctx context.Context, m targets.Method, patience, after time.Duration) call {
	short, stop := givenUpAfter(ctx, after)
	defer stop()
	return w.lookBy(short, m, patience)
}

// deadlineGrace is how long after its deadline the answer to a call is awaited: a
// server may take no notice of deadlines.
const deadlineGrace = 100 * time.Millisecond

// Waits whose deadline comes: how many for each that is aborted, and the time they are
// given, in which a server has begun to wait. Libraries of servers end the stream when
// the deadline comes, and which of the two the service learns of first is chance.
const (
	waitsOverrun = 3
	waitOverrun  = 10 * time.Millisecond
)

// overruns makes calls whose deadline comes before the answer may.
func (w *world) overruns(ctx context.Context, m targets.Method, patience, after time.Duration) {
	if m != targets.Wait {
		w.overrun(ctx, m, patience, after)
		return
	}
	for range waitsOverrun {
		w.overrun(ctx, m, patience, waitOverrun)
	}
}

// overrun makes a call over gRPC whose deadline comes some time after it was sent. The
// server learns of it from the call itself, not by the client's leaving.
func (w *world) overrun(ctx context.Context, m targets.Method, patience, after time.Duration) {
	short, stop := givenUpAfter(ctx, after+deadlineGrace)
	defer stop()
	if m == targets.Wait {
		defer w.waits(ctx)()
	}
	w.raw(short, targets.RawRequest{Method: m, Message: w.lookRequest(m, patience),
		Header: map[string]string{"grpc-timeout": fmt.Sprintf("%du", after.Microseconds())}}, "a deadline that comes early")
}

// givenUpAfter is a context of calls that are given up after some time.
func givenUpAfter(ctx context.Context, after time.Duration) (short context.Context, stop func()) {
	short, giveUp := context.WithCancel(ctx)
	timer := time.AfterFunc(after, giveUp)
	return short, func() { timer.Stop(); giveUp() }
}
