package reference

import (
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// operationMutants break what every Operation keeps.
func operationMutants() []Mutant {
	return append(append(resultMutants(), flipMutants()...), jsonMutants()...)
}

func resultMutants() []Mutant {
	edited := func(name, doc string, edit func(h history, op *longrunningpb.Operation), breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
			edit(h, op)
			return nil
		})}}
	}
	return []Mutant{
		edited("result-before-done", "Shows the response so far while the operation is running.",
			func(h history, op *longrunningpb.Operation) {
				if !op.GetDone() && h.kind == Running {
					op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
				}
			}, "operation.result.none-before-done"),
		edited("done-without-result", "Ends a successful operation without its response.",
			func(h history, op *longrunningpb.Operation) {
				if op.GetResponse() != nil {
					op.Result = nil
				}
			}, "operation.result.present"),
		{Name: "done-without-result-though-cancelled", Breaks: []string{"operation.result.present"},
			Doc: "Gives no response of an operation that ends as it would have although it was cancelled near its end, nor of any other.",
			Fault: Fault{Target: bestEffort, Service: func(next Service) Service {
				return lateCancelCompletes(seen(func(op *longrunningpb.Operation) {
					if op.GetResponse() != nil {
						op.Result = nil
					}
				})(next))
			}}},
		edited("failure-code-500", "Ends a failed operation with an HTTP status for its code.",
			func(h history, op *longrunningpb.Operation) {
				if h.kind == Failing && op.GetError() != nil && !isCancelled(op) {
					op.GetError().Code = 500
				}
			}, "operation.error.code-valid"),
		edited("cancel-code-499", "Ends a cancelled operation with the HTTP status of CANCELLED for its code.",
			func(_ history, op *longrunningpb.Operation) {
				if isCancelled(op) {
					end(op, 499, "the operation was cancelled")
				}
			}, "operation.error.code-valid", "cancel.state.code-1"),
		edited("failure-code-0", "Ends a failed operation with an error of the code OK.",
			func(h history, op *longrunningpb.Operation) {
				if h.kind == Failing && op.GetError() != nil && !isCancelled(op) {
					op.GetError().Code = 0
				}
			}, "operation.error.code-nonzero"),
		edited("cancel-code-0", "Ends a cancelled operation with an error of the code OK.",
			func(_ history, op *longrunningpb.Operation) {
				if isCancelled(op) {
					end(op, codes.OK, "the operation was cancelled")
				}
			}, "operation.error.code-nonzero", "cancel.state.code-1"),
		{Name: "both-results-at-once", Doc: "Ends a cancelled operation with its error and with the response so far.",
			Breaks: []string{"operation.result.exclusive", "cancel.state.no-response"},
			Fault: Fault{REST: operationDocs(func(op map[string]any) {
				if e, ok := op["error"].(map[string]any); ok && e["message"] == cancelMessage {
					op["response"] = map[string]any{"@type": "type.googleapis.com/google.protobuf.Struct", "value": map[string]any{}}
				}
			}), Wire: operationBytes(func(op []byte) []byte {
				if m := new(longrunningpb.Operation); proto.Unmarshal(op, m) == nil && isCancelled(m) {
					return appendResponse(op)
				}
				return op
			})}},
		{Name: "nested-both-results", Doc: "Ends a cancelled child with its error and with the response so far.",
			Breaks: []string{"operation.result.exclusive", "cancel.state.no-response"},
			Fault: Fault{REST: operationDocs(func(op map[string]any) {
				if name, _ := op["name"].(string); op["error"] != nil && strings.Contains(idOf(name), "/") {
					op["response"] = map[string]any{"@type": "type.googleapis.com/google.protobuf.Struct", "value": map[string]any{}}
				}
			}), Wire: operationBytes(func(op []byte) []byte {
				if m := new(longrunningpb.Operation); proto.Unmarshal(op, m) == nil && isCancelled(m) && isChild(m) {
					return appendResponse(op)
				}
				return op
			})}},
		{Name: "success-with-error", Doc: "Ends a successful operation with its response and a warning for an error.",
			Breaks: []string{"operation.result.exclusive"},
			Fault: Fault{REST: operationDocs(func(op map[string]any) {
				if op["response"] != nil {
					op["error"] = map[string]any{"code": 11, "message": "some rows were left out"}
				}
			}), Wire: operationBytes(func(op []byte) []byte {
				if m := new(longrunningpb.Operation); proto.Unmarshal(op, m) == nil && m.GetResponse() != nil {
					return appendError(op, codes.OutOfRange, "some rows were left out")
				}
				return op
			})}},
	}
}

// appendResponse adds a response to the bytes of an operation, field 5.
func appendResponse(op []byte) []byte {
	value, err := proto.Marshal(packed(nil))
	if err != nil {
		return op
	}
	return protowire.AppendBytes(protowire.AppendTag(op[:len(op):len(op)], 5, protowire.BytesType), value)
}

// appendError adds an error to the bytes of an operation, field 4.
func appendError(op []byte, code codes.Code, message string) []byte {
	value, err := proto.Marshal(failure(code, message).Error)
	if err != nil {
		return op
	}
	return protowire.AppendBytes(protowire.AppendTag(op[:len(op):len(op)], 4, protowire.BytesType), value)
}

// looksToFlip is the number of looks at the end of an operation that show it
// as it is.
const looksToFlip = 3

// oneInFour returns a hook that edits one in four of the looks at a cancelled
// operation, the first of them.
func oneInFour(edit func(op *longrunningpb.Operation)) func(Service) Service {
	return remembering(func(h history, op *longrunningpb.Operation) error {
		if isCancelled(op) && h.kind == Running && h.looks%4 == 1 {
			edit(op)
		}
		return nil
	})
}

func flipMutants() []Mutant {
	flips := func(h history, op *longrunningpb.Operation) bool {
		return isCancelled(op) && h.kind == Running && h.looks > looksToFlip
	}
	return []Mutant{
		{Name: "done-flips-back", Doc: "Shows a cancelled operation as running again, now and then: some replicas lag behind.",
			Breaks: []string{"operation.terminal.done-monotonic"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if flips(h, op) && h.looks%2 == 0 {
					op.Done, op.Result = false, nil
					setState(op, running)
					dropFlag(op)
				}
				return nil
			})}},
		{Name: "done-one-in-four-not", Doc: "Asks one of four replicas, of which one does not learn of ends, also to wait.",
			Breaks: []string{"operation.terminal.done-monotonic"},
			Fault: Fault{Service: oneInFour(func(op *longrunningpb.Operation) {
				op.Done, op.Result = false, nil
				setState(op, running)
			})}},
		{Name: "result-one-in-four-another", Doc: "Asks one of four replicas, of which one was told another reason of the end.",
			Breaks: []string{"operation.terminal.result-immutable"},
			Fault:  Fault{Service: oneInFour(func(op *longrunningpb.Operation) { end(op, codes.Internal, "signal: killed") })}},
		{Name: "result-changes", Doc: "Shows a cancelled operation as aborted from its fourth reading on.",
			Breaks: []string{"operation.terminal.result-immutable"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if flips(h, op) {
					end(op, codes.Aborted, "the worker was stopped")
				}
				return nil
			})}},
		{Name: "late-worker-reports", Doc: "Lets the worker of an operation that was cancelled, however early, write its response over the result soon after its natural end.",
			Breaks: []string{"operation.terminal.result-immutable"},
			Fault: Fault{Options: lastsLonger, Service: rememberingRaces(func(h history, op *longrunningpb.Operation) {
				if isCancelled(op) && h.kind == Succeeding && time.Since(h.begun) > h.lasts+observeTimeout/2 {
					op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
					setState(op, succeeded)
				}
			})}},
		{Name: "late-worker-succeeds", Doc: "Lets a worker that missed an early cancel write its response over the result at its natural end.",
			Breaks: []string{"operation.terminal.result-immutable"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if isCancelled(op) && overtaken(h, Succeeding) {
					op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
					setState(op, succeeded)
				}
				return nil
			})}},
		{Name: "late-worker-fails", Doc: "Lets a worker that missed an early cancel write its error over the result at its natural end.",
			Breaks: []string{"operation.terminal.result-immutable"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if isCancelled(op) && overtaken(h, Failing) {
					end(op, codes.ResourceExhausted, "the work ran out of memory")
				}
				return nil
			})}},
		lateDeletion("late-worker-deletes", "Lets a worker that missed an early cancel take its record away when it has a response.", Succeeding),
		lateDeletion("late-worker-purges", "Lets a worker that missed an early cancel take its record away when it has failed.", Failing),
		lateUnlisting("late-worker-unlists", "Lets a worker that missed an early cancel take it off the list when it has a response.", Succeeding),
		lateUnlisting("late-worker-unlists-failed", "Lets a worker that missed an early cancel take it off the list when it has failed.", Failing),
	}
}

// lateUnlisting is the mutant whose cancelled operations of a kind are not listed from
// their natural end on.
func lateUnlisting(name, doc string, k Kind) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.state.listed"},
		Fault: Fault{Options: lastsLonger, Service: func(next Service) Service {
			known := newRaceLedger(next)
			return listed(func(op *longrunningpb.Operation) bool {
				h, _ := known.of(op.GetName())
				return !isCancelled(op) || !overtaken(h, k)
			})(known)
		}}}
}

// lateDeletion is the mutant whose cancelled operations of a kind are gone from their
// natural end on.
func lateDeletion(name, doc string, k Kind) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.state.retention"},
		Fault: Fault{Options: lastsLonger, Service: losingRaces(func(h history, op *longrunningpb.Operation) bool {
			return isCancelled(op) && overtaken(h, k)
		})}}
}

// overtaken tells whether an operation of the kind was cancelled in the first
// half of its time, which is over by now.
func overtaken(h history, k Kind) bool {
	return h.kind == k && !h.accepted.IsZero() && h.accepted.Sub(h.begun) < h.lasts/2 && time.Since(h.begun) > h.lasts
}

func jsonMutants() []Mutant {
	mutant := func(name, doc, breaks string, edit func(op map[string]any)) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{REST: operationDocs(edit)},
			BreaksOn: map[targets.Transport][]string{targets.GRPC: nil}}
	}
	return []Mutant{
		mutant("done-as-text", "Writes done: false as a string.", "operation.json.done-boolean", func(op map[string]any) {
			if op["done"] != true {
				op["done"] = "false"
			}
		}),
		mutant("done-as-number", "Writes done: false as 0.", "operation.json.done-boolean", func(op map[string]any) {
			if op["done"] != true {
				op["done"] = 0
			}
		}),
		mutant("error-as-envelope", "Writes the error of a failed operation as the error of an HTTP answer.", "operation.json.error-is-status", func(op map[string]any) {
			if e, ok := op["error"].(map[string]any); ok && e["message"] != cancelMessage {
				op["error"] = map[string]any{"error": e}
			}
		}),
		mutant("metadata-without-type", "Writes metadata without its type.", "operation.json.any-type", func(op map[string]any) {
			if m, ok := op["metadata"].(map[string]any); ok {
				delete(m, "@type")
			}
		}),
		mutant("response-without-type", "Writes the response as a bare object.", "operation.json.any-type", func(op map[string]any) {
			if op["response"] != nil {
				op["response"] = map[string]any{"output": "done"}
			}
		}),
		mutant("emits-null", "Writes members that have no value as null.", "operation.json.no-null", func(op map[string]any) {
			if op["done"] != true {
				op["error"], op["response"] = nil, nil
			}
		}),
		mutant("emits-null-details", "Writes an error without details with details: null.", "operation.json.no-null", func(op map[string]any) {
			if e, ok := op["error"].(map[string]any); ok && e["details"] == nil {
				e["details"] = nil
			}
		}),
	}
}
