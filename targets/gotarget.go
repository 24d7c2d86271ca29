package targets

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/test/bufconn"
)

// inMemory is the host of servers that are reached without a network.
const inMemory = "in-memory"

// An Option says one thing about a target that is made in Go.
type Option func(*draft) error

// NewTarget makes a target in Go, as a target file would. It has the defaults
// of a target file; one of WithREST, WithHandler, WithGRPC and WithListener is
// needed. Close releases it, and stops what WithHandler serves.
func NewTarget(name string, opts ...Option) (*Target, error) {
	d := newDraft(0)
	d.target.Name = name
	d.restEnd = Endpoint{Judge: true, NamePattern: "**"}
	d.grpcEnd = d.restEnd
	var errs []error
	for _, o := range opts {
		errs = append(errs, o(d))
	}
	if d.rest == nil && d.grpc == nil {
		errs = append(errs, errors.New("no transport: WithREST, WithHandler, WithGRPC or WithListener is needed"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(fmt.Errorf("target %s: %w", name, err), d.wire.close())
	}
	return d.build()
}

// WithREST reaches the target over REST; url is the base URL with the version.
// Where there are others, of replicas of one service, calls go to each in turn.
func WithREST(url string, others ...string) Option {
	return func(d *draft) error {
		if d.rest != nil {
			return errors.New("rest is given twice")
		}
		d.rest = &Connection{}
		for _, u := range append([]string{url}, others...) {
			d.rest.Addresses = append(d.rest.Addresses, strings.TrimRight(u, "/"))
		}
		return nil
	}
}

// WithHandler reaches an http.Handler over REST, in memory: no port is opened.
// basePath is the path of the version, such as "/v1".
func WithHandler(h http.Handler, basePath string) Option {
	return func(d *draft) error {
		if err := WithREST("http://" + inMemory + strings.TrimRight(path.Join("/", basePath), "/"))(d); err != nil {
			return err
		}
		l := bufconn.Listen(1 << 20)
		server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(l) }()
		d.rest.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.DialContext(ctx) }
		d.restEnd.Loopback = true
		d.closers = append(d.closers, func() error {
			err := server.Close()
			if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
				err = errors.Join(err, e)
			}
			return err
		})
		return nil
	}
}

// WithGRPC reaches the target over gRPC at host:port, in plaintext unless
// WithTLS is given. Where there are others, of replicas, calls go to each in turn.
func WithGRPC(address string, others ...string) Option {
	return func(d *draft) error {
		if d.grpc != nil {
			return errors.New("grpc is given twice")
		}
		d.grpc = &Connection{Addresses: append([]string{address}, others...), TLS: d.tls}
		return nil
	}
}

// WithListener reaches a gRPC server by a dialer of its own, such as
// DialContext of a bufconn.Listener.
func WithListener(dial func(context.Context) (net.Conn, error)) Option {
	return func(d *draft) error {
		if err := WithGRPC(inMemory + ":443")(d); err != nil {
			return err
		}
		d.grpc.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
		d.grpcEnd.Loopback = true
		return nil
	}
}

// WithTLS makes https and gRPC connections with this configuration.
func WithTLS(c *tls.Config) Option {
	return func(d *draft) error {
		d.tls = c
		for _, conn := range []*Connection{d.rest, d.grpc} {
			if conn != nil {
				conn.TLS = c
			}
		}
		return nil
	}
}

// WithStarter starts the operations of a role by a function of the caller.
func WithStarter(role Role, start StartFunc) Option {
	return func(d *draft) error {
		if err := knownRole(role); err != nil {
			return err
		}
		d.target.Roles[role] = Availability{Configured: true}
		d.starts[role] = start
		return nil
	}
}

// WithUnavailable declares that there is no operation of a role, and why: the
// requirements that need it are inapplicable.
func WithUnavailable(role Role, why string) Option {
	return func(d *draft) error {
		if err := knownRole(role); err != nil {
			return err
		}
		if why == "" {
			return fmt.Errorf("role %s: unavailable without a reason", role)
		}
		d.target.Roles[role] = Availability{Unavailable: why}
		return nil
	}
}

func knownRole(role Role) error {
	if !slices.Contains(Roles(), role) {
		return fmt.Errorf("role %q is not known", role)
	}
	return nil
}

// WithNamePattern is the template of operation names, such as
// projects/*/operations/**; without it, any name is taken.
func WithNamePattern(pattern string) Option {
	return func(d *draft) error {
		d.restEnd.NamePattern, d.grpcEnd.NamePattern = pattern, pattern
		return nil
	}
}

// WithList is the parent whose operations are listed, on both transports:
// "projects/demo", or "operations" for GET {url}/operations. Without it List
// is untested.
func WithList(parent string) Option {
	return func(d *draft) error {
		d.restEnd.List, d.grpcEnd.List = parent, parent
		if parent == "operations" {
			d.restEnd.List = ""
		}
		d.restEnd.HasList, d.grpcEnd.HasList = true, true
		return nil
	}
}

// WithTimeouts sets the waits; fields that are zero keep their default.
func WithTimeouts(t Timeouts) Option {
	return func(d *draft) error {
		if t.Request < 0 || t.Settle < 0 || t.Observe < 0 {
			return errors.New("a timeout below zero")
		}
		own := &d.target.Timeouts
		for _, p := range []struct{ to, from *time.Duration }{{&own.Request, &t.Request}, {&own.Settle, &t.Settle}, {&own.Observe, &t.Observe}} {
			if *p.from > 0 {
				*p.to = *p.from
			}
		}
		return nil
	}
}

// WithGuaranteed promises that an accepted cancel makes the operation
// CANCELLED within the settle timeout (key cancellation: guaranteed).
func WithGuaranteed() Option {
	return func(d *draft) error { d.target.Guaranteed = true; return nil }
}

// WithProfile chooses the rules to judge by: ProfileLRO or ProfileGoogle.
func WithProfile(profile string) Option {
	return func(d *draft) error {
		if profile != ProfileLRO && profile != ProfileGoogle {
			return fmt.Errorf("profile %q is not known", profile)
		}
		d.target.Profile = profile
		return nil
	}
}

// WithCancel declares whether cancel is supported: CancelAuto (found out, the
// default), CancelSupported or CancelUnsupported.
func WithCancel(support string) Option {
	return func(d *draft) error {
		if !slices.Contains([]string{CancelAuto, CancelSupported, CancelUnsupported}, support) {
			return fmt.Errorf("cancel %q is not known", support)
		}
		d.target.Cancel = support
		return nil
	}
}

// WithMetadataState tells where an operation's metadata holds its state, as a
// JSON pointer.
func WithMetadataState(pointer string) Option {
	return func(d *draft) error { d.target.MetadataState = pointer; return nil }
}

// WithUnknown gives a well-formed name of no operation.
func WithUnknown(name string) Option {
	return func(d *draft) error { d.target.Unknown = name; return nil }
}

// WithWait tells whether WaitOperation is bound; without it that is found out.
func WithWait(bound bool) Option {
	return func(d *draft) error { d.restEnd.Wait, d.grpcEnd.Wait = &bound, &bound; return nil }
}

// WithDelete tells whether DeleteOperation is bound; without it that is found out.
func WithDelete(bound bool) Option {
	return func(d *draft) error { d.restEnd.Delete, d.grpcEnd.Delete = &bound, &bound; return nil }
}

// WithExclusion takes requirements out of the judgement, with the reason.
func WithExclusion(requirement, reason string) Option {
	return func(d *draft) error {
		if requirement == "" || reason == "" {
			return errors.New("an exclusion needs a requirement and a reason")
		}
		d.target.Exclude = append(d.target.Exclude, Exclusion{Requirement: requirement, Reason: reason})
		return nil
	}
}

// WithHeader proves with every call who the owner is: an HTTP header, over
// gRPC metadata. The value is a secret.
func WithHeader(name, value string) Option {
	return func(d *draft) error {
		d.redact.Add(value)
		d.addHeaders(Owner, map[string]string{name: value})
		d.target.Authenticated = true
		return nil
	}
}

// WithBearer proves with every call who the owner is, by a token.
func WithBearer(token string) Option {
	return func(d *draft) error {
		d.redact.Add(token)
		return WithHeader("Authorization", "Bearer "+token)(d)
	}
}

// WithStranger gives the token of a caller who is known, but not allowed to
// cancel.
func WithStranger(token string) Option {
	return func(d *draft) error {
		d.credentials[Stranger] = staticCredentials(d.redact, token, nil)
		d.target.Principals[Stranger] = Availability{Configured: true}
		return nil
	}
}

// addHeaders adds to a principal's static headers.
func (d *draft) addHeaders(p Principal, more map[string]string) {
	all := maps.Clone(more)
	if c, ok := d.credentials[p]; ok {
		before, err := c.Headers(context.Background()) // static: never fails
		if err == nil {
			maps.Copy(before, more)
			all = before
		}
	}
	d.credentials[p] = staticCredentials(d.redact, "", all)
}
