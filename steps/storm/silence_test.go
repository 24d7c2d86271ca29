package storm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

// TestCancelsWithoutAnAnswer demands that a cancel without an answer is a finding only
// where it happens again and again while others are answered, of the requirement that
// its company tells.
func TestCancelsWithoutAnAnswer(t *testing.T) {
	lost := func(ms int, kind targets.NoAnswerKind) event {
		e := lasting(at(ms, targets.Cancel, silent), 100)
		e.none, e.lone = kind, true
		return e
	}
	answered := []event{at(0, targets.Cancel, accepted)}
	hangs := []event{lost(0, targets.TimedOut)}
	stuck := []event{lasting(at(0, targets.Cancel, accepted), 5), lost(1, targets.TimedOut)}
	dropped := []event{lasting(at(0, targets.Cancel, accepted), 5), lost(1, targets.Reset)}
	times := func(n int, events []event) (out [][]event) {
		for range n {
			out = append(out, events)
		}
		return out
	}
	for name, c := range map[string]struct {
		operations [][]event
		slowest    time.Duration
		want       string
	}{
		"all are answered":                {times(20, answered), 0, ""},
		"some hang":                       {append(times(20, answered), times(3, hangs)...), 0, "cancel.accept.in-progress"},
		"two hang":                        {append(times(20, answered), times(2, hangs)...), 0, ""},
		"some hang, and others are slow":  {append(times(20, answered), times(3, hangs)...), time.Second, ""},
		"some hang beside others":         {append(times(20, answered), times(3, stuck)...), 0, "cancel.concurrent.single-outcome"},
		"some are dropped":                {append(times(20, answered), times(3, dropped)...), 0, "cancel.concurrent.no-server-error"},
		"too few are alone to tell":       {append(times(4, answered), times(3, stuck)...), 0, ""},
		"one that is alone hangs as well": {append(append(times(20, answered), hangs), times(3, stuck)...), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := newEngine(&targets.Target{Timeouts: targets.Timeouts{Request: time.Second},
				Endpoints: map[targets.Transport]*targets.Endpoint{targets.REST: {Judge: true}}}, Options{Clients: 1})
			require.NoError(t, err)
			e.traffic[targets.REST].Cancel.add(max(c.slowest, time.Millisecond))
			for i, events := range c.operations {
				e.listen(&episode{index: i}, history{events, factsOf(events, targets.Running, e.target)})
			}
			e.silences()
			var got string
			for id, v := range e.found {
				got = id
				assert.Equal(t, 3, e.broken[id])
				assert.NotEmpty(t, v.Sequence)
			}
			assert.Equal(t, c.want, got)
		})
	}
}
