package targets

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lro-tools/conform/features"
)

// draft makes the draft of a target from a file that was read. What it finds
// wrong is added to the mistakes; the draft is then of no use.
func (r *reading) draft(o LoadOptions) *draft {
	d := newDraft(o.Rate)
	d.dir = filepath.Dir(r.file)
	t := &d.target
	t.Implementation = r.mapStrs("/implementation")
	t.Profile = r.strOr("/profile", ProfileLRO)
	t.Guaranteed = r.str("/cancellation") == "guaranteed"
	t.Cancel = r.strOr("/cancel", CancelAuto)
	t.MetadataState = r.str("/metadata/state")
	t.Unknown = r.str("/unknown")
	t.Confirmed = r.boolOr("/confirm", false)
	t.Timeouts = Timeouts{
		Request: r.duration("/timeouts/request", defaultTimeouts.Request),
		Settle:  r.duration("/timeouts/settle", defaultTimeouts.Settle),
		Observe: r.duration("/timeouts/observe", defaultTimeouts.Observe),
	}
	t.Exclude = r.exclusions()
	r.guardSecrets(d)
	r.endpoints(d)
	r.principals(d)
	r.roles(d, o.AllowForeign)
	t.Name = r.strOr("/name", d.firstHost())
	return d
}

func (r *reading) exclusions() []Exclusion {
	if !r.has("/exclude") {
		return nil
	}
	catalogue, err := features.Requirements()
	if err != nil {
		r.failAt("/exclude", "", "%v", err)
		return nil
	}
	var ids []string
	for _, c := range catalogue {
		ids = append(ids, c.ID)
	}
	list, _ := lookup(r.doc, "/exclude").([]any)
	var out []Exclusion
	for i := range list {
		at := "/exclude/" + strconv.Itoa(i)
		e := Exclusion{Requirement: r.str(at + "/requirement"), Reason: r.str(at + "/reason")}
		if e.Requirement != "" && !matchesAny(e.Requirement, ids) {
			r.failAt(at+"/requirement", nearest(e.Requirement, ids), "%q is no requirement", e.Requirement)
		}
		out = append(out, e)
	}
	return out
}

// matchesAny tells whether a pattern, in which * stands for any run of
// characters, matches one of the words.
func matchesAny(pattern string, words []string) bool {
	for _, w := range words {
		// Ids hold no slash, so that * of path.Match is any run of characters.
		if ok, err := path.Match(strings.NewReplacer(`\`, `\\`, `[`, `\[`, `?`, `\?`).Replace(pattern), w); err == nil && ok {
			return true
		}
	}
	return false
}

func nearest(word string, known []string) string {
	if hint := didYouMean(word, known); strings.HasPrefix(hint, "did") {
		return hint
	}
	return "conform requirements lists them all"
}

// endpoints reads rest, grpc and tls.
func (r *reading) endpoints(d *draft) {
	secure := r.tls()
	d.tls = secure
	if r.has("/rest") {
		d.rest = &Connection{Addresses: r.addresses("/rest/url", "/rest/urls"), Headers: r.mapStrs("/rest/headers"), TLS: secure}
		for i, a := range d.rest.Addresses {
			d.rest.Addresses[i] = strings.TrimRight(a, "/")
		}
		d.restEnd = r.endpoint("/rest", "/rest")
		if d.restEnd.List == "operations" {
			d.restEnd.List = "" // GET {url}/operations
		}
		r.guard("/rest/headers", d)
	}
	if r.has("/grpc") {
		d.grpc = &Connection{Addresses: r.addresses("/grpc/address", "/grpc/addresses"), Headers: r.mapStrs("/grpc/metadata")}
		if !r.boolOr("/grpc/plaintext", false) {
			d.grpc.TLS = secure
		}
		d.grpcEnd = r.endpoint("/grpc", "/rest")
		r.guard("/grpc/metadata", d)
	}
	if (r.has("/rest") || r.has("/grpc")) && !(d.rest != nil && d.restEnd.Judge) && !(d.grpc != nil && d.grpcEnd.Judge) {
		r.failAt("", "one transport must be judged", "judge is false for every transport")
	}
}

func (r *reading) addresses(one, several string) []string {
	if r.has(one) {
		return []string{r.str(one)}
	}
	return r.strs(several)
}

// endpoint reads what both transports have; what is missing is taken from
// where the other transport has it.
func (r *reading) endpoint(at, otherwise string) Endpoint {
	from := func(key string) string {
		if r.has(at + key) {
			return at + key
		}
		return otherwise + key
	}
	return Endpoint{
		Judge:       r.boolOr(at+"/judge", true),
		NamePattern: r.strOr(from("/name"), "**"),
		List:        r.str(from("/list")),
		HasList:     r.has(from("/list")),
		Wait:        r.flag(from("/wait")),
		Delete:      r.flag(from("/delete")),
	}
}

// guardSecrets makes the values of environment variables secret whose names
// say that they are, wherever they stand.
func (r *reading) guardSecrets(d *draft) {
	anyText(r.doc, func(t text) bool {
		for _, p := range t {
			if namesSecret(p.source) {
				d.redact.Add(p.literal)
			}
		}
		return false
	})
}

// guard makes values secret that come from the environment and stand where
// credentials stand.
func (r *reading) guard(pointer string, d *draft) {
	for name, t := range r.mapTexts(pointer) {
		if looksSecret(name) {
			for _, v := range t.environment() {
				d.redact.Add(v)
			}
		}
	}
}

// namesSecret tells whether an environment variable holds a secret, by the
// words of its name.
func namesSecret(variable string) bool {
	for _, word := range strings.Split(strings.ToLower(variable), "_") {
		for _, end := range []string{"token", "key", "secret", "password", "passwd", "credentials"} {
			if strings.HasSuffix(word, end) {
				return true
			}
		}
	}
	return false
}

// looksSecret tells whether a header holds a secret, by its name.
func looksSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"auth", "token", "key", "secret", "cookie", "password", "credential"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// tls reads the key tls; without one the system's certificates are trusted.
func (r *reading) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.str("/tls/server_name"),
		InsecureSkipVerify: r.boolOr("/tls/insecure", false)} // only where the user says so
	if ca := r.contents("/tls/ca"); ca != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			r.failAt("/tls/ca", "a certificate begins with -----BEGIN CERTIFICATE-----", "no certificate in the file")
		}
	}
	cert, key := r.contents("/tls/cert"), r.contents("/tls/key")
	if cert != nil && key != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			r.failAt("/tls/cert", "cert and key must be PEM files that belong together", "the client certificate cannot be used: %v", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// loopback tells whether a host is this machine: localhost, or an IP address
// of the loopback net. Other names are not looked up.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// hostOf returns the host of a URL or of host:port.
func hostOf(address string) string {
	if strings.Contains(address, "://") {
		if u, err := url.Parse(address); err == nil {
			return u.Hostname()
		}
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

func allLoopback(addresses []string) bool {
	for _, a := range addresses {
		if !loopback(hostOf(a)) {
			return false
		}
	}
	return len(addresses) > 0
}
