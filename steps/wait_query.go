package steps

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// waitQuery is a Wait in the form that the run has found to be that of the server's
// binding, where it is one without a body; nil elsewhere.
func (w *world) waitQuery(request proto.Message) *targets.RawRequest {
	q, ok := request.(*longrunningpb.WaitOperationRequest)
	if !ok || !w.rest() || !w.run.support[w.plan.transport].waitsByQuery.Load() {
		return nil
	}
	return byQuery(q)
}

// byQuery is a Wait by a binding without a body: what the path does not have is a
// query parameter (google/api/http.proto).
func byQuery(q *longrunningpb.WaitOperationRequest) *targets.RawRequest {
	r := &targets.RawRequest{Method: targets.Wait, Message: q, HTTPMethod: http.MethodPost, Target: "/" + targets.EscapeName(q.GetName()) + ":wait"}
	if text, err := protojson.Marshal(q.GetTimeout()); err == nil && q.GetTimeout() != nil {
		r.Target += "?timeout=" + url.QueryEscape(strings.Trim(string(text), `"`))
	}
	return r
}

// probeBound is when a Wait for probeWait has outlasted its timeout, as far as that
// is to be blamed later.
const probeBound = probeWait + leastSlack

// overstays tells whether a Wait for probeWait has outlasted its timeout, or was
// given up after that.
func overstays(c call) bool {
	return c.Elapsed > probeBound || c.err != nil && c.err.Kind == targets.TimedOut
}

// asksByQuery finds out, where a Wait over REST has outlasted the timeout in its
// body, whether the server reads that from the query alone: there it is kept, and
// it is outlasted again in the body, and where there is none. The answer that is to
// count is returned.
func (w *world) asksByQuery(ctx context.Context, op *operation, first call) call {
	if !w.rest() || !overstays(first) || w.run.support[w.plan.transport].waitsByQuery.Load() {
		return first
	}
	asked := waitRequest(op.name, probeWait)
	bare := &longrunningpb.WaitOperationRequest{Name: op.name}
	kept := w.waitByQuery(ctx, asked, "is the timeout kept as a query parameter?")
	if !kept.Accepted() || overstays(kept) {
		return first
	}
	again := w.bounded(ctx, func(ctx context.Context) call {
		return w.call(ctx, targets.Wait, asked, "control: is the timeout in the body outlasted again?")
	})
	if !overstays(again) {
		return again
	}
	if !overstays(w.waitByQuery(ctx, bare, "control: does a Wait without a timeout last longer?")) {
		return first
	}
	w.run.support[w.plan.transport].waitsByQuery.Store(true)
	return kept
}

// waitByQuery is one bounded Wait in the form of a binding without a body.
func (w *world) waitByQuery(ctx context.Context, q *longrunningpb.WaitOperationRequest, note string) call {
	return w.bounded(ctx, func(ctx context.Context) call {
		defer w.waits(ctx)()
		return w.raw(ctx, *byQuery(q), note)
	})
}

// bounded makes a call that is given up once a Wait for probeWait has overstayed.
func (w *world) bounded(ctx context.Context, do func(context.Context) call) call {
	short, cancel := context.WithTimeout(ctx, probeBound+grace)
	defer cancel()
	return do(short)
}
