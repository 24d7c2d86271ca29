package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// saidAtMost is how much of what a server says about an error is shown.
const saidAtMost = 160

// answered is the status of an answer, with the server's own words about it.
func answered(ex targets.Exchange) string {
	if said := words(ex); said != "" {
		return fmt.Sprintf("%s (%s)", ex.Status(), said)
	}
	return ex.Status()
}

// words is the beginning of the message of an error, or of what stands in its place,
// as reports show it: without secrets.
func words(ex targets.Exchange) string {
	text := ex.Response.Body
	if _, detail, ok := strings.Cut(ex.Response.Line, ": "); ok && ex.Transport == targets.GRPC {
		text = detail
	}
	if doc, err := targets.DecodeJSON([]byte(text)); err == nil {
		text = message(doc)
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if r := []rune(strings.TrimSpace(text)); len(r) > saidAtMost {
		return string(r[:saidAtMost]) + "…"
	}
	return strings.TrimSpace(text)
}

// message is that of an error in the form of AIP-193, of a raw google.rpc.Status, or
// of what has the error for a string; else the whole document.
func message(doc any) string {
	m, _ := doc.(map[string]any)
	if inner, ok := m["error"].(map[string]any); ok {
		m = inner
	}
	for _, key := range []string{"message", "error"} {
		if text, ok := m[key].(string); ok {
			return text
		}
	}
	if m != nil && len(m) == 0 {
		return ""
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// getAdvice is what to look at where Get of what was just started is refused.
func getAdvice(ex targets.Exchange) string {
	switch {
	case ex.Code == codes.Unauthenticated || ex.Code == codes.PermissionDenied:
		return "may the caller of auth read what it has started?"
	case ex.HTTP >= 500 || ex.Transport == targets.GRPC && (ex.Code == codes.Internal || ex.Code == codes.Unknown || ex.Code == codes.Unavailable):
		return "the server fails: its log tells more"
	}
	return "is its name what the recipe's `name` points at, and rest.url the base of it?"
}

// shows says what an answer to Get shows of an operation that is not done.
func shows(ex targets.Exchange, err error) string {
	m, _ := ex.Doc.(map[string]any)
	failure, _ := m["error"].(map[string]any)
	switch {
	case err != nil:
		return fmt.Sprintf("no answer: %v", err)
	case !ex.Accepted():
		return answered(ex)
	case failure != nil:
		return fmt.Sprintf("an error with the code %v, while done is not true", failure["code"])
	case m["response"] != nil:
		return "a response, while done is not true"
	case m["done"] != nil && m["done"] != false:
		return "a done that is no boolean: " + targets.Canonical(m["done"])
	}
	return "in progress"
}

// lists reads the first page of the list over each transport that has one.
func (d *doctor) lists(ctx context.Context) {
	for _, t := range targets.Transports() {
		ep := d.target.Endpoints[t]
		if ep == nil || !ep.Judge || !ep.HasList || ctx.Err() != nil {
			continue
		}
		ex, err := ep.Client.Call(ctx, targets.List, &longrunningpb.ListOperationsRequest{Name: ep.List})
		switch {
		case err != nil:
			d.advise("%s: List: no answer: %v", t, err)
		case ex.Code == codes.Unimplemented || ex.HTTP == 405 || ex.HTTP == 501:
			d.advise("%s: List: %s; it is not offered, and what needs it does not apply", t, answered(ex))
		case !ex.Accepted() && (ex.Code == codes.NotFound || ex.Code == codes.InvalidArgument):
			d.advise("%s: List of %q: %s; does %s.list name what the operations are listed under?", t, ep.List, answered(ex), t)
		case !ex.Accepted():
			d.advise("%s: List of %q: %s", t, ep.List, answered(ex))
		default:
			d.listed(t, ep, ex)
		}
	}
}

// listed tells of a page whether it shows what was started.
func (d *doctor) listed(t targets.Transport, ep *targets.Endpoint, ex targets.Exchange) {
	m, _ := ex.Doc.(map[string]any)
	entries, _ := m["operations"].([]any)
	for _, e := range entries {
		op, _ := e.(map[string]any)
		for _, own := range d.started {
			if op["name"] == own.Name {
				d.well("%s: List: shows what was started", t)
				return
			}
		}
	}
	if next, _ := m["nextPageToken"].(string); next != "" {
		d.well("%s: List: answers, with %d entries on its first page", t, len(entries))
		return
	}
	d.advise("%s: List of %q: answers, but shows nothing of what was started; does %s.list name what that is listed under, or is the list late?", t, ep.List, t)
}
