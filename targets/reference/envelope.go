package reference

import (
	"encoding/json"
	"errors"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/lro-tools/conform/targets"
)

// An envelope is the JSON form of an error (AIP-193, HTTP/1.1+JSON
// representation).
type envelope struct {
	Error envelopeError `json:"error"`
}

type envelopeError struct {
	Code    int               `json:"code"` // the HTTP status
	Message string            `json:"message"`
	Status  string            `json:"status,omitempty"` // the name of a google.rpc.Code
	Details []json.RawMessage `json:"details,omitempty"`
}

// writeError answers with the envelope of an error: a status of the Service,
// or a routeError.
func writeError(w http.ResponseWriter, err error) {
	var unrouted routeError
	if !errors.As(err, &unrouted) {
		writeStatus(w, status.Convert(err), 0)
		return
	}
	if unrouted.allow == "" {
		writeStatus(w, status.Convert(refuse(codes.NotFound, "PATH_NOT_FOUND", "%s", unrouted.Error())), 0)
		return
	}
	w.Header().Set("Allow", unrouted.allow)
	writeStatus(w, status.Convert(refuse(codes.Unimplemented, "HTTP_METHOD_NOT_ALLOWED", "%s", unrouted.Error())),
		http.StatusMethodNotAllowed)
}

// writeStatus answers with a status. An HTTP status other than the one that
// its code maps to is one that no google.rpc.Code stands for: then none is
// named.
func writeStatus(w http.ResponseWriter, s *status.Status, httpStatus int) {
	e := envelopeError{Code: httpStatus, Message: s.Message()}
	if httpStatus == 0 {
		e.Code = targets.HTTPStatus(s.Code())
		e.Status = targets.CodeName(s.Code())
	}
	for _, d := range s.Proto().GetDetails() {
		if data, err := protojson.Marshal(d); err == nil {
			e.Details = append(e.Details, data)
		}
	}
	data, err := json.Marshal(envelope{e})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, e.Code, data)
}
