package reference

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func noCancel(o *Options) { o.NoCancel = true }

// consistently is the requirement that support does not come and go.
const consistently = "cancel.unimplemented.consistent"

// unsupportedMutants have no cancel, and say so wrongly.
func unsupportedMutants() []Mutant {
	rest := func(name, doc, breaks string, edit func(d *draft)) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{Options: noCancel, REST: answers(restMethod, targets.Cancel, edit)}}
	}
	const json = "cancel.unimplemented.json-error"
	return []Mutant{
		rest("no-cancel-404", "Has no route for cancel: the router answers 404.", "cancel.unimplemented.http-501", func(d *draft) {
			d.status = http.StatusNotFound
			d.setDoc(envelope{envelopeError{Code: 404, Message: "no such path", Status: "NOT_FOUND"}})
		}),
		rest("no-cancel-405", "Has no route for cancel: the router answers 405.", "cancel.unimplemented.http-501", func(d *draft) {
			d.status = http.StatusMethodNotAllowed
			d.setDoc(envelope{envelopeError{Code: 405, Message: "method not allowed"}})
		}),
		rest("no-cancel-html", "Answers 501 with a page of its framework.", json, func(d *draft) {
			d.header.Set("Content-Type", "text/html")
			d.body = []byte("<h1>501 Not Implemented</h1>")
		}),
		rest("no-cancel-code-12", "Answers 501 with the gRPC number for its code.", json, func(d *draft) {
			d.setDoc(envelope{envelopeError{Code: 12, Message: "not implemented", Status: "UNIMPLEMENTED"}})
		}),
		rest("no-cancel-details-without-type", "Answers 501 with details that do not say what they are.", json, func(d *draft) {
			d.body = []byte(`{"error":{"code":501,"message":"not implemented","status":"UNIMPLEMENTED","details":[{"method":"cancel"}]}}`)
		}),
		rest("no-cancel-raw-internal", "Answers 501 with a raw google.rpc.Status that says INTERNAL.", json, func(d *draft) {
			d.body = []byte(`{"code":13,"message":"not implemented"}`)
		}),
		rest("no-cancel-raw-text", "Answers 501 with a raw google.rpc.Status as plain text.", json, func(d *draft) {
			d.header.Set("Content-Type", "text/plain")
			d.body = []byte(`{"code":12,"message":"not implemented"}`)
		}),
		{Name: "no-cancel-denied", Doc: "Says over gRPC that nobody may cancel, when it cannot.",
			Breaks: []string{"cancel.unimplemented.grpc-12"},
			Fault: Fault{Options: noCancel,
				Target: withoutCancel,
				Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if CallOf(ctx).Transport == targets.GRPC && peek(ctx, next, r.GetName()) != nil {
						return refuse(codes.PermissionDenied, "CANCEL_DISABLED", "nobody may cancel")
					}
					return next.Cancel(ctx, r)
				})}},
		{Name: "unimplemented-but-cancels", Doc: "Starts the cancellation, and then answers UNIMPLEMENTED.",
			Breaks: []string{"cancel.unimplemented.no-effect"},
			Fault: Fault{Options: func(o *Options) { o.CancelDelay = 400 * time.Millisecond },
				Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					_ = next.Cancel(ctx, r)
					return unimplemented("CancelOperation")
				})}},
		{Name: "unimplemented-but-cancels-at-once", Doc: "Ends the operation within the call, and then answers UNIMPLEMENTED.",
			Breaks: []string{"cancel.unimplemented.no-effect"},
			Fault: Fault{Options: func(o *Options) { o.CancelDelay = -1 },
				Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					_ = next.Cancel(ctx, r)
					return unimplemented("CancelOperation")
				})}},
		unimplementedBut("unimplemented-but-aborts", "Gives the operation up, and answers UNIMPLEMENTED.",
			func(h history, op *longrunningpb.Operation) bool { return !op.GetDone() }, codes.Aborted),
		unimplementedBut("unimplemented-but-dequeues", "Answers UNIMPLEMENTED, and takes what is queued out of its queue.",
			func(h history, op *longrunningpb.Operation) bool { return h.kind == Pending }, codes.Canceled),
		unimplementedBut("unimplemented-but-drops-result", "Answers UNIMPLEMENTED, and has the worker drop its result for that of a cancel.",
			func(h history, op *longrunningpb.Operation) bool { return h.kind == Succeeding && op.GetDone() }, codes.Canceled),
		unimplementedBut("unimplemented-but-fails-later", "Answers UNIMPLEMENTED, and has the worker take its own result for that of a lost caller.",
			func(h history, op *longrunningpb.Operation) bool { return h.kind == Succeeding && op.GetDone() }, codes.Aborted),
		{Name: "unimplemented-but-hangs", Doc: "Answers UNIMPLEMENTED, and keeps the lock that the worker needs to write its result.",
			Breaks: []string{"cancel.unimplemented.no-effect"},
			Fault: Fault{Options: noCancel, Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if h.kind == Succeeding && h.cancels > h.again && op.GetDone() {
					op.Done, op.Result = false, nil
					setState(op, running)
				}
				return nil
			})}},
		{Name: "cancel-comes-and-goes", Doc: "Runs in two versions over REST, of which one has no cancel.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {consistently}},
			Fault:    Fault{Service: comesAndGoes}},
		uncancellableAnswers("uncancellable-by-turns", "Runs in two versions, of which one takes no notice of the cancel of what cannot be cancelled, and the other has none for it.", 2),
		uncancellableAnswers("uncancellable-once-in-four", "Takes every fourth cancel of what has no cancel for a success.", 4),
		{Name: "uncancellable-code-12", Doc: "Has no cancel for one kind, and answers that with 501 and the gRPC number for its code.",
			Breaks: []string{json}, Fault: Fault{Service: ofKind(Uncancellable, cancelsNone), REST: answers(restMethod, targets.Cancel, func(d *draft) {
				if d.status == http.StatusNotImplemented {
					d.setDoc(envelope{envelopeError{Code: 12, Message: "not implemented", Status: "UNIMPLEMENTED"}})
				}
			})}},
		{Name: "children-without-cancel-as-page", Doc: "Has no cancel for children, and answers that with a page of its framework.",
			Breaks: []string{json}, Fault: Fault{Service: ofKind(Nested, cancelsNone), REST: answers(restMethod, targets.Cancel, func(d *draft) {
				if d.status == http.StatusNotImplemented {
					d.header.Set("Content-Type", "text/html")
					d.body = []byte("<h1>501 Not Implemented</h1>")
				}
			})}},
		{Name: "cancel-comes-and-goes-later", Doc: "Answers UNIMPLEMENTED to every fifth cancel of a running operation, once a new version is rolled out.",
			Breaks: []string{consistently}, Fault: Fault{Service: everyFifthLater}},
		{Name: "cancel-missing-in-one-of-three", Doc: "Runs in three replicas, of which one has no cancel, whatever is cancelled.",
			Breaks: []string{consistently},
			Fault: Fault{Service: func(next Service) Service {
				var n atomic.Int64
				return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if n.Add(1)%3 == 0 {
						return unimplemented("CancelOperation")
					}
					return next.Cancel(ctx, r)
				})(next)
			}}},
		{Name: "no-cancel-in-two-ways", Doc: "Has no cancel over REST: one replica says so, the other has no route.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {consistently}},
			Fault: Fault{Options: noCancel, REST: func(next http.Handler) http.Handler {
				missing := answers(restMethod, targets.Cancel, func(d *draft) {
					d.status = http.StatusNotFound
					d.setDoc(envelope{envelopeError{Code: 404, Message: "no such path", Status: "NOT_FOUND"}})
				})(next)
				var n atomic.Int64
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if restMethod(r) == targets.Cancel && n.Add(1)%2 == 0 {
						missing.ServeHTTP(w, r)
						return
					}
					next.ServeHTTP(w, r)
				})
			}}},
		{Name: "cancel-warms-up", Doc: "Answers UNIMPLEMENTED to the first cancel on each transport, before the handler is loaded.",
			Breaks: []string{consistently},
			Fault: Fault{Service: func(next Service) Service {
				return &cold{Service: next, warm: map[targets.Transport]bool{}}
			}}},
	}
}

// unsupportedCaseMutants have no cancel, and say so wrongly of what has ended, or
// touch what has ended or is waited for.
func unsupportedCaseMutants() []Mutant {
	const immutable = "operation.terminal.result-immutable"
	cancel := func(op *longrunningpb.Operation) { end(op, codes.Canceled, cancelMessage) }
	succeeded := func(op *longrunningpb.Operation) bool { return op.GetResponse() != nil }
	touches := func(name, doc string, of func(op *longrunningpb.Operation) bool) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.unimplemented.no-effect", immutable},
			Fault: Fault{Options: noCancel, Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if h.again > 0 && of(op) {
					cancel(op)
				}
				return nil
			})}}
	}
	return []Mutant{
		touches("unimplemented-but-overwrites-success", "Answers UNIMPLEMENTED, and cancels what has succeeded.", succeeded),
		touches("unimplemented-but-overwrites-failure", "Answers UNIMPLEMENTED, and cancels what has failed.", hasFailed),
		{Name: "no-cancel-finished-500", Doc: "Has no cancel, and fails on that of what has ended, which has no worker to ask.",
			Breaks: []string{"cancel.finished.status-legal"}, Fault: Fault{Options: noCancel, Service: refuseFinished(codes.Internal)}},
		{Name: "no-cancel-finished-not-found", Doc: "Has no cancel, and looks for what is to be cancelled among the running operations.",
			Breaks: []string{"cancel.finished.status-legal"}, Fault: Fault{Options: noCancel, Service: refuseFinished(codes.NotFound)}},
		{Name: "no-cancel-finished-overwrites", Doc: "Has no cancel, and answers OK to that of what has succeeded, which it cancels.",
			Breaks: []string{"cancel.finished.preserves-success", immutable},
			Fault:  Fault{Options: noCancel, Service: overwrites(func(_ history, op *longrunningpb.Operation) bool { return succeeded(op) }, cancel)}},
		{Name: "no-cancel-disconnect-cancels", Doc: "Has no cancel, and takes a Wait that is given up for one.",
			Breaks: []string{"cancel.isolation.rpc-abort"},
			Fault:  Fault{Options: noCancel, Service: func(next Service) Service { return disconnectEnds(next, codes.Canceled) }}},
		{Name: "unimplemented-but-frees-waiters", Doc: "Lets go those who wait by an end of the operation, and then answers UNIMPLEMENTED.",
			Breaks: []string{"cancel.unimplemented.no-effect"},
			Fault: Fault{Service: func(next Service) Service {
				waited := newNameSet()
				noted := waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
					waited.add(r.GetName())
					return next.Wait(ctx, r)
				})(next)
				return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if waited.has(r.GetName()) > 0 {
						_ = next.Cancel(ctx, r)
					}
					return unimplemented("CancelOperation")
				})(noted)
			}}},
	}
}

// unimplementedBut has no cancel, and yet an operation that was to be cancelled
// ends with a code where it applies.
func unimplementedBut(name, doc string, applies func(h history, op *longrunningpb.Operation) bool, code codes.Code) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.unimplemented.no-effect"},
		Fault: Fault{Options: noCancel, Service: remembering(func(h history, op *longrunningpb.Operation) error {
			if h.cancels > h.again && applies(h, op) {
				op.Done = true
				end(op, code, "stopped")
			}
			return nil
		})}}
}

// uncancellableAnswers has no cancel for what cannot be cancelled, and yet answers one
// in so many cancels of an operation OK.
func uncancellableAnswers(name, doc string, turn int) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: []string{consistently}, Fault: Fault{Service: func(next Service) Service {
		asked := newNameSet()
		return ofKind(Uncancellable, cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if asked.add(r.GetName())%turn == 0 {
				return nil
			}
			return unimplemented("CancelOperation")
		}))(next)
	}}}
}

// comesAndGoes answers UNIMPLEMENTED over REST to every second cancel of an
// operation that runs.
func comesAndGoes(next Service) Service {
	var n atomic.Int64
	return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		op := peek(ctx, next, r.GetName())
		if CallOf(ctx).Transport == targets.REST && op != nil && stateOf(op) == running && n.Add(1)%2 == 0 {
			return unimplemented("CancelOperation")
		}
		return next.Cancel(ctx, r)
	}}
}

// everyFifthLater answers UNIMPLEMENTED to every fifth cancel of running
// operations, after those by which it may be found out whether there is one.
func everyFifthLater(next Service) Service {
	var n atomic.Int64
	return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if op := peek(ctx, next, r.GetName()); op != nil && stateOf(op) == running {
			if n := n.Add(1); n > 6 && n%5 == 0 {
				return unimplemented("CancelOperation")
			}
		}
		return next.Cancel(ctx, r)
	}}
}

// A cold Service has no cancel for the first call.
type cold struct {
	Service
	mu   sync.Mutex
	warm map[targets.Transport]bool
}

// Cancel implements Service.
func (c *cold) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	t := CallOf(ctx).Transport
	c.mu.Lock()
	warm := c.warm[t]
	c.warm[t] = true
	c.mu.Unlock()
	if !warm {
		return unimplemented("CancelOperation")
	}
	return c.Service.Cancel(ctx, r)
}
