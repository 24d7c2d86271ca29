package storm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestBurstsAreFewEvents demands that what falls together counts once, and that the
// longest time without any is found, also at the ends.
func TestBurstsAreFewEvents(t *testing.T) {
	for name, c := range map[string]struct {
		moments []float64 // in seconds, of ten
		events  int
		gap     float64
	}{
		"all along":     {[]float64{0.2, 1.2, 2.2, 3.2, 4.2, 5.2, 6.2, 7.2, 8.2, 9.2}, 10, 1},
		"one burst":     {[]float64{4.05, 4.1, 4.2, 4.3}, 1, 5.7},
		"two bursts":    {[]float64{8.1, 8.2, 2.2, 2.3}, 2, 5.8},
		"while it ends": {[]float64{2, 10.4}, 2, 8},
	} {
		var moments []time.Duration
		for _, s := range c.moments {
			moments = append(moments, time.Duration(s*float64(time.Second)))
		}
		events, gap := independent(moments, 10*time.Second)
		assert.Equal(t, c.events, events, name)
		assert.InDelta(t, c.gap, gap.Seconds(), 0.001, name)
	}
}

// TestACalmIsAsTheStormWas demands of rounds that the cancels are blamed only where
// there was enough of each thing at which a system may cancel, in rounds as full and
// as fast as the storm, and nothing was cancelled.
func TestACalmIsAsTheStormWas(t *testing.T) {
	storm := exposure{wall: 10, started + "running": 1000, started + "failing": 200, lasted + "running": 20, "GetOperation": 9000, "WaitOperation": 500}
	full := exposure{wall: 5, started + "running": 600, started + "failing": 120, lasted + "running": 90, "GetOperation": 9000, "WaitOperation": 300}
	without := func(what string) exposure {
		x := exposure{}
		for k, n := range full {
			x[k] = n
		}
		x[what] /= 10
		return x
	}
	for name, c := range map[string]struct {
		round   exposure
		reached time.Duration
		took    time.Duration
		gap     time.Duration
		seen    int
		want    bool
	}{
		"nothing is cancelled":  {full, 0, 5 * time.Second, time.Second, 0, true},
		"one is":                {full, 0, 5 * time.Second, time.Second, 1, false},
		"fewer at a time":       {full, never, 5 * time.Second, time.Second, 0, false},
		"started more slowly":   {full, 0, 7 * time.Second, time.Second, 0, false},
		"none for long anyhow":  {full, 0, 5 * time.Second, 3 * time.Second, 0, false},
		"few of a role":         {without(started + "failing"), 0, 5 * time.Second, time.Second, 0, false},
		"few calls of a method": {without("WaitOperation"), 0, 5 * time.Second, time.Second, 0, false},
	} {
		m := &calm{storm: storm, own: exposure{}, round: c.round, reached: c.reached, gap: c.gap, events: 18, seen: c.seen}
		m.count(c.took)
		assert.Equal(t, c.want, m.report(5*time.Second, 40).Blames, name)
	}
}
