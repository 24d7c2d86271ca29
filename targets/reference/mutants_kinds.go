package reference

import (
	"context"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/lro-tools/conform/targets"
)

// A divided Service has one kind of operations served by code of its own.
type divided struct {
	Service
	kind Kind
	own  Service

	mu   sync.Mutex
	mine map[string]bool // by name
}

// ofKind returns a hook by which a fault is that of one kind alone.
func ofKind(k Kind, fault func(Service) Service) func(Service) Service {
	return func(next Service) Service {
		return &divided{Service: next, kind: k, own: fault(next), mine: map[string]bool{}}
	}
}

// serves tells whether an operation is of the kind.
func (d *divided) serves(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mine[name]
}

// of is the Service that has an operation.
func (d *divided) of(name string) Service {
	if d.serves(name) {
		return d.own
	}
	return d.Service
}

// Start implements Service.
func (d *divided) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.Kind != d.kind {
		return d.Service.Start(ctx, r)
	}
	op, err := d.own.Start(ctx, r)
	if err == nil {
		d.mu.Lock()
		d.mine[op.GetName()] = true
		d.mu.Unlock()
	}
	return op, err
}

// Get implements Service.
func (d *divided) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	return d.of(r.GetName()).Get(ctx, r)
}

// Wait implements Service.
func (d *divided) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	return d.of(r.GetName()).Wait(ctx, r)
}

// Cancel implements Service.
func (d *divided) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	return d.of(r.GetName()).Cancel(ctx, r)
}

// Delete implements Service.
func (d *divided) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	return d.of(r.GetName()).Delete(ctx, r)
}

// List implements Service: what the fault says of operations of its kind, in
// the list of all.
func (d *divided) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	out, err := d.Service.List(ctx, r)
	if err != nil {
		return nil, err
	}
	other, err := d.own.List(ctx, r)
	if err != nil {
		return nil, err
	}
	own := map[string]*longrunningpb.Operation{}
	for _, op := range other.GetOperations() {
		own[op.GetName()] = op
	}
	kept := out.Operations[:0]
	for _, op := range out.GetOperations() {
		if d.serves(op.GetName()) {
			op = own[op.GetName()]
		}
		if op != nil {
			kept = append(kept, op)
		}
	}
	out.Operations = kept
	return out, nil
}

// isChild tells whether the id of an operation has several segments.
func isChild(op *longrunningpb.Operation) bool { return strings.Contains(idOf(op.GetName()), "/") }

// kindMutants have a fault that each of the other kinds of operations is free of.
func kindMutants() []Mutant {
	const unlisted, legal, message = "cancel.state.listed", "cancel.repeat.code-legal", "cancel.state.error-message"
	const metadataKept = "cancel.state.metadata-kept"
	mutant := func(k Kind, name, doc string, fault func(Service) Service, breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: Fault{Service: ofKind(k, fault)}}
	}
	getting := func(get func(op *longrunningpb.Operation) error) func(Service) Service {
		return func(next Service) Service { return thief{Service: next, get: get} }
	}
	gap := func(next Service) Service {
		known := newLedger(next)
		return getter{known, func(_ context.Context, op *longrunningpb.Operation) error {
			if h, _ := known.of(op.GetName()); isCancelled(op) && time.Since(h.ended) < 30*time.Millisecond {
				return notFound(op.GetName())
			}
			return nil
		}}
	}
	sleepy := waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		began := time.Now()
		op, err := next.Wait(ctx, r)
		if err == nil && isCancelled(op) && !before.GetDone() {
			err = pass(ctx, r.GetTimeout().AsDuration()-time.Since(began))
		}
		return op, err
	})
	again := func(code codes.Code) func(Service) Service {
		return eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
			if during {
				return refuse(code, "CANCEL_AGAIN", "operation %q is being cancelled", name)
			}
			return plainCancel(ctx, next, name)
		})
	}
	revive := overwrites(func(_ history, op *longrunningpb.Operation) bool { return isCancelled(op) },
		func(op *longrunningpb.Operation) { end(op, codes.Aborted, "cancelled twice") })
	onGRPC := func(instead error) func(Service) Service {
		return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if op := peek(ctx, next, r.GetName()); CallOf(ctx).Transport == targets.GRPC && op != nil && !op.GetDone() {
				return instead
			}
			return next.Cancel(ctx, r)
		})
	}
	bare := cancelledSeen(func(op *longrunningpb.Operation) { op.Metadata = nil })
	wordless := cancelledSeen(func(op *longrunningpb.Operation) { op.GetError().Message = "" })
	unbounded := waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		return next.Wait(ctx, &longrunningpb.WaitOperationRequest{Name: r.GetName()})
	})
	undeletable := deletes(func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error {
		if isCancelled(peek(ctx, next, r.GetName())) {
			return refuse(codes.Internal, "DELETE_FAILED", "the record is in use")
		}
		return next.Delete(ctx, r)
	})
	later := func(edit func(op *longrunningpb.Operation)) func(Service) Service {
		return remembering(func(h history, op *longrunningpb.Operation) error {
			if isCancelled(op) && time.Since(h.ended) > soon {
				edit(op)
			}
			return nil
		})
	}
	aborted := func(op *longrunningpb.Operation) { end(op, codes.Aborted, "the worker was lost") }
	waitAborted := waited(func(_, op *longrunningpb.Operation) {
		if isCancelled(op) {
			aborted(op)
		}
	})
	resumed := func(op *longrunningpb.Operation) { op.Done, op.Result = false, nil; setState(op, running) }
	deaf := func(next Service) Service {
		return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if op := peek(ctx, next, r.GetName()); op != nil && !op.GetDone() {
				return nil
			}
			return next.Cancel(ctx, r)
		})(seen(dropFlag)(next))
	}
	sleepsWhenDone := waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		if before.GetDone() {
			if err := pass(ctx, r.GetTimeout().AsDuration()); err != nil {
				return nil, err
			}
		}
		return next.Wait(ctx, r)
	})
	expiryCancels := waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		op, err := next.Wait(ctx, r)
		if err == nil && !op.GetDone() && r.GetTimeout().AsDuration() >= 500*time.Millisecond {
			_ = plainCancel(asOwner(context.WithoutCancel(ctx)), next, r.GetName())
		}
		return op, err
	})
	const immutable, monotonic = "operation.terminal.result-immutable", "operation.terminal.done-monotonic"
	long := func(m Mutant) Mutant { m.Fault.Options = longStop; return m }
	out := []Mutant{
		mutant(Nested, "nested-cancel-fails-get", "Turns the error of a cancelled child into the error of Get.", getting(func(op *longrunningpb.Operation) error {
			if isCancelled(op) {
				return refuse(codes.Canceled, "OPERATION_CANCELLED", "%s", op.GetError().GetMessage())
			}
			return nil
		}), "cancel.state.get-ok"),
		mutant(Pending, "pending-get-fails", "Looks for the worker of what was cancelled in its queue, and fails.", getting(func(op *longrunningpb.Operation) error {
			if isCancelled(op) {
				return refuse(codes.Internal, "REQUEST_FAILED", "worker is nil")
			}
			return nil
		}), "cancel.state.get-ok"),
		mutant(Slow, "slow-get-fails-until-stopped", "Asks the worker for the state of what is being cancelled, which does not answer before it has stopped.",
			remembering(func(h history, op *longrunningpb.Operation) error {
				if !h.accepted.IsZero() && !op.GetDone() {
					return refuse(codes.Internal, "WORKER_BUSY", "the worker does not answer")
				}
				return nil
			}), "cancel.state.get-ok"),
		mutant(Nested, "nested-forgotten", "Forgets a cancelled child 60 ms after it was first seen done.", forgets, "cancel.state.retention"),
		mutant(Nested, "nested-unlisted", "Lists no child that was cancelled.", unlists, unlisted),
		mutant(Pending, "pending-unlisted", "Lists what has begun, and what still may: not what was cancelled in its queue.", unlists, unlisted),
		mutant(Failing, "failed-listed-running", "Lists from an index that is told of successes only.", listedRunning(hasFailed), "list.consistent-with-get"),
		mutant(Nested, "nested-gap", "Moves a cancelled child to another table, and for 30 ms finds it in neither.", gap, "get.after-cancel.continuous"),
		mutant(Pending, "pending-gap", "Moves what is cancelled from its queue to a table, and for 30 ms finds it in neither.", gap, "get.after-cancel.continuous"),
		mutant(Nested, "nested-wait-not-woken", "Wakes those who wait for a child when it ends by itself, but not when it is cancelled.", sleepy, waitReleased),
		mutant(Pending, "pending-wait-not-woken", "Wakes those who wait when a worker ends the work: what never began had none.", sleepy, waitReleased),
		mutant(Nested, "nested-finished-500", "Fails on the cancel of a child that is finished.", refuseFinished(codes.Internal), "cancel.finished.status-legal"),
		mutant(Pending, "pending-finished-404", "Looks in the queue for what was cancelled there.", refuseFinished(codes.NotFound), "cancel.finished.status-legal"),
		long(mutant(Nested, "nested-revived", "Aborts a child that is cancelled when it is cancelled again.", revive, "cancel.finished.preserves-cancelled", "operation.terminal.result-immutable")),
		long(mutant(Pending, "pending-revived", "Aborts what was cancelled in its queue when it is cancelled again.", revive, "cancel.finished.preserves-cancelled", "operation.terminal.result-immutable")),
		long(mutant(Nested, "nested-repeat-500", "Fails on the second cancel of a child.", again(codes.Internal), legal)),
		long(mutant(Pending, "pending-repeat-404", "Takes what is cancelled out of its queue, and does not find it again before it has ended.", again(codes.NotFound), legal)),
		mutant(Nested, "nested-listed-running", "Lists from an index that is not told of children that are cancelled.", listedRunning(isCancelled), "list.consistent-with-get"),
		mutant(Nested, "nested-wait-sleeps-when-done", "Waits for a change, which a child that has ended never sees.", sleepsWhenDone, waitImmediate),
		mutant(Nested, "nested-deleted-cancel-ok", "Answers OK to the cancel of a child that was deleted.", deletedCancelled(nil), "cancel.deleted.not-found"),
		mutant(Nested, "nested-concurrent-500", "Fails on cancels of a child that come in a crowd.", crowded(func(context.Context, Service, string) error {
			return refuse(codes.Internal, "LOCKED", "could not lock the row")
		}), "cancel.concurrent.no-server-error"),
		mutant(Nested, "nested-undeletable", "Cannot delete a child that was cancelled.", undeletable, "delete.after-cancel"),
		mutant(Pending, "pending-undeletable", "Cannot delete what was cancelled in its queue.", undeletable, "delete.after-cancel"),
		mutant(Failing, "failed-deleted-cancel-ok", "Answers OK to the cancel of what has failed and was deleted.", deletedCancelled(nil), "cancel.deleted.not-found"),
		mutant(Pending, "pending-listed-running", "Lists from an index that is not told of what is cancelled in its queue.", listedRunning(isCancelled), "list.consistent-with-get"),
		mutant(Nested, "nested-wait-unbounded", "Waits until a child is done, whatever the request asks for.", unbounded, waitBounded),
		mutant(Pending, "pending-wait-unbounded", "Waits until what is queued is done, whatever the request asks for.", unbounded, waitBounded),
		mutant(Nested, "nested-wait-aborted", "Shows a cancelled child as aborted to those who wait.", waitAborted, waitEqualsGet),
		mutant(Slow, "slow-never-ends", "Accepts the cancel of work that does not listen before it is done.", deaf, "cancel.effect.best-effort"),
		mutant(Nested, "nested-not-done", "Sets the error of a cancelled child and forgets done.",
			cancelledSeen(func(op *longrunningpb.Operation) { op.Done = false; setState(op, running) }), "cancel.state.done", "operation.result.none-before-done"),
		mutant(Nested, "nested-aborted-later", "Lets a sweeper write ABORTED over the result of a cancelled child.", later(aborted), immutable),
		mutant(Slow, "slow-aborted-later", "Lets a worker that was slow to stop write ABORTED over the result when it has.", later(aborted), immutable),
		mutant(Nested, "nested-resumed-later", "Starts a cancelled child again with its parent.", later(resumed), monotonic),
		mutant(Slow, "slow-resumed-later", "Starts again what was slow to stop.", later(resumed), monotonic),
		mutant(Pending, "pending-cancelled-without-message", "Takes what is cancelled out of its queue, and has nothing to say of it.", wordless, message),
		mutant(Nested, "nested-cancelled-without-message", "Cancels the children of an operation in code of its own, which leaves out the message.", wordless, message),
		mutant(Pending, "pending-without-metadata", "Forgets the metadata of what is cancelled in its queue.", bare, metadataKept),
		mutant(Pending, "pending-begins-all-the-same", "Marks what is cancelled in its queue, which the worker that takes it up does not look at.", beginsAllTheSame, "cancel.accept.pending"),
		mutant(Failing, "failed-finished-invalid", "Takes the cancel of what has failed for a malformed request.", refuseFinished(codes.InvalidArgument), "cancel.finished.status-preferred"),
		mutant(Slow, "slow-toggles", "Takes the second cancel of what has not stopped yet for the opposite of the first.", toggles, "cancel.repeat.single-outcome"),
		mutant(Slow, "slow-toggles-until-heard", "Takes the second cancel of work that has not heard of the first for its opposite: it listens 150 ms later.",
			togglesUntilHeard(150*time.Millisecond), "cancel.repeat.single-outcome"),
		mutant(Slow, "slow-repeat-waits", "Has a second cancel wait for what the first has begun, for 1.6 s at most.", eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
			if during {
				short, stop := context.WithTimeout(ctx, 1600*time.Millisecond)
				defer stop()
				_ = untilDone(short, next, name)
				return nil
			}
			return plainCancel(ctx, next, name)
		}), "cancel.response.returns-promptly"),
		mutant(Slow, "slow-unlisted", "Lists no operation whose work had to be killed.", unlists, unlisted),
		mutant(Slow, "slow-without-metadata", "Ends an operation whose work had to be killed without its metadata, which the work had.", bare, metadataKept),
		mutant(Slow, "slow-cancelled-without-message", "Has nothing to say of work that had to be killed.", wordless, message),
		mutant(Pending, "pending-concurrent-500", "Fails on cancels of what is queued that come in a crowd.", crowded(func(context.Context, Service, string) error {
			return refuse(codes.Internal, "LOCKED", "could not lock the queue")
		}), "cancel.concurrent.no-server-error"),
		mutant(Slow, "slow-concurrent-404", "Takes what is slow to stop out of its table, and does not find it for cancels that come in a crowd.", crowded(func(_ context.Context, _ Service, name string) error {
			return notFound(name)
		}), "cancel.concurrent.single-outcome"),
		mutant(Slow, "slow-finished-500", "Fails on the cancel of what had to be killed.", refuseFinished(codes.Internal), "cancel.finished.status-legal"),
		long(mutant(Slow, "slow-revived", "Aborts what was slow to stop when it is cancelled after its end.", revive, "cancel.finished.preserves-cancelled", "operation.terminal.result-immutable")),
		mutant(Pending, "pending-forgotten", "Forgets what was cancelled in its queue 60 ms after it was first seen done.", forgets, "cancel.state.retention"),
		mutant(Slow, "slow-forgotten", "Forgets what had to be killed 60 ms after it was first seen done.", forgets, "cancel.state.retention"),
		mutant(Nested, "nested-never-requested", "Shows the request to cancel of a parent, and not of a child.", seen(func(op *longrunningpb.Operation) {
			editMetadata(op, func(fields map[string]*structpb.Value) {
				fields["requestedCancellation"] = structpb.NewBoolValue(false)
			})
		}), "cancel.effect.requested-flag"),
		mutant(Slow, "slow-listed-running", "Lists from an index that is not told of what had to be killed.", listedRunning(isCancelled), "list.consistent-with-get"),
		mutant(Pending, "pending-wait-sleeps-when-done", "Waits for a worker to end what never had one.", sleepsWhenDone, waitImmediate),
		mutant(Slow, "slow-wait-sleeps-when-done", "Waits for a worker that had to be killed.", sleepsWhenDone, waitImmediate),
		mutant(Slow, "slow-wait-aborted", "Shows what had to be killed as aborted to those who wait.", waitAborted, waitEqualsGet),
		mutant(Nested, "nested-expiry-cancels", "Binds a child to the Wait for it: when that expires, it is cancelled.", expiryCancels, waitExpiry),
		mutant(Pending, "pending-expiry-cancels", "Takes what nobody waits for any longer out of its queue.", expiryCancels, waitExpiry),
		mutant(Slow, "slow-wait-not-woken", "Wakes those who wait when a cancel has stopped the work at once.", sleepy, waitReleased),
	}
	grpc := func(m Mutant) Mutant {
		m.BreaksOn = map[targets.Transport][]string{targets.REST: nil, targets.GRPC: m.Breaks}
		return m
	}
	hangs := mutant(Nested, "nested-cancel-hangs", "Cancels a child, and never answers.",
		cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if err := next.Cancel(ctx, r); err != nil {
				return err
			}
			return pass(ctx, forever)
		}))
	hangs.BreaksOn = map[targets.Transport][]string{targets.REST: {"cancel.route.multi-segment-name"}, targets.GRPC: {"cancel.accept.in-progress"}}
	return append(out, hangs,
		grpc(mutant(Nested, "nested-denied-over-grpc", "Takes the first segment of a child's id for a collection over gRPC, which nobody may cancel in.",
			onGRPC(refuse(codes.PermissionDenied, "COLLECTION_PROTECTED", "the collection is protected")), "cancel.accept.in-progress")),
		grpc(mutant(Nested, "nested-lost-over-grpc", "Sends the cancel of a child over gRPC to a worker that is called by another name.",
			func(next Service) Service { return onGRPC(nil)(seen(dropFlag)(next)) }, "cancel.effect.best-effort")))
}

// listedRunning returns a hook by which List alone shows some operations in
// progress.
func listedRunning(of func(op *longrunningpb.Operation) bool) func(Service) Service {
	return listed(func(op *longrunningpb.Operation) bool {
		if of(op) {
			op.Done, op.Result = false, nil
			setState(op, running)
		}
		return true
	})
}

// beginsAllTheSame is a hook by which an accepted cancel is no more than noted,
// and the operation succeeds a while later.
func beginsAllTheSame(next Service) Service {
	noted := newNameSet()
	known := remembering(func(h history, op *longrunningpb.Operation) error {
		if noted.has(op.GetName()) > 0 && time.Since(h.begun) > 300*time.Millisecond {
			op.Done, op.Result = true, &longrunningpb.Operation_Response{Response: packed(nil)}
			setState(op, succeeded)
		}
		return nil
	})(next)
	return canceller{known, func(_ context.Context, _ Service, r *longrunningpb.CancelOperationRequest) error {
		noted.add(r.GetName())
		return nil
	}}
}
