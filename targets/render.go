package targets

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Render turns the bytes of a response message into the document that
// ProtoJSON would make of it, read from the wire by field number, so that all
// that was sent shows: both results of an operation where both are there, and
// an error that is empty. A google.protobuf.Any is {"@type": type URL,
// "value": base64 of its bytes}; fields with their default value are absent,
// except the code of an error. Unknown counts the bytes of fields that the
// type does not have, or has with another wire type. Err tells why the bytes
// are no such message.
func Render(m Method, data []byte) (doc map[string]any, unknown int, err error) {
	r := &renderer{}
	switch m {
	case Get, Wait:
		doc, err = r.operation(data)
	case List:
		doc, err = r.list(data)
	case Cancel, Delete:
		doc, err = r.empty(data)
	default:
		return nil, 0, fmt.Errorf("method %q has no known response type", m)
	}
	if err != nil {
		return nil, r.unknown, err
	}
	return doc, r.unknown, nil
}

// A renderer counts what the types do not account for.
type renderer struct {
	unknown int
}

// A wireField is one field as it stands on the wire.
type wireField struct {
	number  protowire.Number
	kind    protowire.Type
	varint  uint64 // kind VarintType
	content []byte // kind BytesType
	size    int    // bytes, the tag included
}

// eachField calls take for every field in turn; what it does not take is
// counted as unknown.
func (r *renderer) eachField(data []byte, take func(f wireField) (taken bool, err error)) error {
	for len(data) > 0 {
		f, err := nextField(data)
		if err != nil {
			return err
		}
		data = data[f.size:]
		taken, err := take(f)
		if err != nil {
			return err
		}
		if !taken {
			r.unknown += f.size
		}
	}
	return nil
}

func nextField(data []byte) (wireField, error) {
	number, kind, n := protowire.ConsumeTag(data)
	if n < 0 {
		return wireField{}, fmt.Errorf("tag: %w", protowire.ParseError(n))
	}
	size := protowire.ConsumeFieldValue(number, kind, data[n:])
	if size < 0 {
		return wireField{}, fmt.Errorf("field %d: %w", number, protowire.ParseError(size))
	}
	f := wireField{number: number, kind: kind, size: n + size}
	switch kind {
	case protowire.VarintType:
		f.varint, _ = protowire.ConsumeVarint(data[n:])
	case protowire.BytesType:
		f.content, _ = protowire.ConsumeBytes(data[n:])
	}
	return f, nil
}

var errNotUTF8 = errors.New("string is not UTF-8")

// setText sets a string member, or removes it where it is the default.
func setText(doc map[string]any, name string, content []byte) error {
	if !utf8.Valid(content) {
		return fmt.Errorf("%s: %w", name, errNotUTF8)
	}
	delete(doc, name)
	if len(content) > 0 {
		doc[name] = string(content)
	}
	return nil
}

func (r *renderer) empty(data []byte) (map[string]any, error) {
	return map[string]any{}, r.eachField(data, func(wireField) (bool, error) { return false, nil })
}

// operation renders a google.longrunning.Operation. A message field that
// stands several times is the concatenation of what stands there, as the
// protobuf encoding defines merging; the oneof's last-wins rule is not
// applied, for both results are what has to show.
func (r *renderer) operation(data []byte) (map[string]any, error) {
	doc := map[string]any{}
	parts := map[protowire.Number][]byte{}
	err := r.eachField(data, func(f wireField) (bool, error) {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			return true, setText(doc, "name", f.content)
		case f.number == 3 && f.kind == protowire.VarintType:
			delete(doc, "done")
			if f.varint != 0 {
				doc["done"] = true
			}
			return true, nil
		case (f.number == 2 || f.number == 4 || f.number == 5) && f.kind == protowire.BytesType:
			parts[f.number] = append(parts[f.number], f.content...)
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range []struct {
		number protowire.Number
		name   string
		render func([]byte) (map[string]any, error)
	}{{2, "metadata", r.any}, {4, "error", r.status}, {5, "response", r.any}} {
		part, present := parts[p.number]
		if !present {
			continue
		}
		member, err := p.render(part)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		doc[p.name] = member
	}
	return doc, nil
}

// list renders a google.longrunning.ListOperationsResponse.
func (r *renderer) list(data []byte) (map[string]any, error) {
	doc := map[string]any{}
	var operations, unreachable []any
	err := r.eachField(data, func(f wireField) (bool, error) {
		if f.kind != protowire.BytesType {
			return false, nil
		}
		switch f.number {
		case 1:
			op, err := r.operation(f.content)
			if err != nil {
				return true, fmt.Errorf("operations[%d]: %w", len(operations), err)
			}
			operations = append(operations, op)
		case 2:
			return true, setText(doc, "nextPageToken", f.content)
		case 3:
			if !utf8.Valid(f.content) {
				return true, fmt.Errorf("unreachable: %w", errNotUTF8)
			}
			unreachable = append(unreachable, string(f.content))
		default:
			return false, nil
		}
		return true, nil
	})
	if operations != nil {
		doc["operations"] = operations
	}
	if unreachable != nil {
		doc["unreachable"] = unreachable
	}
	return doc, err
}

// status renders a google.rpc.Status. Its code is always there: an error that
// is present but empty has code 0.
func (r *renderer) status(data []byte) (map[string]any, error) {
	doc := map[string]any{"code": json.Number("0")}
	var details []any
	err := r.eachField(data, func(f wireField) (bool, error) {
		switch {
		case f.number == 1 && f.kind == protowire.VarintType:
			doc["code"] = json.Number(strconv.Itoa(int(int32(f.varint))))
		case f.number == 2 && f.kind == protowire.BytesType:
			return true, setText(doc, "message", f.content)
		case f.number == 3 && f.kind == protowire.BytesType:
			a, err := r.any(f.content)
			if err != nil {
				return true, fmt.Errorf("details[%d]: %w", len(details), err)
			}
			details = append(details, a)
		default:
			return false, nil
		}
		return true, nil
	})
	if details != nil {
		doc["details"] = details
	}
	return doc, err
}

// any renders a google.protobuf.Any by its bytes, whatever its type.
func (r *renderer) any(data []byte) (map[string]any, error) {
	doc := map[string]any{"@type": "", "value": ""}
	err := r.eachField(data, func(f wireField) (bool, error) {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			if !utf8.Valid(f.content) {
				return true, fmt.Errorf("@type: %w", errNotUTF8)
			}
			doc["@type"] = string(f.content)
		case f.number == 2 && f.kind == protowire.BytesType:
			doc["value"] = base64.StdEncoding.EncodeToString(f.content)
		default:
			return false, nil
		}
		return true, nil
	})
	return doc, err
}

// RenderStatus renders the bytes of a google.rpc.Status, such as those of
// grpc-status-details-bin, in the way of Render.
func RenderStatus(data []byte) (doc map[string]any, unknown int, err error) {
	r := &renderer{}
	if doc, err = r.status(data); err != nil {
		return nil, r.unknown, err
	}
	return doc, r.unknown, nil
}
