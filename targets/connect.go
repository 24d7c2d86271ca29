package targets

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// Credentials brings the headers (REST) or metadata (gRPC) that prove who
// calls, such as Authorization. It is asked before each call and keeps what it
// fetched until that expires. Refused, if set, is told when the server
// answered 401 or UNAUTHENTICATED, so that the next call fetches anew.
type Credentials struct {
	Headers func(ctx context.Context) (map[string]string, error)
	Refused func()
}

// A Dialer opens a connection.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Connection is how a server is reached, over either transport.
type Connection struct {
	// Addresses: REST base URLs with the version, or gRPC host:port; calls
	// rotate through them where there are several.
	Addresses []string
	Headers   map[string]string // sent with every call (gRPC: metadata)
	// Credentials by principal; Owner is missing where the target is open.
	Credentials map[Principal]Credentials
	TLS         *tls.Config // REST: for https; gRPC: nil is plaintext
	Dial        Dialer      // nil: the network
	Timeout     time.Duration
	MaxBody     int64 // bytes of an answer that are read; 0: 1 MiB
	Redact      *Redactor
	// Before, if set, is called before each request is sent (rate limit); an
	// error keeps the call from being made.
	Before func(ctx context.Context) error
}
