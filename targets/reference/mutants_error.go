package reference

import (
	"context"
	"encoding/base64"
	"net/http"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// missing decorates the REST side so that edit changes what Get and Cancel
// answer for operations that are not there.
func missing(edit func(d *draft)) func(http.Handler) http.Handler {
	only := func(d *draft) {
		if d.status == http.StatusNotFound {
			edit(d)
		}
	}
	return func(next http.Handler) http.Handler {
		return answers(restMethod, targets.Get, only)(answers(restMethod, targets.Cancel, only)(next))
	}
}

// missingError is missing for a change of the member error.
func missingError(edit func(e map[string]any)) func(http.Handler) http.Handler {
	return missing(func(d *draft) {
		doc := d.doc()
		if e, ok := doc["error"].(map[string]any); ok {
			edit(e)
			d.setDoc(doc)
		}
	})
}

// errorMutants make errors in a wrong form.
func errorMutants() []Mutant {
	rest := func(name, doc string, hook func(http.Handler) http.Handler, breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: Fault{REST: hook}}
	}
	return append([]Mutant{
		rest("error-without-envelope", "Writes errors as a bare message.", missing(func(d *draft) { d.body = []byte(`{"message":"not found"}`) }), "error.http.json-envelope"),
		rest("error-as-text-member", "Writes the error as a string.", missing(func(d *draft) { d.body = []byte(`{"error":"not found"}`) }), "error.http.json-envelope"),
		rest("error-as-page", "Answers errors with a page of its framework.", missing(func(d *draft) {
			d.header.Set("Content-Type", "text/html")
			d.body = []byte("<h1>404 Not Found</h1>")
		}), "error.http.json-envelope", "error.http.content-type-json"),
		rest("error-code-5", "Writes the number of the gRPC code where the HTTP status belongs.",
			missingError(func(e map[string]any) { e["code"] = 5 }), "error.http.code-equals-status"),
		rest("error-status-phrase", "Writes the HTTP reason where the name of the code belongs.",
			missingError(func(e map[string]any) { e["status"] = "Not Found" }), "error.http.status-name"),
		rest("error-status-mismatch", "Names a code that does not go with the HTTP status.",
			missingError(func(e map[string]any) { e["status"] = "INVALID_ARGUMENT" }), "error.http.status-name"),
		rest("error-without-message", "Leaves the message of errors empty.",
			missingError(func(e map[string]any) { e["message"] = "" }), "error.http.message"),
		rest("error-status-without-message", "Writes errors as a raw google.rpc.Status whose message is empty, and left out.",
			missing(func(d *draft) { d.body = []byte(`{"code":5}`) }), "error.http.message"),
		rest("error-details-without-type", "Writes details that do not say what they are.",
			missingError(func(e map[string]any) { e["details"] = []any{map[string]any{"field": "name"}} }), "error.http.details-any"),
		rest("error-details-twice", "Repeats a detail.", missingError(func(e map[string]any) {
			if d, ok := e["details"].([]any); ok {
				e["details"] = append(d, d...)
			}
		}), "error.http.details-unique"),
		rest("error-as-plain-text", "Sends errors as text/plain.",
			missing(func(d *draft) { d.header.Set("Content-Type", "text/plain") }), "error.http.content-type-json"),
	}, detailMutants()...)
}

// neverExisted marks the error of a name that never was an operation's, for a
// mutant that treats only those wrongly.
const neverExisted = "OPERATION_NEVER_EXISTED"

func detailMutants() []Mutant {
	refusals := []targets.Method{targets.Get, targets.Cancel}
	onRefusals := func(edit func(d *draft)) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			for _, m := range refusals {
				next = answers(wireMethod, m, func(d *draft) {
					if d.trailer.Get("Grpc-Status-Details-Bin") != "" {
						edit(d)
					}
				})(next)
			}
			return next
		}
	}
	const details = "error.grpc.status-details"
	return []Mutant{
		{Name: "error-with-200", Doc: "Sends the error of an unknown name with the status of success.",
			Breaks: []string{"error.http.no-2xx-error"},
			Fault: Fault{
				Service: unknownCancelled(func(_ context.Context, _ Service, name string) error {
					return refuse(codes.NotFound, neverExisted, "operation %q not found", name)
				}),
				REST: answers(restMethod, targets.Cancel, func(d *draft) {
					if reasonOf(d) == neverExisted {
						d.status = http.StatusOK
					}
				})}},
		{Name: "error-without-info", Doc: "Sends errors without an ErrorInfo, which the profile google asks for.",
			Breaks: []string{"error.http.errorinfo"},
			Fault: Fault{Target: func(t *targets.Target) { t.Profile = targets.ProfileGoogle },
				Service: errorsAs(dropDetails)}},
		{Name: "error-reason-in-words", Doc: "Writes the reason of an ErrorInfo in words.",
			Breaks: []string{"error.http.errorinfo-format"},
			Fault: Fault{Service: errorsAs(func(s *rpcstatus.Status) {
				detailed, err := status.New(codes.Code(s.GetCode()), s.GetMessage()).WithDetails(&errdetails.ErrorInfo{Reason: "not found", Domain: errorDomain})
				if err == nil {
					s.Details = detailed.Proto().GetDetails()
				}
			})}},
		{Name: "details-contradict", Doc: "Sends details that were made for another status.",
			Breaks: []string{details},
			Fault: Fault{Wire: onRefusals(func(d *draft) {
				data, err := proto.Marshal(&rpcstatus.Status{Code: int32(codes.Unknown), Message: "unknown"})
				if err == nil {
					d.trailer.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(data))
				}
			})}},
		{Name: "details-garbage", Doc: "Sends details that are no google.rpc.Status.",
			Breaks: []string{details},
			Fault: Fault{Wire: onRefusals(func(d *draft) {
				d.trailer.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString([]byte("not a status")))
			})}},
	}
}

// reasonOf reads the reason of the first detail of an error.
func reasonOf(d *draft) string {
	e, _ := d.doc()["error"].(map[string]any)
	details, _ := e["details"].([]any)
	if len(details) == 0 {
		return ""
	}
	first, _ := details[0].(map[string]any)
	reason, _ := first["reason"].(string)
	return reason
}

// A restated Service changes the statuses of its errors.
type restated struct {
	Service
	edit func(s *rpcstatus.Status)
}

// errorsAs returns the hook of a restated Service.
func errorsAs(edit func(s *rpcstatus.Status)) func(Service) Service {
	return func(next Service) Service { return restated{next, edit} }
}

func (e restated) of(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err).Proto()
	e.edit(s)
	return status.FromProto(s).Err()
}

// Get implements Service.
func (e restated) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := e.Service.Get(ctx, r)
	return op, e.of(err)
}

// Cancel implements Service.
func (e restated) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	return e.of(e.Service.Cancel(ctx, r))
}

// dropDetails takes the details out of a status.
func dropDetails(s *rpcstatus.Status) { s.Details = nil }
