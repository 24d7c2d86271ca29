package targets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/proto"
)

// What both clients hold to.
const (
	userAgent     = "conform"
	defaultBody   = 1 << 20   // bytes of an answer, where Connection.MaxBody is 0
	maxHeader     = 256 << 10 // bytes of a response's header
	idlePerHost   = 64        // connections kept for reuse: one for each worker of a busy run
	maxWaitExtend = time.Hour // of the timeout that a Wait asks for
)

// A wire is what both clients share: addresses in turn, connections by
// number, credentials, deadlines, and the kinds of no answer.
type wire struct {
	connection Connection
	redact     *Redactor
	timeout    time.Duration // of one call
	maxBody    int64         // bytes
	addresses  []*url.URL
	turn       atomic.Uint64
	open       func() *http.Transport

	mu    sync.Mutex
	pools map[int]*http.Transport
	once  bool // no connection is used for a second call, but those of negative numbers
}

func newWire(c Connection, addresses []*url.URL, open func() *http.Transport) *wire {
	w := &wire{connection: c, redact: c.Redact, timeout: c.Timeout, maxBody: c.MaxBody,
		addresses: addresses, open: open, pools: map[int]*http.Transport{}}
	if w.redact == nil {
		w.redact = NewRedactor()
	}
	if w.timeout <= 0 {
		w.timeout = DefaultTimeouts().Request
	}
	if w.maxBody <= 0 {
		w.maxBody = defaultBody
	}
	for name, value := range c.Headers {
		if w.redact.isCredential(name) {
			w.redact.addCredential(name, value)
		}
	}
	return w
}

// dialer opens connections within the timeout of a call: a transport dials on
// its own account and would go on after the call has given up.
func dialer(c Connection) Dialer {
	limit := c.Timeout
	if limit <= 0 {
		limit = DefaultTimeouts().Request
	}
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return dial(ctx, network, address)
	}
}

// address returns the address whose turn it is.
func (w *wire) address() *url.URL {
	return w.addresses[(w.turn.Add(1)-1)%uint64(len(w.addresses))]
}

// transport returns the connections of one number.
func (w *wire) transport(number int) *http.Transport {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.pools[number]
	if t == nil {
		t = w.open()
		t.DisableKeepAlives = w.once && number >= 0
		w.pools[number] = t
	}
	return t
}

// useOnce lets each call have a connection of its own from now on.
func (w *wire) useOnce() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.once {
		return
	}
	w.once = true
	for number, t := range w.pools {
		if number >= 0 {
			t.CloseIdleConnections()
			delete(w.pools, number)
		}
	}
}

// Close closes the connections that are not in use.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.pools {
		t.CloseIdleConnections()
	}
	return nil
}

// ready waits until the call may be made, and returns the headers that prove
// who calls.
func (w *wire) ready(ctx context.Context, p Principal) (map[string]string, error) {
	if w.connection.Before != nil {
		if err := w.connection.Before(ctx); err != nil {
			return nil, err
		}
	}
	if p == Nobody {
		return nil, nil
	}
	credentials, ok := w.connection.Credentials[p]
	if !ok && p != Owner {
		return nil, fmt.Errorf("principal %s: no credentials are configured", p)
	}
	if credentials.Headers == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	headers, err := credentials.Headers(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	for name, value := range headers {
		w.redact.addCredential(name, value)
	}
	return headers, nil
}

// refused tells the principal's credentials that the server did not take them.
func (w *wire) refused(p Principal) {
	if c, ok := w.connection.Credentials[p]; ok && p != Nobody && c.Refused != nil {
		c.Refused()
	}
}

// header puts together what a call sends: its defaults, the connection's
// headers, the credentials, and what the call itself adds or removes. A
// principal other than the owner gets none of the credentials that stand
// among the connection's headers.
func (w *wire) header(p Principal, defaults, credentials, added map[string]string) map[string]string {
	h := map[string]string{"User-Agent": userAgent}
	for name, value := range defaults {
		setHeader(h, name, value)
	}
	for name, value := range w.connection.Headers {
		if p == Owner || !w.redact.isCredential(name) {
			setHeader(h, name, value)
		}
	}
	for name, value := range credentials {
		setHeader(h, name, value)
	}
	for name, value := range added {
		setHeader(h, name, value)
	}
	return h
}

// setHeader replaces a header whatever the case of its name, or removes it
// where the value is empty. The case of the name is kept, for servers that
// are to be asked in another one.
func setHeader(h map[string]string, name, value string) {
	for k := range h {
		if strings.EqualFold(k, name) {
			delete(h, k)
		}
	}
	if strings.EqualFold(name, "User-Agent") {
		name = "User-Agent" // any other spelling would be sent beside net/http's own
	}
	if value != "" {
		h[name] = value
	}
}

// apply gives the header to a request.
func apply(h map[string]string, req *http.Request) {
	req.Header = http.Header{"User-Agent": {""}} // the empty value keeps net/http from sending its own
	for name, value := range h {
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header[name] = []string{value}
	}
}

// shownHeader is a header as reports show it.
func (w *wire) shownHeader(h map[string]string) map[string]string {
	out := make(map[string]string, len(h))
	for name, value := range h {
		out[name] = w.redact.Header(name, value)
	}
	return out
}

// shownValues is a received header as reports show it.
func (w *wire) shownValues(h map[string][]string) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		out[name] = w.redact.Header(name, strings.Join(values, ", "))
	}
	return out
}

// send makes one round trip without following redirects; connected tells
// whether there was a connection to send on, reused whether another call had been
// made on it.
func (w *wire) send(req *http.Request, number int) (resp *http.Response, connected, reused bool, err error) {
	var got, again atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		got.Store(true)
		again.Store(c.Reused)
	}}
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	resp, err = w.transport(number).RoundTrip(req)
	return resp, got.Load(), again.Load(), err
}

// limit is the time that a call may take: the timeout, and for a Wait what it
// asks the server to wait as well.
func (w *wire) limit(request proto.Message) time.Duration {
	if wait, ok := request.(*longrunningpb.WaitOperationRequest); ok && wait.GetTimeout() != nil {
		return w.timeout + min(max(wait.GetTimeout().AsDuration(), 0), maxWaitExtend)
	}
	return w.timeout
}

// A shownError is an error whose text is free of secrets. What it matches
// with errors.Is is kept, the cause itself is not.
type shownError struct {
	text  string
	cause error
}

func (e *shownError) Error() string        { return e.text }
func (e *shownError) Is(target error) bool { return errors.Is(e.cause, target) }

// none completes an exchange that brought no answer.
func (w *wire) none(x Exchange, kind NoAnswerKind, err error) (Exchange, error) {
	x.Elapsed = time.Since(x.Start)
	failure := &NoAnswer{Kind: kind, Err: &shownError{text: w.redact.String(err.Error()), cause: err}}
	x.Problem = failure.Error()
	return x, failure
}

// unsent completes an exchange that was not sent at all.
func (w *wire) unsent(ctx context.Context, x Exchange, err error) (Exchange, error) {
	kind := Unreachable
	switch ctx.Err() {
	case context.Canceled:
		kind = Aborted
	case context.DeadlineExceeded:
		kind = TimedOut
	}
	return w.none(x, kind, err)
}

// failed completes an exchange whose round trip failed. Where the whole
// timeout passed without a connection the server is unreachable; a shorter
// deadline of the caller's own says nothing of that kind.
func (w *wire) failed(caller, call context.Context, x Exchange, connected bool, err error) (Exchange, error) {
	kind := Reset
	var slow net.Error
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		kind = Aborted
	case caller.Err() != nil:
		kind = TimedOut
	case !connected:
		kind = Unreachable
	case call.Err() != nil, nearDeadline(call), errors.As(err, &slow) && slow.Timeout():
		kind = TimedOut
	}
	return w.none(x, kind, err)
}

// nearDeadline tells whether the deadline of a call has all but passed. A gRPC
// server knows it as well and resets the stream then, and either side may be
// the first.
func nearDeadline(call context.Context) bool {
	const near = 20 * time.Millisecond
	deadline, ok := call.Deadline()
	return ok && time.Until(deadline) < near
}
