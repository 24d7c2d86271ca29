package steps

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// A single starts no operation while the last one is in progress.
type single struct {
	targets.Starter
	client targets.Client
	mu     sync.Mutex
	last   string
}

func (s *single) Start(ctx context.Context, q targets.StartRequest) (targets.Started, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != "" {
		ex, err := s.client.Call(ctx, targets.Get, getRequest(s.last))
		if err != nil {
			return targets.Started{}, err
		}
		if done, _ := object(ex.Doc)["done"].(bool); !done {
			return targets.Started{}, errors.New("another operation is in progress")
		}
	}
	started, err := s.Starter.Start(ctx, q)
	s.last = started.Name
	return started, err
}

// A service that runs one operation at a time is judged where one case is at
// work at a time; otherwise the report says how, and of what takes two, too.
func TestOneAtATime(t *testing.T) {
	requirements := []string{"cancel.accept.in-progress", "cancel.state.code-1", "cancel.finished.preserves-success"}
	for concurrency, want := range map[int]reports.Verdict{1: reports.Passed, 2: reports.Inconclusive} {
		target := honest(t, reference.Options{})
		target.Starter = &single{Starter: target.Starter, client: target.Endpoints[targets.REST].Client}
		r := judge(t, target, Options{Run: append([]string{siblings}, requirements...), Concurrency: concurrency})
		two := r.Requirement(siblings)
		assert.Equal(t, reports.Inconclusive, two.Verdict, "%d at a time: %s", concurrency, two.Reason)
		assert.Contains(t, two.Reason, "one operation at a time")
		for _, id := range requirements {
			q := r.Requirement(id)
			assert.Equal(t, want, q.Verdict, "%s, %d at a time: %s", id, concurrency, q.Reason)
			if want == reports.Inconclusive {
				assert.Contains(t, q.Reason, "--concurrency 1")
			}
		}
	}
}

// A frugalStarter refuses to start more than so many operations at a time.
type frugalStarter struct {
	targets.Starter
	client targets.Client
	most   int
	mu     sync.Mutex
	open   []string
}

func (s *frugalStarter) Start(ctx context.Context, q targets.StartRequest) (targets.Started, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = slices.DeleteFunc(s.open, func(name string) bool {
		ex, err := s.client.Call(ctx, targets.Get, getRequest(name))
		done, _ := object(ex.Doc)["done"].(bool)
		return err == nil && done
	})
	if len(s.open) >= s.most {
		return targets.Started{}, errors.New("the quota is used up")
	}
	started, err := s.Starter.Start(ctx, q)
	s.open = append(s.open, started.Name)
	return started, err
}

// TestQuota judges a server that runs eight operations at a time: whatever that left
// unjudged is judged with fewer cases at a time.
func TestQuota(t *testing.T) {
	t.Parallel()
	target := honest(t, reference.Options{})
	target.Starter = &frugalStarter{Starter: target.Starter, client: target.Endpoints[targets.REST].Client, most: 8}
	r := judge(t, target, Options{Run: []string{"cancel.accept.*", "cancel.state.code-1", "cancel.finished.preserves-*", siblings, "delete.after-cancel"}, Level: reports.LevelShould})
	assert.Equal(t, reports.Conformant, r.Outcome, r.Reason)
}
