package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

func TestDoctorTellsWhatTheServerSaid(t *testing.T) {
	rest := func(status int, code codes.Code, body string) targets.Exchange {
		return targets.Exchange{Transport: targets.REST, HTTP: status, Code: code, Response: targets.Message{Body: body}}
	}
	for name, row := range map[string]struct {
		ex           targets.Exchange
		said, advice string
	}{
		"envelope":   {rest(500, codes.Internal, `{"error": {"code": 500, "message": "row is nil\nat main.go:1"}}`), "HTTP 500 INTERNAL (row is nil)", "the server fails"},
		"status":     {rest(404, codes.NotFound, `{"code": 5, "message": "no such operation"}`), "HTTP 404 NOT_FOUND (no such operation)", "`name`"},
		"other JSON": {rest(404, codes.NotFound, `{"detail": "Not Found"}`), `HTTP 404 NOT_FOUND ({"detail":"Not Found"})`, "`name`"},
		"text":       {rest(502, codes.Unavailable, "\n bad gateway\nnginx"), "HTTP 502 UNAVAILABLE (bad gateway)", "the server fails"},
		"nothing":    {rest(403, codes.PermissionDenied, ""), "HTTP 403 PERMISSION_DENIED", "may the caller"},
		"long":       {rest(500, codes.Internal, strings.Repeat("é", 200)), "HTTP 500 INTERNAL (" + strings.Repeat("é", 160) + "…)", "the server fails"},
		"gRPC": {targets.Exchange{Transport: targets.GRPC, HTTP: 200, Code: codes.Internal, GRPC: &targets.GRPCAnswer{HasStatus: true},
			Response: targets.Message{Line: "grpc-status 13 INTERNAL: row: nil"}}, "gRPC INTERNAL (row: nil)", "the server fails"},
	} {
		assert.Equal(t, row.said, answered(row.ex), name)
		assert.Contains(t, getAdvice(row.ex), row.advice, name)
	}
}

func TestDoctorTellsWhatGetShows(t *testing.T) {
	ok := func(doc map[string]any) targets.Exchange {
		return targets.Exchange{Transport: targets.REST, HTTP: 200, Doc: doc}
	}
	assert.Equal(t, "in progress", shows(ok(map[string]any{"done": false}), nil))
	assert.Contains(t, shows(ok(map[string]any{"error": map[string]any{"code": 1}}), nil), "an error with the code 1")
	assert.Contains(t, shows(ok(map[string]any{"response": map[string]any{}}), nil), "a response")
	assert.Contains(t, shows(ok(map[string]any{"done": "true"}), nil), `no boolean: "true"`)
	assert.Contains(t, shows(targets.Exchange{}, errors.New("reset")), "no answer: reset")
}
