package reference

import (
	"context"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/lro-tools/conform/targets"
)

// stateMutants show a cancelled operation as something else.
func stateMutants() []Mutant {
	return slices.Concat(endMutants(), goneMutants(), laterMutants(), shownMutants())
}

// cancelledSeen is a hook that changes how cancelled operations look.
func cancelledSeen(edit func(op *longrunningpb.Operation)) func(Service) Service {
	return seen(func(op *longrunningpb.Operation) {
		if isCancelled(op) {
			edit(op)
		}
	})
}

func endMutants() []Mutant {
	mutant := func(name, doc string, edit func(op *longrunningpb.Operation), breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: Fault{Service: cancelledSeen(edit)}}
	}
	const code1, metadataState = "cancel.state.code-1", "cancel.state.metadata-state"
	return []Mutant{
		mutant("cancelled-not-done", "Sets the error of a cancelled operation and forgets done.",
			func(op *longrunningpb.Operation) { op.Done = false; setState(op, cancelling) },
			"cancel.state.done", "operation.result.none-before-done"),
		mutant("cancel-code-10", "Ends a cancelled operation with ABORTED.",
			func(op *longrunningpb.Operation) { end(op, codes.Aborted, "aborted by the caller") }, code1),
		mutant("cancel-code-10-of-chosen", "Ends a cancelled operation with ABORTED where its client has chosen the id, which the worker takes for a transaction's.",
			func(op *longrunningpb.Operation) {
				if isChosen(idOf(op.GetName())) {
					end(op, codes.Aborted, "aborted by the caller")
				}
			}, code1),
		mutant("cancel-code-13", "Ends a cancelled operation with INTERNAL: the worker was killed.",
			func(op *longrunningpb.Operation) { end(op, codes.Internal, "signal: killed") }, code1),
		mutant("cancel-succeeds", "Ends a cancelled operation with a response of what was done so far.",
			func(op *longrunningpb.Operation) {
				op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
				setState(op, succeeded)
			}, code1),
		mutant("cancel-without-result", "Ends a cancelled operation with neither error nor response; clients poll for ever.",
			func(op *longrunningpb.Operation) { op.Result = nil; setState(op, failed) }, code1, "operation.result.present"),
		mutant("cancel-without-message", "Leaves out the message of the error.",
			func(op *longrunningpb.Operation) { op.GetError().Message = "" }, "cancel.state.error-message"),
		mutant("state-stays-running", "Leaves the state in the metadata at RUNNING when the operation is cancelled.",
			func(op *longrunningpb.Operation) { setState(op, running) }, metadataState),
		mutant("state-succeeded", "Shows a cancelled operation as SUCCEEDED in its metadata.",
			func(op *longrunningpb.Operation) { setState(op, succeeded) }, metadataState),
		{Name: "cancel-drops-metadata", Doc: "Stores the result of a cancelled operation over its metadata.",
			Breaks: []string{"cancel.state.metadata-kept"},
			Fault:  Fault{Service: cancelledSeen(func(op *longrunningpb.Operation) { op.Metadata = nil })}},
		{Name: "cancel-changes-metadata-type", Doc: "Replaces the metadata of a cancelled operation by another type.",
			Breaks: []string{"cancel.state.metadata-kept"},
			Fault:  Fault{Service: cancelledSeen(func(op *longrunningpb.Operation) { op.Metadata = textAny("cancelled") })}},
	}
}

// textAny packs a string.
func textAny(text string) *anypb.Any {
	a, err := anypb.New(wrapperspb.String(text))
	if err != nil {
		return packed(map[string]*structpb.Value{"text": structpb.NewStringValue(text)})
	}
	return a
}

// A thief is a Service that has a look at the operations of Get and Wait, or
// of List, but not of both.
type thief struct {
	Service
	get  func(op *longrunningpb.Operation) error
	list func(op *longrunningpb.Operation) error
}

// Get implements Service.
func (t thief) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	return t.show(t.Service.Get(ctx, r))
}

// Wait implements Service.
func (t thief) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	return t.show(t.Service.Wait(ctx, r))
}

func (t thief) show(op *longrunningpb.Operation, err error) (*longrunningpb.Operation, error) {
	if err == nil && t.get != nil {
		err = t.get(op)
	}
	if err != nil {
		return nil, err
	}
	return op, nil
}

// List implements Service.
func (t thief) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	out, err := t.Service.List(ctx, r)
	if err != nil || t.list == nil {
		return out, err
	}
	kept := out.Operations[:0]
	for _, op := range out.GetOperations() {
		if t.list(op) == nil {
			kept = append(kept, op)
		}
	}
	out.Operations = kept
	return out, nil
}

func goneMutants() []Mutant {
	return []Mutant{
		{Name: "deletes-on-cancel", Doc: "Takes cancel for delete: the operation is gone at once.",
			Breaks: []string{"cancel.state.not-deleted"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if err := next.Cancel(ctx, r); err != nil {
					return err
				}
				return next.Delete(ctx, &longrunningpb.DeleteOperationRequest{Name: r.GetName()})
			})}},
		{Name: "gone-over-grpc", Doc: "Serves gRPC from a table that cancelled operations are taken out of.",
			BreaksOn: map[targets.Transport][]string{targets.REST: nil, targets.GRPC: {"cancel.state.not-deleted"}},
			Fault: Fault{Service: func(next Service) Service {
				return getter{next, func(ctx context.Context, op *longrunningpb.Operation) error {
					if isCancelled(op) && CallOf(ctx).Transport == targets.GRPC {
						return notFound(op.GetName())
					}
					return nil
				}}
			}}},
		{Name: "deletes-when-stopped", Doc: "Keeps only what runs or has a result: the operation is gone as soon as it is cancelled.",
			Breaks: []string{"cancel.state.not-deleted"},
			Fault: Fault{Service: func(next Service) Service {
				return canceller{remembering(func(_ history, op *longrunningpb.Operation) error {
					if isCancelled(op) {
						return notFound(op.GetName())
					}
					return nil
				})(next), func(ctx context.Context, shown Service, r *longrunningpb.CancelOperationRequest) error {
					if isCancelled(peek(ctx, next, r.GetName())) {
						return notFound(r.GetName())
					}
					return shown.Cancel(ctx, r)
				}}
			}}},
		{Name: "pending-wait-consumes", Doc: "Keeps what was cancelled until a Wait that was pending for it has returned it.",
			Breaks: []string{"cancel.state.not-deleted"},
			Fault:  Fault{Service: consumedBy(func(before *longrunningpb.Operation) bool { return !before.GetDone() })}},
		{Name: "later-wait-consumes", Doc: "Hands the result of what was cancelled to the first who waits for it after its end, and forgets it.",
			Breaks: []string{"cancel.state.not-deleted"},
			Fault:  Fault{Service: consumedBy(func(before *longrunningpb.Operation) bool { return before.GetDone() })}},
		{Name: "cancel-fails-get", Doc: "Turns the error of a cancelled operation into the error of Get.",
			Breaks: []string{"cancel.state.get-ok"},
			Fault: Fault{Service: func(next Service) Service {
				return thief{Service: next, get: func(op *longrunningpb.Operation) error {
					if isCancelled(op) {
						return refuse(codes.Canceled, "OPERATION_CANCELLED", "%s", op.GetError().GetMessage())
					}
					return nil
				}}
			}}},
		{Name: "unlists-cancelled", Doc: "Leaves cancelled operations out of its lists.",
			Breaks: []string{"cancel.state.listed"},
			Fault:  Fault{Service: unlists}},
		{Name: "renames-cancelled", Doc: "Shows a cancelled operation under a name that is marked.",
			Breaks: []string{"cancel.state.name-unchanged"},
			Fault: Fault{Service: func(next Service) Service {
				return thief{Service: next, get: func(op *longrunningpb.Operation) error {
					if isCancelled(op) {
						op.Name += ".cancelled"
					}
					return nil
				}}
			}}},
		{Name: "shows-short-name", Doc: "Shows the name without its parent, which is not what was asked for.",
			Breaks: []string{"cancel.state.name-unchanged"},
			Fault: Fault{Service: func(next Service) Service {
				return thief{Service: next, get: func(op *longrunningpb.Operation) error {
					op.Name = op.Name[strings.LastIndex(op.Name, "operations/"):]
					return nil
				}}
			}}},
		{Name: "forgets-cancelled", Doc: "Forgets a cancelled operation 60 ms after it was first seen done.",
			Breaks: []string{"cancel.state.retention"},
			Fault:  Fault{Service: forgets}},
	}
}

// consumedBy is a hook that deletes a cancelled operation when a Wait has returned it
// that found it so.
func consumedBy(found func(before *longrunningpb.Operation) bool) func(Service) Service {
	return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		op, err := next.Wait(ctx, r)
		if err == nil && isCancelled(op) && found(before) {
			_ = next.Delete(asOwner(ctx), &longrunningpb.DeleteOperationRequest{Name: r.GetName()})
		}
		return op, err
	})
}

// forgets is a hook that forgets cancelled operations soon after their end was seen.
func forgets(next Service) Service {
	return remembering(func(h history, op *longrunningpb.Operation) error {
		if isCancelled(op) && h.looks > 4 && time.Since(h.ended) > 60*time.Millisecond {
			return notFound(op.GetName())
		}
		return nil
	})(next)
}

// unlists is a hook that leaves cancelled operations out of lists.
func unlists(next Service) Service {
	return thief{Service: next, list: func(op *longrunningpb.Operation) error {
		if isCancelled(op) {
			return notFound(op.GetName())
		}
		return nil
	}}
}
