package storm

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// An event is one call of one operation with its answer. Times are from the
// start of the storm, by the monotonic clock.
type event struct {
	client     int
	transport  targets.Transport
	method     targets.Method
	start, end time.Duration
	status     string
	answer     answer
	none       targets.NoAnswerKind // why a call that was sent has none; ""
	lone       bool                 // Get of others was answered over the transport until it was given up
	code       codes.Code
	http       int
	entry      bool // an entry of List, which may be stale
	seen       bool // the answer shows the operation
	alien      bool // or another one, by its name: set when the history is checked
	snapshot
}

// A snapshot is what an answer shows of the operation.
type snapshot struct {
	done        bool
	hasError    bool
	hasResponse bool
	errorCode   int64
	payload     int // which of the distinct responses seen over this transport; 0: none
	flag        flag
	name        string // "" where the answer has none
}

// An answer is what a call came to, as far as the model cares.
type answer int

const (
	accepted  answer = iota
	refused          // a definite status that says no
	missing          // NOT_FOUND
	fault            // the server failed: HTTP 500, INTERNAL, UNKNOWN, DATA_LOSS
	transient        // try again: never judged
	silent           // no answer: anything may have happened
)

// A flag tells whether the metadata say that a cancellation was requested.
type flag int

const (
	noFlag flag = iota
	unset
	set
)

// before tells whether e had been answered when f was sent: only then are the
// two ordered in real time.
func (e event) before(f event) bool { return e.end <= f.start }

// shows tells whether the answer, or an entry of it, is of the operation.
func (e event) shows() bool { return e.seen && !e.alien }

// looks tells whether the answer is the operation as it was during the call.
func (e event) looks() bool { return e.shows() && !e.entry }

func (e event) cancelled() bool { return e.done && e.hasError && e.errorCode == 1 }

// result tells the result in words.
func (s snapshot) result() string {
	switch {
	case s.hasError && s.hasResponse:
		return "both error and response"
	case s.hasError:
		return fmt.Sprintf("error code %d", s.errorCode)
	case s.hasResponse && s.payload > 1:
		return fmt.Sprintf("another response (number %d)", s.payload)
	case s.hasResponse:
		return "a response"
	}
	return "no result"
}

// text tells done and result in words.
func (s snapshot) text() string {
	switch {
	case s.done:
		return "done with " + s.result()
	case s.hasError || s.hasResponse:
		return "not done, with " + s.result()
	}
	return "in progress"
}

// classify tells what a call came to.
func classify(x targets.Exchange) answer {
	if x.Problem != "" {
		return silent
	}
	if x.Accepted() {
		return accepted
	}
	if x.Transport == targets.GRPC && (x.GRPC == nil || !x.GRPC.HasStatus) {
		return transient // not the server's own word
	}
	switch x.Code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return transient
	case codes.NotFound:
		return missing
	case codes.Internal, codes.Unknown, codes.DataLoss:
		if x.Transport == targets.REST && x.HTTP != 500 {
			return transient
		}
		return fault
	}
	return refused
}

// definite tells whether a refusal promises that the cancel had no effect
// (requirement cancel.rejected.no-effect).
func (e event) definite() bool {
	switch e.code {
	case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.Unimplemented:
		return e.answer == refused || e.answer == missing
	}
	return false
}

// look reads an operation leniently: wrong forms are the business of
// `conform run`, and must not look like a race. known are the responses that
// were seen before over the transport.
func look(t targets.Transport, doc map[string]any, known *[]any) snapshot {
	var s snapshot
	s.name, _ = doc["name"].(string)
	switch d := doc["done"].(type) {
	case bool:
		s.done = d
	case string:
		s.done = strings.EqualFold(d, "true")
	case json.Number:
		s.done = d == "1"
	}
	if v := doc["error"]; v != nil {
		s.hasError = true
		m, _ := v.(map[string]any)
		s.errorCode = readInt(m["code"])
	}
	if v := doc["response"]; v != nil {
		s.hasResponse = true
		for i, k := range *known {
			if targets.SameAny(t, k, v) {
				s.payload = i + 1
			}
		}
		if s.payload == 0 {
			*known = append(*known, v)
			s.payload = len(*known)
		}
	}
	s.flag = requested(doc["metadata"])
	return s
}

// readInt reads a ProtoJSON int32; -1 where there is none to be read.
func readInt(v any) int64 {
	text := "-1"
	switch n := v.(type) {
	case nil:
		return 0
	case json.Number:
		text = n.String()
	case string:
		text = n
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	if r, ok := new(big.Rat).SetString(text); ok && len(text) < 24 && r.IsInt() && r.Num().IsInt64() {
		return r.Num().Int64()
	}
	return -1
}

// requested looks in metadata for a member that tells that a cancellation was
// requested, at the top and in the value of a Struct.
func requested(metadata any) flag {
	m, _ := metadata.(map[string]any)
	if inner, ok := m["value"].(map[string]any); ok {
		if f := requested(inner); f != noFlag {
			return f
		}
	}
	for _, n := range [...]string{"requestedCancellation", "requested_cancellation", "cancelRequested", "cancel_requested"} {
		if v, ok := m[n].(bool); ok {
			if v {
				return set
			}
			return unset
		}
	}
	return noFlag
}
