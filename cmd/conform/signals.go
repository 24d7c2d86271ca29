package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// An interruption is how SIGINT and SIGTERM end a command: the first cancels
// its context, so that it ends in order; a second ends the process at once.
type interruption struct {
	signal atomic.Int32 // the first signal; 0: none yet
	stop   func()
}

// listen begins to listen. first is told of the first signal; last runs before
// the process ends at once.
func listen(ctx context.Context, first func(name string), last func()) (context.Context, *interruption) {
	ctx, cancel := context.WithCancel(ctx)
	received := make(chan os.Signal, 2)
	signal.Notify(received, syscall.SIGINT, syscall.SIGTERM)
	ended := make(chan struct{})
	i := &interruption{}
	i.stop = func() {
		signal.Stop(received)
		close(ended)
		cancel()
	}
	go func() {
		for {
			select {
			case <-ended:
				return
			case s := <-received:
				n := int32(s.(syscall.Signal))
				if !i.signal.CompareAndSwap(0, n) {
					last()
					os.Exit(128 + int(n))
				}
				first(s.String())
				cancel()
			}
		}
	}()
	return ctx, i
}

// number is the number of the first signal; 0 where there was none.
func (i *interruption) number() int { return int(i.signal.Load()) }
