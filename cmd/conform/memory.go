package main

import (
	"runtime/debug"
	"runtime/metrics"
)

// gcPercent is how much larger the heap may be than what was left the last time
// before garbage is collected. What the goal below allows is used: collecting at
// twice the heap takes a fifth of the time of a run.
const gcPercent = 400

// memoryGoal is what a run should stay below, in bytes: one of 10,000 cases
// then takes less than 250 MB. It is no bound: what is found is never dropped.
const memoryGoal = 208 << 20

// A thrift makes the collector work harder where a run comes near its goal, and
// raises the goal where what is kept alone comes near it: a collector that can
// free nothing would take half the time of the machine.
type thrift struct {
	goal   int64 // 0: the environment decides
	sample []metrics.Sample
}

func newThrift(lookup func(string) (string, bool)) *thrift {
	t := &thrift{sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	if _, set := lookup("GOMEMLIMIT"); !set {
		t.raise(memoryGoal)
	}
	return t
}

func (t *thrift) raise(goal int64) {
	t.goal = goal
	debug.SetMemoryLimit(goal)
}

// every is how many cases may end between two looks at what is kept.
const every = 100

// caseEnded is told after each case.
func (t *thrift) caseEnded(done int) {
	if t.goal == 0 || done%every != 0 {
		return
	}
	metrics.Read(t.sample)
	if live := int64(t.sample[0].Value.Uint64()); live > t.goal*3/4 {
		t.raise(live * 2)
	}
}
