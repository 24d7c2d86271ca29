package targets

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// A draft is a target before its clients are made: from a target file or from
// options in Go.
type draft struct {
	target           Target // what needs no client
	dir              string // where commands run
	tls              *tls.Config
	rest, grpc       *Connection // nil: the target does not have the transport
	restEnd, grpcEnd Endpoint
	credentials      map[Principal]Credentials
	starts           map[Role]StartFunc
	redact           *Redactor
	before           func(context.Context) error
	wire             *wiring
	closers          []func() error
}

// newDraft returns a draft with the defaults of a target file.
func newDraft(perSecond float64) *draft {
	d := &draft{
		target: Target{Profile: ProfileLRO, Cancel: CancelAuto, Timeouts: defaultTimeouts, Implementation: map[string]string{},
			Roles: map[Role]Availability{}, Principals: map[Principal]Availability{}, Endpoints: map[Transport]*Endpoint{}},
		credentials: map[Principal]Credentials{},
		starts:      map[Role]StartFunc{},
		redact:      NewRedactor(),
	}
	if perSecond > 0 {
		d.before = rate.NewLimiter(rate.Limit(perSecond), 1).Wait
	}
	d.wire = &wiring{draft: d, own: map[string]Client{}}
	return d
}

// firstHost names a target that has no name.
func (d *draft) firstHost() string {
	for _, c := range []*Connection{d.rest, d.grpc} {
		if c != nil && len(c.Addresses) > 0 {
			return hostOf(c.Addresses[0])
		}
	}
	return ""
}

// build makes the clients. On an error nothing is left open.
func (d *draft) build() (*Target, error) {
	t := d.target
	w := d.wire
	t.Close = sync.OnceValue(w.close)
	t.Starter = StartFunc(d.start)
	if d.rest != nil {
		d.complete(d.rest)
		client, err := NewREST(*d.rest)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("rest: %w", err), t.Close())
		}
		w.rest = client
		t.Endpoints[REST] = d.finish(d.restEnd, client, d.rest)
	}
	if d.grpc != nil {
		d.complete(d.grpc)
		client, err := NewGRPC(*d.grpc)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("grpc: %w", err), t.Close())
		}
		w.grpc = client
		end := d.finish(d.grpcEnd, client, d.grpc)
		w.describe(end, t.MetadataState != "")
		t.Endpoints[GRPC] = end
	}
	return &t, nil
}

// complete adds to a connection what all connections of a target share.
func (d *draft) complete(c *Connection) {
	c.Credentials = d.credentials
	c.Timeout = d.target.Timeouts.Request
	c.Redact = d.redact
	c.Before = d.before
}

func (d *draft) finish(e Endpoint, client Client, c *Connection) *Endpoint {
	e.Client = client
	e.Address = strings.Join(c.Addresses, ", ")
	e.Loopback = e.Loopback || allLoopback(c.Addresses)
	return &e
}

// start starts an operation by what is configured for its role.
func (d *draft) start(ctx context.Context, r StartRequest) (Started, error) {
	f, ok := d.starts[r.Role]
	if !ok {
		return Started{}, fmt.Errorf("operations.%s is not configured", r.Role)
	}
	return f(ctx, r)
}

// wiring is what recipes reach a target by, complete once the target is built.
type wiring struct {
	*draft
	rest, grpc Client
	types      *describer
	calls      []*grpcRecipe // whose types are wanted

	mu  sync.Mutex
	own map[string]Client // REST clients of recipes with an own URL, by scheme and host
}

// ownClient returns the client of a recipe with an own URL.
func (w *wiring) ownClient(base string) (Client, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.own[base]; ok {
		return c, nil
	}
	c := Connection{Addresses: []string{base}, TLS: w.tls}
	w.complete(&c)
	client, err := NewREST(c)
	if err != nil {
		return nil, err
	}
	w.own[base] = client
	return client, nil
}

// close releases everything, in the reverse of the order in which it is used.
func (w *wiring) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, c := range w.own {
		errs = append(errs, c.Close())
	}
	for _, c := range []Client{w.rest, w.grpc} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	for _, f := range w.closers {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}
