package reference

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// caseMutants have faults that show in one case only: for one kind of operation,
// in one form of the request, the second time, or when two things come together.
func caseMutants() []Mutant {
	return append(append(waitCaseMutants(), cancelCaseMutants()...), callerCaseMutants()...)
}

func waitCaseMutants() []Mutant {
	sleepy := func(when func(r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) bool) func(Service) Service {
		return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
			if when(r, before) {
				if err := pass(ctx, forever); err != nil {
					return nil, err
				}
			}
			return next.Wait(ctx, r)
		})
	}
	return []Mutant{
		{Name: "wait-whole-seconds", Doc: "Reads the seconds of a Wait's timeout, and takes none for no timeout.", Breaks: []string{waitBounded},
			Fault: Fault{Service: sleepy(func(r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) bool {
				t := r.GetTimeout().AsDuration()
				return !before.GetDone() && t >= 400*time.Millisecond && t < time.Second
			})}},
		{Name: "wait-without-timeout-sleeps", Doc: "Waits for a change where no timeout is given, even if the operation has ended.", Breaks: []string{waitImmediate},
			Fault: Fault{Service: sleepy(func(r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) bool {
				return r.Timeout == nil && before.GetDone()
			})}},
		{Name: "wait-once", Doc: "Takes the news of the end from a queue, which is empty for the second Wait.", Breaks: []string{waitImmediate},
			Fault: Fault{Service: func(next Service) Service {
				waited := newNameSet()
				return sleepy(func(r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) bool {
					return before.GetDone() && waited.add(r.GetName()) > 1
				})(next)
			}}},
		restOnly("wait-expiry-204", "Answers 204 where a Wait brings no news, as long polls do.", answers(restMethod, targets.Wait, func(d *draft) {
			if op := d.doc(); d.status == http.StatusOK && op["done"] != true {
				d.status, d.body = http.StatusNoContent, nil
				d.header.Del("Content-Type")
			}
		}), "wait.expiry-no-effect"),
		{Name: "waited-code-10", Doc: "Aborts those who wait, and the operation with them, when it is cancelled.", Breaks: []string{"cancel.state.code-1"},
			Fault: Fault{Service: func(next Service) Service {
				awaited := newNameSet()
				aborted := remembering(func(_ history, op *longrunningpb.Operation) error {
					if isCancelled(op) && awaited.has(op.GetName()) > 0 {
						op.Result = &longrunningpb.Operation_Error{Error: status.New(codes.Aborted, "aborted").Proto()}
					}
					return nil
				})(next)
				return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
					if !before.GetDone() {
						awaited.add(r.GetName())
					}
					return next.Wait(ctx, r)
				})(aborted)
			}}},
		{Name: "finished-500-waited", Doc: "Sends the end to those who wait once more when it is cancelled again: the channel is closed.",
			Breaks: []string{"cancel.finished.status-legal"},
			Fault: Fault{Options: longStop, Service: func(next Service) Service {
				awaited := newNameSet()
				counted := waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
					op, err := next.Wait(ctx, r)
					if err == nil && !before.GetDone() && op.GetDone() {
						awaited.add(r.GetName())
					}
					return op, err
				})(next)
				return canceller{counted, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if awaited.has(r.GetName()) > 0 {
						return refuse(codes.Internal, "CHANNEL_CLOSED", "send on closed channel")
					}
					return next.Cancel(ctx, r)
				}}
			}}},
	}
}

func cancelCaseMutants() []Mutant {
	const siblings, rejected = "cancel.isolation.siblings", "cancel.rejected.no-effect"
	notImplemented := cancels(func(context.Context, Service, *longrunningpb.CancelOperationRequest) error {
		return unimplemented("CancelOperation")
	})
	cancelsAnyway := cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		_ = next.Cancel(ctx, r)
		return unimplemented("CancelOperation")
	})
	noRoute := withoutBody(false, func(_ context.Context, _ Service, _ history, r *longrunningpb.CancelOperationRequest) error {
		return notFound(r.GetName())
	})
	page := func(d *draft) {
		if d.status == http.StatusNotImplemented {
			d.header.Set("Content-Type", "text/html")
			d.body = []byte("<h1>501 Not Implemented</h1>")
		}
	}
	return []Mutant{
		{Name: "pending-not-implemented-ok", Doc: "Has no cancel, and answers OK to that of what is queued.",
			Breaks: []string{"cancel.unimplemented.http-501", "cancel.unimplemented.grpc-12"},
			Fault:  Fault{Options: noCancel, Service: ofKind(Pending, refuseUnfinished(codes.OK))}},
		{Name: "nested-not-implemented-404", Doc: "Has no cancel, and no route for that of a child.",
			Breaks: []string{"cancel.unimplemented.http-501", "cancel.unimplemented.grpc-12"},
			Fault:  Fault{Options: noCancel, Target: withoutCancel, Service: ofKind(Nested, refuseUnfinished(codes.NotFound))}},
		{Name: "pending-not-implemented-precondition", Doc: "Has no cancel, and finds that what is queued has not begun.",
			Breaks: []string{"cancel.unimplemented.http-501", "cancel.unimplemented.grpc-12"},
			Fault:  Fault{Options: noCancel, Target: withoutCancel, Service: ofKind(Pending, refuseUnfinished(codes.FailedPrecondition))}},
		{Name: "bodiless-not-implemented-404", Doc: "Has no cancel, and a route for that only where the request says that it is JSON.",
			Breaks: []string{"cancel.unimplemented.http-501"},
			Fault:  Fault{Options: noCancel, Target: withoutCancel, Service: noRoute.Service, REST: noRoute.REST}},
		{Name: "bodiless-not-implemented-page", Doc: "Has no cancel, and says so with a page where the request has no body.",
			Breaks: []string{"cancel.unimplemented.json-error"},
			Fault:  Fault{Options: noCancel, REST: bodilessAnswers(page)}},
		{Name: "nested-not-implemented-but-cancels", Doc: "Says that it has no cancel, which it finds out for a child when it is done.",
			Breaks: []string{"cancel.unimplemented.no-effect"},
			Fault: Fault{Target: withoutCancel, Service: func(next Service) Service {
				return &divided{Service: notImplemented(next), kind: Nested, own: cancelsAnyway(next), mine: map[string]bool{}}
			}}},
		{Name: "bodiless-not-implemented-but-cancels", Doc: "Says that it has no cancel, and cancels all the same where the request has no body.",
			Breaks: []string{"cancel.unimplemented.no-effect"}, BreaksOn: map[targets.Transport][]string{targets.GRPC: {}},
			Fault: Fault{Target: withoutCancel, Service: bodilessCancels, REST: noRoute.REST}},
		{Name: "nested-refused-but-cancels", Doc: "Says that a child cannot be cancelled, and has done so.",
			Breaks: []string{rejected}, Fault: Fault{Service: ofKind(Nested, cancelsAnyway)}},
		{Name: "pending-refused-but-cancels", Doc: "Takes what is cancelled out of its queue, and says that it has no cancel for it.",
			Breaks: []string{rejected}, Fault: Fault{Service: ofKind(Pending, cancelsAnyway)}},
		{Name: "form-refused-but-cancels", Doc: "Reads the body when it has cancelled, and finds that it is a form.",
			Breaks: []string{rejected}, BreaksOn: map[targets.Transport][]string{targets.GRPC: {}},
			Fault: Fault{REST: requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Content-Type") != formType {
					next.ServeHTTP(w, r)
					return
				}
				plain := r.Clone(r.Context())
				plain.Header.Set("Content-Type", "application/json")
				plain.Body = io.NopCloser(strings.NewReader("{}"))
				record(next, plain)
				writeError(w, invalid("BODY_MALFORMED", "the body is a form"))
			})}},
		{Name: "slow-cancel-stops-all", Doc: "Restarts its workers when one of them is slow to stop.",
			Breaks: []string{siblings}, Fault: Fault{Service: stopsKind(Slow, Running)}},
		{Name: "repeat-cancels-another", Doc: "Takes the second cancel of an operation that is stopping for that of the next in line.",
			Breaks: []string{siblings}, Fault: Fault{Service: func(next Service) Service {
				started := newLedger(next)
				return eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
					if during {
						if other := started.oldest(); other != "" {
							_ = plainCancel(asOwner(ctx), next, other)
						}
					}
					return plainCancel(ctx, next, name)
				})(started)
			}, Options: longStop}},
		{Name: "deleted-again-ok", Doc: "Answers the first cancel of a deleted operation NOT_FOUND, and OK to those that follow.",
			Breaks: []string{"cancel.deleted.not-found"}, Fault: Fault{Service: func(next Service) Service {
				known := newLedger(next)
				asked := newNameSet()
				return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					err := next.Cancel(ctx, r)
					if h, _ := known.of(r.GetName()); h.deleted && asked.add(r.GetName()) > 1 {
						return nil
					}
					return err
				}}
			}}},
		{Name: "lists-twice", Doc: "Lists a cancelled operation by its old row as well.",
			Breaks: []string{"list.consistent-with-get"}, Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				out, err := next.List(ctx, r)
				for _, op := range out.GetOperations() {
					if isCancelled(op) && r.GetFilter() == "" {
						old := proto.CloneOf(op)
						old.Done, old.Result = false, nil
						setState(old, running)
						out.Operations = append([]*longrunningpb.Operation{old}, out.Operations...)
					}
				}
				return out, err
			})}},
		fourth("fourth-cancel-204", "Has nothing to say to those who cancel the same again and again.", "cancel.response.status-200", func(d *draft) {
			d.status, d.body = http.StatusNoContent, nil
		}),
		fourth("fourth-cancel-operation", "Answers those who cancel the same again and again by the operation.", "cancel.response.empty-json-object", func(d *draft) {
			d.body = []byte(`{"done":false}`)
		}),
		fourth("fourth-cancel-text", "Answers those who cancel the same again and again from a cache, which keeps no content type.", "cancel.response.content-type-json", func(d *draft) {
			d.header.Set("Content-Type", "text/plain")
		}),
		{Name: "bodiless-error-bare", Doc: "Has no envelope for the error of a request without a body.",
			Breaks: []string{"error.http.json-envelope"}, Fault: Fault{REST: bodilessAnswers(func(d *draft) {
				if d.status == http.StatusNotFound {
					bare(d)
				}
			})}},
		preconditionAs("finished-precondition-409", "the HTTP status of a conflict", http.StatusConflict),
		preconditionAs("finished-precondition-412", "the HTTP status of that name", http.StatusPreconditionFailed),
	}
}

// preconditionAs is a mutant that sends FAILED_PRECONDITION with another HTTP status
// than 400.
func preconditionAs(name, how string, status int) Mutant {
	m := restOnly(name, "Refuses the cancel of what has ended with FAILED_PRECONDITION, and "+how+".",
		answers(restMethod, targets.Cancel, func(d *draft) {
			if strings.Contains(string(d.body), "FAILED_PRECONDITION") {
				d.status = status
				d.setDoc(envelope{envelopeError{Code: status, Message: "the operation is finished", Status: "FAILED_PRECONDITION"}})
			}
		}), "error.http.status-name")
	m.Fault.Service = refuseFinished(codes.FailedPrecondition)
	return m
}

// fourth is a mutant whose success is another from the fourth cancel of an
// operation on.
func fourth(name, doc, breaks string, edit func(d *draft)) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{REST: func(next http.Handler) http.Handler {
		asked := newNameSet()
		return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, _ []byte) {
			d := record(next, r)
			if asked.add(r.URL.Path) > 3 && d.status == http.StatusOK {
				edit(d)
			}
			d.send(w)
		})(next)
	}}}
}

func callerCaseMutants() []Mutant {
	const leak = "auth.no-existence-leak"
	isNested := func(name string) bool { return strings.Contains(idOf(name), "/") }
	leaks := func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if isNested(r.GetName()) && peek(ctx, next, r.GetName()) == nil {
			return notFound(r.GetName())
		}
		return next.Cancel(ctx, r)
	}
	stopping := func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if stateOf(peek(ctx, next, r.GetName())) == cancelling {
			return nil
		}
		return next.Cancel(ctx, r)
	}
	finished := func(name, doc, breaks string, of func(op *longrunningpb.Operation) bool, answer error) Mutant {
		f := answersCallers(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if of(peek(ctx, next, r.GetName())) {
				return answer
			}
			return next.Cancel(ctx, r)
		}, nil)
		f.Target = asGoogle
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: f}
	}
	return []Mutant{
		finished("anonymous-success-ok", "Has nothing to do for what has succeeded, and answers OK before it asks who calls.", "auth.missing-credentials",
			func(op *longrunningpb.Operation) bool { return op.GetResponse() != nil }, nil),
		finished("anonymous-failure-ok", "Has nothing to do for what has failed, and answers OK before it asks who calls.", "auth.missing-credentials", hasFailed, nil),
		finished("anonymous-cancelled-ok", "Has nothing to do for what is cancelled, and answers OK before it asks who calls.", "auth.missing-credentials", isCancelled, nil),
		finished("looks-at-failure-before-credentials", "Refuses to cancel what has failed before it asks who calls.", "auth.before-validation",
			hasFailed, refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "the operation is finished")),
		finished("leaks-what-ended-to-all", "Has another way to tell callers who they must be where an operation has ended.", leak,
			(*longrunningpb.Operation).GetDone, refuse(codes.Unauthenticated, "SIGN_IN", "sign in to see the archive")),
		{Name: "leaks-children", Doc: "Looks a child up before it asks whether a stranger may cancel it.", Breaks: []string{leak}, Fault: answersCallers(nil, leaks)},
		{Name: "leaks-children-to-all", Doc: "Looks a child up before it asks who calls.", Breaks: []string{leak}, Fault: answersCallers(leaks, nil)},
		{Name: "leaks-queue", Doc: "Denies strangers what is queued with a reason of its own.", Breaks: []string{leak},
			Fault: answersCallers(nil, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if stateOf(peek(ctx, next, r.GetName())) == pending {
					return refuse(codes.PermissionDenied, "QUEUE_PROTECTED", "the queue is protected")
				}
				return next.Cancel(ctx, r)
			})},
		{Name: "stranger-repeat-ok", Doc: "Answers OK to every cancel of what is stopping already, before it asks for permission.",
			Breaks: []string{"auth.insufficient"}, Fault: answersCallers(nil, stopping)},
		{Name: "anonymous-repeat-ok", Doc: "Answers OK to every cancel of what is stopping already, before it asks who calls.",
			Breaks: []string{"auth.missing-credentials"}, Fault: answersCallers(stopping, nil)},
	}
}

// withoutCancel says that the server has no cancel.
func withoutCancel(t *targets.Target) { t.Cancel = targets.CancelUnsupported }

// refuseUnfinished is the hook of a service that refuses to cancel what exists
// with a code.
func refuseUnfinished(code codes.Code) func(Service) Service {
	return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if peek(ctx, next, r.GetName()) != nil {
			return refuse(code, "NOT_HERE", "%q cannot be cancelled", r.GetName())
		}
		return next.Cancel(ctx, r)
	})
}

// bodilessCancels answers UNIMPLEMENTED to every cancel, and brings about those
// without a body.
func bodilessCancels(next Service) Service {
	return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if ctx.Value(withoutBodyKey{}) != nil {
			_ = next.Cancel(ctx, r)
		}
		return unimplemented("CancelOperation")
	})(next)
}

// bodilessAnswers returns the hook of a REST side that answers cancels without a
// body otherwise.
func bodilessAnswers(edit func(d *draft)) func(http.Handler) http.Handler {
	return cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		d := record(next, r)
		if len(body) == 0 {
			edit(d)
		}
		d.send(w)
	})
}
