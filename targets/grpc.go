package targets

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
)

// grpcService is the path of google.longrunning.Operations, up to the method.
const grpcService = "/google.longrunning.Operations/"

// grpcIdle is how long an unused connection is kept.
const grpcIdle = 30 * time.Second

// A grpcClient speaks the gRPC wire protocol over net/http's HTTP/2, so that
// what the server sent can be told from what a gRPC library would make of it.
type grpcClient struct {
	*wire
	scheme string // http is plaintext, by prior knowledge
}

// NewGRPC returns a gRPC client of google.longrunning.Operations at the
// host:port addresses of c. It never invents a status: an answer without
// grpc-status is an Exchange that says so, and a call that brought none is a
// *NoAnswer.
func NewGRPC(c Connection) (Client, error) {
	if len(c.Addresses) == 0 {
		return nil, errors.New("grpc: no address")
	}
	g := &grpcClient{scheme: "http"}
	if c.TLS != nil {
		g.scheme = "https"
	}
	var addresses []*url.URL
	for _, a := range c.Addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("grpc: address %q: want host:port", a)
		}
		addresses = append(addresses, &url.URL{Scheme: g.scheme, Host: a})
	}
	var proxy func(*url.URL) (*url.URL, error)
	if c.Dial == nil && c.TLS != nil { // plaintext HTTP/2 does not pass a proxy
		proxy = httpproxy.FromEnvironment().ProxyFunc()
	}
	g.wire = newWire(c, addresses, func() *http.Transport { return g.connect(c, proxy) })
	return g, nil
}

func (g *grpcClient) connect(c Connection, proxy func(*url.URL) (*url.URL, error)) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(c.TLS == nil)
	protocols.SetHTTP2(c.TLS != nil)
	t := &http.Transport{DialContext: dialer(c), TLSClientConfig: c.TLS.Clone(), TLSHandshakeTimeout: g.timeout,
		DisableCompression: true, MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: grpcIdle,
		MaxResponseHeaderBytes: maxHeader, Protocols: protocols}
	if proxy != nil {
		t.Proxy = func(req *http.Request) (*url.URL, error) { return proxy(req.URL) }
	}
	return t
}

// Transport returns GRPC.
func (g *grpcClient) Transport() Transport { return GRPC }

// A grpcCall is a request before its metadata are known.
type grpcCall struct {
	RawRequest
	limit time.Duration
	shown []byte // the request message as reports show it
}

// Call makes the call of a method.
func (g *grpcClient) Call(ctx context.Context, m Method, request proto.Message) (Exchange, error) {
	return g.Raw(ctx, RawRequest{Method: m, Message: request})
}

// Raw sends the request as it is described. Where it has a Message but no
// FullMethod, it is the call of its Method.
func (g *grpcClient) Raw(ctx context.Context, raw RawRequest) (Exchange, error) {
	call := grpcCall{RawRequest: raw, limit: g.limit(raw.Message)}
	if raw.FullMethod == "" {
		call.FullMethod = grpcService + string(raw.Method)
	}
	if raw.Message != nil {
		if err := call.encode(wantsEvidence(ctx)); err != nil {
			return g.unsent(ctx, Exchange{Transport: GRPC, Method: raw.Method, Start: time.Now()}, err)
		}
	} else {
		call.shown = []byte(hex.EncodeToString(raw.Payload))
	}
	return g.do(ctx, call)
}

// encode turns the message into its payload, and into what reports show.
func (c *grpcCall) encode(show bool) error {
	if c.FullMethod == grpcService+string(c.Method) && !takes(c.Method, c.Message) {
		return fmt.Errorf("method %q does not take a request of type %T", c.Method, c.Message)
	}
	payload, err := proto.Marshal(c.Message)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	c.Payload = payload
	if !show {
		return nil
	}
	text, err := protojson.Marshal(c.Message)
	if err != nil { // an Any of a type that is not linked in
		c.shown = []byte(hex.EncodeToString(payload))
		return nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	c.shown = compact.Bytes()
	return nil
}

// takes tells whether a message is the request of a method.
func takes(m Method, request proto.Message) (ok bool) {
	switch m {
	case Get:
		_, ok = request.(*longrunningpb.GetOperationRequest)
	case List:
		_, ok = request.(*longrunningpb.ListOperationsRequest)
	case Cancel:
		_, ok = request.(*longrunningpb.CancelOperationRequest)
	case Delete:
		_, ok = request.(*longrunningpb.DeleteOperationRequest)
	case Wait:
		_, ok = request.(*longrunningpb.WaitOperationRequest)
	}
	return ok
}

// do sends a call and reads its answer.
func (g *grpcClient) do(ctx context.Context, call grpcCall) (Exchange, error) {
	x := Exchange{Transport: GRPC, Method: call.Method, Principal: call.Principal, Start: time.Now()}
	address := g.address()
	credentials, err := g.ready(ctx, call.Principal)
	callCtx, cancel := context.WithTimeout(ctx, call.limit)
	defer cancel()
	defaults := map[string]string{"content-type": "application/grpc", "te": "trailers"}
	if deadline, ok := callCtx.Deadline(); ok {
		defaults["grpc-timeout"] = grpcTimeout(time.Until(deadline))
	}
	header := g.header(call.Principal, defaults, credentials, call.Header)
	if wantsEvidence(ctx) {
		x.Request = g.request(call, address.Host, header)
	}
	if err != nil {
		return g.unsent(ctx, x, err)
	}
	req := g.build(callCtx, call, address)
	apply(header, req)
	x.Start = time.Now()
	resp, connected, _, err := g.send(req, call.Connection)
	if err != nil {
		return g.failed(ctx, callCtx, x, connected, err)
	}
	defer resp.Body.Close()
	answer, err := readAnswer(resp, g.maxBody)
	x.Elapsed = time.Since(x.Start)
	if err != nil && resp.StatusCode == http.StatusOK {
		return g.failed(ctx, callCtx, x, true, fmt.Errorf("stream of an answer: %w", err))
	}
	g.read(&x, call, resp, answer)
	if wantsEvidence(ctx) {
		x.Response = g.show(x, answer)
	}
	if x.GRPC.HasStatus && x.Code == codes.Unauthenticated || !x.GRPC.HasStatus && x.HTTP == http.StatusUnauthorized {
		g.refused(call.Principal)
	}
	return x, nil
}

// build makes the HTTP/2 request. Its length is not announced, as gRPC
// clients do not. GetBody lets net/http send it again where the server said
// that it did not process it (RFC 9113, section 8.7).
func (g *grpcClient) build(ctx context.Context, call grpcCall, address *url.URL) *http.Request {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(call.Payload)))
	frame = append(frame, call.Payload...)
	body := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(frame)), nil }
	u := &url.URL{Scheme: g.scheme, Host: address.Host, Opaque: call.FullMethod}
	req := &http.Request{Method: http.MethodPost, URL: u, Host: address.Host, ContentLength: -1, GetBody: body}
	req.Body, _ = body()
	return req.WithContext(ctx)
}

// grpcTimeout writes a time as the grpc-timeout header does: at most 8 digits
// and a unit, rounded up.
func grpcTimeout(d time.Duration) string {
	const most = 99_999_999
	d = max(d, 0)
	if ms := (d + time.Millisecond - 1) / time.Millisecond; ms <= most {
		return fmt.Sprintf("%dm", max(ms, 1))
	}
	return fmt.Sprintf("%dS", min((d+time.Second-1)/time.Second, most))
}

// request is the call as reports show it, names of metadata in lower case as
// HTTP/2 sends them.
func (g *grpcClient) request(call grpcCall, host string, header map[string]string) Message {
	shown := map[string]string{":authority": host, ":scheme": g.scheme}
	for name, value := range header {
		if strings.EqualFold(name, "Host") {
			name = ":authority"
		}
		shown[strings.ToLower(name)] = value
	}
	return Message{Line: g.redact.String(call.FullMethod), Headers: g.shownHeader(shown), Body: g.redact.shown(call.shown, false)}
}

// read takes over the answer.
func (g *grpcClient) read(x *Exchange, call grpcCall, resp *http.Response, a grpcAnswer) {
	x.HTTP, x.Header, x.Truncated = resp.StatusCode, map[string][]string{}, a.truncated
	for _, h := range []http.Header{resp.Header, resp.Trailer} {
		for name, values := range h {
			if name = strings.ToLower(name); len(values) > 0 {
				x.Header[name] = append(x.Header[name], values...)
			}
		}
	}
	x.GRPC = &GRPCAnswer{Messages: a.messages, Payloads: a.payloads, FrameFault: a.frameFault()}
	a.status(x, resp)
	x.Body = a.plain
	if len(a.payloads) > 0 {
		x.Body = a.payloads[0]
	}
	g.render(x, call, a)
}

// show is the answer as reports show it.
func (g *grpcClient) show(x Exchange, a grpcAnswer) Message {
	body := x.Body
	switch {
	case x.Doc != nil:
		body = compactJSON(x.Doc)
	case a.plain == nil:
		body = []byte(hex.EncodeToString(body))
	}
	return Message{Line: g.redact.String(statusLine(x)), Headers: g.shownValues(x.Header), Body: g.redact.shown(body, x.Truncated)}
}

// render decodes the message of an answer that is no error.
func (g *grpcClient) render(x *Exchange, call grpcCall, a grpcAnswer) {
	m := call.Method
	if name, ours := strings.CutPrefix(call.FullMethod, grpcService); m == "" && ours {
		m = Method(name)
	}
	switch {
	case x.GRPC.HasStatus && x.Code != codes.OK:
	case a.problem != nil:
		x.DocErr = a.problem
	case len(a.payloads) == 0:
		x.DocErr = errors.New("no message was sent")
	default:
		doc, unknown, err := Render(m, a.payloads[0])
		x.GRPC.Unknown = unknown
		if x.DocErr = err; err == nil {
			x.Doc = doc
		}
	}
}

// statusLine says the status of an answer in one line.
func statusLine(x Exchange) string {
	if !x.GRPC.HasStatus {
		line := x.Status()
		if x.GRPC.StatusFault != "" {
			line += ": " + x.GRPC.StatusFault
		}
		return escapeInvalid([]byte(line))
	}
	line := fmt.Sprintf("grpc-status %d %s", uint32(x.Code), CodeName(x.Code))
	if x.GRPC.StatusDetail != "" {
		line += ": " + x.GRPC.StatusDetail
	}
	return escapeInvalid([]byte(line))
}

// compactJSON writes a rendered document; such a document always can be.
func compactJSON(doc any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(doc); err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(b.Bytes())
}
