package reference

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// startMethod is the method of a route that starts an operation; it is none
// of google.longrunning.Operations.
const startMethod targets.Method = "Start"

// A route is what a request line asks for.
type route struct {
	method targets.Method
	name   string // of the operation, or of the parent (List and Start)
}

// A routeError is a request line that asks for nothing the server has.
type routeError struct {
	allow string // the HTTP methods that the path has; "" where it has none
}

func (e routeError) Error() string {
	if e.allow != "" {
		return "method not allowed here; allowed: " + e.allow
	}
	return "no such path"
}

// routeOf binds a request line to a method:
//
//	POST   {base}/{name=<template>}:cancel
//	POST   {base}/{name=<template>}:wait
//	GET    {base}/{name=<template>}
//	DELETE {base}/{name=<template>}
//	GET    {base}/{name=<parent>}/<collection>
//	POST   {base}/{parent=<parent>}/jobs:start
//
// A path ends in a verb only for POST: for other methods the colon is a
// character of the name, as the templates that end in ** have it.
func routeOf(method, base string, u *url.URL, t template) (route, error) {
	raw, ok := strings.CutPrefix(rawPath(u), base+"/")
	if !ok {
		return route{}, routeError{}
	}
	if method == http.MethodPost {
		if r, ok := verbRoute(raw, t); ok {
			return r, nil
		}
	}
	path := decode(raw)
	parent, isList := t.parentOf(path)
	switch {
	case isList && method == http.MethodGet:
		return route{targets.List, t.listName(parent)}, nil
	case isList:
		return route{}, routeError{allow: "GET"}
	case t.matches(path) && method == http.MethodGet:
		return route{targets.Get, path}, nil
	case t.matches(path) && method == http.MethodDelete:
		return route{targets.Delete, path}, nil
	case t.matches(path):
		return route{}, routeError{allow: "DELETE, GET"}
	}
	return route{}, routeError{}
}

// verbRoute binds a path that ends in a verb.
func verbRoute(raw string, t template) (route, bool) {
	rawName, verb, ok := cutVerb(raw)
	if !ok {
		return route{}, false
	}
	name := decode(rawName)
	_, noID := t.parentOf(name)
	switch {
	case verb == "cancel" && (t.matches(name) || noID):
		return route{targets.Cancel, name}, true
	case verb == "wait" && (t.matches(name) || noID):
		return route{targets.Wait, name}, true
	case verb == "start":
		parent, isJobs := strings.CutSuffix("/"+name, "/jobs")
		parent = strings.TrimPrefix(parent, "/")
		return route{startMethod, parent}, isJobs && t.isParent(parent)
	}
	return route{}, false
}

// cutVerb splits a raw path at the last colon after the last slash. A
// percent-encoded colon is part of the name.
func cutVerb(raw string) (name, verb string, ok bool) {
	i := strings.LastIndexByte(raw, ':')
	if i < 0 || i < strings.LastIndexByte(raw, '/') {
		return raw, "", false
	}
	return raw[:i], raw[i+1:], true
}

// rawPath is the path as it was sent.
func rawPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// decode undoes percent-encoding as google/api/http.proto has it for a
// variable of several segments: everything but %2F, which is no separator and
// stays as it is.
func decode(raw string) string {
	var out strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] == '%' && i+2 < len(raw) && !strings.EqualFold(raw[i+1:i+3], "2f") {
			if c, err := url.PathUnescape(raw[i : i+3]); err == nil {
				out.WriteString(c)
				i += 2
				continue
			}
		}
		out.WriteByte(raw[i])
	}
	return out.String()
}
