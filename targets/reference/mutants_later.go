package reference

import (
	"context"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/lro-tools/conform/targets"
)

// soon is how long after their end operations are shown as they should be, by
// servers that do something to them later.
const soon = 30 * time.Millisecond

// laterMutants show a cancelled operation well at first, or most of the time,
// or most of it.
func laterMutants() []Mutant {
	later := func(h history, op *longrunningpb.Operation) bool {
		return isCancelled(op) && h.looks > 1 && time.Since(h.ended) > soon
	}
	return []Mutant{
		{Name: "archives-metadata", Doc: "Moves cancelled operations to an archive soon after their end, which has no metadata.",
			Breaks: []string{"cancel.state.metadata-kept"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if later(h, op) {
					op.Metadata = nil
				}
				return nil
			})}},
		{Name: "sweeper-aborts", Doc: "Lets a sweeper write ABORTED over the result of what was cancelled, but not over the state in its metadata.",
			Breaks: []string{"operation.terminal.result-immutable"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if later(h, op) && h.kind == Running {
					op.Result = failure(codes.Aborted, "swept")
				}
				return nil
			})}},
		{Name: "response-has-time", Doc: "Makes the response of a successful operation anew for every caller, with the time in it.",
			Breaks: []string{"operation.terminal.result-immutable"}, May: []string{"cancel.race.one-terminal-result"},
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) {
				if op.GetResponse() != nil {
					op.Result = &longrunningpb.Operation_Response{Response: packed(map[string]*structpb.Value{
						"read": structpb.NewStringValue(time.Now().Format(time.RFC3339Nano))})}
				}
			})}},
		{Name: "get-fails-now-and-then", Doc: "Fails with INTERNAL in one of five Gets of a cancelled operation, on a shard without its error.",
			Breaks: []string{"cancel.state.get-ok"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if isCancelled(op) && h.looks%5 == 0 {
					return refuse(codes.Internal, "SHARD_BROKEN", "operation %q cannot be read", op.GetName())
				}
				return nil
			})}},
		{Name: "get-fails-while-cancelling", Doc: "Fails in every Get from the cancel to the end: it knows no state for that.",
			Breaks: []string{"cancel.state.get-ok"},
			Fault: Fault{Options: longStop, Service: func(next Service) Service {
				return thief{Service: next, get: func(op *longrunningpb.Operation) error {
					if stateOf(op) == cancelling {
						return refuse(codes.Internal, "STATE_UNKNOWN", "operation %q is in no state", op.GetName())
					}
					return nil
				}}
			}}},
		{Name: "unlists-later", Doc: "Lists a cancelled operation when its end is new, and then no longer.",
			Breaks: []string{"cancel.state.listed"},
			Fault: Fault{Service: func(next Service) Service {
				listed := newNameSet()
				return thief{Service: next, list: func(op *longrunningpb.Operation) error {
					if isCancelled(op) && listed.add(op.GetName()) > 1 {
						return notFound(op.GetName())
					}
					return nil
				}}
			}}},
	}
}

// shownMutants show a cancelled operation in a form that is none, or in part.
func shownMutants() []Mutant {
	onlyREST := map[targets.Transport][]string{targets.GRPC: nil}
	getOfCancelled := func(edit func(d *draft)) func(http.Handler) http.Handler {
		return answers(restMethod, targets.Get, func(d *draft) {
			if e, ok := d.doc()["error"].(map[string]any); ok && e["message"] == cancelMessage {
				edit(d)
			}
		})
	}
	return []Mutant{
		{Name: "get-shows-nothing", Doc: "Answers the Get of a cancelled operation with an empty message.",
			Breaks: []string{"cancel.state.get-ok"},
			Fault: Fault{Service: func(next Service) Service {
				return thief{Service: next, get: func(op *longrunningpb.Operation) error {
					if isCancelled(op) {
						proto.Reset(op)
					}
					return nil
				}}
			}}},
		{Name: "get-shows-error-alone", Doc: "Answers the Get of a cancelled operation with its error instead of the operation.",
			Breaks: []string{"cancel.state.get-ok"}, BreaksOn: onlyREST,
			Fault: Fault{REST: getOfCancelled(func(d *draft) { d.setDoc(d.doc()["error"]) })}},
		{Name: "get-shows-member-alone", Doc: "Answers the Get of a cancelled operation with its error, and leaves out all else.",
			Breaks: []string{"cancel.state.get-ok"}, BreaksOn: onlyREST,
			Fault: Fault{REST: getOfCancelled(func(d *draft) { d.setDoc(map[string]any{"error": d.doc()["error"]}) })}},
		{Name: "get-answers-202", Doc: "Answers the Get of a cancelled operation with 202.",
			Breaks: []string{"cancel.state.get-ok"}, BreaksOn: onlyREST,
			Fault: Fault{REST: getOfCancelled(func(d *draft) { d.status = http.StatusAccepted })}},
		{Name: "renames-everywhere", Doc: "Shows a cancelled operation under a name that is marked, in lists as well.",
			Breaks: []string{"cancel.state.name-unchanged"},
			Fault:  Fault{Service: cancelledSeen(func(op *longrunningpb.Operation) { op.Name += ".cancelled" })}},
		{Name: "archives-under-short-name", Doc: "Reads a cancelled operation, and what is done, from an archive that leaves the parent out of names.",
			Breaks: []string{"cancel.state.name-unchanged"},
			Fault: Fault{Service: func(next Service) Service {
				shorten := func(op *longrunningpb.Operation) error {
					if isCancelled(op) {
						op.Name = op.GetName()[strings.Index(op.GetName(), "operations/"):]
					}
					return nil
				}
				archive := thief{Service: next, get: shorten, list: shorten}
				return lister{archive, func(ctx context.Context, archive Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
					if r.GetFilter() == "" {
						return next.List(ctx, r)
					}
					return archive.List(ctx, r)
				}}
			}}},
		{Name: "cancel-code-2-with-state", Doc: "Ends a cancelled operation with UNKNOWN, while its metadata says CANCELLED.",
			Breaks: []string{"cancel.state.code-1"},
			Fault: Fault{Service: cancelledSeen(func(op *longrunningpb.Operation) {
				op.Result = failure(codes.Unknown, "context canceled")
			})}},
		{Name: "cancelled-not-done-with-state", Doc: "Sets the error and the state of a cancelled operation and forgets done.",
			Breaks: []string{"cancel.state.done", "operation.result.none-before-done"},
			Fault:  Fault{Service: cancelledSeen(func(op *longrunningpb.Operation) { op.Done = false })}},
		{Name: "done-as-word", Doc: "Writes done: true as yes.",
			Breaks: []string{"operation.json.done-boolean"}, BreaksOn: onlyREST,
			Fault: Fault{REST: operationDocs(func(op map[string]any) {
				if op["done"] == true {
					op["done"] = "yes"
				}
			})}},
		{Name: "empty-error-before-done", Doc: "Writes an empty error into operations that are running.",
			Breaks: []string{"operation.result.none-before-done"}, BreaksOn: onlyREST,
			Fault: Fault{REST: operationDocs(func(op map[string]any) {
				if op["done"] != true {
					op["error"] = map[string]any{}
				}
			})}},
	}
}
