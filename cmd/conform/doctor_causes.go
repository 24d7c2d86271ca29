package main

import (
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

// causes are why no answer arrives, by what the error says, and what to do.
// The first that fits is told.
func causes() []struct{ says, advice string } {
	return []struct{ says, advice string }{
		{"no such host", "the name is not resolved: look at the host in the address, and at the DNS"},
		{"server misbehaving", "the name is not resolved: the DNS server fails"},
		{"proxyconnect", "the proxy of the environment (HTTPS_PROXY, HTTP_PROXY) does not let it through; NO_PROXY takes a host out"},
		{"Proxy Authentication Required", "the proxy of the environment wants credentials: http://user:password@proxy in HTTPS_PROXY"},
		{"credentials:", "no token can be had: look at auth in the target file"},
		{"connection refused", "nobody listens there: is the server running, and the port right?"},
		{"no route to host", "the network does not lead there"},
		{"network is unreachable", "the network does not lead there"},
		{"certificate signed by unknown authority", "its certificate is not trusted: set tls.ca to the authority's certificate"},
		{"certificate is valid for", "its certificate is for another name: set tls.server_name, or correct the address"},
		{"certificate is not valid for any names", "its certificate has no names: it needs a subjectAltName"},
		{"doesn't contain any IP SANs", "its certificate is not for an IP address: set tls.server_name"},
		{"certificate has expired or is not yet valid", "its certificate is not valid now: renew it, or look at the clock of this machine"},
		{"certificate required", "the server wants a client certificate: set tls.cert and tls.key"},
		{"bad certificate", "the server does not take the client certificate in tls.cert"},
		{"unknown certificate authority", "the server does not trust the client certificate in tls.cert"},
		{"server gave HTTP response to HTTPS client", "the server speaks without TLS: write http:// in rest.url, or grpc.plaintext: true"},
		{"first record does not look like a TLS handshake", "the server speaks without TLS: write http:// in rest.url, or grpc.plaintext: true"},
		{"no application protocol", "TLS agrees on no protocol (ALPN): the server has to offer h2 for gRPC"},
		{"unexpected ALPN protocol", "TLS agrees on no HTTP/2 (ALPN), which gRPC needs: the port may be that of REST"},
		{"http2: failed reading the frame payload", "what answers speaks no HTTP/2: the port may be that of REST, or TLS is wanted (drop grpc.plaintext)"},
		{"malformed HTTP response", "what answers speaks no HTTP/1.1: TLS may be wanted (https://), or the port is that of gRPC"},
		{"malformed HTTP version", "what answers speaks no HTTP: the port is that of something else"},
		{"EOF", "the connection is closed at once: TLS may be wanted, or the port is that of something else"},
		{"connection reset", "the connection is reset: a firewall, or TLS may be wanted"},
		{"timed out", "nothing answers in timeouts.request: a firewall, or a server that hangs"},
		{"deadline exceeded", "nothing answers in timeouts.request: a firewall, or a server that hangs"},
	}
}

// adviceFor is what to do about an answer that does not come.
func adviceFor(err error) string {
	text := err.Error()
	for _, c := range causes() {
		if strings.Contains(text, c.says) {
			return c.advice
		}
	}
	return "is the server running, and the address right?"
}

// proxied tells of a proxy of the environment, which REST calls go through
// unless the target is on loopback.
func (d *doctor) proxied(t targets.Transport, ep *targets.Endpoint) {
	if ep.Loopback {
		return
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if os.Getenv(name) != "" {
			d.advise("%s: %s is set: calls go through that proxy, but for what NO_PROXY names", t, name)
			return
		}
	}
}

// clockSkew is how far the clocks may lie apart without harm to tokens and
// certificates.
const clockSkew = time.Minute

// clock compares the server's clock with that of this machine.
func (d *doctor) clock(ex targets.Exchange) {
	for name, values := range ex.Header {
		if !strings.EqualFold(name, "Date") || len(values) == 0 {
			continue
		}
		theirs, err := http.ParseTime(values[0])
		if err != nil {
			d.advise("%s: its Date header is no time: %q", ex.Transport, values[0])
			return
		}
		if apart := ex.Start.Sub(theirs).Round(time.Second); apart > clockSkew || apart < -clockSkew {
			d.advise("%s: its clock and that of this machine lie %v apart; tokens may be refused as expired or not yet valid", ex.Transport, apart.Abs())
		}
		return
	}
}

// notFoundAdvice looks for the reason why nothing at all is found: the base
// path, or the template.
func notFoundAdvice(ex targets.Exchange) string {
	if ex.Transport == targets.REST && !isEnvelope(ex) {
		return "; the answer is not that of an API: is the base path in rest.url right, with the version?"
	}
	return ""
}

// isEnvelope tells whether an error has the form of AIP-193, or that of a raw
// google.rpc.Status.
func isEnvelope(ex targets.Exchange) bool {
	m, _ := ex.Doc.(map[string]any)
	_, wrapped := m["error"].(map[string]any)
	_, code := m["code"]
	return wrapped || code
}

// fits tells whether a name is an instance of a template of names
// (google/api/http.proto, path template syntax).
func fits(template, name string) bool {
	want, got := strings.Split(template, "/"), strings.Split(name, "/")
	for i, w := range want {
		switch {
		case w == "**":
			return len(got) > i
		case i >= len(got), w != "*" && w != got[i]:
			return false
		}
	}
	return len(got) == len(want)
}
