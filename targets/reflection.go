package targets

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	rpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// A describer asks a gRPC server's reflection, once, for the types that are
// wanted, and closes the stream and its connection before it returns: a server
// is known (gapic-showcase 0.42) that lets every unary call hang while a
// stream is open.
type describer struct {
	conn     Connection
	services []string // to describe
	all      bool     // describe every service of the server
	timeout  time.Duration

	turn  chan struct{} // held while asking
	done  bool
	files *protoregistry.Files
	err   error
}

// describe makes the describer of an endpoint, and lets Prepare ask it if a recipe
// or the metadata's state wants types.
func (w *wiring) describe(end *Endpoint, metadataState bool) {
	t := &describer{conn: *w.draft.grpc, all: metadataState, timeout: w.target.Timeouts.Request, turn: make(chan struct{}, 1)}
	var sets []*protoregistry.Files
	for _, c := range w.calls {
		if c.set != nil {
			sets = append(sets, c.set)
		} else if !slices.Contains(t.services, c.service) {
			t.services = append(t.services, c.service)
		}
	}
	w.types = t
	types := &anyTypes{reflected: t, sets: sets}
	if !t.all {
		types.wider = &describer{conn: t.conn, all: true, timeout: min(t.timeout, lateTimeout), turn: make(chan struct{}, 1)}
	}
	end.Types = types
	if t.all || len(t.services) > 0 {
		// That there is no reflection is no reason not to call the server: the
		// recipe that needed it tells.
		end.Prepare = func(ctx context.Context) error {
			if _, err := t.known(ctx); err != nil && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return nil
		}
	}
}

// known returns what the server describes. It is asked once, and again only
// where it could not be reached.
func (t *describer) known(ctx context.Context) (*protoregistry.Files, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-t.turn }()
	if t.done {
		return t.files, t.err
	}
	files, err := t.ask(ctx)
	if err == nil || final(err) {
		t.done, t.files, t.err = true, files, err
	}
	return files, err
}

// final tells whether a failure is the server's answer, so that asking again
// would only open a stream in the midst of other calls.
func final(err error) bool {
	var unproven *credentialsError
	if errors.As(err, &unproven) {
		return false
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return false
	}
	return true
}

// A credentialsError says that no credentials could be had.
type credentialsError struct{ cause error }

func (e *credentialsError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *credentialsError) Unwrap() error { return e.cause }

// ask tries version v1 of reflection, then v1alpha, whose messages are the same.
func (t *describer) ask(ctx context.Context) (*protoregistry.Files, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	var headers []string
	for k, v := range t.conn.Headers {
		headers = append(headers, strings.ToLower(k), v)
	}
	if c, ok := t.conn.Credentials[Owner]; ok {
		proof, err := c.Headers(ctx)
		if err != nil {
			return nil, &credentialsError{err}
		}
		for k, v := range proof {
			headers = append(headers, strings.ToLower(k), v)
		}
	}
	ctx = metadata.AppendToOutgoingContext(ctx, headers...)
	files, err := t.askVersion(ctx, "v1")
	if status.Code(err) == codes.Unimplemented {
		files, err = t.askVersion(ctx, "v1alpha")
	}
	return files, err
}

func (t *describer) dial() (*grpc.ClientConn, error) {
	secure := insecure.NewCredentials()
	if t.conn.TLS != nil {
		secure = credentials.NewTLS(t.conn.TLS.Clone())
	}
	opts := []grpc.DialOption{grpc.WithTransportCredentials(secure), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig()}
	if t.conn.Dial != nil {
		opts = append(opts, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return t.conn.Dial(ctx, "tcp", address)
		}))
	}
	return grpc.NewClient("passthrough:///"+t.conn.Addresses[0], opts...)
}

func (t *describer) askVersion(ctx context.Context, version string) (files *protoregistry.Files, err error) {
	conn, err := t.dial()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	desc := &grpc.StreamDesc{StreamName: "ServerReflectionInfo", ServerStreams: true, ClientStreams: true}
	stream, err := conn.NewStream(ctx, desc, "/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
	if err != nil {
		return nil, err
	}
	q := &inquiry{stream: stream, files: map[string]*descriptorpb.FileDescriptorProto{}}
	set, err := q.describe(t.services, t.all)
	if err != nil {
		return nil, err
	}
	// The server has seen the end of the stream once it answers with its own.
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	for {
		if err := stream.RecvMsg(new(rpb.ServerReflectionResponse)); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(set)
}

// lateTimeout bounds an inquiry in the midst of a run.
const lateTimeout = 2 * time.Second

// anyTypes decodes values of Any by what the server and protosets describe.
type anyTypes struct {
	reflected *describer
	sets      []*protoregistry.Files
	// wider describes all services, where Prepare does not ask for them; nil where it does.
	wider *describer
	late  sync.Once
}

// Decode renders a value. Where Prepare has not asked for all that the server
// describes, the first value of a type that is not known has it asked, once: a
// run that sees no such value opens no stream.
func (a *anyTypes) Decode(typeURL string, value []byte) (any, bool) {
	sets := append(slices.Clone(a.sets), nil)
	if files := a.reflected.found(); files != nil {
		sets = append([]*protoregistry.Files{files}, sets...)
	}
	if doc, known, ok := decodeBy(sets, typeURL, value); known || a.wider == nil {
		return doc, ok
	}
	a.late.Do(func() { _, _ = a.wider.known(context.Background()) })
	doc, _, ok := decodeBy([]*protoregistry.Files{a.wider.found()}, typeURL, value)
	return doc, ok
}

// decodeBy renders a value by the first files that describe its type; nil stands
// for the types that are linked in. known tells whether any do.
func decodeBy(sets []*protoregistry.Files, typeURL string, value []byte) (doc any, known, ok bool) {
	for _, files := range sets {
		resolver := typesOf{files}
		t, err := resolver.FindMessageByURL(typeURL)
		if err != nil {
			continue
		}
		m := t.New().Interface()
		if err := (proto.UnmarshalOptions{Resolver: resolver}).Unmarshal(value, m); err != nil {
			return nil, true, false
		}
		doc, _, err := renderMessage(m, resolver)
		return doc, true, err == nil
	}
	return nil, false, false
}

// found returns what is known already; nil where nothing is.
func (t *describer) found() *protoregistry.Files {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	return t.files
}
