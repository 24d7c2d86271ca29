package reference

import (
	"net/http"

	"github.com/lro-tools/conform/targets"
)

// A Fault is how a server differs from the honest one. Each hook is called
// once per server, so that what it keeps belongs to that server; nil hooks
// change nothing.
type Fault struct {
	// Options changes what the honest server may be configured to do.
	Options func(o *Options)
	// Service decorates what both transports serve.
	Service func(next Service) Service
	// REST decorates the REST side.
	REST func(next http.Handler) http.Handler
	// Wire decorates the gRPC side below protobuf: next serves gRPC over
	// HTTP/2, and a decorator may change every byte, header and trailer.
	Wire func(next http.Handler) http.Handler
	// Target changes how the server is described to the suite.
	Target func(t *targets.Target)

	ownerOnly bool // others than the owner meet an honest server
}

// And returns the fault of a server that differs in both ways. What f does lies
// closer to the honest server than what g does.
func (f Fault) And(g Fault) Fault {
	return Fault{
		Options: both(f.Options, g.Options),
		Service: around(f.Service, g.Service),
		REST:    around(f.REST, g.REST),
		Wire:    around(f.Wire, g.Wire),
		Target:  both(f.Target, g.Target),
	}
}

// both makes one change of two, nil where there is none.
func both[T any](first, second func(T)) func(T) {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(t T) { first(t); second(t) }
}

// around makes one decorator of two, nil where there is none.
func around[T any](inner, outer func(T) T) func(T) T {
	switch {
	case inner == nil:
		return outer
	case outer == nil:
		return inner
	}
	return func(next T) T { return outer(inner(next)) }
}

// A Mutant is a server with one fault, by which the suite is judged: it must
// find exactly the requirements that the mutant breaks.
type Mutant struct {
	Name string
	Doc  string // what the server does, and who does so
	// Breaks are the requirements that fail, on every transport to which they
	// apply. BreaksOn replaces them on one transport.
	Breaks   []string
	BreaksOn map[targets.Transport][]string
	// May are requirements that fail as well where the timing of a race lets
	// the fault show.
	May []string
	// Alone is true where the fault reaches from one operation to others, so
	// that it is judged with one case at a time.
	Alone bool
	Fault
}

// A Variant is a server that is unusual but legal: nothing fails.
type Variant struct {
	Name string
	Doc  string
	// Alone is true where what the server does hides what others do, or does not
	// go with it, so that it is tried by itself.
	Alone bool
	// Slow is true where whatever is judged takes long.
	Slow bool
	Fault
}

// NewMutant returns a server with the fault. On a server that asks who calls, the
// fault shows to the owner alone, but where it is one of asking: a deviation that
// answers before callers are asked would be two.
func NewMutant(o Options, m Mutant) (*Server, error) {
	f := m.Fault
	f.ownerOnly = !f.protects()
	return newServer(o, f)
}

// protects tells whether the fault needs a server that asks who calls.
func (f Fault) protects() bool {
	var o Options
	if f.Options != nil {
		f.Options(&o)
	}
	return o.Tokens != nil
}

// NewVariant returns a server that behaves as the variant does.
func NewVariant(o Options, v Variant) (*Server, error) { return newServer(o, v.Fault) }

// Side is the transport that the fault is confined to: the server behaves
// honestly over the other. "" where it may show over both.
func (f Fault) Side() targets.Transport {
	switch {
	case f.Options != nil || f.Service != nil || f.Target != nil:
		return ""
	case f.REST != nil && f.Wire == nil:
		return targets.REST
	case f.Wire != nil && f.REST == nil:
		return targets.GRPC
	}
	return ""
}
