package main

import (
	"context"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

// Of an operation that ends by itself: the time in which it is to do so, as
// the target file's description has it.
const (
	soonest = 200 * time.Millisecond
	latest  = 3 * time.Second
)

// declared finds out whether an operation behaves as its role declares.
func (d *doctor) declared(ctx context.Context, t targets.Transport, role targets.Role, name string, complain func(string, ...any)) {
	switch role {
	case targets.Succeeding, targets.Failing:
		d.endsByItself(ctx, t, role, name)
	case targets.Running, targets.Pending, targets.Slow, targets.Uncancellable, targets.Nested, targets.Chosen:
		if role == targets.Nested && !strings.Contains(afterOperations(name), "/") {
			complain("  the id in %s has one segment; declare nested unavailable, or start one with several", name)
		}
		if done, after := d.endsWithin(ctx, t, name, d.target.Timeouts.Observe); done {
			complain("  %s: it ended by itself after %v; it must keep running for settle, observe and 10 s together", t, after)
		}
	}
}

// afterOperations is what follows the collection in a name.
func afterOperations(name string) string {
	if i := strings.LastIndex(name, "operations/"); i >= 0 {
		return name[i+len("operations/"):]
	}
	return name
}

// endsByItself watches an operation that is to end without a cancel.
func (d *doctor) endsByItself(ctx context.Context, t targets.Transport, role targets.Role, name string) {
	ended, after := d.endsWithin(ctx, t, name, d.target.Timeouts.Settle)
	switch {
	case !ended:
		d.advise("  %s: it never ends: still in progress after timeouts.settle (%v)", t, d.target.Timeouts.Settle)
		return
	case after < soonest/2:
		d.advise("  %s: it ended after %v, too early to be cancelled before; %v to %v will do", t, after, soonest, latest)
	case after > latest:
		d.advise("  %s: it ended after %v; %v to %v keeps runs short", t, after, soonest, latest)
	default:
		d.well("  %s: it ended after %v", t, after)
	}
	ex, err := d.get(ctx, t, name)
	if err != nil {
		return
	}
	m, _ := ex.Doc.(map[string]any)
	_, failed := m["error"]
	if failed != (role == targets.Failing) {
		d.advise("  %s: it ended with %s, which is not what %s declares", t, map[bool]string{true: "an error", false: "no error"}[failed], role)
	}
}

// endsWithin polls an operation until it is done, or the time is over.
func (d *doctor) endsWithin(ctx context.Context, t targets.Transport, name string, limit time.Duration) (ended bool, after time.Duration) {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if ex, err := d.get(ctx, t, name); err == nil && done(ex) {
			return true, time.Since(began).Round(time.Millisecond)
		}
		select {
		case <-ctx.Done():
			return false, 0
		case <-tick.C:
		}
	}
}
