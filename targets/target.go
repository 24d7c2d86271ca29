// Package targets reaches the server under judgement: it describes a target,
// calls it over REST and gRPC, starts operations on it, and brings back what
// was on the wire, unjudged.
package targets

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
)

// A Transport is one of the two ways to the same service.
type Transport string

// The transports.
const (
	REST Transport = "rest"
	GRPC Transport = "grpc"
)

// Transports lists both, in the order in which reports name them.
var transports = []Transport{REST, GRPC}

// Transports returns both transports, in the order in which reports name them.
func Transports() []Transport { return append([]Transport(nil), transports...) }

// A Method is a method of google.longrunning.Operations.
type Method string

// The methods (google/longrunning/operations.proto, service Operations).
const (
	Get    Method = "GetOperation"
	List   Method = "ListOperations"
	Cancel Method = "CancelOperation"
	Delete Method = "DeleteOperation"
	Wait   Method = "WaitOperation"
)

// A Role is the part that an operation plays in a scenario, and the key under
// which a target file says how to start one.
type Role string

// The roles.
const (
	Running       Role = "running"       // keeps running until cancelled
	Succeeding    Role = "succeeding"    // ends by itself with a response
	Failing       Role = "failing"       // ends by itself with an error
	Pending       Role = "pending"       // is queued, and stays so
	Nested        Role = "nested"        // its name has several segments after operations/
	Slow          Role = "slow"          // accepts a cancel and needs 2 s or more to stop
	Uncancellable Role = "uncancellable" // cannot be cancelled
	Chosen        Role = "chosen"        // the suite chooses its id
)

// Roles returns every role, the indispensable one first.
func Roles() []Role {
	return []Role{Running, Succeeding, Failing, Pending, Nested, Slow, Uncancellable, Chosen}
}

// A Principal says with whose credentials a call is made.
type Principal string

// The principals.
const (
	Owner    Principal = ""         // the configured credentials
	Nobody   Principal = "nobody"   // no credentials at all
	Stranger Principal = "stranger" // principals.stranger: known, but not allowed to cancel
)

// A Client calls one server over one transport. Its methods may be used from
// many goroutines.
//
// The Exchange holds what was sent and what came back, whatever that was: a
// status that the server sent is data. The error is non-nil only where no
// answer arrived; it is then a *NoAnswer, and the Exchange still tells what
// was sent.
type Client interface {
	Transport() Transport
	// Call makes a well-formed call. The request is the method's own message
	// of google.longrunning; for REST its fields are bound to path, query and
	// body as google.longrunning.Operations' bindings say.
	Call(ctx context.Context, m Method, request proto.Message) (Exchange, error)
	// Raw sends what no well-behaved client would.
	Raw(ctx context.Context, r RawRequest) (Exchange, error)
	Close() error
}

// A RawRequest is a call whose every byte the caller chooses. Fields of the
// other transport are ignored.
type RawRequest struct {
	// Method is what the call is recorded as. With Method and Message set and
	// nothing else, a RawRequest is Call with a principal, connection or
	// additional headers.
	Method  Method
	Message proto.Message

	Principal  Principal
	Connection int               // calls with different numbers share no connection; a negative one is kept open also where no other is
	Header     map[string]string // added: HTTP headers or gRPC metadata; an empty value removes a default header

	// REST. Target is the request target below the base URL, sent as it is
	// (percent-encoding, dots and query included); it starts with "/".
	HTTPMethod string
	Target     string
	Absolute   bool   // Target does not stand below the base URL, but is the whole request target
	Body       []byte // nil and empty: zero bytes, Content-Length: 0
	Chunked    bool   // Transfer-Encoding: chunked instead of Content-Length

	// gRPC. FullMethod is the :path, such as
	// /google.longrunning.Operations/CancelOperation.
	FullMethod string
	Payload    []byte // the one request message; nil and empty: a message of zero bytes
}

// A Starter starts operations.
type Starter interface {
	Start(ctx context.Context, r StartRequest) (Started, error)
}

// A StartRequest asks for one operation.
type StartRequest struct {
	Role Role
	ID   string // for the role chosen: the id that the operation is to get
}

// Started tells of an operation that was started.
type Started struct {
	Name     string
	Exchange Exchange                        // how it was started; zero for a command or a name
	Cleanup  func(ctx context.Context) error // undoes the start when the case has ended; may be nil
}

// A StartFunc starts one operation and returns its name.
type StartFunc func(ctx context.Context, r StartRequest) (Started, error)

// Start calls f.
func (f StartFunc) Start(ctx context.Context, r StartRequest) (Started, error) { return f(ctx, r) }

// An Availability tells whether a role or a principal can be had.
type Availability struct {
	Configured  bool
	Unavailable string // the target's reason why there is none; not empty: its requirements are inapplicable
	Foreign     bool   // the operations were not started by this run (names)
	Count       int    // names: how many there are; 0 otherwise
}

// An Endpoint is the target on one transport.
type Endpoint struct {
	Client  Client
	Address string // as reports show it
	// Judge is false where the transport is only used to start operations.
	Judge bool
	// Loopback is true where every address of the endpoint is this machine.
	Loopback bool
	// NamePattern is the template of operation names (google/api/http.proto,
	// path template syntax); "**" where nothing is known.
	NamePattern string
	// List is the parent whose operations are listed; HasList tells whether
	// one is configured ("" is the parent of GET {url}/operations).
	List    string
	HasList bool
	// Wait and Delete tell whether the method is bound; nil: to be found out.
	Wait, Delete *bool
	// Types resolves message types of Any values by reflection or protoset;
	// nil: only the types that are linked in are known.
	Types TypeResolver
	// Prepare, if set, runs once before the first call (closing reflection).
	Prepare func(ctx context.Context) error
}

// A TypeResolver renders the value of a google.protobuf.Any as a JSON-like
// document (map[string]any, []any, string, json.Number, bool, nil); ok is
// false where it does not know the type.
type TypeResolver interface {
	Decode(typeURL string, value []byte) (doc any, ok bool)
}

// Timeouts are the waits that the user can set.
type Timeouts struct {
	Request time.Duration // one call
	Settle  time.Duration // from an accepted cancel to done
	Observe time.Duration // how long a state is watched
}

// visibleWithin is how long an operation just started may be unknown to Get, as on
// a server whose replicas learn of it one after the other.
const visibleWithin = time.Second

// Visible is how long an operation just started may be unknown: settle at most.
func (t Timeouts) Visible() time.Duration { return min(visibleWithin, t.Settle) }

// The timeouts of a target file that sets none.
var defaultTimeouts = Timeouts{Request: 10 * time.Second, Settle: 30 * time.Second, Observe: 2 * time.Second}

// DefaultTimeouts returns the timeouts of a target file that sets none.
func DefaultTimeouts() Timeouts { return defaultTimeouts }

// An Exclusion takes requirements out of a run, with the reason.
type Exclusion struct {
	Requirement string // an id, with * for any run of characters
	Reason      string
}

// What a target declares about cancel (key cancel).
const (
	CancelAuto        = "auto"
	CancelSupported   = "supported"
	CancelUnsupported = "unsupported"
)

// Profiles (key profile).
const (
	ProfileLRO    = "lro"
	ProfileGoogle = "google"
)

// A Target is a server to judge, ready to be called.
type Target struct {
	Name string
	// File is the target file as it was named, Set the assignments that
	// changed it, secrets removed; both empty for a target made in Go.
	File           string
	Set            []string
	Implementation map[string]string
	Profile        string
	Endpoints      map[Transport]*Endpoint
	Starter        Starter
	Roles          map[Role]Availability
	Principals     map[Principal]Availability // Stranger only
	// Authenticated is true where the target is configured with credentials
	// of its callers (auth); ClientCertOnly where those are a certificate.
	Authenticated  bool
	ClientCertOnly bool
	Guaranteed     bool   // cancellation: guaranteed
	Cancel         string // auto, supported or unsupported
	MetadataState  string // JSON pointer into an operation's metadata; "" where there is none
	Unknown        string // a well-formed name of no operation; "" where it is made from a real one
	Timeouts       Timeouts
	Confirmed      bool // confirm: true
	Exclude        []Exclusion
	Close          func() error // releases what the target holds; may be nil
}
