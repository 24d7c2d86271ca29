package steps

import (
	"fmt"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// checkOperation judges the invariants of the Operation resource on one
// answer, and against what was seen of the operation before.
func (w *world) checkOperation(op *operation, s snapshot) {
	w.checkResult(s)
	w.checkErrorMember(s)
	if s.transport == targets.REST {
		w.checkJSON(s)
	}
	w.checkMetadataState(op, s)
	if s.partial {
		return
	}
	op.looking.Lock()
	defer op.looking.Unlock()
	w.checkName(op, s)
	if !op.deleted.IsZero() && op.deleted.Before(s.received) {
		return // another operation, if any: cancel.deleted.not-found owns that there is one
	}
	w.checkRequestedFlag(op, s)
	w.mu.Lock()
	earlier := op.snapshots
	op.snapshots = append(op.snapshots[:len(op.snapshots):len(op.snapshots)], s)
	w.mu.Unlock()
	w.checkHistory(earlier, s)
}

// checkResult judges one snapshot's done, error and response (operations.proto,
// Operation.done and the oneof result).
func (w *world) checkResult(s snapshot) {
	const none, exclusive, present = "operation.result.none-before-done", "operation.result.exclusive", "operation.result.present"
	if !s.done {
		if s.hasError || s.hasResponse {
			w.aside(none, s.exchange, "", "neither error nor response while done is false", s.state(), "the operation has a result before it is done")
		} else {
			w.hold(none)
		}
		return
	}
	switch {
	case s.hasError && s.hasResponse:
		w.aside(exclusive, s.exchange, "/response", "one of error and response", s.result(), "the operation has both results")
	case s.hasError || s.hasResponse:
		w.hold(exclusive)
		w.hold(present)
	default:
		w.hold(exclusive)
		w.aside(present, s.exchange, "", "error or response in a done operation", s.result(), "the operation is done without a result")
	}
}

// checkErrorMember judges the code of Operation.error (google/rpc/code.proto,
// google/rpc/status.proto).
func (w *world) checkErrorMember(s snapshot) {
	const valid, nonzero, status = "operation.error.code-valid", "operation.error.code-nonzero", "operation.json.error-is-status"
	if !s.hasError || !s.done { // an error before done is the business of operation.result.none-before-done
		return
	}
	if why, at := notStatus(s.doc["error"]); why != "" && s.transport == targets.REST {
		w.aside(status, s.exchange, "/error"+at, "a google.rpc.Status: code (a number), message, details", why, "the operation's error is no google.rpc.Status")
		return
	}
	w.hold(status)
	m := object(s.doc["error"])
	if _, text := m["code"].(string); text && s.codeRead {
		w.noteFor(valid, "error.code is sent as a string: ProtoJSON parsers accept it, serializers write a number")
	}
	for k := range m {
		if k != "code" && k != "message" && k != "details" {
			w.noteFor(status, "error has the extra member %q: strict parsers fail on it", k)
		}
	}
	if s.hasResponse {
		return // one that should not be there: operation.result.exclusive owns it
	}
	if s.code == 0 {
		w.aside(nonzero, s.exchange, "/error/code", "a code other than 0 (OK)", "code 0", "the operation's error has the code of success")
		return
	}
	w.hold(nonzero)
	if s.code < 0 || s.code > 16 {
		w.aside(valid, s.exchange, "/error/code", "a number of google.rpc.Code, 0 to 16", fmt.Sprint(s.code), "the operation's error code is no google.rpc.Code")
		return
	}
	w.hold(valid)
}

// notStatus tells why a JSON value is no google.rpc.Status, and where.
func notStatus(v any) (why, at string) {
	m, ok := v.(map[string]any)
	if !ok {
		return "not an object", ""
	}
	if _, nested := m["error"].(map[string]any); nested {
		return "an HTTP error envelope inside error", "/error"
	}
	code, present := m["code"]
	if _, read := readInt(code); present && code != nil && !read {
		return "code is no integer: " + targets.Canonical(code), "/code"
	}
	if s, ok := m["status"].(string); ok {
		if _, known := targets.CodeByName(s); known {
			if n, _ := readInt(code); !present || n > 16 {
				return "status and an HTTP status instead of the code, as in the HTTP error envelope", "/status"
			}
		}
	}
	if msg, present := m["message"]; present && msg != nil {
		if _, text := msg.(string); !text {
			return "message is no string", "/message"
		}
	}
	if d, present := m["details"]; present && d != nil {
		list, isList := d.([]any)
		if !isList {
			return "details is no array", "/details"
		}
		for i, e := range list {
			if !isAny(e) {
				return "an element of details is no object with @type", fmt.Sprintf("/details/%d", i)
			}
		}
	}
	return "", ""
}

func isAny(v any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	if len(m) == 0 {
		return true // an empty Any
	}
	t, ok := m["@type"].(string)
	return ok && t != ""
}

// checkJSON judges what only the JSON form shows (ProtoJSON).
func (w *world) checkJSON(s snapshot) {
	const boolean, anyType, noNull = "operation.json.done-boolean", "operation.json.any-type", "operation.json.no-null"
	if d, present := s.doc["done"]; present && d != nil {
		if _, ok := d.(bool); ok {
			w.hold(boolean)
		} else {
			w.aside(boolean, s.exchange, "/done", "true or false", targets.Canonical(d), "done is no JSON boolean")
		}
	}
	null := ""
	for path, m := range map[string]map[string]any{"/": s.doc, "/error/": object(s.doc["error"])} {
		for k, v := range m {
			if at := path + k; v == nil && (null == "" || at < null) {
				null = at
			}
		}
	}
	if null != "" {
		w.aside(noNull, s.exchange, null, "members without a value are left out", "null", "the member %s is null", null[1:])
	} else {
		w.hold(noNull)
	}
	for _, k := range [...]string{"metadata", "response"} {
		v, present := s.doc[k]
		if !present || v == nil {
			continue
		}
		if isAny(v) {
			w.hold(anyType)
		} else {
			w.aside(anyType, s.exchange, "/"+k, `an object with a string "@type"`, clip(targets.Canonical(v)), "%s is no google.protobuf.Any", k)
		}
	}
}

// checkName judges that the name is the one asked for.
func (w *world) checkName(op *operation, s snapshot) {
	const id = "cancel.state.name-unchanged"
	if op.alias {
		for _, e := range op.snapshots {
			if e.name != s.name {
				w.aside(id, s.exchange, "/name", e.name, s.name, "the operation's name has changed")
				return
			}
		}
		w.hold(id)
		return
	}
	switch {
	case s.name == op.name:
		w.hold(id)
	case len(op.snapshots) == 0 && alias(op.name, s.name):
		op.alias = true
		w.noteFor(id, "the operation is shown under an alias of the name asked for: %s", s.name)
	default:
		w.aside(id, s.exchange, "/name", fmt.Sprintf("%q", op.name), fmt.Sprintf("%q", s.name), "the operation's name is not the one asked for")
	}
}

// another tells of a snapshot that is not of the operation that was asked for but of
// another of this run, which is judged by its name alone.
func (w *world) another(op *operation, s snapshot) bool {
	if !w.run.namesAnother(op, s) {
		return false
	}
	op.looking.Lock()
	defer op.looking.Unlock()
	w.checkName(op, s)
	return true
}

// namesAnother tells whether a snapshot has the name of another operation of this
// run than the one asked for.
func (r *run) namesAnother(op *operation, s snapshot) bool {
	return s.name != op.name && r.owns(s.name) && !alias(op.name, s.name)
}

// alias tells whether two names differ in the ids of parents only, as a project
// number and a project id do.
func alias(a, b string) bool {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	if len(x) != len(y) || len(x) < 4 || x[len(x)-1] != y[len(y)-1] {
		return false
	}
	for i := 0; i < len(x); i += 2 {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}

// checkHistory judges a snapshot against earlier ones. Two answers are ordered
// only if the first was received before the second was asked for.
func (w *world) checkHistory(earlier []snapshot, s snapshot) {
	const monotonic, immutable = "operation.terminal.done-monotonic", "operation.terminal.result-immutable"
	for i := len(earlier) - 1; i >= 0; i-- {
		first, then := earlier[i], s
		late := s.received.Before(first.sent) // an answer may be read after later ones, as that of a Wait
		if late {
			first, then = s, first
		}
		if earlier[i].partial || !first.done || !first.received.Before(then.sent) {
			continue
		}
		// That Wait shows no end, or another result, after Get has shown the
		// end is the business of wait.done-immediate and wait.equals-get.
		if first.waited != then.waited && (then.done || then.waited) {
			continue
		}
		if !then.done {
			w.aside(monotonic, then.exchange, "/done", "done stays true", "done is false again", "the operation was done and is no longer")
			return
		}
		w.hold(monotonic)
		if !sameResult(first, then) {
			w.aside(immutable, then.exchange, "", "still "+first.result(), then.result(), "the result of a done operation has changed")
			return
		}
		w.hold(immutable)
		if !late {
			return
		}
	}
}

// clip shortens a text for a line of a report.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
