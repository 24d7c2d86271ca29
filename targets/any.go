package targets

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

// Bounds of what sameWire looks into; beyond them bytes are compared as they are.
const (
	maxAny      = 4 << 20 // bytes
	maxAnyDepth = 32      // messages inside one another
)

// SameAny tells whether two google.protobuf.Any values, as two answers over one
// transport show them (Exchange.Doc), are equal: over gRPC by their wire form,
// over REST by their JSON value, and where their type is linked in by the wire
// form of that.
func SameAny(t Transport, a, b any) bool {
	if t == GRPC {
		aType, aBytes, aOK := WireAny(a)
		bType, bBytes, bOK := WireAny(b)
		if aOK && bOK {
			return sameWire(aType, aBytes, bType, bBytes)
		}
	}
	if reflect.DeepEqual(a, b) || Canonical(a) == Canonical(b) {
		return true
	}
	aKnown, aOK := knownAny(a)
	bKnown, bOK := knownAny(b)
	return aOK && bOK && sameWire(aKnown.GetTypeUrl(), aKnown.GetValue(), bKnown.GetTypeUrl(), bKnown.GetValue())
}

// knownAny reads the JSON form of an Any whose type is linked in, such as a
// Duration, of which 1.5s and 1.500s are one.
func knownAny(v any) (*anypb.Any, bool) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	out := new(anypb.Any)
	return out, protojson.Unmarshal(data, out) == nil
}

// WireAny reads an Any as the gRPC client renders it; ok is false where it is
// none.
func WireAny(v any) (typeURL string, value []byte, ok bool) {
	m, isMap := v.(map[string]any)
	if !isMap {
		return "", nil, false
	}
	typeURL, _ = m["@type"].(string)
	text, _ := m["value"].(string)
	value, err := base64.StdEncoding.DecodeString(text)
	return typeURL, value, err == nil
}

// Canonical is a text that is equal for equal JSON values: members sorted,
// numbers by value.
func Canonical(v any) string {
	var b strings.Builder
	writeCanonical(&b, v)
	return b.String()
}

func writeCanonical(b *strings.Builder, v any) {
	switch x := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for _, k := range slices.Sorted(maps.Keys(x)) {
			b.WriteString(strconv.Quote(k))
			b.WriteByte(':')
			writeCanonical(b, x[k])
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for _, e := range x {
			writeCanonical(b, e)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case json.Number:
		if r, ok := new(big.Rat).SetString(x.String()); ok {
			b.WriteString(r.RatString())
			return
		}
		b.WriteString(x.String())
	case string:
		b.WriteString(strconv.Quote(x))
	case bool:
		b.WriteString(strconv.FormatBool(x))
	default:
		b.WriteString("null")
	}
}

// sameWire tells whether two Any values have the same type URL and the same
// canonical wire form, in which the fields stand by number, the
// entries of one field form a multiset, and a field whose bytes parse as a
// message is compared in the same way. Honest servers re-pack maps in any
// order, so the order of bytes says nothing.
func sameWire(aType string, a []byte, bType string, b []byte) bool {
	if aType != bType {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) > maxAny || len(b) > maxAny {
		return false
	}
	da, okA := wireDigest(a, maxAnyDepth)
	db, okB := wireDigest(b, maxAnyDepth)
	return okA && okB && da == db
}

// wireDigest hashes the canonical form of a message, down to depth; ok is
// false where the bytes do not parse as one. A digest instead of the form
// itself keeps the memory for nested messages linear in the input.
func wireDigest(data []byte, depth int) (digest [sha256.Size]byte, ok bool) {
	type entry struct {
		number protowire.Number
		form   []byte
	}
	var entries []entry
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return digest, false
		}
		size := protowire.ConsumeFieldValue(number, kind, data[n:])
		if size < 0 {
			return digest, false
		}
		entries = append(entries, entry{number, fieldForm(number, kind, data[n:n+size], depth)})
		data = data[n+size:]
	}
	sort.Slice(entries, func(i, j int) bool {
		if entries[i].number != entries[j].number {
			return entries[i].number < entries[j].number
		}
		return bytes.Compare(entries[i].form, entries[j].form) < 0
	})
	h := sha256.New()
	var head [16]byte
	for _, e := range entries {
		binary.BigEndian.PutUint64(head[:8], uint64(e.number))
		binary.BigEndian.PutUint64(head[8:], uint64(len(e.form)))
		h.Write(head[:])
		h.Write(e.form)
	}
	return [sha256.Size]byte(h.Sum(nil)), true
}

// fieldForm is the canonical form of one field's value: its wire type, and
// the number, the bytes, or the digest of the message that it holds.
func fieldForm(number protowire.Number, kind protowire.Type, value []byte, depth int) []byte {
	inner := value
	switch kind {
	case protowire.VarintType:
		v, _ := protowire.ConsumeVarint(value)
		return protowire.AppendVarint([]byte{byte(kind)}, v) // the shortest encoding of the number
	case protowire.BytesType:
		inner, _ = protowire.ConsumeBytes(value)
	case protowire.StartGroupType:
		inner, _ = protowire.ConsumeGroup(number, value)
	default:
		return append([]byte{byte(kind)}, value...)
	}
	if depth > 0 {
		if d, ok := wireDigest(inner, depth-1); ok {
			return append([]byte{byte(kind), 'm'}, d[:]...)
		}
	}
	return append([]byte{byte(kind), 'b'}, inner...)
}
