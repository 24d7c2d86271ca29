package reference

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/lro-tools/conform/targets"
)

// Timeouts of a target in this process: answers take well under a
// millisecond. Settle leaves a slow operation its 2.1 s (Options.SlowStop).
const (
	requestTimeout = 2 * time.Second
	settleTimeout  = 3 * time.Second
	observeTimeout = 100 * time.Millisecond
)

// Target serves both transports on loopback and describes them to the suite,
// with every role. Closing the target closes the server.
func (s *Server) Target() (*targets.Target, error) {
	at, err := s.listen()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	t, err := s.describeAt(at)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	closeClients := t.Close
	t.Close = func() error {
		return errors.Join(closeClients(), s.Close())
	}
	return t, nil
}

// addresses are where servers listen: REST and gRPC, host and port.
type addresses struct{ rest, grpc []string }

// listen serves both transports on free ports of loopback.
func (s *Server) listen() (addresses, error) {
	served := make(chan error, 2)
	var at [2]string
	for i, serve := range []func(net.Listener) error{s.ServeREST, s.ServeGRPC} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return addresses{}, err
		}
		at[i] = l.Addr().String()
		go func() { served <- serve(l) }()
	}
	return addresses{at[:1], at[1:]}, nil
}

// describeAt describes what listens there to the suite.
func (s *Server) describeAt(at addresses) (*targets.Target, error) {
	t, err := targets.NewTarget("reference server", s.targetOptions(at)...)
	if err != nil {
		return nil, err
	}
	t.Implementation = map[string]string{"organization": "lro-tools", "project": "conform reference server"}
	t.Confirmed = true
	// The types of the operations are linked in: no need to ask for them.
	t.Endpoints[targets.GRPC].Types = linkedTypes{}
	t.Endpoints[targets.GRPC].Prepare = nil
	if s.describe != nil {
		s.describe(t)
	}
	return t, nil
}

func (s *Server) targetOptions(at addresses) []targets.Option {
	parent := s.demoParent()
	var urls []string
	for _, a := range at.rest {
		urls = append(urls, "http://"+a+s.options.Base)
	}
	out := []targets.Option{
		targets.WithREST(urls[0], urls[1:]...),
		targets.WithGRPC(at.grpc[0], at.grpc[1:]...),
		targets.WithNamePattern(s.names.text),
		targets.WithList(s.names.listName(parent)),
		targets.WithTimeouts(targets.Timeouts{Request: requestTimeout, Settle: settleTimeout, Observe: observeTimeout}),
		targets.WithMetadataState("/value/state"),
		targets.WithGuaranteed(),
	}
	for _, role := range targets.Roles() {
		if role == targets.Nested && !s.names.nested() {
			out = append(out, targets.WithUnavailable(role, "names of the pattern "+s.names.text+" have one segment there"))
			continue
		}
		out = append(out, targets.WithStarter(role, s.starter(parent)))
	}
	for token, caller := range s.options.Tokens {
		if caller == Owner {
			out = append(out, targets.WithBearer(token))
		}
		if caller == Stranger {
			out = append(out, targets.WithStranger(token))
		}
	}
	return out
}

// demoParent is a parent of operations, with the id demo for every wildcard.
func (s *Server) demoParent() string {
	var parts []string
	for _, p := range s.names.segments[:s.names.collection] {
		if p == "*" {
			p = "demo"
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, "/")
}

// starter starts operations within the process, as the owner.
func (s *Server) starter(parent string) targets.StartFunc {
	return func(ctx context.Context, r targets.StartRequest) (targets.Started, error) {
		kind := Kind(r.Role)
		if r.Role == targets.Chosen {
			kind = Running
		}
		op, err := s.service.Start(asOwner(ctx), StartRequest{Parent: parent, ID: r.ID, Kind: kind})
		if err != nil {
			return targets.Started{}, fmt.Errorf("operation of the role %s: %w", r.Role, err)
		}
		return targets.Started{Name: op.GetName()}, nil
	}
}

// linkedTypes renders values of Any whose types are linked in, in the form
// that ProtoJSON has for the Any: a well-known type such as Struct stands
// under "value".
type linkedTypes struct{}

// Decode implements targets.TypeResolver.
func (linkedTypes) Decode(typeURL string, value []byte) (doc any, ok bool) {
	data, err := protojson.Marshal(&anypb.Any{TypeUrl: typeURL, Value: value})
	if err != nil {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err = d.Decode(&doc)
	return doc, err == nil
}
