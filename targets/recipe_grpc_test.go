package targets

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	alphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// startService starts operations by WaitOperation, since that is a unary
// method whose answer is an Operation.
type startService struct {
	longrunningpb.UnimplementedOperationsServer
	answer *longrunningpb.Operation
}

func (s *startService) WaitOperation(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer s3cret-token" {
		return nil, status.Error(codes.Unauthenticated, "who are you?")
	}
	if s.answer != nil {
		return s.answer, nil
	}
	return &longrunningpb.Operation{Name: r.GetName() + "/" + r.GetTimeout().AsDuration().String()}, nil
}

func (s *startService) ListOperations(context.Context, *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	return &longrunningpb.ListOperationsResponse{Operations: []*longrunningpb.Operation{{Name: "operations/listed"}}}, nil
}

func (s *startService) CancelOperation(context.Context, *longrunningpb.CancelOperationRequest) (*emptypb.Empty, error) {
	return nil, status.Error(codes.FailedPrecondition, "not with s3cret-token")
}

type grpcTestServer struct {
	address string
	service *startService
	asked   atomic.Int64 // streams that were opened
	open    atomic.Int64 // streams that are open
}

// newGRPCServer starts a server which, as one in the field, does not answer a
// unary call while a stream is open: here it refuses.
func newGRPCServer(t *testing.T, describe func(*grpc.Server)) *grpcTestServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &grpcTestServer{address: l.Addr().String(), service: &startService{}}
	s := grpc.NewServer(
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			g.asked.Add(1)
			g.open.Add(1)
			defer g.open.Add(-1)
			return h(srv, ss)
		}),
		grpc.UnaryInterceptor(func(ctx context.Context, q any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			if g.open.Load() > 0 {
				return nil, status.Error(codes.Internal, "a stream is open")
			}
			return h(ctx, q)
		}))
	longrunningpb.RegisterOperationsServer(s, g.service)
	if describe != nil {
		describe(s)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); assert.NoError(t, <-ended) })
	return g
}

func describeV1(s *grpc.Server) { reflection.RegisterV1(s) }

func describeAlpha(s *grpc.Server) {
	alphapb.RegisterServerReflectionServer(s, reflection.NewServer(reflection.ServerOptions{Services: s}))
}

func grpcTarget(t *testing.T, address, operations string) *Target {
	return parsed(t, "grpc: {address: '"+address+"', plaintext: true}\nauth: {bearer: s3cret-token}\nmetadata: {state: /state}\noperations: "+operations, LoadOptions{})
}

const waitRecipe = `{method: google.longrunning.Operations/WaitOperation, body: {name: "operations/x", timeout: 0.5s}}`

func TestGRPCRecipe(t *testing.T) {
	for name, describe := range map[string]func(*grpc.Server){"v1": describeV1, "v1alpha": describeAlpha} {
		t.Run(name, func(t *testing.T) {
			s := newGRPCServer(t, describe)
			target := grpcTarget(t, s.address, "{running: {grpc: "+waitRecipe+"}, slow: {grpc: {method: google.longrunning.Operations/ListOperations, name: /operations/0/name}}}")
			require.NoError(t, target.Endpoints[GRPC].Prepare(context.Background()))
			asked := s.asked.Load()
			require.NotZero(t, asked)
			got, err := start(t, target, StartRequest{Role: Running})
			require.NoError(t, err)
			assert.Equal(t, "operations/x/500ms", got.Name)
			assert.Equal(t, "/google.longrunning.Operations/WaitOperation", got.Exchange.Request.Line)
			assert.JSONEq(t, `{"name": "operations/x", "timeout": "0.5s"}`, got.Exchange.Request.Body)
			assert.JSONEq(t, `{"name": "operations/x/500ms"}`, got.Exchange.Response.Body)
			got, err = start(t, target, StartRequest{Role: Slow})
			require.NoError(t, err)
			assert.Equal(t, "operations/listed", got.Name)
			require.NoError(t, target.Endpoints[GRPC].Prepare(context.Background()))
			assert.Equal(t, asked, s.asked.Load(), "the server is asked once")
		})
	}
}

func TestGRPCRecipeWithoutPrepare(t *testing.T) {
	s := newGRPCServer(t, describeV1)
	target := grpcTarget(t, s.address, "{running: {grpc: "+waitRecipe+"}}")
	got, err := start(t, target, StartRequest{Role: Running})
	require.NoError(t, err)
	assert.Equal(t, "operations/x/500ms", got.Name)
}

func TestGRPCRecipeToleratesUnknownAny(t *testing.T) {
	s := newGRPCServer(t, describeV1)
	s.service.answer = &longrunningpb.Operation{Name: "operations/any", Metadata: &anypb.Any{TypeUrl: "type.googleapis.com/no.such.Type", Value: []byte{1, 2, 3}}}
	target := grpcTarget(t, s.address, "{running: {grpc: "+waitRecipe+"}}")
	got, err := start(t, target, StartRequest{Role: Running})
	require.NoError(t, err)
	assert.Equal(t, "operations/any", got.Name)
}

func TestGRPCRecipeRefused(t *testing.T) {
	tests := []struct {
		name     string
		describe func(*grpc.Server)
		recipe   string
		want     string
	}{
		{"no reflection", nil, waitRecipe, "the server's reflection does not describe google.longrunning.Operations: rpc error: code = Unimplemented"},
		{"no service", describeV1, "{method: a.B/C}", "the server's reflection does not describe a.B: NOT_FOUND"},
		{"no method", describeV1, "{method: google.longrunning.Operations/WaitOperatoin}", `the service google.longrunning.Operations has no method WaitOperatoin; did you mean "WaitOperation"?`},
		{"a streaming method", describeV1, "{method: grpc.reflection.v1.ServerReflection/ServerReflectionInfo}", "is a streaming method; a unary one is needed"},
		{"a wrong body", describeV1, "{method: google.longrunning.Operations/WaitOperation, body: {nam: x}}", `unknown field "nam"`},
		{"refused", describeV1, "{method: google.longrunning.Operations/CancelOperation}", "/google.longrunning.Operations/CancelOperation was answered gRPC FAILED_PRECONDITION: not with [redacted]"},
		{"no name", describeV1, "{method: google.longrunning.Operations/ListOperations}", "the answer holds nothing at /name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newGRPCServer(t, tt.describe)
			target := grpcTarget(t, s.address, "{running: {grpc: "+tt.recipe+"}}")
			assert.NoError(t, target.Endpoints[GRPC].Prepare(context.Background()))
			_, err := start(t, target, StartRequest{Role: Running})
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestReflectionIsAskedAgainWhereNoneAnswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	target := grpcTarget(t, l.Addr().String(), "{running: {grpc: "+waitRecipe+"}}")
	require.NoError(t, target.Endpoints[GRPC].Prepare(context.Background()))
	_, err = start(t, target, StartRequest{Role: Running})
	assert.ErrorContains(t, err, "connection refused")
}

func TestProtoset(t *testing.T) {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	add(longrunningpb.File_google_longrunning_operations_proto)
	data, err := proto.Marshal(set)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ops.pb"), data, 0o600))
	s := newGRPCServer(t, nil)
	file := func(method string) []byte {
		return []byte("grpc: {address: '" + s.address + "', plaintext: true}\nauth: {bearer: s3cret-token}\noperations: {running: {grpc: {method: google.longrunning.Operations/" + method + ", body: {name: a}, protoset: ops.pb}}}")
	}
	target, err := Parse(filepath.Join(dir, "t.yaml"), file("WaitOperation"), LoadOptions{})
	require.NoError(t, err)
	defer target.Close()
	assert.Nil(t, target.Endpoints[GRPC].Prepare, "no reflection is needed")
	got, err := start(t, target, StartRequest{Role: Running})
	require.NoError(t, err)
	assert.Equal(t, "a/0s", got.Name)
	assert.Zero(t, s.asked.Load())

	_, err = Parse(filepath.Join(dir, "t.yaml"), file("Wait"), LoadOptions{})
	assert.ErrorContains(t, err, "the service google.longrunning.Operations has no method Wait")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ops.pb"), []byte("no set"), 0o600))
	_, err = Parse(filepath.Join(dir, "t.yaml"), file("WaitOperation"), LoadOptions{})
	assert.ErrorContains(t, err, "the file holds no FileDescriptorSet")
}

// jobFiles describes a service that is linked into no binary; the type of its
// metadata is only announced.
func jobFiles(t *testing.T) *protoregistry.Files {
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, longrunningpb.E_OperationInfo, &longrunningpb.OperationInfo{MetadataType: "Progress", ResponseType: "google.protobuf.Empty"})
	text := func(name string, number int32) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: proto.String(name), JsonName: proto.String(name), Number: proto.Int32(number),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	}
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		{Name: proto.String("test/progress.proto"), Package: proto.String("test.jobs"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Progress"), Field: []*descriptorpb.FieldDescriptorProto{text("state", 1)}}}},
		{Name: proto.String("test/jobs.proto"), Package: proto.String("test.jobs"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Job"), Field: []*descriptorpb.FieldDescriptorProto{text("name", 1)}}},
			Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Jobs"), Method: []*descriptorpb.MethodDescriptorProto{
				{Name: proto.String("Start"), InputType: proto.String(".test.jobs.Job"), OutputType: proto.String(".test.jobs.Job"), Options: options}}}}},
	}}
	files, err := protodesc.NewFiles(set)
	require.NoError(t, err)
	return files
}

// describeJobs registers the service and a reflection that describes it alone.
func describeJobs(t *testing.T) func(*grpc.Server) {
	files := jobFiles(t)
	job, err := files.FindDescriptorByName("test.jobs.Job")
	require.NoError(t, err)
	return func(s *grpc.Server) {
		echo := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			m := dynamicpb.NewMessage(job.(protoreflect.MessageDescriptor))
			return m, decode(m)
		}
		s.RegisterService(&grpc.ServiceDesc{ServiceName: "test.jobs.Jobs", HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Start", Handler: echo}}}, struct{}{})
		alphapb.RegisterServerReflectionServer(s, reflection.NewServer(reflection.ServerOptions{Services: s, DescriptorResolver: files}))
	}
}

func TestTypesThatAreNotLinkedIn(t *testing.T) {
	s := newGRPCServer(t, describeJobs(t))
	target := grpcTarget(t, s.address, "{running: {grpc: {method: test.jobs.Jobs/Start, body: {name: jobs/1}}}}")
	end := target.Endpoints[GRPC]
	progress := []byte("\x0a\x07RUNNING")
	const url = "type.googleapis.com/test.jobs.Progress"
	_, ok := end.Types.Decode(url, progress)
	assert.False(t, ok, "nothing is known before the server was asked")
	require.NoError(t, end.Prepare(context.Background()))

	got, err := start(t, target, StartRequest{Role: Running})
	require.NoError(t, err)
	assert.Equal(t, "jobs/1", got.Name)
	assert.JSONEq(t, `{"name": "jobs/1"}`, got.Exchange.Response.Body)
	doc, ok := end.Types.Decode(url, progress)
	require.True(t, ok)
	assert.Equal(t, map[string]any{"state": "RUNNING"}, doc)
	_, ok = end.Types.Decode("type.googleapis.com/no.such.Type", progress)
	assert.False(t, ok)
	_, ok = end.Types.Decode(url, []byte{0xff})
	assert.False(t, ok)
}

// Where nothing wants types before the first call, the server is asked for them once,
// when it sends a value of a type that is not known.
func TestTypesThatAreSeenLater(t *testing.T) {
	progress := []byte("\x0a\x07RUNNING")
	const url = "type.googleapis.com/test.jobs.Progress"
	for name, tt := range map[string]struct {
		describe func(*grpc.Server)
		known    bool
	}{"described": {describeJobs(t), true}, "no reflection": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			s := newGRPCServer(t, tt.describe)
			target := parsed(t, "grpc: {address: '"+s.address+"', plaintext: true}\nauth: {bearer: s3cret-token}", LoadOptions{})
			end := target.Endpoints[GRPC]
			assert.Nil(t, end.Prepare, "nothing wants types yet")
			doc, ok := end.Types.Decode("type.googleapis.com/google.protobuf.Empty", nil)
			assert.True(t, ok)
			assert.Equal(t, map[string]any{}, doc)
			assert.Zero(t, s.asked.Load(), "what is linked in is known")
			for range 2 {
				doc, ok = end.Types.Decode(url, progress)
				require.Equal(t, tt.known, ok)
				if ok {
					assert.Equal(t, map[string]any{"state": "RUNNING"}, doc)
				}
			}
			asked := s.asked.Load()
			_, ok = end.Types.Decode("type.googleapis.com/no.such.Type", progress)
			assert.False(t, ok)
			assert.Equal(t, asked, s.asked.Load(), "the server is asked once")
			assert.Zero(t, s.open.Load())
		})
	}
}
