package steps

import (
	"strings"
	"testing"
	"unicode/utf8"

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
		w := &world{run: &run{}, latest: map[string]keptAnswer{}}
		w.keep(poll(on, "ab", map[string]any{"a": "1", "b": "2"}))
		one := w.kept
		w.keep(poll(on, "ba", map[string]any{"b": "2", "a": "1"}))
		assert.Equal(t, shared, w.kept == one, on)
		w.keep(poll(on, "bc", map[string]any{"b": "2", "c": "1"}))
		assert.Greater(t, w.kept, one, on)
	}
}

// TestLongAnswersAreShownInPart sees that of a long answer the beginning, the end and
// the digest are kept, and that another one of the same length is told from it.
func TestLongAnswersAreShownInPart(t *testing.T) {
	w := &world{run: &run{}, latest: map[string]keptAnswer{}}
	poll := func(middle string) targets.Exchange {
		body := "begin" + strings.Repeat("é", shownOfAnswer) + middle + strings.Repeat("é", shownOfAnswer) + "end"
		return w.keep(targets.Exchange{Transport: targets.REST, Method: targets.Get, Body: []byte(body), Response: targets.Message{Body: body}, Doc: middle})
	}
	one := poll("a")
	weighed := w.kept
	assert.Equal(t, one.Response, poll("a").Response)
	assert.Equal(t, weighed, w.kept)
	assert.NotEqual(t, one.Response, poll("b").Response)
	shown := one.Response.Body
	assert.True(t, utf8.ValidString(shown) && strings.HasPrefix(shown, "begin") && strings.HasSuffix(shown, "end"))
	assert.Less(t, len(shown), 2*shownOfAnswer+200)
}
