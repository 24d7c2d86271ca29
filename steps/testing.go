package steps

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// Test judges a target inside a go test: one parallel subtest for each case,
// named requirement/transport/scenario, so that -run, -count, -race and
// -shuffle work as they do for any other test. A case that failed, or that
// broke an invariant beside, fails its subtest; a case that could not be
// judged skips it, with the reason. Only requirements at or above the level of
// the options (must by default) can fail; others are logged.
//
// Cases run concurrently, whatever -parallel says: they mostly wait.
func Test(t *testing.T, target *targets.Target, options ...Options) {
	t.Helper()
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	cases, err := everyCase()
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalogue()
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]string{}
	for _, r := range c.requirements {
		levels[r.ID], _ = r.Effective(target.Profile, target.Guaranteed)
	}
	b := &bridge{selected: map[string]bool{}, results: map[string]chan reports.Case{}}
	for _, c := range cases {
		b.results[c.id] = make(chan reports.Case, 1)
		t.Run(c.id, func(t *testing.T) {
			b.selected[c.id] = true
			t.Parallel()
			select {
			case res := <-b.results[c.id]:
				tell(t, res, levels, o.Level)
			case <-b.failed(): // everything that has a result has delivered it
				select {
				case res := <-b.results[c.id]:
					tell(t, res, levels, o.Level)
				default:
					t.Fatal(b.err)
				}
			}
		})
	}
	if len(b.selected) == 0 {
		return
	}
	o.only = b.selected
	told := o.OnCase
	o.OnCase = func(done, planned int, c reports.Case) {
		b.deliver(c)
		if told != nil {
			told(done, planned, c)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		r, err := Run(ctx, target, o)
		b.finish(r, err)
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// A bridge carries the results of one run to the subtests that wait for them.
type bridge struct {
	selected map[string]bool
	results  map[string]chan reports.Case

	mu   sync.Mutex
	done map[string]bool
	over chan struct{}
	err  error
}

func (b *bridge) failed() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over == nil {
		b.over = make(chan struct{})
	}
	return b.over
}

// deliver hands a case to its subtest.
func (b *bridge) deliver(c reports.Case) {
	b.mu.Lock()
	if b.done == nil {
		b.done = map[string]bool{}
	}
	known := b.done[c.ID]
	b.done[c.ID] = true
	b.mu.Unlock()
	if ch := b.results[c.ID]; ch != nil && !known {
		ch <- c
	}
}

// finish delivers what was decided without being run, and releases the
// subtests where the run itself failed.
func (b *bridge) finish(r *reports.Report, err error) {
	if err == nil {
		for _, c := range r.Cases {
			b.deliver(c)
		}
		err = fmt.Errorf("suite error: the case was not run")
	}
	over := b.failed()
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	close(over)
}

// tell reports one case to its subtest.
func tell(t *testing.T, c reports.Case, levels map[string]string, level string) {
	t.Helper()
	for _, b := range c.Breaches {
		text := fmt.Sprintf("%s (%s): %s", b.Requirement, levels[b.Requirement], (&violation{b}).Error())
		if b.Exchange >= 0 && b.Exchange < len(c.Exchanges) {
			text += "\n" + shown(c.Exchanges[b.Exchange])
		}
		if levels[b.Requirement] == reports.Must || strings.EqualFold(level, reports.Should) {
			t.Error(text)
		} else {
			t.Log(text)
		}
	}
	switch {
	case t.Failed(), c.Verdict == reports.Passed, c.Verdict == reports.Failed:
	case c.SuiteBug:
		t.Error(c.Reason)
	default:
		t.Skipf("%s: %s", c.Verdict, c.Reason)
	}
}

// shown is an exchange in a few lines of a test's log.
func shown(ex targets.Exchange) string {
	s := fmt.Sprintf("    %s\n    %s", ex.Request.Line, ex.Request.Body)
	if ex.Problem != "" {
		return s + "\n    no answer: " + ex.Problem
	}
	return s + fmt.Sprintf("\n    %s\n    %s", ex.Response.Line, ex.Response.Body)
}
