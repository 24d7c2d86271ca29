package reference

import (
	"context"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
)

// aheadVariants know that a name was asked for before an operation was started under
// it, and do no harm to that.
func aheadVariants() []Variant {
	return []Variant{
		{Name: "refused-names-stay-unused", Doc: "Starts nothing under a name whose cancel it has refused.",
			Fault: Fault{Service: onAhead(func(_ context.Context, _ Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				return nil, refuse(codes.FailedPrecondition, "NAME_REVOKED", "%q was cancelled before it was started", op.GetName())
			})}},
		{Name: "remembers-what-is-missing", Doc: "Remembers for long that it has found no operation of a name, and asks no more.",
			Fault: Fault{Service: func(next Service) Service {
				missing := newNameSet()
				noting := onAhead(func(_ context.Context, _ Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error) {
					missing.add(op.GetName())
					return op, nil
				})(next)
				return getter{noting, func(_ context.Context, op *longrunningpb.Operation) error {
					if missing.has(op.GetName()) > 0 {
						return notFound(op.GetName())
					}
					return nil
				}}
			}}},
	}
}
