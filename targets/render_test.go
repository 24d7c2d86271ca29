package targets

import (
	"encoding/json"
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// field appends a length-delimited field.
func field(b []byte, number protowire.Number, content ...byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), content)
}

// varint appends a number field.
func varint(b []byte, number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), v)
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	return b
}

func TestRender(t *testing.T) {
	any1 := &anypb.Any{TypeUrl: "type.googleapis.com/example.Unknown", Value: []byte{1, 2, 3}}
	any1Doc := map[string]any{"@type": "type.googleapis.com/example.Unknown", "value": "AQID"}
	both := field(field(field(nil, 1, 'x'), 4, varint(nil, 1, 1)...), 5, encoded(t, any1)...)
	twice := field(field(nil, 2, field(nil, 1, 'a')...), 2, field(nil, 2, 9)...)
	for _, c := range []struct {
		name    string
		method  Method
		data    []byte
		want    map[string]any
		unknown int
	}{
		{"in progress", Get, encoded(t, &longrunningpb.Operation{Name: "operations/x", Metadata: any1}), map[string]any{"name": "operations/x", "metadata": any1Doc}, 0},
		{"cancelled", Wait, encoded(t, &longrunningpb.Operation{Done: true, Result: &longrunningpb.Operation_Error{Error: &spb.Status{Code: 1, Message: "stopped", Details: []*anypb.Any{any1}}}}),
			map[string]any{"done": true, "error": map[string]any{"code": json.Number("1"), "message": "stopped", "details": []any{any1Doc}}}, 0},
		{"both results", Get, both, map[string]any{"name": "x", "error": map[string]any{"code": json.Number("1")}, "response": any1Doc}, 0},
		{"empty error", Get, field(nil, 4), map[string]any{"error": map[string]any{"code": json.Number("0")}}, 0},
		{"empty response", Get, field(nil, 5), map[string]any{"response": map[string]any{"@type": "", "value": ""}}, 0},
		{"negative code", Get, field(nil, 4, varint(nil, 1, ^uint64(0))...), map[string]any{"error": map[string]any{"code": json.Number("-1")}}, 0},
		{"done false on the wire", Get, varint(varint(nil, 3, 1), 3, 0), map[string]any{}, 0},
		{"empty name", Get, field(nil, 1), map[string]any{}, 0},
		{"message field in two parts", Get, twice, map[string]any{"metadata": map[string]any{"@type": "a", "value": "CQ=="}}, 0},
		{"unknown field", Get, field(varint(nil, 99, 7), 1, 'x'), map[string]any{"name": "x"}, 3},
		{"wrong wire type", Get, varint(nil, 1, 7), map[string]any{}, 2},
		{"unknown inside", Get, field(nil, 4, varint(nil, 9, 7)...), map[string]any{"error": map[string]any{"code": json.Number("0")}}, 2},
		{"list", List, encoded(t, &longrunningpb.ListOperationsResponse{Operations: []*longrunningpb.Operation{{Name: "a"}, {}}, NextPageToken: "n", Unreachable: []string{"z"}}),
			map[string]any{"operations": []any{map[string]any{"name": "a"}, map[string]any{}}, "nextPageToken": "n", "unreachable": []any{"z"}}, 0},
		{"empty list", List, nil, map[string]any{}, 0},
		{"empty", Cancel, nil, map[string]any{}, 0},
		{"not empty", Delete, field(nil, 1, 'x'), map[string]any{}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, unknown, err := Render(c.method, c.data)
			require.NoError(t, err)
			assert.Equal(t, c.want, doc)
			assert.Equal(t, c.unknown, unknown)
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		method Method
		data   []byte
		want   string
	}{
		{"cut", Get, []byte{0x0a, 5, 'x'}, "field 1"},
		{"field zero", Cancel, []byte{0}, "tag"},
		{"name not utf-8", Get, field(nil, 1, 0xff), "name: string is not UTF-8"},
		{"broken error", Get, field(nil, 4, 0xff), "error: tag"},
		{"broken entry", List, field(field(nil, 1), 1, 0xff), "operations[1]"},
		{"type url not utf-8", Get, field(nil, 5, field(nil, 1, 0xff)...), "response: @type"},
		{"no method", "", nil, "no known response type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, _, err := Render(c.method, c.data)
			require.ErrorContains(t, err, c.want)
			assert.Nil(t, doc)
		})
	}
}

// FuzzRender holds the renderer to the protobuf library: it takes what the
// library takes, and gives a document that can be written as JSON.
func FuzzRender(f *testing.F) {
	f.Add(encoded(f, &longrunningpb.Operation{Name: "x", Done: true, Result: &longrunningpb.Operation_Error{Error: &spb.Status{Code: 1, Message: "m"}}}))
	f.Add(field(field(nil, 4), 5))
	f.Add([]byte{0xff})
	f.Add(field(nil, 1, 0xff))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []Method{Get, List, Cancel} {
			doc, unknown, err := Render(m, data)
			assert.LessOrEqual(t, unknown, len(data))
			if err == nil {
				_, err := json.Marshal(doc)
				assert.NoError(t, err)
			}
		}
		var op longrunningpb.Operation
		if proto.Unmarshal(data, &op) != nil {
			return
		}
		doc, _, err := Render(Get, data)
		require.NoError(t, err)
		name, _ := doc["name"].(string)
		assert.Equal(t, op.GetName(), name)
		assert.Equal(t, op.GetDone(), doc["done"] == true)
		assert.Equal(t, op.GetMetadata() != nil, doc["metadata"] != nil)
	})
}

// TestSameAny compares Any values as REST shows them.
func TestSameAny(t *testing.T) {
	duration := func(s string) any {
		return map[string]any{"@type": "type.googleapis.com/google.protobuf.Duration", "value": s}
	}
	unknown := func(n json.Number) any { return map[string]any{"@type": "type.example.com/demo.v1.Result", "n": n} }
	assert.True(t, SameAny(REST, duration("1.5s"), duration("1.500s")))
	assert.False(t, SameAny(REST, duration("1.5s"), duration("1.501s")))
	assert.False(t, SameAny(REST, duration("1.5s"), nil))
	assert.True(t, SameAny(REST, unknown("10"), unknown("1e1")))
	assert.False(t, SameAny(REST, unknown("10"), unknown("11")))
}

func TestSameWire(t *testing.T) {
	entry := func(k, v byte) []byte { return field(field(nil, 1, k), 2, v) }
	for _, c := range []struct {
		name string
		a, b []byte
		want bool
	}{
		{"same bytes that are no message", []byte{0xff}, []byte{0xff}, true},
		{"other bytes that are no message", []byte{0xff}, []byte{0xfe}, false},
		{"fields in another order", varint(field(nil, 1, 'x'), 2, 5), field(varint(nil, 2, 5), 1, 'x'), true},
		{"entries in another order", field(field(nil, 3, entry('a', '1')...), 3, entry('b', '2')...), field(field(nil, 3, entry('b', '2')...), 3, entry('a', '1')...), true},
		{"entries repeated", field(field(nil, 3, 1), 3, 1), field(nil, 3, 1), false},
		{"nested order", field(nil, 1, varint(varint(nil, 1, 1), 2, 2)...), field(nil, 1, varint(varint(nil, 2, 2), 1, 1)...), true},
		{"other value", varint(nil, 1, 1), varint(nil, 1, 2), false},
		{"other field", varint(nil, 1, 1), varint(nil, 2, 1), false},
		{"other wire type", varint(nil, 1, 1), field(nil, 1, 1), false},
		{"longer varint", []byte{0x08, 0x81, 0x00}, []byte{0x08, 0x01}, true},
		{"empty and absent", field(nil, 1), nil, false},
		{"too long to look into", append(field(nil, 1, 'x'), field(nil, 2, make([]byte, maxAny)...)...), append(field(nil, 2, make([]byte, maxAny)...), field(nil, 1, 'x')...), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, sameWire("t", c.a, "t", c.b))
			assert.Equal(t, c.want, sameWire("t", c.b, "t", c.a))
			assert.False(t, sameWire("t", c.a, "u", c.b), "types differ")
		})
	}
}

// TestSameWireIsBounded shows that a message nested far deeper than is looked
// into is still compared, as bytes.
func TestSameWireIsBounded(t *testing.T) {
	nest := func(b []byte) []byte {
		for range 2000 {
			b = field(nil, 1, b...)
		}
		return b
	}
	a, b := varint(varint(nil, 1, 1), 2, 2), varint(varint(nil, 2, 2), 1, 1)
	assert.True(t, sameWire("t", a, "t", b))
	assert.False(t, sameWire("t", nest(a), "t", nest(b)))
	assert.True(t, sameWire("t", nest(a), "t", nest(a)))
}

func FuzzSameWire(f *testing.F) {
	f.Add([]byte{0x08, 1, 0x10, 2}, []byte{0x10, 2, 0x08, 1})
	f.Add(field(nil, 1, 'x'), []byte{0xff})
	f.Add([]byte{0x0b, 0x08, 1, 0x0c}, []byte{0x0b, 0x0c})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		assert.True(t, sameWire("t", a, "t", append([]byte{}, a...)))
		assert.Equal(t, sameWire("t", a, "t", b), sameWire("t", b, "t", a))
		if _, ok := wireDigest(a, 1); !ok {
			return
		}
		if _, ok := wireDigest(b, 1); ok {
			assert.True(t, sameWire("t", append(append([]byte{}, a...), b...), "t", append(append([]byte{}, b...), a...)), "order of fields")
		}
	})
}
