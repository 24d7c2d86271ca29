package steps

import (
	"time"

	"google.golang.org/grpc/codes"
)

// withinLimit has a Wait ask for no more time than the server lets it: a service may
// bound the timeout, and refuse what is longer. It asks for less and less then, and the
// limit is that of the run from there on. Where each is refused, the first counts.
func (w *world) withinLimit(asked time.Duration, wait func(asked time.Duration) (waited, error)) (waited, error) {
	limit := &w.run.offers[w.plan.transport].longest
	if known := time.Duration(limit.Load()); known > 0 {
		asked = min(asked, known)
	}
	first, err := wait(asked)
	for x := first; err == nil && refusesTimeout(x.call) && asked/2 >= probeWait; {
		asked /= 2
		if x, err = wait(asked); err == nil && !refusesTimeout(x.call) {
			if x.err == nil {
				limit.Store(int64(asked))
			}
			return x, nil
		}
	}
	return first, err
}

// limited tells whether the server was found to bound what a Wait may ask for.
func (w *world) limited() bool { return w.run.offers[w.plan.transport].longest.Load() > 0 }

// refusesTimeout tells whether a Wait may have been refused for what it asks for.
func refusesTimeout(c call) bool {
	return c.err == nil && isCode(c.Exchange, codes.InvalidArgument, codes.OutOfRange)
}
