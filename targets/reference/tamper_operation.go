package reference

import (
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lro-tools/conform/targets"
)

// operationDocs decorates the REST side so that edit changes every operation
// that Get, Wait and List answer.
func operationDocs(edit func(op map[string]any)) func(http.Handler) http.Handler {
	one := func(d *draft) {
		if doc := d.doc(); doc != nil && d.status == http.StatusOK {
			edit(doc)
			d.setDoc(doc)
		}
	}
	list := func(d *draft) {
		doc := d.doc()
		ops, _ := doc["operations"].([]any)
		for _, op := range ops {
			if op, ok := op.(map[string]any); ok {
				edit(op)
			}
		}
		if ops != nil {
			d.setDoc(doc)
		}
	}
	return func(next http.Handler) http.Handler {
		next = answers(restMethod, targets.Get, one)(next)
		next = answers(restMethod, targets.Wait, one)(next)
		return answers(restMethod, targets.List, list)(next)
	}
}

// operationBytes decorates the gRPC side so that edit changes the bytes of
// every operation that Get, Wait and List answer.
func operationBytes(edit func(op []byte) []byte) func(http.Handler) http.Handler {
	one := func(d *draft) {
		if m := d.messages(); d.ok() && len(m) == 1 {
			d.setMessages(edit(m[0]))
		}
	}
	list := func(d *draft) {
		if m := d.messages(); d.ok() && len(m) == 1 {
			d.setMessages(editEntries(m[0], edit))
		}
	}
	return func(next http.Handler) http.Handler {
		next = answers(wireMethod, targets.Get, one)(next)
		next = answers(wireMethod, targets.Wait, one)(next)
		return answers(wireMethod, targets.List, list)(next)
	}
}

// editEntries changes the operations of a ListOperationsResponse, its field 1.
func editEntries(list []byte, edit func(op []byte) []byte) []byte {
	var out []byte
	for len(list) > 0 {
		number, kind, n := protowire.ConsumeTag(list)
		size := protowire.ConsumeFieldValue(number, kind, list[max(n, 0):])
		if n < 0 || size < 0 {
			return list
		}
		if number == 1 {
			op, _ := protowire.ConsumeBytes(list[n:])
			out = protowire.AppendBytes(protowire.AppendTag(out, number, kind), edit(op))
		} else {
			out = append(out, list[:n+size]...)
		}
		list = list[n+size:]
	}
	return out
}
