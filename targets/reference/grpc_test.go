//lint:file-ignore SA1019 The older reflection is served for older clients, and tested for them.

package reference

import (
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/lro-tools/conform/targets"
)

// startGRPC starts an operation as a client does that knows the service by
// reflection only.
func (f *fixture) startGRPC(body string) *longrunningpb.Operation {
	f.t.Helper()
	stream, err := reflectionv1.NewServerReflectionClient(f.conn).ServerReflectionInfo(testContext(f.t))
	require.NoError(f.t, err)
	require.NoError(f.t, stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: jobsService}}))
	res, err := stream.Recv()
	require.NoError(f.t, err)
	require.NoError(f.t, stream.CloseSend())
	files := res.GetFileDescriptorResponse().GetFileDescriptorProto()
	require.NotEmpty(f.t, files, res)
	var raw descriptorpb.FileDescriptorProto
	require.NoError(f.t, proto.Unmarshal(files[0], &raw))
	file, err := protodesc.NewFile(&raw, protoregistry.GlobalFiles)
	require.NoError(f.t, err)

	in := dynamicpb.NewMessage(file.Services().ByName("Jobs").Methods().ByName("Start").Input())
	require.NoError(f.t, protojson.Unmarshal([]byte(body), in))
	out := new(longrunningpb.Operation)
	require.NoError(f.t, f.conn.Invoke(testContext(f.t), "/"+jobsService+"/Start", in, out))
	return out
}

func TestReflectionNamesTheServices(t *testing.T) {
	f := serve(t, Options{})
	stream, err := reflectionv1alpha.NewServerReflectionClient(f.conn).ServerReflectionInfo(testContext(t))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&reflectionv1alpha.ServerReflectionRequest{
		MessageRequest: &reflectionv1alpha.ServerReflectionRequest_ListServices{}}))
	res, err := stream.Recv()
	require.NoError(t, err)
	require.NoError(t, stream.CloseSend())
	var names []string
	for _, s := range res.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	assert.Contains(t, names, jobsService)
	assert.Contains(t, names, "google.longrunning.Operations")
}

func TestNamesOverGRPC(t *testing.T) {
	f := serve(t, Options{})
	f.start(StartRequest{ID: "abc"})
	tests := map[string]codes.Code{
		"":                              codes.InvalidArgument,
		"operations":                    codes.InvalidArgument,
		"///":                           codes.InvalidArgument,
		"projects/p/assets/x":           codes.InvalidArgument,
		"/projects/p/operations/abc":    codes.InvalidArgument,
		"projects/p/operations/":        codes.InvalidArgument,
		"projects/p/operations/a\x00":   codes.InvalidArgument,
		"projects/p/operations/%61bc":   codes.NotFound,
		"projects/p/operations/ABC":     codes.NotFound,
		"projects/p/operations/ab":      codes.NotFound,
		"projects/other/operations/abc": codes.NotFound,
		"projects/p/operations/abc":     codes.OK,
	}
	for name, want := range tests {
		assert.Equal(t, want, f.do(targets.GRPC, targets.Cancel, name, ""), "%q", name)
	}
}

func TestErrorsSayWhy(t *testing.T) {
	f := serve(t, Options{})
	s := status.Convert(f.doGRPC(targets.Cancel, "projects/p/operations/none", ""))
	require.Len(t, s.Details(), 1)
	info := s.Details()[0].(*errdetails.ErrorInfo)
	assert.Equal(t, "OPERATION_NOT_FOUND", info.GetReason())
	assert.Equal(t, errorDomain, info.GetDomain())
	err := f.conn.Invoke(testContext(t), "/google.longrunning.Operations/CancleOperation", &longrunningpb.CancelOperationRequest{}, &longrunningpb.Operation{})
	assert.Equal(t, codes.Unimplemented, status.Code(err))
}
