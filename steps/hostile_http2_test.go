package steps

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// serveFrames accepts HTTP/2 connections without TLS and hands each, its
// preface and settings exchanged, to a function. All end with the test.
func serveFrames(t *testing.T, answer func(f *http2.Framer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
					return
				}
				f := http2.NewFramer(conn, conn)
				if f.WriteSettings() == nil {
					answer(f)
				}
				_, _ = io.Copy(io.Discard, conn) // until the client has gone
			}()
		}
	}()
	return l.Addr().String()
}

// A server that misbehaves below gRPC is recognised as one that brings no
// answers, within the time of a run.
func TestHostileHTTP2(t *testing.T) {
	for name, a := range map[string]func(*http2.Framer){
		"silent after the settings": func(*http2.Framer) {},
		"GOAWAY at once":            func(f *http2.Framer) { _ = f.WriteGoAway(0, http2.ErrCodeNo, []byte("\x1b[2Jgo")) },
		"GOAWAY of an attack":       func(f *http2.Framer) { _ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil) },
		"pings without end": func(f *http2.Framer) {
			for f.WritePing(false, [8]byte{}) == nil {
			}
		},
		"settings without end": func(f *http2.Framer) {
			for f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0}) == nil {
			}
		},
		"headers that go on without end": func(f *http2.Framer) {
			if f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}}) != nil {
				return
			}
			for f.WriteContinuation(1, false, make([]byte, 16<<10)) == nil {
			}
		},
		"a frame for a stream that is not open": func(f *http2.Framer) { _ = f.WriteData(7, true, []byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := reference.New(reference.Options{})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, s.Close()) })
			r := underAttack(t, at(t, s, targets.GRPC, serveFrames(t, a)), Options{})
			assert.Equal(t, reports.Error, r.Outcome, r.Reason)
			assert.Empty(t, failedOf(r))
		})
	}
}
