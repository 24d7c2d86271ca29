package steps

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lro-tools/conform/targets"
)

// TestMapsInAnyOrderAreKeptOnce sees that polls whose messages differ in the order of
// a map alone, as gRPC servers send them, take up the room of one.
func TestMapsInAnyOrderAreKeptOnce(t *testing.T) {
	poll := func(on targets.Transport, body string, doc map[string]any) targets.Exchange {
		return targets.Exchange{Transport: on, Method: targets.Get, Request: targets.Message{Line: "Get"}, Body: []byte(body), Doc: doc}
	}
	for on, shared := range map[targets.Transport]bool{targets.GRPC: true, targets.REST: false} {
		w := &world{run: &run{}, latest: map[string]targets.Exchange{}}
		w.keep(poll(on, "ab", map[string]any{"a": "1", "b": "2"}))
		one := w.kept
		w.keep(poll(on, "ba", map[string]any{"b": "2", "a": "1"}))
		assert.Equal(t, shared, w.kept == one, on)
		w.keep(poll(on, "bc", map[string]any{"b": "2", "c": "1"}))
		assert.Greater(t, w.kept, one, on)
	}
}
