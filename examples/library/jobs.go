// Package library is a small service of long-running operations, as somebody
// might write it, and a test that has conform judge it: see jobs_test.go.
package library

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// prefix begins the name of every operation.
const prefix = "operations/"

// Jobs runs jobs, and shows them as google.longrunning.Operations.
type Jobs struct {
	longrunningpb.UnimplementedOperationsServer

	mu   sync.Mutex
	jobs map[string]*job
}

// A job is one operation and what ends its work.
type job struct {
	shown *longrunningpb.Operation // never changed, only replaced
	stop  context.CancelFunc
}

// New returns a service without jobs.
func New() *Jobs { return &Jobs{jobs: map[string]*job{}} }

// Start begins a job that works for the given time, and then succeeds or fails.
// It returns the name of its operation.
func (s *Jobs) Start(work time.Duration, fails bool) string {
	ctx, stop := context.WithTimeout(context.Background(), work)
	name := prefix + strings.ToLower(rand.Text())
	s.mu.Lock()
	s.jobs[name] = &job{shown: &longrunningpb.Operation{Name: name}, stop: stop}
	s.mu.Unlock()
	go func() {
		<-ctx.Done()
		s.finish(name, ctx.Err() == context.Canceled, fails)
	}()
	return name
}

// finish gives the operation its result. A job ends once: what comes later
// changes nothing.
func (s *Jobs) finish(name string, cancelled, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[name]
	done := proto.Clone(j.shown).(*longrunningpb.Operation)
	done.Done = true
	switch {
	case cancelled:
		done.Result = failed(codes.Canceled, "the job was cancelled")
	case fails:
		done.Result = failed(codes.DataLoss, "the job lost its data")
	default:
		result, err := anypb.New(wrapperspb.String("done"))
		if err != nil {
			done.Result = failed(codes.Internal, err.Error())
			break
		}
		done.Result = &longrunningpb.Operation_Response{Response: result}
	}
	j.shown = done
}

func failed(code codes.Code, message string) *longrunningpb.Operation_Error {
	return &longrunningpb.Operation_Error{Error: &rpcstatus.Status{Code: int32(code), Message: message}}
}

// GetOperation implements google.longrunning.Operations.
func (s *Jobs) GetOperation(_ context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(r.GetName())
	if err != nil {
		return nil, err
	}
	return j.shown, nil
}

// CancelOperation implements google.longrunning.Operations. That of a finished
// job does nothing.
func (s *Jobs) CancelOperation(_ context.Context, r *longrunningpb.CancelOperationRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(r.GetName())
	if err != nil {
		return nil, err
	}
	j.stop()
	return new(emptypb.Empty), nil
}

// find finds a job; the caller holds the mutex.
func (s *Jobs) find(name string) (*job, error) {
	id, ok := strings.CutPrefix(name, prefix)
	if !ok || id == "" || strings.Contains(id, "/") {
		return nil, status.Errorf(codes.InvalidArgument, "name %q is not that of an operation", name)
	}
	if j := s.jobs[name]; j != nil {
		return j, nil
	}
	return nil, status.Errorf(codes.NotFound, "operation %q not found", name)
}
