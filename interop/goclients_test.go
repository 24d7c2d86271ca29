package interop_test

import (
	"context"
	"net/http"
	"testing"

	longrunning "cloud.google.com/go/longrunning/autogen"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/googleapis/gax-go/v2/apierror"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/cloudbuild/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
)

// A canceller is a client library, reduced to what is asked of it here.
type canceller struct {
	cancel func(ctx context.Context, name string) error
	// get tells whether the operation is done, and the code of its error.
	get func(ctx context.Context, name string) (done bool, code int32, err error)
	// code reads the canonical code out of the library's own kind of error.
	code func(err error) codes.Code
}

// goClients are the libraries with which Go programs cancel operations: the
// generated client on both transports, and a discovery client, of which all
// have the same cancel.
func goClients() map[string]func(*testing.T, endpoints) canceller {
	return map[string]func(*testing.T, endpoints) canceller{
		"longrunning over gRPC": func(t *testing.T, e endpoints) canceller {
			c, err := longrunning.NewOperationsClient(t.Context(), option.WithEndpoint(e.grpc), option.WithoutAuthentication(),
				option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
			require.NoError(t, err)
			return generated(t, c)
		},
		"longrunning over REST": func(t *testing.T, e endpoints) canceller {
			c, err := longrunning.NewOperationsRESTClient(t.Context(), option.WithEndpoint(e.rest), option.WithoutAuthentication())
			require.NoError(t, err)
			return generated(t, c)
		},
		"cloudbuild": discovery,
	}
}

// generated is the client of cloud.google.com/go/longrunning.
func generated(t *testing.T, c *longrunning.OperationsClient) canceller {
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return canceller{
		cancel: func(ctx context.Context, name string) error {
			return c.CancelOperation(ctx, &longrunningpb.CancelOperationRequest{Name: name})
		},
		get: func(ctx context.Context, name string) (bool, int32, error) {
			op, err := c.GetOperation(ctx, &longrunningpb.GetOperationRequest{Name: name})
			return op.GetDone(), op.GetError().GetCode(), err
		},
		code: func(err error) codes.Code {
			problem, ok := apierror.FromError(err)
			if !ok {
				return codes.Unknown
			}
			if status := problem.GRPCStatus(); status != nil {
				return status.Code()
			}
			return fromHTTP(problem.HTTPCode())
		},
	}
}

// discovery is the client of google.golang.org/api/cloudbuild.
func discovery(t *testing.T, e endpoints) canceller {
	service, err := cloudbuild.NewService(t.Context(), option.WithEndpoint(e.rest), option.WithoutAuthentication())
	require.NoError(t, err)
	return canceller{
		cancel: func(ctx context.Context, name string) error {
			_, err := service.Operations.Cancel(name, &cloudbuild.CancelOperationRequest{}).Context(ctx).Do()
			return err
		},
		get: func(ctx context.Context, name string) (bool, int32, error) {
			op, err := service.Operations.Get(name).Context(ctx).Do()
			if err != nil {
				return false, 0, err
			}
			if op.Error == nil {
				return op.Done, 0, nil
			}
			return op.Done, int32(op.Error.Code), nil
		},
		code: func(err error) codes.Code {
			if problem := new(googleapi.Error); assert.ErrorAs(t, err, &problem) {
				assert.NotEmpty(t, problem.Message, "the client reads the message out of the envelope")
				return fromHTTP(problem.Code)
			}
			return codes.Unknown
		},
	}
}

// fromHTTP maps the statuses that these tests meet back to codes
// (google/rpc/code.proto).
func fromHTTP(status int) codes.Code {
	switch status {
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusBadRequest:
		return codes.FailedPrecondition
	}
	return codes.Unknown
}

func TestGoClientsCancelOperations(t *testing.T) {
	for name, connect := range goClients() {
		t.Run(name, func(t *testing.T) {
			server := serve(t, standard())
			client := connect(t, server.endpoints)
			operation := server.start(t, "operations/by-a-go-client")

			require.NoError(t, client.cancel(t.Context(), operation))
			var code int32
			require.Eventually(t, func() bool {
				done, c, err := client.get(t.Context(), operation)
				code = c
				return assert.NoError(t, err) && done
			}, patience, pause, "the cancelled operation ends")
			assert.Equal(t, int32(codes.Canceled), code, "error.code of the cancelled operation")
		})
	}
}

func TestGoClientsSeeRefusals(t *testing.T) {
	for name, connect := range goClients() {
		t.Run(name, func(t *testing.T) {
			server := serve(t, standard())
			client := connect(t, server.endpoints)
			err := client.cancel(t.Context(), "operations/none")
			require.Error(t, err, "an operation that never was")
			assert.Equal(t, codes.NotFound, client.code(err))
		})
	}
}
