package targets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// restIdle is how long an unused connection is kept. It is shorter than the 5
// seconds after which common servers close theirs: a POST that meets a closing
// connection would look like a reset.
const restIdle = 4 * time.Second

// A restClient calls a server over HTTP/1.1 or, on https, HTTP/2.
type restClient struct {
	*wire
	proxy func(*url.URL) (*url.URL, error) // nil: none
}

// NewREST returns a client of the REST form of google.longrunning.Operations
// at the base URLs of c. It follows no redirects, undoes no compression but
// one that the server chose by itself, and bounds time and size of each
// answer. Proxies of the environment are used where c dials no connections of
// its own.
func NewREST(c Connection) (Client, error) {
	if len(c.Addresses) == 0 {
		return nil, errors.New("rest: no address")
	}
	var addresses []*url.URL
	for _, a := range c.Addresses {
		u, err := parseBase(a)
		if err != nil {
			return nil, fmt.Errorf("rest: %w", err)
		}
		addresses = append(addresses, u)
	}
	r := &restClient{}
	if c.Dial == nil {
		r.proxy = httpproxy.FromEnvironment().ProxyFunc()
	}
	r.wire = newWire(c, addresses, func() *http.Transport { return r.connect(c) })
	return r, nil
}

// parseBase reads a base URL. Errors do not repeat the URL, which may hold a
// password.
func parseBase(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("address: %w", errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("address: scheme is %q, want http or https", u.Scheme)
	case u.Host == "" || u.Opaque != "":
		return nil, errors.New("address: no host")
	case u.User != nil:
		return nil, errors.New("address: holds a user name; credentials go into auth")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, errors.New("address: has a query or fragment, want a plain base URL")
	}
	return u, nil
}

func (r *restClient) connect(c Connection) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	t := &http.Transport{DialContext: dialer(c), TLSClientConfig: c.TLS.Clone(), TLSHandshakeTimeout: r.timeout,
		DisableCompression: true, MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: restIdle,
		MaxResponseHeaderBytes: maxHeader, Protocols: protocols}
	if r.proxy != nil {
		t.Proxy = func(req *http.Request) (*url.URL, error) { return r.proxy(req.URL) }
	}
	return t
}

// Transport returns REST.
func (r *restClient) Transport() Transport { return REST }

// A restCall is a request before its address and headers are known.
type restCall struct {
	method     Method
	principal  Principal
	connection int
	defaults   map[string]string // headers
	added      map[string]string
	verb       string
	target     string // below the base URL
	absolute   bool   // target is not below the base URL
	body       []byte
	chunked    bool
	limit      time.Duration
}

// Call makes the call of a method as its HTTP binding says.
func (r *restClient) Call(ctx context.Context, m Method, request proto.Message) (Exchange, error) {
	return r.Raw(ctx, RawRequest{Method: m, Message: request})
}

// Raw sends the request as it is described.
func (r *restClient) Raw(ctx context.Context, raw RawRequest) (Exchange, error) {
	call := restCall{method: raw.Method, verb: raw.HTTPMethod, target: raw.Target, absolute: raw.Absolute, body: raw.Body, chunked: raw.Chunked}
	if raw.HTTPMethod == "" {
		var err error
		if call, err = bind(raw.Method, raw.Message); err != nil {
			return r.unsent(ctx, Exchange{Transport: REST, Method: raw.Method, Start: time.Now()}, err)
		}
	}
	call.principal, call.connection, call.added = raw.Principal, raw.Connection, raw.Header
	call.limit = r.limit(raw.Message)
	return r.do(ctx, call)
}

// do sends a call and reads its answer.
func (r *restClient) do(ctx context.Context, call restCall) (Exchange, error) {
	x := Exchange{Transport: REST, Method: call.method, Principal: call.principal, Start: time.Now()}
	base := r.address()
	target := call.target
	if !call.absolute {
		target = strings.TrimRight(base.EscapedPath(), "/") + target
	}
	credentials, err := r.ready(ctx, call.principal)
	header := r.header(call.principal, call.defaults, credentials, call.added)
	if wantsEvidence(ctx) {
		x.Request = r.request(call, target, base.Host, header)
	}
	if err != nil {
		return r.unsent(ctx, x, err)
	}
	callCtx, cancel := context.WithTimeout(ctx, call.limit)
	defer cancel()
	req, err := r.build(callCtx, call, base, target)
	if err != nil {
		return r.unsent(ctx, x, err)
	}
	apply(header, req)
	x.Start = time.Now()
	var resp *http.Response
	var connected bool
	resp, connected, x.Reused, err = r.send(req, call.connection)
	if err != nil {
		x, err = r.failed(ctx, callCtx, x, connected, err)
		if x.Reused && isReset(err) {
			r.useOnce()
		}
		return x, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols { // what follows one is no body
		x.Body, x.Truncated, err = readBounded(resp.Body, r.maxBody)
	}
	x.Elapsed = time.Since(x.Start)
	if err != nil {
		x.Body = nil
		return r.failed(ctx, callCtx, x, true, fmt.Errorf("body of an answer %s: %w", resp.Status, err))
	}
	r.read(&x, resp)
	if x.Spoilt() {
		r.useOnce()
	}
	if wantsEvidence(ctx) {
		x.Response = Message{Line: r.redact.String(resp.Status), Headers: r.shownValues(resp.Header),
			Body: r.redact.shown(x.Body, x.Truncated)}
	}
	if x.Code == codes.Unauthenticated {
		r.refused(call.principal)
	}
	return x, nil
}

// isReset tells of a call whose connection ended before an answer. Where it had been
// used before, the server may have closed it at that moment, as it may at any time
// (RFC 9112, section 9.5): then the call is no cause.
func isReset(err error) bool {
	var none *NoAnswer
	return errors.As(err, &none) && none.Kind == Reset
}

// build makes the request whose target goes on the wire byte for byte.
func (r *restClient) build(ctx context.Context, call restCall, base *url.URL, target string) (*http.Request, error) {
	u, err := r.locate(base, target)
	if err != nil {
		return nil, err
	}
	req := (&http.Request{Method: call.verb, URL: u, Host: base.Host}).WithContext(ctx)
	switch {
	case call.chunked:
		req.Body = io.NopCloser(bytes.NewReader(call.body))
		req.ContentLength = -1
		req.TransferEncoding = []string{"chunked"}
	case len(call.body) > 0:
		req.Body = io.NopCloser(bytes.NewReader(call.body))
		req.ContentLength = int64(len(call.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(call.body)), nil }
	}
	return req, nil
}

// locate puts a request target into a URL so that net/http writes it as it
// is. An http proxy is asked in the absolute form (RFC 9112, section 3.2.2).
func (r *restClient) locate(base *url.URL, target string) (*url.URL, error) {
	u := &url.URL{Scheme: base.Scheme, Host: base.Host}
	if r.proxy != nil && base.Scheme == "http" {
		proxy, err := r.proxy(base)
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		if proxy != nil && strings.HasPrefix(proxy.Scheme, "http") {
			u.Opaque = "//" + base.Host + target
			return u, nil
		}
	}
	if !strings.HasPrefix(target, "//") {
		u.Opaque = target
		return u, nil
	}
	// An opaque part that begins with two slashes would be written in the
	// absolute form.
	path, query, asked := strings.Cut(target, "?")
	u.Path, u.RawPath, u.RawQuery, u.ForceQuery = path, path, query, asked
	if plain, err := url.PathUnescape(path); err == nil {
		u.Path = plain
	}
	if u.RequestURI() != target {
		return nil, errors.New("target: two slashes at its start and bytes that need escaping cannot be sent")
	}
	return u, nil
}

// request is the call as reports show it.
func (r *restClient) request(call restCall, target, host string, header map[string]string) Message {
	shown := maps.Clone(header)
	if _, set := shown["Host"]; !set {
		shown["Host"] = host
	}
	switch {
	case call.chunked:
		shown["Transfer-Encoding"] = "chunked"
	case len(call.body) > 0, call.verb == http.MethodPost, call.verb == http.MethodPut, call.verb == http.MethodPatch:
		shown["Content-Length"] = strconv.Itoa(len(call.body))
	}
	return Message{Line: r.redact.String(call.verb + " " + target), Headers: r.shownHeader(shown),
		Body: r.redact.shown(call.body, false)}
}

// read takes over the answer, whose body is in x.
func (r *restClient) read(x *Exchange, resp *http.Response) {
	x.HTTP, x.Header = resp.StatusCode, resp.Header
	var packed error
	switch strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))) {
	case "gzip", "x-gzip":
		if len(x.Body) == 0 {
			break
		}
		plain, truncated, err := gunzip(x.Body, x.Truncated, r.maxBody)
		if packed = err; err == nil {
			x.Body, x.Truncated = plain, truncated
		}
	}
	switch {
	case packed != nil:
		x.DocErr = packed
	case x.Truncated:
		x.DocErr = fmt.Errorf("body is longer than %d bytes: %w", r.maxBody, ErrBeyond)
	default:
		x.Doc, x.DocErr = DecodeJSON(x.Body)
	}
	x.Code = HTTPCode(x.HTTP, x.Doc)
}
