package reference

import (
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// Cancels race the end of the work while others read; each operation shows one
// result, once.
func TestOneResultUnderRaces(t *testing.T) {
	f := serve(t, Options{CancelDelay: -1})
	var wg sync.WaitGroup
	for range 20 {
		name := f.start(StartRequest{Kind: Succeeding, Lasts: 3 * time.Millisecond})
		results := make(chan *longrunningpb.Operation, 3)
		for range 2 {
			wg.Go(func() { _ = f.doGRPC(targets.Cancel, name, "") })
		}
		for range cap(results) {
			wg.Go(func() { results <- f.poll(name) })
		}
		wg.Go(func() {
			first := <-results
			for range cap(results) - 1 {
				assert.True(t, proto.Equal(first, <-results))
			}
		})
	}
	wg.Wait()
}

// poll reads the operation until it is done and returns it as first seen done.
func (f *fixture) poll(name string) *longrunningpb.Operation {
	for {
		op, err := f.ops.GetOperation(f.t.Context(), &longrunningpb.GetOperationRequest{Name: name})
		if !assert.NoError(f.t, err) {
			return nil
		}
		if op.GetDone() {
			assert.NotNil(f.t, op.GetResult())
			return op
		}
		assert.Nil(f.t, op.GetResult())
	}
}

// Servers are started by the hundred in one process: closing one ends its work
// and every call that waits for it.
func TestCloseReleasesWaits(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	op, err := s.Service().Start(t.Context(), StartRequest{Parent: "projects/p"})
	require.NoError(t, err)
	waited := make(chan error, 1)
	go func() {
		_, err := s.Service().Wait(t.Context(), &longrunningpb.WaitOperationRequest{Name: op.GetName()})
		waited <- err
	}()
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	assert.NoError(t, <-waited)
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		s, err := New(Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}
