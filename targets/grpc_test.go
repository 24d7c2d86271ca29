package targets

import (
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// grpcAt returns a client of an address, closed with the test.
func grpcAt(t *testing.T, c Connection) Client {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	client, err := NewGRPC(c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return client
}

// operations is a service of the real gRPC library.
type operations struct {
	longrunningpb.UnimplementedOperationsServer
	got chan metadata.MD
}

func (s operations) GetOperation(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.got <- md
	if r.GetName() != "operations/x" {
		st, err := status.New(codes.NotFound, "no “"+r.GetName()+"” %").WithDetails(&emptypb.Empty{})
		if err != nil {
			return nil, err
		}
		return nil, st.Err()
	}
	return &longrunningpb.Operation{Name: r.GetName(), Done: true, Result: &longrunningpb.Operation_Error{Error: &spb.Status{Code: 1}}}, nil
}

func (s operations) CancelOperation(context.Context, *longrunningpb.CancelOperationRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (s operations) WaitOperation(ctx context.Context, _ *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	<-ctx.Done()
	return nil, status.FromContextError(ctx.Err()).Err()
}

func serveGRPC(t *testing.T) (address string, got chan metadata.MD) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer()
	got = make(chan metadata.MD, 8)
	longrunningpb.RegisterOperationsServer(s, operations{got: got})
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); assert.NoError(t, <-done) })
	return l.Addr().String(), got
}

func TestGRPCCallsARealServer(t *testing.T) {
	address, got := serveGRPC(t)
	client := grpcAt(t, Connection{Addresses: []string{address}, Headers: map[string]string{"X-Env": "test"}})
	x, err := client.Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "operations/x"})
	require.NoError(t, err)
	assert.True(t, x.Accepted())
	assert.Equal(t, map[string]any{"name": "operations/x", "done": true, "error": map[string]any{"code": json.Number("1")}}, x.Doc)
	assert.Equal(t, 1, x.GRPC.Messages)
	assert.Equal(t, 200, x.HTTP)
	assert.Equal(t, []string{"0"}, x.Header["grpc-status"])
	assert.Equal(t, "/google.longrunning.Operations/GetOperation", x.Request.Line)
	assert.Equal(t, `{"name":"operations/x"}`, x.Request.Body)
	assert.Equal(t, "grpc-status 0 OK", x.Response.Line)
	assert.JSONEq(t, `{"name":"operations/x","done":true,"error":{"code":1}}`, x.Response.Body)
	md := <-got
	assert.Equal(t, []string{"test"}, md["x-env"])
	assert.Equal(t, []string{"conform"}, md["user-agent"])
	assert.Equal(t, "test", x.Request.Headers["x-env"])

	x, err = client.Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "y"})
	require.NoError(t, err)
	assert.Equal(t, codes.NotFound, x.Code)
	assert.Equal(t, "no “y” %", x.GRPC.StatusDetail)
	assert.Equal(t, "grpc-status 5 NOT_FOUND: no “y” %", x.Response.Line)
	assert.Nil(t, x.Doc)
	assert.NoError(t, x.DocErr)
	assert.Zero(t, x.GRPC.Messages)
	doc, _, err := RenderStatus(x.GRPC.DetailsBin)
	require.NoError(t, err)
	assert.Equal(t, json.Number("5"), doc["code"])
	assert.Len(t, doc["details"], 1)

	x, err = client.Call(t.Context(), Cancel, &longrunningpb.CancelOperationRequest{Name: "y"})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{}, x.Doc)
	assert.Equal(t, "{}", x.Response.Body)
	x, err = client.Call(t.Context(), Delete, &longrunningpb.DeleteOperationRequest{Name: "y"})
	require.NoError(t, err)
	assert.Equal(t, codes.Unimplemented, x.Code)
}

func TestGRPCRaw(t *testing.T) {
	address, got := serveGRPC(t)
	client := grpcAt(t, Connection{Addresses: []string{address}})
	for _, c := range []struct {
		name string
		raw  RawRequest
		code codes.Code
		body string
	}{
		{"payload", RawRequest{FullMethod: grpcService + "GetOperation", Payload: field(nil, 1, []byte("operations/x")...)}, codes.OK, "0a0c6f7065726174696f6e732f78"},
		{"no message bytes", RawRequest{Method: Cancel}, codes.OK, ""},
		{"name not utf-8", RawRequest{Method: Cancel, Payload: field(nil, 1, 0xff)}, codes.Internal, "0a01ff"},
		{"unknown method", RawRequest{FullMethod: "/v1.Operations/CancelOperation"}, codes.Unimplemented, ""},
		{"message with metadata", RawRequest{Method: Get, Message: &longrunningpb.GetOperationRequest{Name: "operations/x"}, Header: map[string]string{"x-a": "b", "User-Agent": ""}}, codes.OK, `{"name":"operations/x"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, err := client.Raw(t.Context(), c.raw)
			require.NoError(t, err)
			require.True(t, x.GRPC.HasStatus)
			assert.Equal(t, c.code, x.Code, x.GRPC.StatusDetail)
			assert.Equal(t, c.body, x.Request.Body)
			if x.Accepted() {
				assert.NoError(t, x.DocErr)
				assert.NotNil(t, x.Doc)
			}
		})
	}
	<-got
	md := <-got
	assert.Equal(t, []string{"b"}, md["x-a"])
	assert.Empty(t, md["user-agent"])
}

func TestGRPCWaitExtendsTheDeadline(t *testing.T) {
	address, _ := serveGRPC(t)
	client := grpcAt(t, Connection{Addresses: []string{address}, Timeout: 50 * time.Millisecond})
	x, err := client.Call(t.Context(), Wait, &longrunningpb.WaitOperationRequest{Timeout: durationpb.New(100 * time.Millisecond)})
	left, parseErr := time.ParseDuration(x.Request.Headers["grpc-timeout"] + "s") // "150m" is 150 milliseconds
	require.NoError(t, parseErr)
	assert.Greater(t, left, 50*time.Millisecond, "what was left of it when the call was sent")
	assert.LessOrEqual(t, left, 150*time.Millisecond)
	var none *NoAnswer
	if err != nil { // either side may be the first to see the deadline pass
		require.ErrorAs(t, err, &none)
		assert.Equal(t, TimedOut, none.Kind, "%v", err)
	} else {
		assert.Contains(t, []codes.Code{codes.DeadlineExceeded, codes.Canceled}, x.Code)
	}
}

func TestGRPCTimeout(t *testing.T) {
	for d, want := range map[time.Duration]string{-1: "1m", time.Microsecond: "1m", 1500 * time.Microsecond: "2m", time.Second: "1000m",
		27 * time.Hour: "97200000m", 28 * time.Hour: "100800S"} {
		assert.Equal(t, want, grpcTimeout(d))
	}
}

func TestGRPCRefusesAMessageOfAnotherMethod(t *testing.T) {
	_, err := grpcAt(t, Connection{Addresses: []string{"127.0.0.1:1"}}).Call(t.Context(), Get, proto.Message(&emptypb.Empty{}))
	assert.ErrorContains(t, err, "does not take a request of type")
	for _, address := range []string{"", "host", "http://h:1/x", ":1"} {
		_, err := NewGRPC(Connection{Addresses: []string{address}})
		assert.ErrorContains(t, err, "want host:port", address)
	}
}
