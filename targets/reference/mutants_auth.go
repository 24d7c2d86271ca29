package reference

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// protect has the server ask every caller who it is.
func protect(o *Options) {
	o.Tokens = map[string]Caller{"token-of-the-owner": Owner, "token-of-a-stranger": Stranger}
}

// asGoogle judges the server by the profile google.
func asGoogle(t *targets.Target) { t.Profile = targets.ProfileGoogle }

// A denial answers the cancel of a caller who may not cancel.
type denial func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error

// answersCallers returns the fault of a protected server that answers the
// cancels of some callers in its own way; nil has them denied as usual.
func answersCallers(nobody, stranger denial) Fault {
	return Fault{Options: protect, Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		switch caller := CallOf(ctx).Caller; {
		case caller == Nobody && nobody != nil:
			return nobody(ctx, next, r)
		case caller == Stranger && stranger != nil:
			return stranger(ctx, next, r)
		}
		return next.Cancel(ctx, r)
	})}
}

// admitted cancels as the owner would.
func admitted(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
	return next.Cancel(asOwner(ctx), r)
}

// admitQueued does so where the operation has not begun.
func admitQueued(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
	if stateOf(peek(ctx, next, r.GetName())) == pending {
		return admitted(ctx, next, r)
	}
	return next.Cancel(ctx, r)
}

// deniedLate cancels, and then denies.
func deniedLate(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
	_ = admitted(ctx, next, r) // the caller is not told
	return next.Cancel(ctx, r)
}

func denyAs(err error) denial {
	return func(context.Context, Service, *longrunningpb.CancelOperationRequest) error { return err }
}

// authMutants are wrong about who may cancel.
func authMutants() []Mutant {
	return append(append(callerMutants(), orderMutants()...), formAccessMutants()...)
}

// throughREST is the fault of a protected server that lets a caller pass as the
// owner over REST, where let says so.
func throughREST(let func(r *http.Request, body []byte) bool) Fault {
	return Fault{Options: protect, REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		if let(r, body) {
			r.Header.Set("Authorization", "Bearer token-of-the-owner")
		}
		next.ServeHTTP(w, r)
	})}
}

// lateIf is the fault of a protected server that cancels as the owner would, where
// it applies, and then asks who calls.
func lateIf(applies func(r *http.Request, body []byte) bool) Fault {
	return Fault{Options: protect, REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
		if applies(r, body) {
			owner := r.Clone(r.Context())
			owner.Header.Set("Authorization", "Bearer token-of-the-owner")
			record(next, owner)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})}
}

// formAccessMutants check callers in some forms of a request only, for some
// operations, or once.
func formAccessMutants() []Mutant {
	const missing, insufficient = "auth.missing-credentials", "auth.insufficient"
	noBody := func(_ *http.Request, body []byte) bool { return len(body) == 0 }
	anonymous := func(r *http.Request) bool { return r.Header.Get("Authorization") == "" }
	onREST := func(name, doc string, f Fault, breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, BreaksOn: map[targets.Transport][]string{targets.REST: breaks, targets.GRPC: {}}, Breaks: breaks, Fault: f}
	}
	anonymousFinished := answersCallers(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if op := peek(ctx, next, r.GetName()); op.GetDone() {
			return refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "operation %q is finished", r.GetName())
		}
		return next.Cancel(ctx, r)
	}, nil)
	anonymousFinished.Target = asGoogle
	in := func(of func(op *longrunningpb.Operation) bool, how denial) denial {
		return func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if op := peek(ctx, next, r.GetName()); op != nil && of(op) {
				return how(ctx, next, r)
			}
			return next.Cancel(ctx, r)
		}
	}
	waiting := func(op *longrunningpb.Operation) bool { return stateOf(op) == pending }
	failedFirst := answersCallers(nil, in(hasFailed,
		denyAs(refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "the operation is finished"))))
	failedFirst.Target = asGoogle
	formFirst := Fault{Options: protect, Target: asGoogle, REST: refuseIf(invalid("BODY_MALFORMED", "request body: unknown field"),
		func(r *http.Request, body []byte) bool {
			return anonymous(r) && bytes.Contains(body, []byte(`"noSuchMember"`))
		})}
	mutant := func(name, doc string, f Fault, breaks string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: f}
	}
	return []Mutant{
		mutant("anonymous-admitted-to-children", "Guards names of one segment after operations only.", answersCallers(in(isChild, admitted), nil), missing),
		mutant("anonymous-admitted-to-queue", "Lets everybody cancel what has not begun.", answersCallers(in(waiting, admitted), nil), missing),
		mutant("denied-late-for-children", "Cancels the child of an operation, and then finds that the caller has no permission.",
			answersCallers(nil, in(isChild, deniedLate)), "auth.no-effect"),
		mutant("denied-late-for-queue", "Takes an operation out of its queue, and then finds that the caller has no permission.",
			answersCallers(nil, in(waiting, deniedLate)), "auth.no-effect"),
		mutant("looks-at-failure-first", "Refuses to cancel what has failed before it checks the caller.", failedFirst, "auth.before-validation"),
		onREST("looks-at-body-before-credentials", "Refuses unknown members of the body before it asks for credentials.", formFirst, "auth.before-validation"),
		onREST("denied-late-with-parameters", "Checks callers only after a cancel that has a query.", lateIf(func(r *http.Request, _ []byte) bool {
			return r.URL.RawQuery != "" && !anonymous(r)
		}), "auth.no-effect"),
		onREST("anonymous-admitted-without-body", "Checks callers in code that is passed over where there is no body.",
			throughREST(func(r *http.Request, body []byte) bool { return noBody(r, body) && anonymous(r) }), missing),
		onREST("anonymous-admitted-with-parameters", "Lets every request with a query pass for one that has its key there.",
			throughREST(func(r *http.Request, _ []byte) bool { return r.URL.RawQuery != "" && anonymous(r) }), missing),
		onREST("stranger-admitted-with-name", "Asks for the permission of a cancel whose body names nothing only.",
			throughREST(func(r *http.Request, body []byte) bool {
				return bytes.Contains(body, []byte(`"name"`)) && !anonymous(r)
			}), insufficient),
		onREST("denied-late-without-body", "Checks callers only after a cancel that has no body.", lateIf(func(r *http.Request, body []byte) bool {
			return noBody(r, body) && !anonymous(r)
		}), "auth.no-effect"),
		{Name: "stranger-admitted-to-queue", Doc: "Lets everybody that it knows cancel what has not begun.", Breaks: []string{insufficient}, Fault: answersCallers(nil, admitQueued)},
		{Name: "stranger-unimplemented", Doc: "Says to callers without permission that it has no such method.", Breaks: []string{insufficient},
			Fault: answersCallers(nil, denyAs(refuse(codes.Unimplemented, "METHOD_UNKNOWN", "no such method")))},
		strangerAdmittedAt("stranger-admitted-again", "Remembers whom it has denied as somebody whom it knows.", 2),
		strangerAdmittedAt("stranger-admitted-at-last", "Keeps denials for two calls, and takes the third for one that was decided.", 3),
		{Name: "stranger-admitted-after-looks", Doc: "Keeps decisions by name: after the third Get of its owner everybody that it knows may cancel an operation.", Breaks: []string{insufficient},
			Fault: Fault{Options: protect, Service: admitsAfterLooks}},
		{Name: "anonymous-admitted-to-waited", Doc: "Takes who cancels what somebody waits for to be the one who waits.", Breaks: []string{missing},
			Fault: Fault{Options: protect, Service: admitsWaited(Nobody)}},
		{Name: "stranger-admitted-to-waited", Doc: "Asks for no permission to cancel what somebody waits for.", Breaks: []string{insufficient},
			Fault: Fault{Options: protect, Service: admitsWaited(Stranger)}},
		{Name: "leaks-existence-to-anonymous", Doc: "Looks an operation up before it asks for credentials.", Breaks: []string{"auth.no-existence-leak"},
			Fault: answersCallers(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if peek(ctx, next, r.GetName()) == nil {
					return notFound(r.GetName())
				}
				return next.Cancel(ctx, r)
			}, nil)},
		{Name: "looks-at-state-before-credentials", Doc: "Refuses to cancel what is finished before it asks for credentials.", Breaks: []string{"auth.before-validation"},
			Fault: anonymousFinished},
	}
}

// admitsWaited is a hook by which a caller may cancel what a Wait is pending for.
func admitsWaited(who Caller) func(Service) Service {
	return knowingWaits(func(ctx context.Context, waited func() bool, next Service, r *longrunningpb.CancelOperationRequest) error {
		if CallOf(ctx).Caller == who && waited() {
			return admitted(ctx, next, r)
		}
		return next.Cancel(ctx, r)
	})
}

// admitsAfterLooks is the hook of a service that takes a stranger for the owner of
// what the owner has looked at three times.
func admitsAfterLooks(next Service) Service {
	looks := newNameSet()
	return canceller{getter{next, func(ctx context.Context, op *longrunningpb.Operation) error {
		if CallOf(ctx).Caller == Owner {
			looks.add(op.GetName())
		}
		return nil
	}}, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if CallOf(ctx).Caller == Stranger && looks.has(r.GetName()) >= 3 {
			return admitted(ctx, next, r)
		}
		return next.Cancel(ctx, r)
	}}
}

// strangerAdmittedAt is the mutant that admits a caller without permission to an
// operation from so many cancels on.
func strangerAdmittedAt(name, doc string, cancels int) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: []string{"auth.insufficient"}, Fault: Fault{
		Options: protect, Service: func(next Service) Service {
			seen := newNameSet()
			return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if CallOf(ctx).Caller == Stranger && seen.add(r.GetName()) >= cancels {
					return admitted(ctx, next, r)
				}
				return next.Cancel(ctx, r)
			}}
		}}}
}

func callerMutants() []Mutant {
	const missing, insufficient, noEffect = "auth.missing-credentials", "auth.insufficient", "auth.no-effect"
	const rejected = "cancel.rejected.no-effect" // a denial is a refusal as well
	hidden := answersCallers(nil, denyAs(refuse(codes.NotFound, "OPERATION_NOT_FOUND", "operation not found")))
	hidden.Target = asGoogle
	mutant := func(name, doc string, f Fault, breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: f}
	}
	return []Mutant{
		mutant("cancel-unguarded", "Asks nobody who it is before a cancel, only before a Get.", answersCallers(admitted, admitted), missing, insufficient),
		mutant("anonymous-admitted", "Takes a caller without credentials for its own.", answersCallers(admitted, nil), missing),
		mutant("anonymous-invalid", "Answers INVALID_ARGUMENT to a caller without credentials.",
			answersCallers(denyAs(refuse(codes.InvalidArgument, "HEADER_MISSING", "header authorization is missing")), nil), missing),
		mutant("anonymous-500", "Fails on a caller without credentials.",
			answersCallers(denyAs(refuse(codes.Internal, "REQUEST_FAILED", "claims are nil")), nil), missing),
		mutant("anonymous-not-found", "Answers NOT_FOUND to a caller without credentials.",
			answersCallers(denyAs(refuse(codes.NotFound, "OPERATION_NOT_FOUND", "operation not found")), nil), missing),
		mutant("anonymous-denied-late", "Cancels, and then asks for credentials.", answersCallers(deniedLate, nil), missing, rejected),
		mutant("stranger-admitted", "Asks who a caller is, and not what it may do.", answersCallers(nil, admitted), insufficient),
		mutant("stranger-unauthenticated", "Answers UNAUTHENTICATED to a caller that it knows.",
			answersCallers(nil, denyAs(refuse(codes.Unauthenticated, "CREDENTIALS_INVALID", "the credentials are not valid here"))), insufficient),
		mutant("stranger-failed-precondition", "Answers FAILED_PRECONDITION to a caller without permission.",
			answersCallers(nil, denyAs(refuse(codes.FailedPrecondition, "ROLE_MISSING", "the caller has no role here"))), insufficient),
		mutant("refuses-before-access", "Refuses every cancel before it asks who calls.",
			Fault{Options: protect, Service: cancels(denyAs(refuse(codes.FailedPrecondition, "CANCEL_DISABLED", "nothing can be cancelled now")))}, "cancel.accept.in-progress"),
		mutant("stranger-not-found", "Hides operations from callers without permission, which the profile google forbids.", hidden, insufficient),
		mutant("denied-late", "Cancels, and then finds that the caller has no permission.", answersCallers(nil, deniedLate), noEffect, rejected),
		mutant("denied-late-to-all", "Checks the caller in a hook that runs after the method.", answersCallers(deniedLate, deniedLate), noEffect, missing, rejected),
	}
}

// orderMutants look at the operation or at the request before the caller's
// permission.
func orderMutants() []Mutant {
	const leak, first = "auth.no-existence-leak", "auth.before-validation"
	unknown := func(answer func(name string) error) denial {
		return func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if peek(ctx, next, r.GetName()) == nil {
				return answer(r.GetName())
			}
			return next.Cancel(ctx, r)
		}
	}
	finished := answersCallers(nil, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if op := peek(ctx, next, r.GetName()); op.GetDone() {
			return refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "operation %q is finished", r.GetName())
		}
		return next.Cancel(ctx, r)
	})
	finished.Target = asGoogle
	idle := answersCallers(nil, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if op := peek(ctx, next, r.GetName()); op.GetDone() {
			return nil
		}
		return next.Cancel(ctx, r)
	})
	idle.Target = asGoogle
	return []Mutant{
		{Name: "leaks-existence", Doc: "Looks an operation up before it checks the caller: unknown names are NOT_FOUND, others denied.",
			Breaks: []string{leak}, Fault: answersCallers(nil, unknown(notFound))},
		{Name: "leaks-existence-by-reason", Doc: "Denies with another reason where there is no such operation.",
			Breaks: []string{leak}, Fault: answersCallers(nil, unknown(func(string) error {
				return refuse(codes.PermissionDenied, "RESOURCE_NOT_FOUND", "the caller may not use operations here, or they do not exist")
			}))},
		{Name: "leaks-what-ended", Doc: "Has another way to deny callers without permission what has ended.",
			Breaks: []string{leak}, Fault: answersCallers(nil, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if peek(ctx, next, r.GetName()).GetDone() {
					return refuse(codes.Unauthenticated, "SIGN_IN", "sign in to see the archive")
				}
				return next.Cancel(ctx, r)
			})},
		{Name: "get-leaks-existence", Doc: "Looks up what Get is asked for before it checks the caller.",
			Breaks: []string{leak}, Fault: Fault{Options: protect, Service: func(next Service) Service {
				return tellsAll{next}
			}}},
		{Name: "looks-at-state-first", Doc: "Refuses to cancel what is finished before it checks the caller.",
			Breaks: []string{first}, Fault: finished},
		{Name: "finished-ok-for-all", Doc: "Has nothing to do for a finished operation, and answers OK to any caller that it knows.",
			Breaks: []string{first}, Fault: idle},
		{Name: "looks-at-body-first", Doc: "Refuses unknown members of the body before it checks the caller.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {first}, targets.GRPC: {}},
			Fault: Fault{Options: protect, Target: asGoogle,
				REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
					if bytes.Contains(body, []byte(`"noSuchMember"`)) {
						writeError(w, invalid("BODY_MALFORMED", "request body: unknown field"))
						return
					}
					next.ServeHTTP(w, r)
				})}},
	}
}

// tellsAll answers NOT_FOUND to whoever asks for what does not exist.
type tellsAll struct{ Service }

// Get implements Service.
func (t tellsAll) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if peek(ctx, t.Service, r.GetName()) == nil {
		return nil, notFound(r.GetName())
	}
	return t.Service.Get(ctx, r)
}
