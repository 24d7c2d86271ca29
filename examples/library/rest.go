package library

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// longestBody bounds, in bytes, what is read of a request.
const longestBody = 1 << 20

// ServeHTTP serves GET /v1/{name} and POST /v1/{name}:cancel.
func (s *Jobs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.route(r)
	if err != nil {
		refuse(w, err)
		return
	}
	data, err := protojson.Marshal(answer)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // a failed write means that the client has gone
}

func (s *Jobs) route(r *http.Request) (proto.Message, error) {
	name, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	if !ok {
		return nil, status.Error(codes.NotFound, "no such path")
	}
	id, verb, _ := strings.Cut(name, ":")
	switch {
	case r.Method == http.MethodPost && verb == "cancel":
		if err := readBody(r, id); err != nil {
			return nil, err
		}
		return s.CancelOperation(r.Context(), &longrunningpb.CancelOperationRequest{Name: id})
	case r.Method == http.MethodGet:
		return s.GetOperation(r.Context(), &longrunningpb.GetOperationRequest{Name: name})
	case r.Method == http.MethodPost && verb == "wait", r.Method == http.MethodDelete:
		return nil, status.Error(codes.Unimplemented, "not offered here")
	}
	return nil, status.Error(codes.NotFound, "no such path")
}

// readBody reads a cancel's body, which is empty or a CancelOperationRequest.
// The name in the path is the one that counts.
func readBody(r *http.Request, name string) error {
	data, err := io.ReadAll(io.LimitReader(r.Body, longestBody))
	if err != nil {
		return status.Error(codes.InvalidArgument, "the body cannot be read")
	}
	if len(data) == 0 {
		return nil
	}
	request := new(longrunningpb.CancelOperationRequest)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, request); err != nil {
		return status.Error(codes.InvalidArgument, "the body is no CancelOperationRequest")
	}
	if n := request.GetName(); n != "" && n != name {
		return status.Error(codes.InvalidArgument, "the body names another operation than the path")
	}
	return nil
}

// refuse answers with an error in the form of AIP-193.
func refuse(w http.ResponseWriter, err error) {
	s := status.Convert(err)
	code := map[codes.Code]int{codes.InvalidArgument: 400, codes.NotFound: 404, codes.Unimplemented: 501}[s.Code()]
	if code == 0 {
		code = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": s.Message(), "status": canonical(s.Code())}})
}

// canonical is the name of a code as google/rpc/code.proto has it.
func canonical(c codes.Code) string {
	switch c {
	case codes.InvalidArgument:
		return "INVALID_ARGUMENT"
	case codes.NotFound:
		return "NOT_FOUND"
	case codes.Unimplemented:
		return "UNIMPLEMENTED"
	}
	return "INTERNAL"
}
