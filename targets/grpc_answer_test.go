package targets

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"
)

// serveH2 runs a plaintext HTTP/2 server and returns its host:port.
func serveH2(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); assert.ErrorIs(t, <-done, http.ErrServerClosed) })
	return l.Addr().String()
}

// message frames a message.
func message(flag byte, payload []byte) string {
	return string(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(payload)))) + string(payload)
}

// answer writes an answer; trailers whose name begins with a letter of the
// header stand in http.TrailerPrefix form.
func answer(status int, header map[string]string, body string, trailer map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if header["content-type"] == "" {
			w.Header().Set("Content-Type", "application/grpc+proto")
		}
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
		for k, v := range trailer {
			w.Header().Set(http.TrailerPrefix+k, v)
		}
	}
}

func TestGRPCAnswers(t *testing.T) {
	ok := map[string]string{"Grpc-Status": "0"}
	op := encoded(t, &longrunningpb.Operation{Name: "x"})
	opDoc := map[string]any{"name": "x"}
	both := field(field(nil, 4, varint(nil, 1, 1)...), 5, encoded(t, &anypb.Any{TypeUrl: "t"})...)
	details := encoded(t, &spb.Status{Code: 9})
	type want struct {
		messages, payloads int
		status             bool
		code               codes.Code
		detail, docErr     string
		doc                any
		truncated          bool
		line               string
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    want
	}{
		{"ok", answer(200, nil, message(0, op), ok), want{messages: 1, payloads: 1, status: true, doc: opDoc, line: "grpc-status 0 OK"}},
		{"both results", answer(200, nil, message(0, both), ok), want{messages: 1, payloads: 1, status: true, line: "grpc-status 0 OK",
			doc: map[string]any{"error": map[string]any{"code": json.Number("1")}, "response": map[string]any{"@type": "t", "value": ""}}}},
		{"trailers only", answer(200, map[string]string{"Grpc-Status": "12", "Grpc-Message": "not%20here%E2%80%A6%"}, "", nil),
			want{status: true, code: codes.Unimplemented, detail: "not here…%", line: "grpc-status 12 UNIMPLEMENTED: not here…%"}},
		{"details padded", answer(200, map[string]string{"Grpc-Status": "9", "Grpc-Status-Details-Bin": base64.StdEncoding.EncodeToString(details)}, "", nil),
			want{status: true, code: codes.FailedPrecondition, line: "grpc-status 9 FAILED_PRECONDITION"}},
		{"missing trailers", answer(200, nil, message(0, op), nil), want{messages: 1, payloads: 1, code: codes.Unknown, doc: opDoc, line: "HTTP 200 without grpc-status"}},
		{"status in the header of an answer with a message", answer(200, ok, message(0, op), nil), want{messages: 1, payloads: 1, code: codes.Unknown, doc: opDoc, line: "HTTP 200 without grpc-status"}},
		{"nothing at all", answer(200, nil, "", nil), want{code: codes.Unknown, docErr: "no message", line: "HTTP 200 without grpc-status"}},
		{"ok without a message", answer(200, nil, "", ok), want{status: true, docErr: "no message", line: "grpc-status 0 OK"}},
		{"two messages", answer(200, nil, message(0, op)+message(0, nil), ok), want{messages: 2, payloads: 2, status: true, doc: opDoc, line: "grpc-status 0 OK"}},
		{"five messages", answer(200, nil, strings.Repeat(message(0, op), 5), ok), want{messages: 5, payloads: 2, status: true, doc: opDoc, line: "grpc-status 0 OK"}},
		{"error with a message", answer(200, nil, message(0, op), map[string]string{"Grpc-Status": "5"}), want{messages: 1, payloads: 1, status: true, code: codes.NotFound, line: "grpc-status 5 NOT_FOUND"}},
		{"code beyond 16", answer(200, nil, "", map[string]string{"Grpc-Status": "77"}), want{code: codes.Unknown, docErr: "no message", line: `HTTP 200 without a valid grpc-status: "77" is no code of gRPC`}},
		{"status that is no number", answer(200, nil, "", map[string]string{"Grpc-Status": "OK"}), want{code: codes.Unknown, docErr: "no message", line: `HTTP 200 without a valid grpc-status: "OK" is no code of gRPC`}},
		{"status in a header that does not end the stream", func(w http.ResponseWriter, r *http.Request) {
			answer(200, map[string]string{"Grpc-Status": "5"}, "", nil)(w, r)
			w.(http.Flusher).Flush()
		}, want{code: codes.Unknown, docErr: "no message",
			line: "HTTP 200 without a valid grpc-status: it stands in headers that do not end the stream, which clients take for no status"}},
		{"status in a header of the length 0 that does not end the stream", func(w http.ResponseWriter, r *http.Request) {
			answer(200, map[string]string{"Grpc-Status": "5", "Content-Length": "0"}, "", nil)(w, r)
			w.(http.Flusher).Flush()
		}, want{code: codes.Unknown, docErr: "no message",
			line: "HTTP 200 without a valid grpc-status: it stands in headers that do not end the stream, which clients take for no status"}},
		{"gzip", answer(200, map[string]string{"Grpc-Encoding": "gzip"}, message(1, zipped(t, op)), ok), want{messages: 1, payloads: 1, status: true, doc: opDoc, line: "grpc-status 0 OK"}},
		{"gzip bomb", answer(200, map[string]string{"Grpc-Encoding": "gzip"}, message(1, zipped(t, make([]byte, 64<<20))), ok),
			want{messages: 1, payloads: 1, status: true, truncated: true, docErr: "longer than 1048576", line: "grpc-status 0 OK"}},
		{"compressed without a word", answer(200, nil, message(1, op), ok), want{messages: 1, payloads: 1, status: true, docErr: "compressed", line: "grpc-status 0 OK"}},
		{"odd flag", answer(200, nil, message(7, op), ok), want{messages: 1, payloads: 1, status: true, docErr: "flag 0x07", line: "grpc-status 0 OK"}},
		{"large message", answer(200, nil, message(0, make([]byte, 2<<20)), ok), want{messages: 1, payloads: 1, status: true, truncated: true, docErr: "longer than 1048576", line: "grpc-status 0 OK"}},
		{"huge message", answer(200, nil, message(0, make([]byte, 8<<20)), ok), want{messages: 1, payloads: 1, code: codes.Unknown, truncated: true, docErr: "longer than 1048576", line: "HTTP 200 without grpc-status"}},
		{"message cut short", answer(200, nil, message(0, op)[:6], ok), want{messages: 1, payloads: 1, status: true, docErr: "ended inside a message", line: "grpc-status 0 OK"}},
		{"frame header cut short", answer(200, nil, "\x00\x00", ok), want{status: true, docErr: "ended inside a message", line: "grpc-status 0 OK"}},
		{"bytes that are no message", answer(200, nil, message(0, []byte{0xff}), ok), want{messages: 1, payloads: 1, status: true, docErr: "tag", line: "grpc-status 0 OK"}},
		{"plain 503", answer(503, map[string]string{"content-type": "text/plain"}, "busy", nil), want{code: codes.Unknown, docErr: `"text/plain" is no gRPC`, line: "HTTP 503 without grpc-status"}},
		{"503 that breaks off", func(w http.ResponseWriter, r *http.Request) {
			answer(503, map[string]string{"content-type": "text/plain"}, "busy", nil)(w, r)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, want{code: codes.Unknown, docErr: "no gRPC", line: "HTTP 503 without grpc-status"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := grpcAt(t, Connection{Addresses: []string{serveH2(t, c.handler)}})
			x, err := client.Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "x"})
			require.NoError(t, err)
			assert.Equal(t, c.want.line, x.Response.Line)
			assert.Equal(t, c.want.status, x.GRPC.HasStatus)
			assert.Equal(t, c.want.code, x.Code)
			assert.Equal(t, c.want.detail, x.GRPC.StatusDetail)
			assert.Equal(t, c.want.messages, x.GRPC.Messages)
			assert.Len(t, x.GRPC.Payloads, c.want.payloads)
			assert.Equal(t, c.want.doc, doc(x))
			assert.Equal(t, c.want.truncated, x.Truncated)
			assert.LessOrEqual(t, len(x.Body), 1<<20)
			if c.want.docErr != "" {
				assert.ErrorContains(t, x.DocErr, c.want.docErr)
			} else {
				assert.NoError(t, x.DocErr)
			}
			if x.Header["grpc-status-details-bin"] != nil {
				assert.Equal(t, details, x.GRPC.DetailsBin)
			}
		})
	}
}

func doc(x Exchange) any { return x.Doc }

func TestReadStatus(t *testing.T) {
	for _, c := range []struct {
		values []string
		code   int
		fault  string
	}{
		{[]string{"0"}, 0, ""},
		{[]string{"05"}, 5, ""},
		{[]string{"16", "16"}, 16, ""},
		{[]string{"0", "13"}, 0, `it is sent as "0" and as "13"`},
		{[]string{"17"}, -1, `"17" is no code of gRPC`},
		{[]string{"-1"}, -1, `"-1" is no code of gRPC`},
		{[]string{""}, -1, `"" is no code of gRPC`},
	} {
		code, fault := readStatus(c.values)
		assert.Equal(t, c.code, code, "%q", c.values)
		assert.Equal(t, c.fault, fault, "%q", c.values)
	}
}

func TestReadDetails(t *testing.T) {
	for _, c := range []struct {
		values  []string
		details []byte
		fault   string
	}{
		{nil, nil, ""},
		{[]string{""}, []byte{}, ""},
		{[]string{"CAk"}, []byte{8, 9}, ""},
		{[]string{"CAk=", "CAk"}, []byte{8, 9}, ""},
		{[]string{"CAk,CAI"}, []byte{8, 9}, "values that differ"},
		{[]string{"CAk", "CAI"}, []byte{8, 9}, "values that differ"},
		{[]string{"{}"}, nil, "a value that is no base64"},
		{[]string{"-_8"}, nil, "a value that is no base64"},
	} {
		details, fault := readDetails(c.values)
		assert.Equal(t, c.details, details, "%q", c.values)
		assert.True(t, strings.HasPrefix(fault, c.fault) && (fault == "") == (c.fault == ""), "%q: %s", c.values, fault)
	}
}
