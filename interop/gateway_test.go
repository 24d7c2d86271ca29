package interop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// gateway serves the bindings with grpc-gateway's runtime in front of a gRPC
// server. No generated gateway of google.longrunning exists as a Go module, so
// the handlers are written here: routing, decoding, encoding and errors are
// all the runtime's.
func gateway(conn grpc.ClientConnInterface, options ...runtime.ServeMuxOption) (http.Handler, error) {
	mux := runtime.NewServeMux(options...)
	client := longrunningpb.NewOperationsClient(conn)
	rpcs := map[string]rpc{
		"ListOperations":  unary(client.ListOperations),
		"GetOperation":    unary(client.GetOperation),
		"DeleteOperation": unary(client.DeleteOperation),
		"CancelOperation": unary(client.CancelOperation),
		"WaitOperation":   unary(client.WaitOperation),
	}
	for _, b := range bindings() {
		if err := mux.HandlePath(b.verb, b.path, forward(mux, b, rpcs[b.method])); err != nil {
			return nil, fmt.Errorf("binding of %s: %w", b.method, err)
		}
	}
	return mux, nil
}

// An rpc decodes a request, makes the call and returns the answer.
type rpc func(ctx context.Context, decode func(proto.Message) error, options ...grpc.CallOption) (proto.Message, error)

// unary makes an rpc of a client's method.
func unary[Q, A proto.Message](call func(context.Context, Q, ...grpc.CallOption) (A, error)) rpc {
	return func(ctx context.Context, decode func(proto.Message) error, options ...grpc.CallOption) (proto.Message, error) {
		var typ Q
		request := typ.ProtoReflect().New().Interface().(Q)
		if err := decode(request); err != nil {
			return nil, err
		}
		return call(ctx, request, options...)
	}
}

// forward serves one binding by one call.
func forward(mux *runtime.ServeMux, b binding, call rpc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		in, out := runtime.MarshalerForRequest(mux, r)
		ctx, err := runtime.AnnotateContext(ctx, mux, r, "/google.longrunning.Operations/"+b.method, runtime.WithHTTPPathPattern(b.path))
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		var md runtime.ServerMetadata
		decode := func(m proto.Message) error { return bind(b, in, r, path, m) }
		answer, err := call(ctx, decode, grpc.Header(&md.HeaderMD), grpc.Trailer(&md.TrailerMD))
		ctx = runtime.NewServerMetadataContext(ctx, md)
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		runtime.ForwardResponseMessage(ctx, mux, out, w, r, answer, mux.GetForwardResponseOptions()...)
	}
}

// bind fills a request from the body, or else the query, and then from the
// path, which has the last word.
func bind(b binding, in runtime.Marshaler, r *http.Request, path map[string]string, m proto.Message) error {
	if b.body == "*" {
		if err := in.NewDecoder(r.Body).Decode(m); err != nil && !errors.Is(err, io.EOF) {
			return status.Errorf(codes.InvalidArgument, "%v", err)
		}
	} else if err := r.ParseForm(); err != nil {
		return status.Errorf(codes.InvalidArgument, "%v", err)
	} else if err := runtime.PopulateQueryParameters(m, r.Form, utilities.NewDoubleArray([][]string{{"name"}})); err != nil {
		return status.Errorf(codes.InvalidArgument, "%v", err)
	}
	if err := runtime.PopulateFieldFromPath(m, "name", path["name"]); err != nil {
		return status.Errorf(codes.InvalidArgument, "name: %v", err)
	}
	return nil
}
