package steps

import (
	"context"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// A frugal service takes so many Gets and cancels a second.
type frugal struct {
	reference.Service
	limit *rate.Limiter
}

func (f frugal) refuse() error {
	if f.limit.Allow() {
		return nil
	}
	return status.Error(codes.ResourceExhausted, "too many requests")
}

func (f frugal) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if err := f.refuse(); err != nil {
		return nil, err
	}
	return f.Service.Get(ctx, r)
}

func (f frugal) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if err := f.refuse(); err != nil {
		return err
	}
	return f.Service.Cancel(ctx, r)
}

// TestServerThatLimitsCalls judges a server that refuses calls beyond so many a
// second: nothing is left unjudged for that.
func TestServerThatLimitsCalls(t *testing.T) {
	t.Parallel()
	limit := rate.NewLimiter(150, 20)
	s, err := reference.NewVariant(reference.Options{}, reference.Variant{Fault: reference.Fault{
		Service: func(next reference.Service) reference.Service { return frugal{next, limit} }}})
	require.NoError(t, err)
	target, err := s.Target()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	r := judge(t, target, Options{Level: reports.LevelShould, Run: []string{"cancel.state.*", "cancel.request.*", "cancel.response.*"}})
	assert.Equal(t, reports.Conformant, r.Outcome, r.Reason)
	assert.NotEmpty(t, r.Pace)
}

// TestPace sees by what answers calls are kept back.
func TestPace(t *testing.T) {
	t.Parallel()
	busy := targets.Exchange{Transport: targets.GRPC, Method: targets.Get, GRPC: &targets.GRPCAnswer{HasStatus: true}, Code: codes.ResourceExhausted, HTTP: 200}
	fine := busy
	fine.Code = codes.OK
	// periods lets so many pass, of 100 calls each, of which every nth is refused.
	periods := func(p *pace, n, every int) {
		now := p.since
		if now.IsZero() {
			now = time.Now()
		}
		for range n {
			for i := range 100 {
				ex := fine
				if every > 0 && i%every == 0 {
					ex = busy
				}
				now = now.Add(pacePeriod / 99)
				ex.Start = now
				p.tell(ex)
			}
		}
	}
	t.Run("nothing refused", func(t *testing.T) {
		t.Parallel()
		p := newPace()
		periods(p, 4, 0)
		assert.False(t, p.on())
	})
	t.Run("hardly anything refused", func(t *testing.T) {
		t.Parallel()
		p := newPace()
		periods(p, 4, 50)
		assert.False(t, p.on())
	})
	t.Run("refused until there are fewer calls", func(t *testing.T) {
		t.Parallel()
		p := newPace()
		periods(p, 2, 2)
		require.True(t, p.on())
		slow := p.limiter.Limit()
		assert.Less(t, float64(slow), 200., "half of 400 a second were accepted")
		periods(p, 12, 0)
		assert.True(t, p.on())
		assert.Greater(t, p.limiter.Limit(), slow)
	})
	t.Run("refused whatever the rate", func(t *testing.T) {
		t.Parallel()
		p := newPace()
		periods(p, 2*slowedInVain, 9)
		assert.False(t, p.on())
		periods(p, 4, 2)
		assert.False(t, p.on(), "it was of no use before")
	})
}
