// Package reference is the server that we ship: google.longrunning.Operations
// in memory, over REST and gRPC, honest, or with one fault of a table.
package reference

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/lro-tools/conform/targets"
)

// A Server is a running service. It holds its operations until Close.
type Server struct {
	options Options
	names   template
	store   *store
	service Service
	rest    http.Handler
	grpc    *grpc.Server
	// wire serves gRPC by net/http where a fault tampers with its bytes; nil
	// otherwise.
	wire http.Handler
	// describe changes the description of the server where a fault does.
	describe func(*targets.Target)

	mu      sync.Mutex
	closed  bool
	servers []*http.Server
}

// New returns an honest server.
func New(o Options) (*Server, error) { return newServer(o, Fault{}) }

// newServer returns a server with the hooks of a fault between its parts.
func newServer(o Options, f Fault) (*Server, error) {
	if f.Options != nil {
		f.Options(&o)
	}
	o = o.withDefaults()
	names, err := parseTemplate(o.Template)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(o.Base, "/") || strings.HasSuffix(o.Base, "/") {
		return nil, fmt.Errorf("base %q: not a path that begins with / and ends without", o.Base)
	}
	s := &Server{options: o, names: names, store: newStore(o, names), describe: f.Target}
	admitted := access(o.Tokens)
	s.service = guard{admitted, s.store}
	toOwner := func(_, faulty http.Handler) http.Handler { return faulty }
	if f.ownerOnly && admitted != nil {
		toOwner = admitted.toOwner
	}
	if f.Service != nil {
		s.service = f.Service(s.service)
		if f.ownerOnly {
			s.service = guard{admitted, s.service}
		}
	}
	s.rest = &rest{service: s.service, access: admitted, names: names, base: o.Base}
	if o.EarthEngine {
		s.rest = &earthEngine{next: s.rest, service: s.service, access: admitted, base: o.Base}
	}
	if f.REST != nil {
		s.rest = toOwner(s.rest, f.REST(s.rest))
	}
	if s.grpc, err = newGRPC(s.service, admitted); err != nil {
		return nil, err
	}
	if f.Wire != nil {
		s.wire = toOwner(s.grpc, f.Wire(s.grpc))
	}
	return s, nil
}

// Options returns the options of the server, defaults filled in.
func (s *Server) Options() Options { return s.options }

// Service returns what both transports serve.
func (s *Server) Service() Service { return s.service }

// Handler returns the REST side, to be served at the root of a host.
func (s *Server) Handler() http.Handler { return s.rest }

// ServeREST serves the REST side, over HTTP/1.1 and HTTP/2 without TLS, until
// Close. It closes the listener.
func (s *Server) ServeREST(l net.Listener) error {
	return s.serveHTTP(l, s.rest, true)
}

// ServeGRPC serves the gRPC side, without TLS, until Close. It closes the
// listener.
func (s *Server) ServeGRPC(l net.Listener) error {
	if s.wire != nil {
		return s.serveHTTP(l, s.wire, false)
	}
	if err := s.grpc.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

func (s *Server) serveHTTP(l net.Listener, h http.Handler, http1 bool) error {
	p := new(http.Protocols)
	p.SetHTTP1(http1)
	p.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: h, Protocols: p, ReadHeaderTimeout: 10 * time.Second,
		// What it logs are clients that went away, and faults that abort.
		ErrorLog: log.New(io.Discard, "", 0)}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return l.Close()
	}
	s.servers = append(s.servers, server)
	s.mu.Unlock()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends all work, all calls and all listeners. It may be called again.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	servers := s.servers
	s.mu.Unlock()
	s.store.close()
	var errs []error
	for _, server := range servers {
		errs = append(errs, server.Close())
	}
	s.grpc.Stop()
	return errors.Join(errs...)
}
