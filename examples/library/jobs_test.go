package library_test

import (
	"context"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/lro-tools/conform/examples/library"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
)

// starter starts jobs by a call of the service itself.
func starter(s *library.Jobs, work time.Duration, fails bool) targets.StartFunc {
	return func(context.Context, targets.StartRequest) (targets.Started, error) {
		return targets.Started{Name: s.Start(work, fails)}, nil
	}
}

// TestConformance has every case judged as a subtest, over REST and gRPC, and
// opens no port. Try
//
//	go test -run 'TestConformance/cancel.state' -v
//	go test -race -shuffle on -count 2
func TestConformance(t *testing.T) {
	jobs := library.New()

	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	longrunningpb.RegisterOperationsServer(server, jobs)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	target, err := targets.NewTarget("library example",
		targets.WithHandler(jobs, "/v1"),
		targets.WithListener(listener.DialContext),
		targets.WithNamePattern("operations/*"),
		targets.WithGuaranteed(),
		targets.WithTimeouts(targets.Timeouts{Request: 5 * time.Second, Settle: 5 * time.Second, Observe: 100 * time.Millisecond}),
		targets.WithStarter(targets.Running, starter(jobs, time.Minute, false)),
		targets.WithStarter(targets.Succeeding, starter(jobs, 300*time.Millisecond, false)),
		targets.WithStarter(targets.Failing, starter(jobs, 300*time.Millisecond, true)),
		targets.WithUnavailable(targets.Pending, "a job runs from its start"),
		targets.WithUnavailable(targets.Nested, "an id has one segment"),
		targets.WithUnavailable(targets.Slow, "a job stops at once"),
		targets.WithUnavailable(targets.Uncancellable, "every job can be cancelled"),
		targets.WithUnavailable(targets.Chosen, "the service chooses the id"),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	steps.Test(t, target)
}
