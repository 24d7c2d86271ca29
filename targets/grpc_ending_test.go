package targets

import (
	"bytes"
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

// serveHeader answers each call by one header, which ends the stream or is followed
// by a frame without data that does.
func serveHeader(t *testing.T, ends bool, fields ...hpack.HeaderField) string {
	t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		require.NoError(t, encoder.WriteField(f))
	}
	return frames(t, func(f *http2.Framer, id uint32) {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: ends, EndHeaders: true})
		if !ends {
			f.WriteData(id, true, nil)
		}
	})
}

// A status in the header is one only where the header ends the stream, whether or
// not it says that nothing follows.
func TestStatusInTheHeader(t *testing.T) {
	fields := []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}, {Name: "grpc-status", Value: "5"}}
	for name, more := range map[string][]hpack.HeaderField{
		"of no length":           nil,
		"of the length 0":        {{Name: "content-length", Value: "0"}},
		"of the length 0, twice": {{Name: "content-length", Value: "0"}, {Name: "content-length", Value: "0"}},
	} {
		for _, ends := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				client := grpcAt(t, Connection{Addresses: []string{serveHeader(t, ends, append(fields[:3:3], more...)...)}})
				for range 3 { // on one connection
					x, err := client.Call(t.Context(), Get, &longrunningpb.GetOperationRequest{Name: "x"})
					require.NoError(t, err)
					assert.Equal(t, ends, x.GRPC.HasStatus, "ends %t: %s", ends, x.GRPC.StatusFault)
					assert.Equal(t, ends, x.Code == codes.NotFound)
					assert.Equal(t, ends, x.GRPC.StatusFault == "")
				}
			})
		}
	}
}
