package reference

import (
	"context"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"

	"github.com/lro-tools/conform/targets"
)

// A Service is google.longrunning.Operations and the start of operations,
// below both transports. Its errors are gRPC statuses. Faults decorate it.
type Service interface {
	Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error)
	List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error)
	Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error
	Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error
	Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error)
	Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error)
}

// A Kind is a kind of work.
type Kind string

// The kinds of work that the server does.
const (
	Running       Kind = "running"       // lasts until cancelled, or Options.Lifetime
	Succeeding    Kind = "succeeding"    // ends with a response
	Failing       Kind = "failing"       // ends with an error
	Pending       Kind = "pending"       // stays queued
	Nested        Kind = "nested"        // running, under an id of two segments
	Slow          Kind = "slow"          // running, and takes its time to stop
	Uncancellable Kind = "uncancellable" // running, and refuses to be cancelled
)

// Kinds returns every kind of work.
func Kinds() []Kind {
	return []Kind{Running, Succeeding, Failing, Pending, Nested, Slow, Uncancellable}
}

// A StartRequest asks for an operation.
type StartRequest struct {
	Parent    string        // projects/p
	ID        string        // its id below the parent; "" has the server choose one
	Kind      Kind          // "" is running
	Lasts     time.Duration // until it ends by itself; 0 is what its kind has
	StopAfter time.Duration // from an accepted cancel to its end; 0 is what its kind has
}

// A Caller is who calls, as far as the server knows.
type Caller string

// The callers. A caller without a known token is Nobody.
const (
	Owner    Caller = "owner"    // may do everything
	Stranger Caller = "stranger" // is known, and may do nothing
	Nobody   Caller = ""
)

// A Call is what a Service knows of the call besides its request.
type Call struct {
	Caller    Caller
	Transport targets.Transport // "" for a start by the process itself
}

type callKey struct{}

// WithCall returns a context that carries the call.
func WithCall(ctx context.Context, c Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallOf returns the call that the context carries; the zero Call if none.
func CallOf(ctx context.Context) Call {
	c, _ := ctx.Value(callKey{}).(Call)
	return c
}

// asOwner returns the context of the same call made by the owner; faults that
// act behind the back of the access control use it.
func asOwner(ctx context.Context) context.Context {
	c := CallOf(ctx)
	c.Caller = Owner
	return WithCall(ctx, c)
}
