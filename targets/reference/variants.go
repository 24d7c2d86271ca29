package reference

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// Variants returns servers that are unusual but legal.
func Variants() []Variant {
	return slices.Concat(optionVariants(), formVariants(), requestVariants(), routeVariants(), racesVariants(), wiresVariants(),
		interplayVariants(), habitVariants(), frontVariants(), aheadVariants())
}

func optionVariants() []Variant {
	options := func(name, doc string, set func(o *Options)) Variant {
		return Variant{Name: name, Doc: doc, Fault: Fault{Options: set}}
	}
	without := func(name, doc string, set func(o *Options)) Variant {
		v := options(name, doc, set)
		v.Alone = true
		return v
	}
	looksFirst := func(name, doc string, code codes.Code) Variant {
		return Variant{Name: name, Alone: true, Doc: doc, Fault: Fault{Options: noCancel, Service: refuseFinished(code)}}
	}
	return []Variant{
		without("no-cancel", "Has no cancel and says so.", noCancel),
		{Name: "no-cancel-raw-status", Alone: true, Doc: "Has no cancel, and says so by a raw google.rpc.Status whose message is empty, and left out: a note.",
			Fault: Fault{Options: noCancel, REST: answers(restMethod, targets.Cancel, func(d *draft) { d.body = []byte(`{"code":12}`) })}},
		looksFirst("no-cancel-finished-ok", "Has no cancel, and nothing to do for that of what has ended, which it answers OK.", codes.OK),
		looksFirst("no-cancel-finished-precondition", "Has no cancel, and refuses that of what has ended for its state.", codes.FailedPrecondition),
		without("no-list", "Has no List.", func(o *Options) { o.NoList = true }),
		without("no-wait", "Has no Wait.", func(o *Options) { o.NoWait = true }),
		without("no-delete", "Has no Delete.", func(o *Options) { o.NoDelete = true }),
		without("only-get-and-cancel", "Has neither List nor Wait nor Delete.", func(o *Options) { o.NoList, o.NoWait, o.NoDelete = true, true, true }),
		options("finished-ok", "Answers OK to the cancel of a finished operation, which stays as it is.", func(o *Options) { o.FinishedOK = true }),
		options("cancels-at-once", "Ends an operation within the call of cancel.", func(o *Options) { o.CancelDelay = -1 }),
		options("stops-slowly", "Takes 300 ms to stop any operation.", func(o *Options) { o.CancelDelay = 300 * time.Millisecond }),
		options("names-without-parent", "Names operations operations/**, as the base binding does.", func(o *Options) { o.Template, o.Base = "operations/**", "/v1" }),
		options("names-with-location", "Names operations below a location, with ids of one segment.", func(o *Options) {
			o.Template, o.Base = "projects/*/locations/*/operations/*", "/v1"
		}),
		options("waits-shortly", "Ends every Wait after 50 ms, whatever it asks for.", func(o *Options) { o.MaxWait = 50 * time.Millisecond }),
		options("asks-for-tokens", "Asks every caller who it is.", func(o *Options) {
			o.Tokens = map[string]Caller{"token-of-the-owner": Owner, "token-of-a-stranger": Stranger}
		}),
		{Name: "best-effort-ignores", Alone: true, Doc: "Promises no more than best effort, and does nothing.",
			Fault: Fault{Target: bestEffort, Options: func(o *Options) { o.CancelDelay, o.SlowStop = time.Hour, time.Hour }}},
		{Name: "best-effort-completes", Alone: true, Doc: "Promises no more than best effort: a cancelled operation ends with its response.",
			Fault: Fault{Target: bestEffort, Service: cancelledSeen(func(op *longrunningpb.Operation) {
				op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
				setState(op, succeeded)
			})}},
		{Name: "best-effort-fails", Alone: true, Doc: "Promises no more than best effort: a cancelled operation ends with another error.",
			Fault: Fault{Target: bestEffort, Service: cancelledSeen(func(op *longrunningpb.Operation) { end(op, codes.Aborted, "aborted") })}},
	}
}

// reform decorates the REST side so that edit changes every JSON answer.
func reform(edit func(d *draft)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d := record(next, r)
			edit(d)
			d.send(w)
		})
	}
}

func formVariants() []Variant {
	indent := func(d *draft) {
		if doc := d.doc(); doc != nil {
			if data, err := json.MarshalIndent(doc, " ", "\t"); err == nil {
				d.body = append(append([]byte("\n"), data...), '\n')
			}
		}
	}
	return []Variant{
		{Name: "pretty-prints", Doc: "Writes JSON with white space around it.", Fault: Fault{REST: reform(indent)}},
		{Name: "names-charset", Doc: "Names a charset, and writes the media type in capitals.",
			Fault: Fault{REST: reform(func(d *draft) { d.header.Set("Content-Type", "Application/JSON; charset=UTF-8") })}},
		{Name: "writes-done-false", Doc: "Writes done: false instead of leaving it out.",
			Fault: Fault{REST: operationDocs(func(op map[string]any) {
				if op["done"] == nil {
					op["done"] = false
				}
			})}},
		{Name: "raw-status-errors", Doc: "Writes errors as a raw google.rpc.Status, as grpc-gateway does: a note.",
			Fault: Fault{REST: missing(func(d *draft) { d.body = []byte(`{"code":5,"message":"not found","details":[]}`) })}},
		{Name: "gateway-v1-errors", Doc: "Says the message of a raw google.rpc.Status twice, as the first version of grpc-gateway does: a note.",
			Fault: Fault{REST: missing(func(d *draft) {
				d.body = []byte(`{"error":"not found","code":5,"message":"not found","details":[]}`)
			})}},
		{Name: "legacy-errors-member", Doc: "Adds the member errors of Google's first error format.",
			Fault: Fault{REST: missingError(func(e map[string]any) {
				e["errors"] = []any{map[string]any{"message": e["message"], "domain": "global", "reason": "notFound"}}
			})}},
		{Name: "null-for-details", Doc: "Writes null for the details that its errors do not have: a note.",
			Fault: Fault{REST: missingError(func(e map[string]any) { e["details"] = nil })}},
		{Name: "errors-without-details", Doc: "Sends errors without details: a note in the profile lro.", Fault: Fault{Service: errorsAs(dropDetails)}},
		{Name: "repeats-refused", Doc: "Refuses to cancel what is being cancelled, as Spanner does.",
			Fault: Fault{Service: refuseIn(cancelling)}},
		{Name: "no-metadata", Doc: "Has no metadata.",
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) { op.Metadata = nil })}},
		{Name: "empty-in-any", Doc: "Answers the response as an Any of Empty, without a value.",
			Fault: Fault{REST: operationDocs(func(op map[string]any) {
				if op["response"] != nil {
					op["response"] = map[string]any{"@type": "type.googleapis.com/google.protobuf.Empty"}
				}
			})}},
		{Name: "shows-operations-late", Alone: true, Slow: true, Doc: "Reads from a copy that knows an operation 1.2 s after its start.",
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if time.Since(h.begun) < 1200*time.Millisecond {
					return notFound(op.GetName())
				}
				return nil
			})}},
		{Name: "shows-request-late", Doc: "Shows RUNNING until the worker has stopped.",
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) {
				if stateOf(op) == cancelling {
					setState(op, running)
					dropFlag(op)
				}
			})}},
		{Name: "ignores-bodies", Doc: "Reads no body of a cancel, as bindings without a body do.",
			Fault: Fault{REST: requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				r = r.Clone(r.Context())
				r.Body = http.NoBody
				next.ServeHTTP(w, r)
			})}},
		{Name: "hides-unknown", Doc: "Answers PERMISSION_DENIED for names that it does not know.",
			Fault: Fault{Service: unknownCancelled(func(_ context.Context, _ Service, name string) error {
				return refuse(codes.PermissionDenied, "PERMISSION_DENIED", "operation %q may not exist", name)
			})}},
	}
}

// bestEffort describes a server that promises nothing of what comes of a cancel.
func bestEffort(t *targets.Target) { t.Guaranteed = false }
