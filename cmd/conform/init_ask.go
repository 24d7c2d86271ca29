package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// longestDocument bounds, in bytes, what is read of a description.
const longestDocument = 16 << 20

// An asker asks servers and reads documents. It follows no redirects.
type asker struct{ bearer string }

// credentials are those of the owner; nil where there are none.
func (a *asker) credentials() map[targets.Principal]targets.Credentials {
	if a.bearer == "" {
		return nil
	}
	return map[targets.Principal]targets.Credentials{targets.Owner: {Headers: func(context.Context) (map[string]string, error) {
		return map[string]string{"Authorization": "Bearer " + a.bearer}, nil
	}}}
}

// document reads a file, or asks for a URL.
func (a *asker) document(ctx context.Context, at string) ([]byte, error) {
	if !strings.HasPrefix(at, "http://") && !strings.HasPrefix(at, "https://") {
		file, err := os.Open(at)
		if err != nil {
			return nil, rootCause(err)
		}
		defer file.Close()
		data, err := io.ReadAll(io.LimitReader(file, longestDocument+1))
		if err == nil && len(data) > longestDocument {
			err = fmt.Errorf("more than %d MiB", longestDocument>>20)
		}
		return data, err
	}
	ex, err := a.get(ctx, at)
	switch {
	case err != nil:
		return nil, err
	case ex.HTTP != http.StatusOK:
		return nil, fmt.Errorf("answered %s", ex.Status())
	case ex.Truncated:
		return nil, fmt.Errorf("more than %d MiB", longestDocument>>20)
	}
	return ex.Body, nil
}

// get asks for one URL.
func (a *asker) get(ctx context.Context, at string) (targets.Exchange, error) {
	u, err := url.Parse(at)
	if err != nil {
		return targets.Exchange{}, errors.Unwrap(err)
	}
	c, err := targets.NewREST(targets.Connection{Addresses: []string{u.Scheme + "://" + u.Host}, Timeout: askTimeout,
		MaxBody: longestDocument, Credentials: a.credentials()})
	if err != nil {
		return targets.Exchange{}, err
	}
	defer c.Close()
	return c.Raw(ctx, targets.RawRequest{HTTPMethod: http.MethodGet, Target: u.RequestURI(), Absolute: true})
}

// rest asks a REST server: for a description, for its operations, and for one
// that is not there.
func (a *asker) rest(ctx context.Context, f *finding, base string) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		f.note("REST %s: not a URL with a host", base)
		return
	}
	if len(f.bindings) == 0 {
		a.describes(ctx, f, u)
	}
	for i := range f.bindings {
		f.bindings[i].url = base // what the user says is where it runs
	}
	if len(f.bindings) > 0 {
		return
	}
	b := binding{url: base, name: "**"}
	ex, err := a.get(ctx, base+"/operations")
	if err != nil {
		f.note("REST %s: no answer: %v", base, err)
		f.bindings = append(f.bindings, b)
		return
	}
	doc, _ := ex.Doc.(map[string]any)
	if list, ok := doc["operations"].([]any); ok && ex.Accepted() || ex.Accepted() && doc != nil && len(doc) == 0 {
		b.list, b.listed = "operations", true
		for _, op := range list {
			if m, _ := op.(map[string]any); m != nil {
				if name, _ := m["name"].(string); strings.Contains(name, "operations/") {
					b.name = patternOf(name)
				}
			}
		}
	}
	switch {
	case ex.Code == codes.Unauthenticated || ex.Code == codes.PermissionDenied:
		f.note("REST %s: %s; give --bearer, and set auth in the target file", base, ex.Status())
	case !b.listed:
		f.note("REST %s: GET %s/operations answers %s; name and list are for you to write", base, u.Path, ex.Status())
	}
	f.bindings = append(f.bindings, b)
}

// describes looks for a description where servers mostly have one.
func (a *asker) describes(ctx context.Context, f *finding, base *url.URL) {
	origin := base.Scheme + "://" + base.Host
	for _, c := range []struct {
		at   string
		read func(*finding, []byte, string) error
	}{
		{origin + "/$discovery/rest?version=" + url.QueryEscape(path.Base(base.Path)), readDiscovery},
		{strings.TrimRight(base.String(), "/") + "/openapi.json", readOpenAPI},
		{origin + "/openapi.json", readOpenAPI}, {origin + "/openapi.yaml", readOpenAPI}, {origin + "/swagger.json", readOpenAPI},
	} {
		data, err := a.document(ctx, c.at)
		var refused *targets.NoAnswer
		if errors.As(err, &refused) {
			return
		}
		if err == nil && json.Valid(data) && c.read(f, data, c.at) == nil {
			return
		}
	}
}

// patternOf makes a pattern of a real name: what stands beside operations is
// taken for literals where it is plural, for ids elsewhere.
func patternOf(name string) string {
	parent, id, _ := strings.Cut(name, "operations/")
	segments := strings.Split(strings.Trim(parent, "/"), "/")
	for i := 1; i < len(segments); i += 2 {
		segments[i] = "*"
	}
	last := "*"
	if strings.Contains(id, "/") {
		last = "**"
	}
	return strings.TrimLeft(strings.Join(segments, "/")+"/operations/"+last, "/")
}
