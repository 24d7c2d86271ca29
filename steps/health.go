package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lro-tools/conform/targets"
)

// Refused connections, and Gets without an answer, in a row after which a
// transport of the target is taken for gone, if nothing was answered between. A
// target that lets other calls hang may well be there: each case goes on to Get
// its operation.
const (
	refusedUntilGone    = 3
	unansweredUntilGone = 8
)

// hungUntilKnown is how many cancels without an answer, where none was ever
// answered, let the rest of a run take the same for granted.
const hungUntilKnown = 3

// health recognises a target that has gone, so that a run ends with one reason
// and not with a hundred identical failures.
type health struct {
	request time.Duration
	gone    context.CancelCauseFunc        // ends the transport's cases
	pulse   func(ctx context.Context) bool // asks for what no case has touched: is anything answered?

	mu         sync.Mutex
	refused    int
	unanswered int
	answered   time.Time
	asking     bool // for the pulse
	lost       bool
	idle       time.Time // when a target that was lost must be through with the Waits that it had then
	hung       int       // cancels that timed out
	cancels    bool      // one was answered
	waits      int       // that are under way
	severed    *severed
}

// severed are the calls, over any transport, whose connections ended before their
// answers, since the last answer: where the target has gone, one of them may be why.
type severed struct {
	mu           sync.Mutex
	gets, others []string // the first lines of the first few
}

// severedShown is how many calls are named where a target has gone.
const severedShown = 3

// tell takes note of a call.
func (b *severed) tell(c call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.err == nil {
		b.gets, b.others = nil, nil
		return
	}
	lines := &b.others
	if c.Method == targets.Get {
		lines = &b.gets
	}
	if c.err.Kind == targets.Reset && len(*lines) < severedShown {
		*lines = append(*lines, c.Request.Line)
	}
}

// String names the calls, those first that are no Get; "" where there is none.
func (b *severed) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := slices.Concat(b.others, b.gets)
	if len(lines) == 0 {
		return ""
	}
	return "; the connection broke with " + strings.Join(lines[:min(len(lines), severedShown)], ", ")
}

func newHealth(request time.Duration, b *severed) *health {
	return &health{request: request, severed: b, gone: func(error) {}, pulse: func(context.Context) bool { return false }, answered: time.Now()}
}

// tell takes note of a call. Calls that their caller gave up say nothing.
func (h *health) tell(ctx context.Context, c call) {
	if c.err != nil && (ctx.Err() != nil || c.err.Kind == targets.Aborted) {
		return
	}
	h.severed.tell(c)
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.err == nil {
		h.refused, h.unanswered, h.answered = 0, 0, time.Now()
		h.cancels = h.cancels || c.Method == targets.Cancel
		return
	}
	if c.Method == targets.Cancel && c.err.Kind == targets.TimedOut {
		h.hung++
	}
	switch {
	case c.err.Kind == targets.Unreachable && !errors.Is(c.err, context.DeadlineExceeded):
		h.refused++
	case c.Method == targets.Get, c.err.Kind == targets.Unreachable:
		// A connection that is not made in time may be one that a busy server
		// does not get to.
		h.unanswered++
	}
	if h.lost {
		return
	}
	if h.refused >= refusedUntilGone || h.silent(ctx) {
		h.lost = true
		if h.refused < refusedUntilGone && h.waits > 0 {
			h.idle = h.answered.Add(longWait + time.Second)
		}
		h.gone(fmt.Errorf("the target is gone over %s: %v%v", c.Transport, c.err, h.severed)) // its own cause is none of the context
	}
}

// silent tells whether nothing is answered any more, nor is one call more: the
// Gets of a case may all be for what a cancel of its own has locked. The caller
// holds the mutex, which is given up for the call.
func (h *health) silent(ctx context.Context) bool {
	if h.asking || h.unanswered < unansweredUntilGone || time.Since(h.answered) <= h.request {
		return false
	}
	h.asking = true
	h.mu.Unlock()
	alive := h.pulse(ctx)
	h.mu.Lock()
	h.asking = false
	if alive {
		h.unanswered, h.answered = 0, time.Now()
	}
	return !alive && ctx.Err() == nil
}

// addWait counts the Waits that are under way.
func (h *health) addWait(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waits += n
}

// idleAt is when a target that was lost must be through with the Waits that were
// under way; in the past where there were none.
func (h *health) idleAt() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.idle
}

// revive takes back that the target has gone; gone ends the transport's cases if it
// does so again.
func (h *health) revive(gone context.CancelCauseFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused, h.unanswered, h.answered, h.lost, h.gone = 0, 0, time.Now(), false, gone
}

// cancelsHang tells whether it is known by now that no cancel is answered.
func (h *health) cancelsHang() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.cancels && h.hung >= hungUntilKnown
}

// isLost tells whether the target is taken for gone.
func (h *health) isLost() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// ineffectiveUntilKnown is how many identical ineffective cancels, with none
// effective, let the rest of a run take the same for granted.
const ineffectiveUntilKnown = 3

// effects remembers what accepted cancels brought about on one transport.
type effects struct {
	mu          sync.Mutex
	ineffective map[targets.Role]map[string]int
	effective   map[targets.Role]bool
	lost        bool
}

func newEffects() *effects {
	return &effects{ineffective: map[targets.Role]map[string]int{}, effective: map[targets.Role]bool{}}
}

// tell takes note of how an operation of a role ended; reason is "" where the
// cancel was effective.
func (e *effects) tell(role targets.Role, reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if reason == "" {
		e.effective[role] = true
		return
	}
	if e.ineffective[role] == nil {
		e.ineffective[role] = map[string]int{}
	}
	e.ineffective[role][reason]++
}

// known is the reason that the cancels of a role are ineffective, once three
// have shown it; "" before, or when one was effective.
func (e *effects) known(role targets.Role) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.effective[role] {
		return ""
	}
	for reason, n := range e.ineffective[role] {
		if n >= ineffectiveUntilKnown {
			return reason
		}
	}
	return ""
}

// worked tells whether a cancel of a role is known to have been effective.
func (e *effects) worked(role targets.Role) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.effective[role]
}

// tellLost takes note that a plain cancel was refused or had no effect.
func (e *effects) tellLost() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost = true
}

// loses tells whether a plain cancel is known to have been refused, or to have
// had no effect, even if others had.
func (e *effects) loses() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lost
}
