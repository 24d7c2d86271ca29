package reference

import (
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

func TestGRPCMutants(t *testing.T) {
	const method = "/google.longrunning.Operations/CancelOperation"
	request := func(name string, more ...byte) []byte {
		data, err := proto.Marshal(&longrunningpb.CancelOperationRequest{Name: name})
		require.NoError(t, err)
		return append(data, more...)
	}
	tests := []struct {
		mutant, method string
		payload        []byte
		want, honest   codes.Code
		cancelled      bool
	}{
		{"empty-name-ok", method, nil, codes.OK, codes.InvalidArgument, false},
		{"decodes-grpc-names", method, request("projects/demo/operations/%61"), codes.OK, codes.NotFound, true},
		// Field 999 as a varint.
		{"refuses-unknown-fields", method, request("projects/demo/operations/a", 0xb8, 0x3e, 1), codes.InvalidArgument, codes.OK, false},
		{"malformed-payload-ok", method, []byte{0xff, 0xff}, codes.OK, codes.Internal, false},
		{"unknown-method-internal", method + "s", nil, codes.Internal, codes.Unimplemented, false},
		{"unknown-method-internal", "/google.longrunning.Operation/Cancel", nil, codes.Internal, codes.Unimplemented, false},
	}
	for _, tt := range tests {
		t.Run(tt.mutant, func(t *testing.T) {
			m, ok := Lookup(tt.mutant)
			require.True(t, ok)
			for _, f := range []struct {
				Fault
				want codes.Code
			}{{m.Fault, tt.want}, {Fault{}, tt.honest}} {
				target := subject(t, f.Fault)
				a := chooseID(t, target, "a")
				e, err := target.Endpoints[targets.GRPC].Client.Raw(testContext(t), targets.RawRequest{FullMethod: tt.method, Payload: tt.payload})
				require.NoError(t, err)
				assert.Equal(t, f.want, e.Code, e.Status())
				if f.Service != nil || f.Wire != nil {
					assert.Equal(t, tt.cancelled, requested(t, target, a))
					// Of another operation, as the one that was cancelled may have ended.
					plain := startRole(t, target, targets.Running)
					assert.True(t, callOn(t, target, targets.GRPC, targets.Cancel, plain).Accepted(), "the plain cancel")
				}
			}
		})
	}
}

func TestTransportsDiffer(t *testing.T) {
	const unknown = "projects/demo/operations/ABCDEFGHIJKLMNOPQRSTUVWX01"
	target := mutantTarget(t, "unknown-differs")
	startRole(t, target, targets.Running)
	assert.Equal(t, codes.NotFound, callOn(t, target, targets.REST, targets.Cancel, unknown).Code)
	assert.Equal(t, codes.PermissionDenied, callOn(t, target, targets.GRPC, targets.Cancel, unknown).Code)

	target = mutantTarget(t, "finished-differs")
	_, _, name := cancelledOn(t, target, targets.REST)
	assert.Equal(t, codes.FailedPrecondition, callOn(t, target, targets.REST, targets.Cancel, name).Code)
	assert.Equal(t, codes.OK, callOn(t, target, targets.GRPC, targets.Cancel, name).Code)
}
