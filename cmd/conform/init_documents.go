package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A discoveryDocument holds what matters here of Google's API discovery format.
type discoveryDocument struct {
	Title   string `json:"title"`
	RootURL string `json:"rootUrl"`
	Service string `json:"servicePath"`
	Auth    struct {
		OAuth2 struct {
			Scopes map[string]any `json:"scopes"`
		} `json:"oauth2"`
	} `json:"auth"`
	discoveryResource
}

type discoveryResource struct {
	Methods   map[string]discoveryMethod   `json:"methods"`
	Resources map[string]discoveryResource `json:"resources"`
}

type discoveryMethod struct {
	HTTP       string `json:"httpMethod"`
	Path       string `json:"path"`
	Parameters map[string]struct {
		Pattern string `json:"pattern"`
	} `json:"parameters"`
	Response struct {
		Ref string `json:"$ref"`
	} `json:"response"`
}

// each visits every method of a document, in the order of their paths.
func (r discoveryResource) each(visit func(resource string, m discoveryMethod, siblings map[string]discoveryMethod), name string) {
	for _, k := range slices.Sorted(maps.Keys(r.Methods)) {
		visit(name, r.Methods[k], r.Methods)
	}
	for _, k := range slices.Sorted(maps.Keys(r.Resources)) {
		r.Resources[k].each(visit, name+"."+k)
	}
}

// readDiscovery takes every cancel method of a discovery document for a
// binding, and every method that returns an operation for a way to start one.
func readDiscovery(f *finding, data []byte, at string) error {
	var doc discoveryDocument
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("not a discovery document: %w", err)
	}
	if doc.RootURL == "" {
		return errors.New("not a discovery document: no rootUrl")
	}
	f.title = doc.Title
	f.scopes = slices.Sorted(maps.Keys(doc.Auth.OAuth2.Scopes))
	root := strings.TrimRight(doc.RootURL, "/") + "/" + doc.Service
	doc.each(func(_ string, m discoveryMethod, siblings map[string]discoveryMethod) {
		before, cancel := strings.CutSuffix(m.Path, "{+name}:cancel")
		switch {
		case cancel && m.HTTP == http.MethodPost:
			f.add(discovered(root+before, m, siblings))
		case strings.HasSuffix(m.Path, ":cancel") || strings.HasSuffix(m.Path, "/cancel"):
			f.note("%s: %s %s is not a cancel of google.longrunning.Operations, and left out", at, m.HTTP, m.Path)
		case strings.HasSuffix(m.Response.Ref, "Operation") && m.HTTP != http.MethodGet:
			f.starts = append(f.starts, m.HTTP+" "+m.Path)
		}
	}, "")
	if len(f.bindings) == 0 {
		return errors.New("no method cancels operations by their name")
	}
	return nil
}

// discovered is the binding of a cancel method and what stands beside it.
func discovered(base string, m discoveryMethod, siblings map[string]discoveryMethod) binding {
	b := binding{url: strings.TrimRight(base, "/"), name: templateOf(m.Parameters["name"].Pattern), wait: new(bool), delete: new(bool)}
	own := strings.TrimSuffix(m.Path, ":cancel")
	for _, s := range siblings {
		switch {
		case s.HTTP == http.MethodPost && s.Path == own+":wait":
			*b.wait = true
		case s.HTTP == http.MethodDelete && s.Path == own:
			*b.delete = true
		case s.HTTP == http.MethodGet && s.Path == own+"/operations":
			b.list, b.listed = templateOf(s.Parameters["name"].Pattern), true
		case s.HTTP == http.MethodGet && s.Path == own && s.Response.Ref != "" && strings.Contains(s.Response.Ref, "List"):
			b.list, b.listed = templateOf(s.Parameters["name"].Pattern), true
		}
	}
	return b
}

// templateOf turns the regular expression of a name into a path template.
func templateOf(pattern string) string {
	t := strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$")
	t = strings.NewReplacer("[^/]+", "*", ".*", "**", ".+", "**", `\-`, "-").Replace(t)
	if t == "" || strings.ContainsAny(t, `[](){}\+?|^$`) {
		return "**"
	}
	return t
}

// add takes a binding over once.
func (f *finding) add(b binding) {
	if !slices.ContainsFunc(f.bindings, func(o binding) bool { return o.url == b.url && o.name == b.name }) {
		f.bindings = append(f.bindings, b)
	}
}

// An openAPI holds what matters here of OpenAPI 2 and 3.
type openAPI struct {
	Info     struct{ Title string }    `yaml:"info"`
	Servers  []struct{ URL string }    `yaml:"servers"`
	Host     string                    `yaml:"host"`
	BasePath string                    `yaml:"basePath"`
	Schemes  []string                  `yaml:"schemes"`
	Paths    map[string]map[string]any `yaml:"paths"`
}

// variable is a part of a path that is not fixed: {name}, {+name}, or
// {name=projects/*/operations/*}.
var variable = regexp.MustCompile(`\{[+]?([^}=]+)(?:=([^}]*))?\}`)

// versionSegment begins the path of an API.
var versionSegment = regexp.MustCompile(`^/?v\d+[a-z0-9]*$`)

// readOpenAPI takes every path that ends in :cancel for a binding.
func readOpenAPI(f *finding, data []byte, at string) error {
	var doc openAPI
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("not an OpenAPI document: %w", err)
	}
	if len(doc.Paths) == 0 {
		return errors.New("not an OpenAPI document: no paths")
	}
	f.title = doc.Info.Title
	server := doc.server(at)
	for _, p := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[p]
		if name, cancel := strings.CutSuffix(p, ":cancel"); cancel && item["post"] != nil {
			base, template := splitVersion(pathTemplate(name, item))
			b := binding{url: server + base, name: template, wait: new(bool), delete: new(bool)}
			*b.wait = doc.Paths[name+":wait"]["post"] != nil
			*b.delete = doc.Paths[name]["delete"] != nil
			if i := strings.LastIndex(name, "/"); i > 0 && doc.Paths[name[:i]]["get"] != nil {
				_, list := splitVersion(pathTemplate(name[:i], item))
				b.list, b.listed = strings.TrimSuffix(list, "/operations"), true
			}
			f.add(b)
			continue
		}
		for _, verb := range []string{"post", "put", "patch"} {
			if op, ok := item[verb].(map[string]any); ok && returnsOperation(op) {
				f.starts = append(f.starts, strings.ToUpper(verb)+" "+strings.TrimPrefix(p, "/"))
			}
		}
	}
	if len(f.bindings) == 0 {
		return errors.New("no path ends in :cancel")
	}
	return nil
}

// server is where a document says that the API is.
func (d openAPI) server(at string) string {
	switch {
	case len(d.Servers) > 0 && strings.Contains(d.Servers[0].URL, "://"):
		return strings.TrimRight(d.Servers[0].URL, "/")
	case d.Host != "":
		scheme := "https"
		if len(d.Schemes) > 0 && !slices.Contains(d.Schemes, "https") {
			scheme = d.Schemes[0]
		}
		return scheme + "://" + d.Host + strings.TrimRight(d.BasePath, "/")
	}
	origin := "https://example.com"
	if u, err := url.Parse(at); err == nil && u.Host != "" {
		origin = u.Scheme + "://" + u.Host
	}
	if len(d.Servers) > 0 {
		return origin + strings.TrimRight(d.Servers[0].URL, "/")
	}
	return origin
}

// pathTemplate writes the variables of a path as a template of names.
func pathTemplate(p string, item map[string]any) string {
	return variable.ReplaceAllStringFunc(p, func(v string) string {
		parts := variable.FindStringSubmatch(v)
		if parts[2] != "" {
			return parts[2]
		}
		if t := templateOf(parameterPattern(item, parts[1])); t != "**" {
			return t
		}
		if strings.Trim(p, "/") == v || strings.Count(p, "{") == 1 && !strings.Contains(p, "operations/") {
			return "**" // the whole name is one variable
		}
		return "*"
	})
}

// parameterPattern finds the pattern of a path parameter, or "".
func parameterPattern(item map[string]any, name string) string {
	post, _ := item["post"].(map[string]any)
	for _, list := range []any{item["parameters"], post["parameters"]} {
		all, _ := list.([]any)
		for _, p := range all {
			m, _ := p.(map[string]any)
			if m["name"] != name {
				continue
			}
			if s, ok := m["pattern"].(string); ok {
				return s
			}
			schema, _ := m["schema"].(map[string]any)
			s, _ := schema["pattern"].(string)
			return s
		}
	}
	return ""
}

// splitVersion cuts the version off a path: /v1/projects/* is /v1 and
// projects/*.
func splitVersion(p string) (base, rest string) {
	first, after, ok := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	if ok && versionSegment.MatchString(first) {
		return "/" + first, after
	}
	return "", strings.TrimPrefix(p, "/")
}

// returnsOperation tells whether a call's answer is an Operation, by the name
// of its schema.
func returnsOperation(op map[string]any) bool {
	responses, _ := op["responses"].(map[string]any)
	for _, code := range []string{"200", "202", "default"} {
		text, err := json.Marshal(responses[code])
		if err == nil && regexp.MustCompile(`"\$ref":"[^"]*Operation"`).Match(text) {
			return true
		}
	}
	return false
}
