package targets

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	rpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Bounds of what a server may describe.
const (
	maxDescribedFiles    = 2000
	maxDescribedServices = 200
)

// An inquiry is one stream of questions.
type inquiry struct {
	stream grpc.ClientStream
	files  map[string]*descriptorpb.FileDescriptorProto
}

func (q *inquiry) describe(services []string, all bool) (*descriptorpb.FileDescriptorSet, error) {
	wanted := slices.Clone(services)
	if all {
		listed, err := q.ask(&rpb.ServerReflectionRequest{MessageRequest: &rpb.ServerReflectionRequest_ListServices{}})
		if err != nil {
			return nil, err
		}
		for _, s := range listed.GetListServicesResponse().GetService() {
			if !slices.Contains(wanted, s.GetName()) && len(wanted) < maxDescribedServices {
				wanted = append(wanted, s.GetName())
			}
		}
	}
	for _, s := range wanted {
		r := &rpb.ServerReflectionRequest{MessageRequest: &rpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: s}}
		if err := q.take(r); err != nil && (slices.Contains(services, s) || !isNotFound(err)) {
			return nil, err
		}
	}
	if all {
		if err := q.annotated(); err != nil {
			return nil, err
		}
	}
	return q.complete()
}

// annotated asks for the types of response and metadata that methods announce
// (google.longrunning.operation_info): a service's file need not import them.
func (q *inquiry) annotated() error {
	var names []string
	for _, f := range q.files {
		for _, s := range f.GetService() {
			for _, m := range s.GetMethod() {
				info, _ := proto.GetExtension(m.GetOptions(), longrunningpb.E_OperationInfo).(*longrunningpb.OperationInfo)
				for _, n := range []string{info.GetMetadataType(), info.GetResponseType()} {
					if n != "" && !strings.Contains(n, ".") {
						n = f.GetPackage() + "." + n // short for a type of the same package
					}
					if n != "" && !slices.Contains(names, n) {
						names = append(names, n)
					}
				}
			}
		}
	}
	for _, n := range names {
		r := &rpb.ServerReflectionRequest{MessageRequest: &rpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: n}}
		if err := q.take(r); err != nil && !isNotFound(err) {
			return err
		}
	}
	return nil
}

// complete asks for the files that the known ones import.
func (q *inquiry) complete() (*descriptorpb.FileDescriptorSet, error) {
	missing := map[string]bool{}
	for again := true; again; {
		again = false
		for _, f := range q.files {
			for _, dep := range f.GetDependency() {
				if q.files[dep] != nil || missing[dep] {
					continue
				}
				again = true
				r := &rpb.ServerReflectionRequest{MessageRequest: &rpb.ServerReflectionRequest_FileByFilename{FileByFilename: dep}}
				if err := q.take(r); err != nil && !isNotFound(err) {
					return nil, err
				}
				if q.files[dep] == nil {
					missing[dep] = !q.linkedIn(dep)
				}
			}
		}
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, f := range q.files {
		set.File = append(set.File, f)
	}
	return set, nil
}

// linkedIn takes a file that the server does not know from our own binary.
func (q *inquiry) linkedIn(name string) bool {
	d, err := protoregistry.GlobalFiles.FindFileByPath(name)
	if err != nil {
		return false
	}
	q.files[name] = protodesc.ToFileDescriptorProto(d)
	return true
}

// take asks for files and keeps them.
func (q *inquiry) take(r *rpb.ServerReflectionRequest) error {
	a, err := q.ask(r)
	if err != nil {
		return err
	}
	for _, data := range a.GetFileDescriptorResponse().GetFileDescriptorProto() {
		var f descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(data, &f); err != nil {
			return fmt.Errorf("the reflection's answer holds no file descriptor: %w", err)
		}
		if q.files[f.GetName()] == nil {
			q.files[f.GetName()] = &f
		}
	}
	if len(q.files) > maxDescribedFiles {
		return fmt.Errorf("the reflection describes more than %d files", maxDescribedFiles)
	}
	return nil
}

func (q *inquiry) ask(r *rpb.ServerReflectionRequest) (*rpb.ServerReflectionResponse, error) {
	if err := q.stream.SendMsg(r); err != nil && !errors.Is(err, io.EOF) {
		return nil, err // on io.EOF RecvMsg tells the status
	}
	a := new(rpb.ServerReflectionResponse)
	if err := q.stream.RecvMsg(a); err != nil {
		return nil, err
	}
	if e := a.GetErrorResponse(); e != nil {
		return nil, &describeError{codes.Code(e.GetErrorCode()), e.GetErrorMessage()}
	}
	return a, nil
}

// A describeError is the reflection's own refusal, such as of an unknown name.
type describeError struct {
	code    codes.Code
	message string
}

func (e *describeError) Error() string {
	return fmt.Sprintf("%s: %s", CodeName(e.code), beginning(e.message))
}

func isNotFound(err error) bool {
	var e *describeError
	return errors.As(err, &e) && e.code == codes.NotFound
}
