package reference

import (
	"context"
	"net/http"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// An access decides who may call. Nil admits everybody.
type access map[string]Caller

// identify returns who sent an Authorization header or metadata value.
func (a access) identify(authorization string) Caller {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Nobody
	}
	return a[strings.TrimSpace(token)]
}

// check refuses the caller of ctx unless it is the owner. The answer does not
// depend on the request, so that it tells nothing of what exists (AIP-211).
func (a access) check(ctx context.Context) error {
	if a == nil {
		return nil
	}
	switch CallOf(ctx).Caller {
	case Owner:
		return nil
	case Nobody:
		return refuse(codes.Unauthenticated, "CREDENTIALS_MISSING", "the request has no valid credentials")
	}
	return refuse(codes.PermissionDenied, "PERMISSION_DENIED", "the caller may not use operations here, or they do not exist")
}

// toOwner has one handler for the requests of the owner, and another for those of
// all others.
func (a access) toOwner(others, owner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.identify(r.Header.Get("Authorization")) == Owner {
			owner.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// A guard is a Service that asks for permission before anything else.
type guard struct {
	access access
	next   Service
}

func (g guard) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if err := g.access.check(ctx); err != nil {
		return nil, err
	}
	return g.next.Get(ctx, r)
}

func (g guard) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	if err := g.access.check(ctx); err != nil {
		return nil, err
	}
	return g.next.List(ctx, r)
}

func (g guard) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if err := g.access.check(ctx); err != nil {
		return err
	}
	return g.next.Cancel(ctx, r)
}

func (g guard) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	if err := g.access.check(ctx); err != nil {
		return err
	}
	return g.next.Delete(ctx, r)
}

func (g guard) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	if err := g.access.check(ctx); err != nil {
		return nil, err
	}
	return g.next.Wait(ctx, r)
}

func (g guard) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if err := g.access.check(ctx); err != nil {
		return nil, err
	}
	return g.next.Start(ctx, r)
}

// denies tells whether an error says that the caller may not do this.
func denies(err error) bool {
	c := status.Code(err)
	return c == codes.Unauthenticated || c == codes.PermissionDenied
}
