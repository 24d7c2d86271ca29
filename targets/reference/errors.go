package reference

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errorDomain is the ErrorInfo.domain of every error that the server makes
// (google/rpc/error_details.proto).
const errorDomain = "reference.conform.example"

// refuse returns a status with an ErrorInfo of the reason, as AIP-193 demands
// of every error.
func refuse(code codes.Code, reason, format string, args ...any) error {
	s := status.New(code, fmt.Sprintf(format, args...))
	detailed, err := s.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: errorDomain})
	if err != nil {
		return s.Err()
	}
	return detailed.Err()
}

func notFound(name string) error {
	return refuse(codes.NotFound, "OPERATION_NOT_FOUND", "operation %q not found", name)
}

func invalid(reason, format string, args ...any) error {
	return refuse(codes.InvalidArgument, reason, format, args...)
}

func unimplemented(method string) error {
	return refuse(codes.Unimplemented, "METHOD_NOT_SUPPORTED", "%s is not supported by this server", method)
}
