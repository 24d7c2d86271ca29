package targets

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A grpcRecipe is one unary gRPC call whose types are known from the server's
// reflection or from a protoset.
type grpcRecipe struct {
	wire    *wiring
	service string // package.Service
	method  string
	body    any
	hasBody bool
	name    string               // JSON pointer; "": no name is wanted
	set     *protoregistry.Files // nil: by reflection
}

func (r *reading) grpcRecipe(d *draft, at string) recipe {
	g := &grpcRecipe{wire: d.wire, body: lookup(r.doc, at+"/body"), hasBody: r.has(at + "/body")}
	g.service, g.method, _ = strings.Cut(strings.TrimPrefix(r.str(at+"/method"), "/"), "/")
	if !strings.HasSuffix(at, "/cleanup/grpc") {
		g.name = r.strOr(at+"/name", "/name")
	}
	if d.grpc == nil {
		r.failAt(at, "add grpc: {address: ..., judge: false}", "the call needs the transport grpc, which is not configured")
	}
	if data := r.contents(at + "/protoset"); data != nil {
		set, err := parseProtoset(data)
		if err != nil {
			r.failAt(at+"/protoset", "make it by protoc --include_imports --descriptor_set_out=FILE", "%v", err)
		} else if _, err := findMethod(set, g.service, g.method); err != nil {
			r.failAt(at+"/method", "", "%v", err)
		}
		g.set = set
	}
	d.wire.calls = append(d.wire.calls, g)
	return g
}

func parseProtoset(data []byte) (*protoregistry.Files, error) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("the file holds no FileDescriptorSet: %w", err)
	}
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("the FileDescriptorSet cannot be used: %w", err)
	}
	return files, nil
}

// findMethod finds a unary method.
func findMethod(files *protoregistry.Files, service, method string) (protoreflect.MethodDescriptor, error) {
	d, err := files.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, fmt.Errorf("the service %s is not described", service)
	}
	s, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no service", service)
	}
	m := s.Methods().ByName(protoreflect.Name(method))
	if m == nil {
		var known []string
		for i := range s.Methods().Len() {
			known = append(known, string(s.Methods().Get(i).Name()))
		}
		return nil, fmt.Errorf("the service %s has no method %s; %s", service, method, didYouMean(method, known))
	}
	if m.IsStreamingClient() || m.IsStreamingServer() {
		return nil, fmt.Errorf("%s/%s is a streaming method; a unary one is needed", service, method)
	}
	return m, nil
}

func (g *grpcRecipe) run(ctx context.Context, values map[string]string) (string, Exchange, error) {
	files := g.set
	if files == nil {
		var err error
		if files, err = g.wire.types.known(ctx); err != nil {
			return "", Exchange{}, fmt.Errorf("the server's reflection does not describe %s: %w; give a protoset", g.service, err)
		}
	}
	m, err := findMethod(files, g.service, g.method)
	if err != nil {
		return "", Exchange{}, err
	}
	resolver := typesOf{files}
	payload, body, err := g.request(m, resolver, values)
	if err != nil {
		return "", Exchange{}, err
	}
	full := "/" + g.service + "/" + g.method
	e, err := g.wire.grpc.Raw(ctx, RawRequest{FullMethod: full, Payload: payload})
	e.Request.Body = g.wire.redact.shown(body, false)
	if err != nil {
		return "", e, fmt.Errorf("%s: %w", full, err)
	}
	if !e.Accepted() {
		detail := ""
		if e.GRPC != nil {
			detail = e.GRPC.StatusDetail
		}
		return "", e, fmt.Errorf("%s was answered %s: %s", full, e.Status(), beginning(detail))
	}
	if e.GRPC.Messages != 1 {
		return "", e, fmt.Errorf("%s was answered with %d messages, not one", full, e.GRPC.Messages)
	}
	return g.read(e, m, resolver)
}

// request makes the request message: its bytes, and the JSON it was made of.
func (g *grpcRecipe) request(m protoreflect.MethodDescriptor, resolver typesOf, values map[string]string) (payload, body []byte, err error) {
	msg := dynamicpb.NewMessage(m.Input())
	body = []byte("{}")
	if g.hasBody {
		if body, err = fillJSON(g.body, values); err != nil {
			return nil, nil, fmt.Errorf("body: %w", err)
		}
		if err := (protojson.UnmarshalOptions{Resolver: resolver}).Unmarshal(body, msg); err != nil {
			return nil, nil, fmt.Errorf("body is no %s: %w", m.Input().FullName(), err)
		}
	}
	if payload, err = proto.Marshal(msg); err != nil {
		return nil, nil, fmt.Errorf("body: %w", err)
	}
	return payload, body, nil
}

// read finds the name in the answer and shows the answer in its JSON form.
func (g *grpcRecipe) read(e Exchange, m protoreflect.MethodDescriptor, resolver typesOf) (string, Exchange, error) {
	var data []byte
	if len(e.GRPC.Payloads) > 0 {
		data = e.GRPC.Payloads[0]
	}
	full := "/" + g.service + "/" + g.method
	answer := dynamicpb.NewMessage(m.Output())
	if err := (proto.UnmarshalOptions{Resolver: resolver}).Unmarshal(data, answer); err != nil {
		return "", e, fmt.Errorf("%s was answered with what is no %s: %w", full, m.Output().FullName(), err)
	}
	doc, text, err := renderMessage(answer, resolver)
	if err != nil {
		return "", e, fmt.Errorf("%s was answered with a %s that cannot be shown: %w", full, m.Output().FullName(), err)
	}
	e.Doc, e.DocErr = doc, nil
	e.Response.Body = g.wire.redact.shown([]byte(text), false)
	name, err := nameIn(doc, g.name)
	if err != nil {
		return "", e, fmt.Errorf("%s: %w: %s", full, err, beginning(text))
	}
	return name, e, nil
}

// renderMessage writes a message in its ProtoJSON form. Values of Any whose
// type is not known are left out, since ProtoJSON cannot write them.
func renderMessage(m protoreflect.ProtoMessage, resolver typesOf) (doc any, text string, err error) {
	dropUnknownAny(m.ProtoReflect(), resolver, 0)
	data, err := (protojson.MarshalOptions{Resolver: resolver}).Marshal(m)
	if err != nil {
		return nil, "", err
	}
	if doc, err = DecodeJSON(data); err != nil {
		return nil, "", err
	}
	return doc, string(data), nil
}

const anyName = protoreflect.FullName("google.protobuf.Any")

// dropUnknownAny empties each Any in a message whose type, or that of a value
// within it, is not known.
func dropUnknownAny(m protoreflect.Message, resolver typesOf, depth int) {
	if depth > maxConfigDepth {
		return
	}
	if m.Descriptor().FullName() == anyName {
		if _, err := (protojson.MarshalOptions{Resolver: resolver}).Marshal(m.Interface()); err != nil {
			m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool { m.Clear(f); return true })
		}
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, e protoreflect.Value) bool {
				dropUnknownAny(e.Message(), resolver, depth+1)
				return true
			})
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				dropUnknownAny(v.List().Get(i).Message(), resolver, depth+1)
			}
		case f.Message() != nil && !f.IsMap():
			dropUnknownAny(v.Message(), resolver, depth+1)
		}
		return true
	})
}

// typesOf finds message types in described files, and then among those that
// are linked in.
type typesOf struct{ files *protoregistry.Files }

func (t typesOf) dynamic() *dynamicpb.Types {
	files := t.files
	if files == nil {
		files = new(protoregistry.Files)
	}
	return dynamicpb.NewTypes(files)
}

func (t typesOf) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	m, err := t.dynamic().FindMessageByName(name)
	if errors.Is(err, protoregistry.NotFound) {
		return protoregistry.GlobalTypes.FindMessageByName(name)
	}
	return m, err
}

func (t typesOf) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	return t.FindMessageByName(protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]))
}

func (t typesOf) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return t.dynamic().FindExtensionByName(name)
}

func (t typesOf) FindExtensionByNumber(message protoreflect.FullName, n protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return t.dynamic().FindExtensionByNumber(message, n)
}
