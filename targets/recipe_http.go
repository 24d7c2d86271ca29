package targets

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// An httpRecipe is one HTTP request. Its answer must be 2xx, and JSON where a
// name is wanted from it.
type httpRecipe struct {
	wire    *wiring
	method  string
	base    string // scheme and host of an own URL; "": below rest.url
	target  text   // below base or rest.url; starts with "/"
	headers map[string]text
	body    any
	hasBody bool
	name    string // JSON pointer; "": no name is wanted
}

func (r *reading) httpRecipe(d *draft, at string) recipe {
	h := &httpRecipe{wire: d.wire, method: r.strOr(at+"/method", http.MethodPost), headers: r.mapTexts(at + "/headers"),
		body: lookup(r.doc, at+"/body"), hasBody: r.has(at + "/body")}
	if !strings.HasSuffix(at, "/cleanup/http") {
		h.name = r.strOr(at+"/name", "/name")
	}
	if r.has(at + "/url") {
		h.base, h.target = splitURL(r.text(at + "/url"))
	} else {
		h.target = r.text(at + "/path")
		if d.rest == nil {
			r.failAt(at+"/path", "add rest: {url: ..., judge: false}, or give the recipe its own url", "the path is below rest.url, and rest is not configured")
		}
	}
	if !strings.HasPrefix(h.target.expand(nil), "/") {
		h.target = append(text{{literal: "/"}}, h.target...)
	}
	return h
}

// splitURL cuts an absolute URL into scheme and host, and the rest.
func splitURL(t text) (base string, target text) {
	whole := t.expand(nil)
	scheme := strings.Index(whole, "://") + len("://")
	end := len(whole)
	if i := strings.IndexAny(whole[min(scheme, end):], "/?"); i >= 0 {
		end = scheme + i
	}
	skip := end
	for _, p := range t {
		if n := len(p.literal); p.variable == "" && skip > 0 {
			cut := min(n, skip)
			p.literal, skip = p.literal[cut:], skip-cut
		}
		target = append(target, p)
	}
	return whole[:end], target
}

// expandURL expands a request target; values are escaped as their place in it
// demands.
func (t text) expandURL(values map[string]string) string {
	var b strings.Builder
	query := false
	for _, p := range t {
		v, ok := values[p.variable]
		switch {
		case p.variable == "":
			b.WriteString(p.literal)
			query = query || strings.Contains(p.literal, "?")
		case ok && query:
			b.WriteString(url.QueryEscape(v))
		case ok:
			b.WriteString(EscapeName(v))
		default:
			b.WriteString("{" + p.variable + "}")
		}
	}
	return b.String()
}

func (h *httpRecipe) run(ctx context.Context, values map[string]string) (string, Exchange, error) {
	client := h.wire.rest
	if h.base != "" {
		var err error
		if client, err = h.wire.ownClient(h.base); err != nil {
			return "", Exchange{}, err
		}
	}
	q := RawRequest{HTTPMethod: h.method, Target: h.target.expandURL(values), Header: map[string]string{}}
	if h.hasBody {
		body, err := fillJSON(h.body, values)
		if err != nil {
			return "", Exchange{}, fmt.Errorf("body: %w", err)
		}
		q.Body, q.Header["Content-Type"] = body, "application/json"
	}
	for k, t := range h.headers {
		q.Header[http.CanonicalHeaderKey(k)] = t.expand(values)
	}
	e, err := client.Raw(ctx, q)
	if err != nil {
		return "", e, fmt.Errorf("%s: %w", e.Request.Line, err)
	}
	if !e.Accepted() {
		return "", e, fmt.Errorf("%s was answered %s: %s", e.Request.Line, e.Status(), beginning(string(e.Body)))
	}
	if h.name != "" && e.DocErr != nil {
		return "", e, fmt.Errorf("%s was answered %s with what is not JSON (%w): %s", e.Request.Line, e.Status(), e.DocErr, beginning(string(e.Body)))
	}
	name, err := nameIn(e.Doc, h.name)
	if err != nil {
		return "", e, fmt.Errorf("%s was answered %s: %w: %s", e.Request.Line, e.Status(), err, beginning(string(e.Body)))
	}
	return name, e, nil
}
