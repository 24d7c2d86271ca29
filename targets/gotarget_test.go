package targets

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
)

func TestTargetInGo(t *testing.T) {
	var seen atomic.Value
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + " " + r.Header.Get("X-Api-Key"))
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"name": "operations/1"}`))
	})
	l := bufconn.Listen(1 << 16)
	s := grpc.NewServer()
	longrunningpb.RegisterOperationsServer(s, &startService{answer: &longrunningpb.Operation{Name: "operations/2"}})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	defer func() { s.Stop(); assert.NoError(t, <-ended) }()

	target, err := NewTarget("mine", WithHandler(handler, "v1/"), WithListener(l.DialContext),
		WithStarter(Running, func(_ context.Context, r StartRequest) (Started, error) {
			return Started{Name: "operations/" + string(r.Role)}, nil
		}),
		WithUnavailable(Nested, "one segment"), WithNamePattern("operations/*"), WithList("operations"),
		WithTimeouts(Timeouts{Settle: time.Second}), WithGuaranteed(), WithProfile(ProfileGoogle), WithCancel(CancelSupported),
		WithMetadataState("/state"), WithUnknown("operations/none"), WithWait(true), WithDelete(false),
		WithHeader("X-Api-Key", "k3y-value"), WithBearer("s3cret-token"), WithStranger("other-token"), WithExclusion("wait.*", "later"))
	require.NoError(t, err)
	defer target.Close()

	assert.Equal(t, "mine", target.Name)
	assert.Equal(t, Timeouts{Request: 10 * time.Second, Settle: time.Second, Observe: 2 * time.Second}, target.Timeouts)
	assert.True(t, target.Guaranteed && target.Authenticated)
	assert.Equal(t, ProfileGoogle, target.Profile)
	assert.Equal(t, CancelSupported, target.Cancel)
	assert.Equal(t, "/state", target.MetadataState)
	assert.Equal(t, "operations/none", target.Unknown)
	assert.Equal(t, []Exclusion{{"wait.*", "later"}}, target.Exclude)
	assert.Equal(t, map[Role]Availability{Running: {Configured: true}, Nested: {Unavailable: "one segment"}}, target.Roles)
	assert.Equal(t, map[Principal]Availability{Stranger: {Configured: true}}, target.Principals)
	rest, overGRPC := target.Endpoints[REST], target.Endpoints[GRPC]
	for _, e := range target.Endpoints {
		assert.True(t, e.Loopback && e.Judge && e.HasList && *e.Wait && !*e.Delete)
		assert.Equal(t, "operations/*", e.NamePattern)
	}
	assert.Equal(t, "", rest.List)
	assert.Equal(t, "operations", overGRPC.List)

	got, err := target.Starter.Start(context.Background(), StartRequest{Role: Running})
	require.NoError(t, err)
	assert.Equal(t, "operations/running", got.Name)
	e, err := rest.Client.Call(context.Background(), Get, &longrunningpb.GetOperationRequest{Name: "operations/1"})
	require.NoError(t, err)
	assert.True(t, e.Accepted())
	assert.Equal(t, "GET /v1/operations/1 Bearer s3cret-token k3y-value", seen.Load())
	_, err = rest.Client.Raw(context.Background(), RawRequest{Method: Get, Message: &longrunningpb.GetOperationRequest{Name: "operations/1"}, Principal: Stranger})
	require.NoError(t, err)
	assert.Equal(t, "GET /v1/operations/1 Bearer other-token ", seen.Load())
	e, err = overGRPC.Client.Call(context.Background(), Wait, &longrunningpb.WaitOperationRequest{Name: "operations/1"})
	require.NoError(t, err)
	assert.True(t, e.Accepted(), e.Status())
	assert.NoError(t, target.Close())
	_, err = rest.Client.Call(context.Background(), Get, &longrunningpb.GetOperationRequest{Name: "operations/1"})
	assert.Error(t, err, "the server stops with the target")
}

func TestTargetInGoRefused(t *testing.T) {
	tests := []struct {
		name string
		opts []Option
		want string
	}{
		{"no transport", nil, "target x: no transport: WithREST, WithHandler, WithGRPC or WithListener is needed"},
		{"rest twice", []Option{WithREST("http://localhost"), WithHandler(http.NotFoundHandler(), "/v1")}, "target x: rest is given twice"},
		{"grpc twice", []Option{WithGRPC("localhost:1"), WithGRPC("localhost:2")}, "target x: grpc is given twice"},
		{"a bad url", []Option{WithREST("localhost")}, "rest: "},
		{"a bad address", []Option{WithGRPC("localhost")}, "grpc: "},
		{"a role", []Option{WithREST("http://localhost"), WithUnavailable("runing", "x")}, `role "runing" is not known`},
		{"no reason", []Option{WithREST("http://localhost"), WithUnavailable(Slow, "")}, "role slow: unavailable without a reason"},
		{"a starter's role", []Option{WithREST("http://localhost"), WithStarter("x", nil)}, `role "x" is not known`},
		{"a timeout", []Option{WithREST("http://localhost"), WithTimeouts(Timeouts{Settle: -1})}, "a timeout below zero"},
		{"a profile", []Option{WithREST("http://localhost"), WithProfile("x")}, `profile "x" is not known`},
		{"cancel", []Option{WithREST("http://localhost"), WithCancel("x")}, `cancel "x" is not known`},
		{"an exclusion", []Option{WithREST("http://localhost"), WithExclusion("x", "")}, "an exclusion needs a requirement and a reason"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewTarget("x", tt.opts...)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestRateHoldsForAllThatIsSent(t *testing.T) {
	d := newDraft(1)
	require.NotNil(t, d.before)
	require.NoError(t, d.before(context.Background()), "the first is free")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	assert.Error(t, d.before(ctx), "the second waits")
	_, _, err := (&commandRecipe{wire: d.wire, argv: []text{{{literal: "true"}}}}).run(ctx, nil)
	assert.ErrorIs(t, err, context.Canceled)
}
