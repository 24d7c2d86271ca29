package reference

import (
	"context"
	"errors"
	"net/http"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/lro-tools/conform/targets"
)

// A rest serves a Service over HTTP and JSON.
type rest struct {
	service Service
	access  access
	names   template
	base    string
}

// ServeHTTP answers one request.
func (h *rest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := h.serve(r)
	if err != nil {
		writeError(w, err)
		return
	}
	data, err := protojson.Marshal(answer)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, data)
}

func writeJSON(w http.ResponseWriter, code int, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// A failed write means that the client has gone; nobody is left to tell.
	_, _ = w.Write(data)
}

func (h *rest) serve(r *http.Request) (proto.Message, error) {
	rt, err := routeOf(r.Method, h.base, r.URL, h.names)
	if err != nil {
		return nil, err
	}
	ctx := WithCall(r.Context(), Call{Caller: h.access.identify(r.Header.Get("Authorization")), Transport: targets.REST})
	answer, err := h.call(ctx, rt, r)
	var bad *badRequest
	if errors.As(err, &bad) {
		// A caller without permission is told so, and not what is wrong with
		// the request (AIP-211).
		if denied := h.access.check(ctx); denied != nil {
			return nil, denied
		}
	}
	return answer, err
}

func (h *rest) call(ctx context.Context, rt route, r *http.Request) (proto.Message, error) {
	switch rt.method {
	case targets.Get:
		return h.service.Get(ctx, &longrunningpb.GetOperationRequest{Name: rt.name})
	case targets.List:
		in, err := listRequest(rt.name, r.URL.Query())
		if err != nil {
			return nil, err
		}
		return h.service.List(ctx, in)
	case targets.Delete:
		return new(emptypb.Empty), h.service.Delete(ctx, &longrunningpb.DeleteOperationRequest{Name: rt.name})
	case targets.Cancel:
		in := new(longrunningpb.CancelOperationRequest)
		if err := readRequest(r, rt.name, in); err != nil {
			return nil, err
		}
		return new(emptypb.Empty), h.service.Cancel(ctx, in)
	case targets.Wait:
		in := new(longrunningpb.WaitOperationRequest)
		if err := readRequest(r, rt.name, in); err != nil {
			return nil, err
		}
		return h.service.Wait(ctx, in)
	}
	in, err := readStart(r, rt.name)
	if err != nil {
		return nil, err
	}
	return h.service.Start(ctx, in)
}
