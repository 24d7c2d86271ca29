package reference

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// jobsService is the gRPC service that starts operations:
//
//	service Jobs { rpc Start(StartRequest) returns (google.longrunning.Operation); }
//	message StartRequest {
//	  string parent = 1;
//	  string id = 2;
//	  string kind = 3;
//	  double seconds = 4;
//	  google.protobuf.Duration stop_after = 5;
//	}
const (
	jobsPackage = "conform.reference.v1"
	jobsService = jobsPackage + ".Jobs"
	jobsFile    = "conform/reference/v1/jobs.proto"
)

// jobsDescriptor describes jobsService. It is built at run time, so that no
// generated code is needed, and is in no global registry.
func jobsDescriptor() (protoreflect.FileDescriptor, error) {
	field := func(n int32, name, jsonName string, t descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, JsonName: &jsonName, Number: &n, Type: &t,
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	}
	stopAfter := field(5, "stop_after", "stopAfter", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
	stopAfter.TypeName = proto.String(".google.protobuf.Duration")
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:       proto.String(jobsFile),
		Package:    proto.String(jobsPackage),
		Syntax:     proto.String("proto3"),
		Dependency: []string{"google/longrunning/operations.proto", "google/protobuf/duration.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("StartRequest"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field(1, "parent", "parent", descriptorpb.FieldDescriptorProto_TYPE_STRING),
				field(2, "id", "id", descriptorpb.FieldDescriptorProto_TYPE_STRING),
				field(3, "kind", "kind", descriptorpb.FieldDescriptorProto_TYPE_STRING),
				field(4, "seconds", "seconds", descriptorpb.FieldDescriptorProto_TYPE_DOUBLE),
				stopAfter,
			},
		}},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Jobs"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name:       proto.String("Start"),
				InputType:  proto.String("." + jobsPackage + ".StartRequest"),
				OutputType: proto.String(".google.longrunning.Operation"),
			}},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", jobsFile, err)
	}
	return file, nil
}

// jobsDesc is the service in the form that grpc registers.
func jobsDesc(file protoreflect.FileDescriptor, service Service, in func(context.Context) context.Context) *grpc.ServiceDesc {
	message := file.Messages().ByName("StartRequest")
	start := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		m := dynamicpb.NewMessage(message)
		if err := decode(m); err != nil {
			return nil, err
		}
		r, err := startRequest(m)
		if err != nil {
			return nil, err
		}
		return service.Start(in(ctx), r)
	}
	return &grpc.ServiceDesc{
		ServiceName: jobsService,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Start", Handler: start}},
		Metadata:    jobsFile,
	}
}

func startRequest(m *dynamicpb.Message) (StartRequest, error) {
	fields := m.Descriptor().Fields()
	text := func(name protoreflect.Name) string { return m.Get(fields.ByName(name)).String() }
	out := StartRequest{Parent: text("parent"), ID: text("id"), Kind: Kind(text("kind"))}
	var err error
	if out.Lasts, err = fromSeconds(m.Get(fields.ByName("seconds")).Float()); err != nil {
		return out, invalid("DURATION_INVALID", "seconds: %v", err)
	}
	if f := fields.ByName("stop_after"); m.Has(f) {
		d := new(durationpb.Duration)
		data, err := proto.Marshal(m.Get(f).Message().Interface())
		if err == nil {
			err = proto.Unmarshal(data, d)
		}
		if err == nil {
			err = d.CheckValid()
		}
		if err != nil {
			return out, invalid("DURATION_INVALID", "stop_after: %v", err)
		}
		out.StopAfter = d.AsDuration()
	}
	return out, nil
}

// A resolver finds descriptors of the service's own file, and all that are
// linked in.
type resolver struct{ own *protoregistry.Files }

func (r resolver) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if f, err := r.own.FindFileByPath(path); err == nil {
		return f, nil
	}
	return protoregistry.GlobalFiles.FindFileByPath(path)
}

func (r resolver) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d, err := r.own.FindDescriptorByName(name); err == nil {
		return d, nil
	}
	return protoregistry.GlobalFiles.FindDescriptorByName(name)
}
