package targets

import (
	"context"
	"sort"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// operationName is the message that starts of operations return.
const operationName = protoreflect.FullName("google.longrunning.Operation")

// A Description is what a gRPC server tells of itself by reflection.
type Description struct {
	Services []string // all that it describes, sorted
	// Methods are those of google.longrunning.Operations that it offers.
	Methods []Method
	// Starts are the unary methods that return an Operation, as
	// package.Service/Method, with the fields of their requests.
	Starts map[string][]string
}

// Describe asks a gRPC server's reflection what it offers.
func Describe(ctx context.Context, c Connection) (Description, error) {
	t := &describer{conn: c, all: true, timeout: c.Timeout, turn: make(chan struct{}, 1)}
	if t.timeout <= 0 {
		t.timeout = DefaultTimeouts().Request
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout+time.Second)
	defer cancel()
	files, err := t.known(ctx)
	if err != nil {
		return Description{}, err
	}
	d := Description{Starts: map[string][]string{}}
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			d.add(f.Services().Get(i))
		}
		return true
	})
	sort.Strings(d.Services)
	return d, nil
}

func (d *Description) add(s protoreflect.ServiceDescriptor) {
	d.Services = append(d.Services, string(s.FullName()))
	for i := range s.Methods().Len() {
		m := s.Methods().Get(i)
		switch {
		case s.FullName() == "google.longrunning.Operations":
			d.Methods = append(d.Methods, Method(m.Name()))
		case m.Output().FullName() == operationName && !m.IsStreamingClient() && !m.IsStreamingServer():
			var fields []string
			for k := range m.Input().Fields().Len() {
				fields = append(fields, string(m.Input().Fields().Get(k).Name()))
			}
			d.Starts[string(s.FullName())+"/"+string(m.Name())] = fields
		}
	}
}
