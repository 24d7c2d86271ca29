package reference

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lro-tools/conform/targets"
)

// A deleter is a Service whose Delete is another one.
type deleter struct {
	Service
	delete func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error
}

// Delete implements Service.
func (d deleter) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	return d.delete(ctx, d.Service, r)
}

// deletes returns the hook of a deleter.
func deletes(del func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error) func(Service) Service {
	return func(next Service) Service { return deleter{next, del} }
}

// deleteMutants are wrong about Delete of operations that have ended.
func deleteMutants() []Mutant {
	const after, gone = "delete.after-cancel", "cancel.deleted.not-found"
	refusing := func(refusal error) func(Service) Service {
		return deletes(func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error {
			if isCancelled(peek(ctx, next, r.GetName())) {
				return refusal
			}
			return next.Delete(ctx, r)
		})
	}
	return []Mutant{
		{Name: "delete-refuses-cancelled", Doc: "Deletes only operations that have succeeded or failed.", Breaks: []string{after},
			Fault: Fault{Service: refusing(refuse(codes.FailedPrecondition, "OPERATION_NOT_FINISHED", "the operation is not finished"))}},
		{Name: "delete-loses-cancelled", Doc: "Does not find a cancelled operation when it is to be deleted.", Breaks: []string{after},
			Fault: Fault{Service: refusing(refuse(codes.NotFound, "OPERATION_NOT_FOUND", "operation not found"))}},
		{Name: "delete-loses-what-it-deletes", Doc: "Deletes a cancelled operation, and then does not find it to answer.", Breaks: []string{after},
			Fault: Fault{Service: deletesUnsaid(isCancelled)}},
		{Name: "delete-never-finds", Doc: "Looks for an operation that it has deleted before it answers, and says that there is none.", Breaks: []string{after},
			Fault: Fault{Service: deletesUnsaid(func(*longrunningpb.Operation) bool { return true })}},
		{Name: "delete-fails-on-cancelled", Doc: "Fails on the deletion of a cancelled operation: it expects a response.", Breaks: []string{after},
			Fault: Fault{Service: refusing(refuse(codes.Internal, "REQUEST_FAILED", "response is nil"))}},
		{Name: "delete-forbids-cancelled", Doc: "Lets callers delete what has ended by itself, and not what was cancelled.", Breaks: []string{after},
			Fault: Fault{Service: refusing(refuse(codes.PermissionDenied, "PERMISSION_DENIED", "cancelled operations are kept"))}},
		{Name: "cancel-restores-deleted", Doc: "Writes the record of a deleted operation again when it is cancelled, and answers NOT_FOUND.", Breaks: []string{gone},
			Fault: Fault{Service: restored}},
		{Name: "names-again-deleted-ok", Doc: "Gives the names of deleted operations out again, and answers OK to the cancel of a deleted one.", Breaks: []string{gone},
			Fault: Fault{Service: givesNamesAgain}.And(Fault{Service: deletedCancelled(nil)})},
		{Name: "names-again-drains-queue", Alone: true, Doc: "Gives the names of deleted operations out again, and empties its queue when something that runs is cancelled.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: givesNamesAgain}.And(Fault{Service: stopsKind(Running, Pending)})},
		{Name: "names-living-again", Alone: true, Doc: "Takes the next start for a retry of the one before, where both run: it is given the same name.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: startsOnce}},
		{Name: "delete-does-nothing", Doc: "Answers OK and deletes nothing.", Breaks: []string{after, gone},
			Fault: Fault{Service: deletes(func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error {
				_, err := next.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()})
				return err
			})}},
		{Name: "get-unknown-500", Doc: "Fails on the Get of a name that no operation has: nobody looked whether the record was there.", Breaks: []string{gone},
			Fault: Fault{Service: getUnknown(refuse(codes.Internal, "REQUEST_FAILED", "record is nil"))}},
		{Name: "get-unknown-unknown", Doc: "Lets an exception of its storage through where Get finds no record.", Breaks: []string{gone},
			Fault: Fault{Service: getUnknown(refuse(codes.Unknown, "REQUEST_FAILED", "NoSuchElementException"))}},
		{Name: "cancel-fails-on-deleted", Doc: "Fails on the cancel of an operation that was deleted.", Breaks: []string{gone},
			Fault: Fault{Service: deletedCancelled(refuse(codes.Internal, "REQUEST_FAILED", "record is nil"))}},
		{Name: "cancel-drops-deleted", Doc: "Ends the connection of a cancel that meets what is left of a deleted operation.", Breaks: []string{gone},
			Fault: droppedFor("RECORD_TORN", deletedCancelled)},
		{Name: "cancel-finds-deleted-finished", Doc: "Keeps the state of deleted operations, and refuses to cancel one that had ended.", Breaks: []string{gone},
			Fault: Fault{Service: deletedCancelled(refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "the operation is finished"))}},
	}
}

// deletesUnsaid is a hook by which some operations are deleted, and the answer is
// that they are not found.
func deletesUnsaid(of func(op *longrunningpb.Operation) bool) func(Service) Service {
	return deletes(func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error {
		some := of(peek(ctx, next, r.GetName()))
		if err := next.Delete(ctx, r); err != nil || !some {
			return err
		}
		return notFound(r.GetName())
	})
}

// An unknownGetter is a Service whose Get answers an error of its own for what
// it does not find.
type unknownGetter struct {
	Service
	answer error
}

// Get implements Service.
func (g unknownGetter) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := g.Service.Get(ctx, r)
	if status.Code(err) == codes.NotFound {
		return nil, g.answer
	}
	return op, err
}

// getUnknown returns the hook of an unknownGetter.
func getUnknown(answer error) func(Service) Service {
	return func(next Service) Service { return unknownGetter{next, answer} }
}

// droppedFor is a fault by which the connection of a cancel ends that is
// answered with the reason, which answered makes a service give.
func droppedFor(reason string, answered func(error) func(Service) Service) Fault {
	f := dropped(func(d *draft) bool {
		return strings.Contains(string(d.body), reason) || strings.Contains(d.trailer.Get("Grpc-Message"), reason)
	})
	f.Service = answered(refuse(codes.Internal, reason, "%s", reason))
	return f
}

// dropped is a fault by which the call of a cancel ends in place of some of its
// answers.
func dropped(where func(d *draft) bool) Fault {
	drop := func(d *draft) {
		if where(d) {
			panic(http.ErrAbortHandler)
		}
	}
	return Fault{REST: answers(restMethod, targets.Cancel, drop), Wire: answers(wireMethod, targets.Cancel, drop)}
}

// deletedCancelled is a hook that answers the cancel of deleted operations.
func deletedCancelled(answer error) func(Service) Service {
	return func(next Service) Service {
		known := newLedger(next)
		return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			err := next.Cancel(ctx, r)
			if h, _ := known.of(r.GetName()); h.deleted && status.Code(err) == codes.NotFound {
				return answer
			}
			return err
		}}
	}
}

// restored is the hook of a service that forgets deleted operations until they
// are cancelled.
func restored(next Service) Service {
	deleted := newNameSet() // once: deleted; twice: and cancelled after that
	hiding := remembering(func(_ history, op *longrunningpb.Operation) error {
		if deleted.has(op.GetName()) == 1 {
			return notFound(op.GetName())
		}
		return nil
	})(next)
	keeping := deleter{hiding, func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error {
		_, err := next.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()})
		if err == nil {
			deleted.add(r.GetName())
		}
		return err
	}}
	return canceller{keeping, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if deleted.has(r.GetName()) == 0 {
			return next.Cancel(ctx, r)
		}
		if _, err := next.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()}); denies(err) {
			return err
		}
		deleted.add(r.GetName())
		return notFound(r.GetName())
	}}
}

// startsOnce is the hook of a service in which every other start of a running operation
// is answered with the operation that was started before it.
func startsOnce(next Service) Service { return &deduplicating{Service: next} }

type deduplicating struct {
	Service
	mu   sync.Mutex
	last string
}

// Start implements Service.
func (d *deduplicating) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.Kind != Running && r.Kind != "" || r.ID != "" {
		return d.Service.Start(ctx, r)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if op := peek(ctx, d.Service, d.last); d.last != "" && op != nil {
		d.last = ""
		return op, nil
	}
	op, err := d.Service.Start(ctx, r)
	if err == nil {
		d.last = op.GetName()
	}
	return op, err
}
