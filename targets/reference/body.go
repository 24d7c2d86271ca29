package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxBody is the size of the largest request body, in bytes.
const maxBody = 1 << 20

// A badRequest is a request that cannot be understood, whoever sent it.
type badRequest struct{ err error }

func (b *badRequest) Error() string { return b.err.Error() }

// GRPCStatus returns the status of the error, for package status.
func (b *badRequest) GRPCStatus() *status.Status { return status.Convert(b.err) }

func bad(reason, format string, args ...any) error {
	return &badRequest{invalid(reason, format, args...)}
}

// readBody returns the body, which is empty or JSON.
func readBody(r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, bad("BODY_INCOMPLETE", "request body: %v", err)
	}
	if len(data) > maxBody {
		return nil, bad("BODY_TOO_LONG", "request body has more than %d bytes", maxBody)
	}
	if len(data) == 0 {
		return nil, nil
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" {
			return nil, bad("CONTENT_TYPE_UNSUPPORTED", "content type %q is not application/json", t)
		}
	}
	return data, nil
}

// A named message is a request with the name of an operation.
type named interface {
	proto.Message
	GetName() string
}

// readRequest fills a request from body and path. The path names the
// operation; a name in the body must be the same, and one in the query is not
// read, as it is no field of its own in this binding.
func readRequest(r *http.Request, name string, in named) error {
	data, err := readBody(r)
	if err != nil {
		return err
	}
	if data != nil {
		if err := protojson.Unmarshal(data, in); err != nil {
			return bad("BODY_MALFORMED", "request body: %v", err)
		}
	}
	if in.GetName() != "" && in.GetName() != name {
		return bad("NAME_MISMATCH", "name %q in the body is not %q, which the path has", in.GetName(), name)
	}
	m := in.ProtoReflect()
	m.Set(m.Descriptor().Fields().ByName("name"), protoreflect.ValueOfString(name))
	return nil
}

// listRequest reads the query of a list; parameters that it does not know are
// not read.
func listRequest(parent string, query url.Values) (*longrunningpb.ListOperationsRequest, error) {
	out := &longrunningpb.ListOperationsRequest{Name: parent, Filter: query.Get("filter"),
		PageToken: either(query, "pageToken", "page_token")}
	if text := either(query, "pageSize", "page_size"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, bad("PAGE_SIZE_MALFORMED", "pageSize %q is not a 32-bit integer", text)
		}
		out.PageSize = int32(n)
	}
	return out, nil
}

// either returns a parameter by its JSON name or its name in the proto file.
func either(query url.Values, jsonName, protoName string) string {
	if query.Has(jsonName) {
		return query.Get(jsonName)
	}
	return query.Get(protoName)
}

// startBody is the JSON form of a StartRequest; times are seconds, or strings
// such as "2.5s".
type startBody struct {
	ID        string  `json:"id"`
	Kind      Kind    `json:"kind"`
	Seconds   seconds `json:"seconds"`
	StopAfter seconds `json:"stop_after"`
}

type seconds time.Duration

// UnmarshalJSON reads a number of seconds, or a duration with its unit.
func (s *seconds) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		d, err := time.ParseDuration(text)
		*s = seconds(d)
		return err
	}
	var n float64
	if err := json.Unmarshal(data, &n); err != nil {
		return fmt.Errorf("%s is neither a number of seconds nor a duration", data)
	}
	d, err := fromSeconds(n)
	*s = seconds(d)
	return err
}

// fromSeconds converts a number of seconds of at most 10 years.
func fromSeconds(n float64) (time.Duration, error) {
	if math.IsNaN(n) || math.Abs(n) > 10*365*24*3600 {
		return 0, fmt.Errorf("%v seconds are out of range", n)
	}
	return time.Duration(n * float64(time.Second)), nil
}

// readStart reads the request that starts an operation. The id may stand in
// the query as well.
func readStart(r *http.Request, parent string) (StartRequest, error) {
	data, err := readBody(r)
	if err != nil {
		return StartRequest{}, err
	}
	var body startBody
	if data != nil {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&body); err != nil {
			return StartRequest{}, bad("BODY_MALFORMED", "request body: %v", err)
		}
	}
	if id := r.URL.Query().Get("id"); id != "" {
		body.ID = id
	}
	return StartRequest{Parent: parent, ID: body.ID, Kind: body.Kind,
		Lasts: time.Duration(body.Seconds), StopAfter: time.Duration(body.StopAfter)}, nil
}
