package targets

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// bind gives a call the form of its HTTP binding (google/longrunning/operations.proto).
func bind(m Method, request proto.Message) (restCall, error) {
	jsonBody := map[string]string{"Content-Type": "application/json"}
	switch q := request.(type) {
	case *longrunningpb.GetOperationRequest:
		if m == Get {
			return restCall{method: m, verb: http.MethodGet, target: "/" + EscapeName(q.GetName())}, nil
		}
	case *longrunningpb.DeleteOperationRequest:
		if m == Delete {
			return restCall{method: m, verb: http.MethodDelete, target: "/" + EscapeName(q.GetName())}, nil
		}
	case *longrunningpb.CancelOperationRequest:
		if m == Cancel {
			return restCall{method: m, verb: http.MethodPost, target: "/" + EscapeName(q.GetName()) + ":cancel",
				body: []byte("{}"), defaults: jsonBody}, nil
		}
	case *longrunningpb.ListOperationsRequest:
		if m == List {
			return restCall{method: m, verb: http.MethodGet, target: listTarget(q)}, nil
		}
	case *longrunningpb.WaitOperationRequest:
		if m == Wait {
			body, err := waitBody(q)
			return restCall{method: m, verb: http.MethodPost, target: "/" + EscapeName(q.GetName()) + ":wait",
				body: body, defaults: jsonBody}, err
		}
	}
	return restCall{}, fmt.Errorf("method %q does not take a request of type %T", m, request)
}

func listTarget(q *longrunningpb.ListOperationsRequest) string {
	target := "/operations"
	if q.GetName() != "" {
		target = "/" + EscapeName(q.GetName()) + target
	}
	var query []string
	if q.GetPageSize() != 0 {
		query = append(query, "pageSize="+strconv.Itoa(int(q.GetPageSize())))
	}
	if q.GetPageToken() != "" {
		query = append(query, "pageToken="+url.QueryEscape(q.GetPageToken()))
	}
	if q.GetFilter() != "" {
		query = append(query, "filter="+url.QueryEscape(q.GetFilter()))
	}
	if query == nil {
		return target
	}
	return target + "?" + strings.Join(query, "&")
}

func waitBody(q *longrunningpb.WaitOperationRequest) ([]byte, error) {
	if q.GetTimeout() == nil {
		return []byte("{}"), nil
	}
	timeout, err := protojson.Marshal(q.GetTimeout())
	if err != nil {
		return nil, fmt.Errorf("timeout: %w", err)
	}
	return fmt.Appendf(nil, `{"timeout":%s}`, timeout), nil
}
