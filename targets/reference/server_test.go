package reference

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lro-tools/conform/targets"
)

// A running server of a test, with plain clients of both transports.
type fixture struct {
	*Server
	t    *testing.T
	url  string
	http *http.Client
	conn *grpc.ClientConn
	ops  longrunningpb.OperationsClient
}

func serve(t *testing.T, o Options) *fixture { return serveFault(t, o, Fault{}) }

func serveFault(t *testing.T, o Options, f Fault) *fixture {
	t.Helper()
	s, err := newServer(o, f)
	require.NoError(t, err)
	var served [2]chan error
	var listeners [2]net.Listener
	for i, serve := range []func(net.Listener) error{s.ServeREST, s.ServeGRPC} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listeners[i], served[i] = l, make(chan error, 1)
		go func() { served[i] <- serve(l) }()
	}
	conn, err := grpc.NewClient("passthrough:///"+listeners[1].Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(func() {
		assert.NoError(t, conn.Close())
		transport.CloseIdleConnections()
		assert.NoError(t, s.Close())
		for _, c := range served {
			assert.NoError(t, <-c)
		}
	})
	return &fixture{Server: s, t: t, url: "http://" + listeners[0].Addr().String() + s.Options().Base,
		http: &http.Client{Transport: transport}, conn: conn, ops: longrunningpb.NewOperationsClient(conn)}
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// An answer of the REST side.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

func (a answer) doc(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal(a.body, &out), string(a.body))
	return out
}

// send sends a request line below the base, with header lines "Key: value".
func (f *fixture) send(method, target, body string, header ...string) answer {
	f.t.Helper()
	r, err := http.NewRequestWithContext(testContext(f.t), method, f.url+target, strings.NewReader(body))
	require.NoError(f.t, err)
	for _, h := range header {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Set(k, v)
	}
	res, err := f.http.Do(r)
	require.NoError(f.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(f.t, err)
	return answer{res.StatusCode, res.Header, data}
}

// start starts an operation and returns its name.
func (f *fixture) start(r StartRequest) string {
	f.t.Helper()
	if r.Parent == "" && f.names.collection > 0 {
		r.Parent = "projects/p"
	}
	op, err := f.store.Start(f.t.Context(), r)
	require.NoError(f.t, err)
	return op.GetName()
}

// finish waits until the operation is done.
func (f *fixture) finish(name string) *longrunningpb.Operation {
	f.t.Helper()
	op, err := f.store.Wait(testContext(f.t), &longrunningpb.WaitOperationRequest{Name: name})
	require.NoError(f.t, err)
	require.True(f.t, op.GetDone())
	return op
}

// stop has the work of a cancelled operation stop now.
func (f *fixture) stop(name string) {
	f.t.Helper()
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	op, err := f.store.find(name)
	require.NoError(f.t, err)
	f.store.after(op, 0, cancelled)
}

// do makes a call over a transport and returns its canonical code.
func (f *fixture) do(transport targets.Transport, m targets.Method, name, token string) codes.Code {
	f.t.Helper()
	if transport == targets.GRPC {
		return status.Code(f.doGRPC(m, name, token))
	}
	line := map[targets.Method][2]string{
		targets.Get: {"GET", ""}, targets.Cancel: {"POST", ":cancel"}, targets.Wait: {"POST", ":wait"},
		targets.Delete: {"DELETE", ""}, targets.List: {"GET", "/operations"},
	}[m]
	var header []string
	if token != "" {
		header = []string{"Authorization: Bearer " + token}
	}
	a := f.send(line[0], "/"+name+line[1], "", header...)
	var doc any
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	require.NoError(f.t, d.Decode(&doc), string(a.body))
	assert.Equal(f.t, "application/json", a.header.Get("Content-Type"))
	return targets.HTTPCode(a.code, doc)
}

func (f *fixture) doGRPC(m targets.Method, name, token string) error {
	ctx := testContext(f.t)
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	var err error
	switch m {
	case targets.Get:
		_, err = f.ops.GetOperation(ctx, &longrunningpb.GetOperationRequest{Name: name})
	case targets.List:
		_, err = f.ops.ListOperations(ctx, &longrunningpb.ListOperationsRequest{Name: name})
	case targets.Cancel:
		_, err = f.ops.CancelOperation(ctx, &longrunningpb.CancelOperationRequest{Name: name})
	case targets.Delete:
		_, err = f.ops.DeleteOperation(ctx, &longrunningpb.DeleteOperationRequest{Name: name})
	case targets.Wait:
		_, err = f.ops.WaitOperation(ctx, &longrunningpb.WaitOperationRequest{Name: name, Timeout: durationpb.New(0)})
	}
	return err
}

func TestCodes(t *testing.T) {
	none := "projects/p/operations/none"
	tests := []struct {
		what   string
		o      Options
		start  *StartRequest
		wait   bool // until it is done
		method targets.Method
		name   string // where none is started
		token  string
		want   codes.Code
	}{
		{what: "get running", start: &StartRequest{}, method: targets.Get},
		{what: "get finished", start: &StartRequest{Kind: Failing, Lasts: 1}, wait: true, method: targets.Get},
		{what: "get unknown", name: none, method: targets.Get, want: codes.NotFound},
		{what: "cancel running", start: &StartRequest{}, method: targets.Cancel},
		{what: "cancel pending", start: &StartRequest{Kind: Pending}, method: targets.Cancel},
		{what: "cancel nested", start: &StartRequest{Kind: Nested}, method: targets.Cancel},
		{what: "cancel slow", start: &StartRequest{Kind: Slow}, method: targets.Cancel},
		{what: "cancel unknown", name: none, method: targets.Cancel, want: codes.NotFound},
		{what: "cancel what is no operation", name: "projects/p/operations/a/../b", method: targets.Cancel, want: codes.InvalidArgument},
		{what: "cancel uncancellable", start: &StartRequest{Kind: Uncancellable}, method: targets.Cancel, want: codes.FailedPrecondition},
		{what: "cancel finished", start: &StartRequest{Kind: Succeeding, Lasts: 1}, wait: true, method: targets.Cancel, want: codes.FailedPrecondition},
		{what: "cancel finished, tolerated", o: Options{FinishedOK: true}, start: &StartRequest{Kind: Succeeding, Lasts: 1}, wait: true, method: targets.Cancel},
		{what: "cancel unsupported", o: Options{NoCancel: true}, start: &StartRequest{}, method: targets.Cancel, want: codes.Unimplemented},
		{what: "wait", start: &StartRequest{Kind: Succeeding, Lasts: 1}, wait: true, method: targets.Wait},
		{what: "wait for unknown", name: none, method: targets.Wait, want: codes.NotFound},
		{what: "wait unsupported", o: Options{NoWait: true}, name: none, method: targets.Wait, want: codes.Unimplemented},
		{what: "delete running", start: &StartRequest{}, method: targets.Delete},
		{what: "delete unknown", name: none, method: targets.Delete, want: codes.NotFound},
		{what: "delete unsupported", o: Options{NoDelete: true}, start: &StartRequest{}, method: targets.Delete, want: codes.Unimplemented},
		{what: "list", name: "projects/p", method: targets.List},
		{what: "list unsupported", o: Options{NoList: true}, name: "projects/p", method: targets.List, want: codes.Unimplemented},
		{what: "owner", o: guarded(), start: &StartRequest{}, token: "o", method: targets.Cancel},
		{what: "nobody", o: guarded(), start: &StartRequest{}, method: targets.Cancel, want: codes.Unauthenticated},
		{what: "unknown token", o: guarded(), start: &StartRequest{}, token: "x", method: targets.Get, want: codes.Unauthenticated},
		{what: "stranger", o: guarded(), start: &StartRequest{}, token: "s", method: targets.Cancel, want: codes.PermissionDenied},
		{what: "stranger, unknown name", o: guarded(), name: none, token: "s", method: targets.Cancel, want: codes.PermissionDenied},
		{what: "stranger lists", o: guarded(), name: "projects/p", token: "s", method: targets.List, want: codes.PermissionDenied},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			f := serve(t, tt.o)
			for _, transport := range targets.Transports() {
				name := tt.name
				if tt.start != nil {
					name = f.start(*tt.start)
				}
				if tt.wait {
					f.finish(name)
				}
				assert.Equal(t, tt.want, f.do(transport, tt.method, name, tt.token), "over %s", transport)
			}
		})
	}
}

func guarded() Options {
	return Options{Tokens: map[string]Caller{"o": Owner, "s": Stranger}}
}

func TestCancelledOperation(t *testing.T) {
	f := serve(t, Options{})
	name := f.start(StartRequest{Kind: Slow, StopAfter: time.Hour})
	a := f.send("POST", "/"+name+":cancel", "{}", "Content-Type: application/json")
	assert.Equal(t, 200, a.code)
	assert.Empty(t, a.doc(t))

	during := f.send("GET", "/"+name, "").doc(t)
	assert.NotContains(t, during, "error")
	assert.Equal(t, "CANCELLING", state(during))

	f.stop(name)
	op := f.finish(name)
	assert.Equal(t, int32(codes.Canceled), op.GetError().GetCode())
	after := f.send("GET", "/"+name, "").doc(t)
	assert.Equal(t, true, after["done"])
	assert.Equal(t, "CANCELLED", state(after))
	assert.NotContains(t, after, "response")
	metadata := after["metadata"].(map[string]any)
	assert.Equal(t, "type.googleapis.com/google.protobuf.Struct", metadata["@type"])
	assert.Equal(t, true, metadata["value"].(map[string]any)["requestedCancellation"])

	got, err := f.ops.GetOperation(testContext(t), &longrunningpb.GetOperationRequest{Name: name})
	require.NoError(t, err)
	want, err := protojson.Marshal(got)
	require.NoError(t, err)
	rest, err := json.Marshal(after)
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(rest))
}

// state is where targets find the state of an operation: /value/state.
func state(op map[string]any) any {
	return op["metadata"].(map[string]any)["value"].(map[string]any)["state"]
}

func TestNaturalEnd(t *testing.T) {
	f := serve(t, Options{Natural: time.Millisecond})
	assert.NotNil(t, f.finish(f.start(StartRequest{Kind: Succeeding})).GetResponse())
	assert.Equal(t, int32(codes.ResourceExhausted), f.finish(f.start(StartRequest{Kind: Failing})).GetError().GetCode())
}

func TestCancelIsNotOvertakenByTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Options{})
		require.NoError(t, err)
		defer func() { assert.NoError(t, s.Close()) }()
		op, err := s.store.Start(t.Context(), StartRequest{Parent: "projects/p", Kind: Succeeding, Lasts: 20 * time.Millisecond, StopAfter: 40 * time.Millisecond})
		require.NoError(t, err)
		require.NoError(t, plainCancel(t.Context(), s.store, op.GetName()))
		op, err = s.store.Wait(t.Context(), &longrunningpb.WaitOperationRequest{Name: op.GetName()})
		require.NoError(t, err)
		assert.Equal(t, int32(codes.Canceled), op.GetError().GetCode())
	})
}

func TestWaitEndsWithItsCause(t *testing.T) {
	f := serve(t, Options{})
	name := f.start(StartRequest{})
	op, err := f.ops.WaitOperation(testContext(t), &longrunningpb.WaitOperationRequest{Name: name, Timeout: durationpb.New(time.Millisecond)})
	require.NoError(t, err)
	assert.False(t, op.GetDone(), "the timeout is over")

	released := make(chan codes.Code, 1)
	go func() { released <- status.Code(f.doWait(name)) }()
	require.Equal(t, codes.OK, f.do(targets.REST, targets.Delete, name, ""))
	assert.Equal(t, codes.NotFound, <-released, "deleted")

	_, err = f.ops.WaitOperation(testContext(t), &longrunningpb.WaitOperationRequest{Name: f.start(StartRequest{}), Timeout: durationpb.New(-1)})
	assert.Equal(t, codes.InvalidArgument, status.Code(err))
}

func (f *fixture) doWait(name string) error {
	_, err := f.ops.WaitOperation(testContext(f.t), &longrunningpb.WaitOperationRequest{Name: name})
	return err
}

func TestStartOverBothTransports(t *testing.T) {
	f := serve(t, Options{})
	a := f.send("POST", "/projects/p/jobs:start", `{"id": "a", "kind": "slow", "stop_after": "2s", "seconds": 60}`)
	require.Equal(t, 200, a.code, string(a.body))
	assert.Equal(t, "projects/p/operations/a", a.doc(t)["name"])
	a = f.send("POST", "/projects/p/jobs:start?id=a%2Fb", `{"stop_after": 2}`)
	assert.Equal(t, "projects/p/operations/a/b", a.doc(t)["name"])
	for _, body := range []string{`{"kind": "odd"}`, `{"id": "../x"}`, `{"seconds": -1}`, `{"seconds": "x"}`, `{"nope": 1}`, `[`} {
		assert.Equal(t, 400, f.send("POST", "/projects/p/jobs:start", body).code, body)
	}
	assert.Equal(t, 409, f.send("POST", "/projects/p/jobs:start", `{"id": "a"}`).code)

	op := f.startGRPC(`{"parent": "projects/p", "id": "c", "kind": "succeeding", "seconds": 0.001, "stop_after": "2s"}`)
	assert.Equal(t, "projects/p/operations/c", op.GetName())
	assert.NotNil(t, f.finish(op.GetName()).GetResponse())
}
