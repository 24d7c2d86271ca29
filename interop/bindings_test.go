// Package interop_test lets the suite and the reference server meet software
// that others wrote: transcoders that serve REST in front of a gRPC service,
// and client libraries that cancel operations. It is a module of its own, so
// that whoever imports the suite pays for none of it.
package interop_test

import "google.golang.org/genproto/googleapis/api/annotations"

// version is the first path segment of every binding.
const version = "v1beta"

// A binding is how one method of google.longrunning.Operations is reached over
// REST (google/api/http.proto).
type binding struct {
	method string // CancelOperation
	verb   string // POST
	path   string // path template
	body   string // "*", or "" where the request has no body
}

// bindings are those of the Earth Engine REST reference: the operations of a
// project, whose names may have several segments, and a Wait.
func bindings() []binding {
	const name = "/" + version + "/{name=projects/*/operations/**}"
	return []binding{
		{"ListOperations", "GET", "/" + version + "/{name=projects/*}/operations", ""},
		{"GetOperation", "GET", name, ""},
		{"DeleteOperation", "DELETE", name, ""},
		{"CancelOperation", "POST", name + ":cancel", "*"},
		{"WaitOperation", "POST", name + ":wait", "*"},
	}
}

// rule is the binding as a google.api.http annotation.
func (b binding) rule() *annotations.HttpRule {
	r := &annotations.HttpRule{Selector: "google.longrunning.Operations." + b.method, Body: b.body}
	switch b.verb {
	case "GET":
		r.Pattern = &annotations.HttpRule_Get{Get: b.path}
	case "DELETE":
		r.Pattern = &annotations.HttpRule_Delete{Delete: b.path}
	default:
		r.Pattern = &annotations.HttpRule_Post{Post: b.path}
	}
	return r
}
