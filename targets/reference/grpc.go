package reference

import (
	"context"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/lro-tools/conform/targets"
)

// newGRPC returns a gRPC server of the Service, of Jobs, and of reflection.
func newGRPC(service Service, a access) (*grpc.Server, error) {
	file, err := jobsDescriptor()
	if err != nil {
		return nil, err
	}
	own := new(protoregistry.Files)
	if err := own.RegisterFile(file); err != nil {
		return nil, err
	}
	operations := &grpcService{service: service, access: a}
	s := grpc.NewServer()
	longrunningpb.RegisterOperationsServer(s, operations)
	s.RegisterService(jobsDesc(file, service, operations.in), operations)
	o := reflection.ServerOptions{Services: s, DescriptorResolver: resolver{own}}
	reflectionv1.RegisterServerReflectionServer(s, reflection.NewServerV1(o))
	reflectionv1alpha.RegisterServerReflectionServer(s, reflection.NewServer(o))
	return s, nil
}

// A grpcService serves a Service as google.longrunning.Operations.
type grpcService struct {
	longrunningpb.UnimplementedOperationsServer
	service Service
	access  access
}

// in returns the context with what the Service knows of the call.
func (g *grpcService) in(ctx context.Context) context.Context {
	c := Call{Transport: targets.GRPC}
	if values := metadata.ValueFromIncomingContext(ctx, "authorization"); len(values) > 0 {
		c.Caller = g.access.identify(values[0])
	}
	return WithCall(ctx, c)
}

// GetOperation implements google.longrunning.Operations.
func (g *grpcService) GetOperation(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	return g.service.Get(g.in(ctx), r)
}

// ListOperations implements google.longrunning.Operations.
func (g *grpcService) ListOperations(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	return g.service.List(g.in(ctx), r)
}

// CancelOperation implements google.longrunning.Operations.
func (g *grpcService) CancelOperation(ctx context.Context, r *longrunningpb.CancelOperationRequest) (*emptypb.Empty, error) {
	return new(emptypb.Empty), g.service.Cancel(g.in(ctx), r)
}

// DeleteOperation implements google.longrunning.Operations.
func (g *grpcService) DeleteOperation(ctx context.Context, r *longrunningpb.DeleteOperationRequest) (*emptypb.Empty, error) {
	return new(emptypb.Empty), g.service.Delete(g.in(ctx), r)
}

// WaitOperation implements google.longrunning.Operations.
func (g *grpcService) WaitOperation(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	return g.service.Wait(g.in(ctx), r)
}
