package targets

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

// frames answers each stream of every connection with frames of the test's
// own.
func frames(t *testing.T, respond func(f *http2.Framer, stream uint32)) string {
	return listen(t, func(c net.Conn) {
		if _, err := io.CopyN(io.Discard, c, int64(len(http2.ClientPreface))); err != nil {
			return
		}
		f := http2.NewFramer(c, c)
		if f.WriteSettings() != nil {
			return
		}
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					f.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				respond(f, frame.StreamID)
			case *http2.GoAwayFrame:
				return
			}
		}
	})
}

func TestGRPCNoAnswer(t *testing.T) {
	status200 := []byte{0x88} // the indexed field ":status: 200" (RFC 7541, appendix A)
	aborted, abort := context.WithCancel(t.Context())
	for _, c := range []struct {
		name    string
		address string
		ctx     context.Context
		timeout time.Duration
		kind    NoAnswerKind
	}{
		{name: "dead port", address: deadPort, kind: Unreachable},
		{name: "closed at once", address: listen(t, func(net.Conn) {}), kind: Reset},
		{name: "http/1.1 only", address: strings.TrimPrefix(serve(t, func(http.ResponseWriter, *http.Request) {}), "http://"), kind: Reset},
		{name: "stream reset", address: frames(t, func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeInternal) }), kind: Reset},
		{name: "stream reset after the header", address: frames(t, func(f *http2.Framer, id uint32) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: status200, EndHeaders: true})
			f.WriteRSTStream(id, http2.ErrCodeCancel)
		}), kind: Reset},
		{name: "going away", address: frames(t, func(f *http2.Framer, id uint32) {
			f.WriteGoAway(id, http2.ErrCodeEnhanceYourCalm, nil)
			f.WriteRawFrame(http2.FrameData, 0, 0, nil) // DATA on stream 0 ends the connection (RFC 9113, section 6.1)
		}), kind: Reset},
		{name: "silence", address: frames(t, func(*http2.Framer, uint32) {}), timeout: 100 * time.Millisecond, kind: TimedOut},
		{name: "silence after the header", address: frames(t, func(f *http2.Framer, id uint32) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: status200, EndHeaders: true})
		}), timeout: 100 * time.Millisecond, kind: TimedOut},
		{name: "aborted", address: frames(t, func(*http2.Framer, uint32) { abort() }), ctx: aborted, kind: Aborted},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ctx == nil {
				c.ctx = t.Context()
			}
			client := grpcAt(t, Connection{Addresses: []string{c.address}, Timeout: c.timeout})
			x, err := client.Call(c.ctx, Cancel, &longrunningpb.CancelOperationRequest{Name: "n"})
			var none *NoAnswer
			require.ErrorAs(t, err, &none)
			assert.Equal(t, c.kind, none.Kind, "%v", err)
			assert.Equal(t, err.Error(), x.Problem)
			assert.Equal(t, `{"name":"n"}`, x.Request.Body)
			assert.Nil(t, x.GRPC)
		})
	}
}

// TestGRPCSendsAgainWhatWasNotProcessed shows that a server that is going
// away costs no answer, where it said that it had not begun the call.
func TestGRPCSendsAgainWhatWasNotProcessed(t *testing.T) {
	var connections atomic.Int64
	address := frames(t, func(f *http2.Framer, id uint32) {
		if connections.Add(1) == 1 {
			f.WriteGoAway(0, http2.ErrCodeNo, nil)
			return
		}
		var b bytes.Buffer
		e := hpack.NewEncoder(&b)
		for _, h := range []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}, {Name: "grpc-status", Value: "3"}} {
			assert.NoError(t, e.WriteField(h))
		}
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: true})
	})
	x, err := grpcAt(t, Connection{Addresses: []string{address}}).Call(t.Context(), Cancel, &longrunningpb.CancelOperationRequest{Name: "n"})
	require.NoError(t, err)
	assert.Equal(t, codes.InvalidArgument, x.Code)
	assert.Equal(t, int64(2), connections.Load())
}
