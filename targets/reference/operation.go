package reference

import (
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// A phase is a state of an operation, as its metadata shows it. AIP-216 has
// the names.
type phase string

const (
	pending    phase = "PENDING"
	running    phase = "RUNNING"
	cancelling phase = "CANCELLING"
	succeeded  phase = "SUCCEEDED"
	cancelled  phase = "CANCELLED"
	failed     phase = "FAILED"
)

func (p phase) finished() bool { return p == succeeded || p == cancelled || p == failed }

// An operation is the state of one piece of work. The store's mutex guards it.
type operation struct {
	seq       int64 // the order of the starts
	name      string
	parent    string
	kind      Kind
	stopAfter time.Duration
	created   time.Time
	requested bool // a cancel was accepted
	phase     phase

	// timer does what happens next by itself; plan tells a timer that fires
	// late, after another was set, that it is out of date.
	timer *time.Timer
	plan  int

	// gone is closed when the operation finished or was deleted.
	gone     chan struct{}
	released bool                     // gone is closed
	snapshot *longrunningpb.Operation // never changed, only replaced
}

// enter moves the operation to the phase and renders what callers see of it.
func (op *operation) enter(p phase, now time.Time) {
	op.phase = p
	op.snapshot = op.render(now)
	if p.finished() {
		op.release()
	}
}

// release wakes every Wait for the operation.
func (op *operation) release() {
	if !op.released {
		op.released = true
		close(op.gone)
	}
}

func (op *operation) render(now time.Time) *longrunningpb.Operation {
	out := &longrunningpb.Operation{
		Name: op.name,
		Done: op.phase.finished(),
		Metadata: packed(map[string]*structpb.Value{
			"state":                 structpb.NewStringValue(string(op.phase)),
			"createTime":            structpb.NewStringValue(op.created.UTC().Format(time.RFC3339Nano)),
			"updateTime":            structpb.NewStringValue(now.UTC().Format(time.RFC3339Nano)),
			"requestedCancellation": structpb.NewBoolValue(op.requested),
		}),
	}
	switch op.phase {
	case succeeded:
		out.Result = &longrunningpb.Operation_Response{Response: packed(map[string]*structpb.Value{
			"output": structpb.NewStringValue("the work of " + op.name),
		})}
	case failed:
		out.Result = failure(codes.ResourceExhausted, "the work ran out of memory")
	case cancelled:
		out.Result = failure(codes.Canceled, cancelMessage)
	}
	return out
}

// cancelMessage is the message of the error of a cancelled operation.
const cancelMessage = "the operation was cancelled"

func failure(code codes.Code, message string) *longrunningpb.Operation_Error {
	return &longrunningpb.Operation_Error{Error: &status.Status{Code: int32(code), Message: message}}
}

// packed returns an Any of a Struct. The bytes are the same for the same
// fields, so that a result looks the same each time it is read.
func packed(fields map[string]*structpb.Value) *anypb.Any {
	a := new(anypb.Any)
	err := anypb.MarshalFrom(a, &structpb.Struct{Fields: fields}, proto.MarshalOptions{Deterministic: true})
	if err != nil {
		// Only invalid UTF-8 can be the cause, and names are checked.
		panic(fmt.Sprintf("struct not packed: %v", err))
	}
	return a
}

// first returns the phase in which an operation of the kind begins.
func (k Kind) first() phase {
	if k == Pending {
		return pending
	}
	return running
}

// last returns the phase in which an operation of the kind ends by itself.
func (k Kind) last() phase {
	if k == Failing {
		return failed
	}
	return succeeded
}

// known tells whether there is such a kind.
func (k Kind) known() bool {
	for _, other := range Kinds() {
		if k == other {
			return true
		}
	}
	return false
}

// kindList names the kinds for messages.
func kindList() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}
