package reference

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// overGRPC is a hook that answers cancels over gRPC, and leaves REST alone.
func overGRPC(cancel func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error) func(Service) Service {
	return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if CallOf(ctx).Transport != targets.GRPC {
			return next.Cancel(ctx, r)
		}
		return cancel(ctx, next, r)
	})
}

// grpcMutants are wrong about calls that only gRPC has, or differ there from
// what they do over REST.
func grpcMutants() []Mutant {
	return []Mutant{
		{Name: "empty-name-ok", Doc: "Answers OK to a cancel without a name.", Breaks: []string{"grpc.empty-name"},
			Fault: Fault{Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if r.GetName() == "" {
					return nil
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "empty-name-cancels-all", Doc: "Takes a cancel without a name for one of everything.", Breaks: []string{"grpc.empty-name"}, Fault: Fault{
			Service: func(next Service) Service {
				known := newLedger(next)
				return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if r.GetName() == "" && CallOf(ctx).Transport == targets.GRPC {
						return known.cancelAll(ctx)
					}
					return next.Cancel(ctx, r)
				}}
			}}},
		{Name: "empty-name-cancels-oldest", Doc: "Takes a cancel without a name for one of what has run for longest, and then asks for a name.", Breaks: []string{"grpc.empty-name"}, Fault: Fault{
			Service: func(next Service) Service {
				known := newLedger(next)
				return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if r.GetName() == "" && CallOf(ctx).Transport == targets.GRPC {
						known.cancelOldest(ctx)
					}
					return next.Cancel(ctx, r)
				}}
			}}},
		{Name: "decodes-grpc-names", Doc: "Undoes percent-encoding in gRPC names too, which are not URLs.", Breaks: []string{"grpc.name-literal"},
			Fault: Fault{Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if name, err := url.PathUnescape(r.GetName()); err == nil {
					r = &longrunningpb.CancelOperationRequest{Name: name}
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "refuses-unknown-fields", Doc: "Refuses a request with a field that it does not know.", Breaks: []string{"grpc.unknown-fields"},
			Fault: Fault{Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if len(r.ProtoReflect().GetUnknown()) > 0 {
					return invalid("FIELD_UNKNOWN", "the request has a field that is not known")
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "malformed-payload-ok", Doc: "Answers OK to a request that it could not decode.", Breaks: []string{"grpc.malformed-payload"},
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, ignoreMalformed)}},
		{Name: "malformed-payload-cancels-all", Doc: "Takes a request that it cannot decode for one without a name, and that for everything.", Breaks: []string{"grpc.malformed-payload"},
			Fault: Fault{Wire: cancelsAllOnMalformed}},
		{Name: "unknown-method-internal", Doc: "Fails on a method that it does not have.", Breaks: []string{"grpc.unknown-method"},
			Fault: Fault{Wire: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if offered(r) {
						next.ServeHTTP(w, r)
						return
					}
					d := record(next, r)
					d.trailer = http.Header{"Grpc-Status": {"13"}, "Grpc-Message": {"no handler"}}
					d.send(w)
				})
			}}},
		{Name: "grpc-cancel-unknown", Doc: "Lets an exception through at every cancel over gRPC, whatever its name.", Breaks: []string{"cancel.accept.in-progress"},
			BreaksOn: map[targets.Transport][]string{targets.REST: nil},
			Fault: Fault{Service: overGRPC(func(context.Context, Service, *longrunningpb.CancelOperationRequest) error {
				return refuse(codes.Unknown, "REQUEST_FAILED", "NotImplementedError")
			})}},
		{Name: "grpc-cancel-aborted", Doc: "Aborts every cancel over gRPC before it is decoded.", Breaks: []string{"cancel.accept.in-progress"},
			BreaksOn: map[targets.Transport][]string{targets.REST: nil},
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, func(_ http.Handler, w http.ResponseWriter, r *http.Request) {
				payloadOf(r)
				aborted := &draft{status: http.StatusOK, header: http.Header{"Content-Type": {"application/grpc"}}, trailer: http.Header{"Grpc-Status": {"10"}}}
				aborted.send(w)
			})}},
		{Name: "finished-differs", Doc: "Answers OK over gRPC to the cancel of a finished operation, which REST refuses.", Breaks: []string{"transport.parity"},
			Fault: Fault{Options: longStop, Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if peek(ctx, next, r.GetName()).GetDone() {
					return nil
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "unknown-differs", Doc: "Answers PERMISSION_DENIED over gRPC for a name that REST does not find.", Breaks: []string{"transport.parity"},
			Fault: Fault{Service: unknownCancelled(func(ctx context.Context, _ Service, name string) error {
				if CallOf(ctx).Transport == targets.GRPC {
					return refuse(codes.PermissionDenied, "PERMISSION_DENIED", "operation %q may not exist", name)
				}
				return notFound(name)
			})}},
	}
}

// ignoreMalformed answers OK to a gRPC request whose message is none.
func ignoreMalformed(next http.Handler, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return
	}
	d := &draft{body: body}
	for _, m := range d.messages() {
		if proto.Unmarshal(m, new(longrunningpb.CancelOperationRequest)) != nil {
			ok := &draft{status: http.StatusOK, header: http.Header{"Content-Type": {"application/grpc"}}, trailer: http.Header{"Grpc-Status": {"0"}}}
			ok.setMessages(nil)
			ok.send(w)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(w, r)
}

// cancelsAllOnMalformed decorates the gRPC side so that a cancel whose message is
// none reaches every operation that was asked for.
func cancelsAllOnMalformed(next http.Handler) http.Handler {
	asked := newNameSet()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, q := payloadOf(r), new(longrunningpb.GetOperationRequest)
		switch method := wireMethod(r); {
		case method == targets.Get && proto.Unmarshal(m, q) == nil:
			asked.add(q.GetName())
		case method == targets.Cancel && proto.Unmarshal(m, new(longrunningpb.CancelOperationRequest)) != nil:
			for _, name := range asked.all() {
				one := r.Clone(context.WithoutCancel(r.Context()))
				d := &draft{}
				d.setMessages(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), name))
				reread(one, d.body)
				record(next, one)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// offered tells whether the gRPC server has the method of a request; what is
// not google.longrunning is taken to be there.
func offered(r *http.Request) bool {
	switch wireMethod(r) {
	case targets.Get, targets.List, targets.Cancel, targets.Delete, targets.Wait:
		return true
	}
	return !strings.HasPrefix(r.URL.Path, "/google.longrunning.")
}
