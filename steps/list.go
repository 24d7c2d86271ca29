package steps

import (
	"context"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// maxPages bounds how far a list is read.
const maxPages = 200

// doneFilters are spellings of one filter (AIP-160), tried in this order.
var doneFilters = [...]string{"done=true", "done = true"}

// activeFilters are the opposites of doneFilters, in the same order.
var activeFilters = [...]string{"done=false", "done = false"}

// oppositeFilter is the filter for what another one leaves out.
func oppositeFilter(filter string) string {
	for i, f := range doneFilters {
		switch filter {
		case f:
			return activeFilters[i]
		case activeFilters[i]:
			return f
		}
	}
	return ""
}

func listRequest(parent, filter, token string) *longrunningpb.ListOperationsRequest {
	return &longrunningpb.ListOperationsRequest{Name: parent, Filter: filter, PageToken: token}
}

// A listing is one reading of the whole list. List may be stale, so that its
// entries are judged one by one, and never against what Get showed when.
type listing struct {
	size    int                 // entries
	done    int                 // those that are shown as done
	last    call                // the last page, or the call that was refused
	refused bool                // the list was not given
	unknown *call               // the page that shows the name of no operation; nil where none does
	nearly  []string            // names that are nearly those of the case's operations
	ours    map[string]snapshot // the case's operations, and others of this run that are not done, by the name that List shows
}

// find returns the entry of an operation.
func (l listing) find(op *operation) (snapshot, bool) {
	if s, ok := l.ours[op.name]; ok {
		return s, true
	}
	for name, s := range l.ours {
		if alias(op.name, name) {
			return s, true
		}
	}
	return snapshot{}, false
}

// nearlyOf is a name that is listed and nearly that of an operation, with how it
// differs; "" where none is.
func (l listing) nearlyOf(op *operation) (name, how string) {
	for _, name := range l.nearly {
		if how := differs(op.name, name); how != "" {
			return name, how
		}
	}
	return "", ""
}

// differs tells how a name that is nearly another one differs from it; "" where it
// does not, or is quite another.
func differs(own, name string) string {
	switch {
	case name == own:
		return ""
	case strings.EqualFold(own, name):
		return "differs from its name only in case"
	case strings.TrimSpace(name) == own:
		return "is its name with blanks around it"
	case name != "" && strings.HasSuffix(own, "/"+name):
		return "is only the last part of its name"
	case strings.HasSuffix(name, "/"+own):
		return "is its name with more in front of it"
	}
	return ""
}

// shows tells whether a listing has an entry of an operation.
func (l listing) shows(op *operation) bool {
	_, shown := l.find(op)
	return shown
}

// list reads every page of the list over a transport, which may be the other. The
// error is a ruling.
func (w *world) list(ctx context.Context, ep *targets.Endpoint, filter string) (listing, error) {
	out := listing{ours: map[string]snapshot{}}
	tooLong := inconclusive("the list has more than %d pages", maxPages)
	o := w.run.offers[ep.Client.Transport()]
	if o.isTooLong(filter) {
		return out, tooLong
	}
	tokens := map[string]bool{}
	token := ""
	for range maxPages {
		next, err := w.nextPage(ctx, ep, listRequest(ep.List, filter, token), &out)
		if err != nil || next == "" {
			return out, err
		}
		if tokens[next] {
			return out, inconclusive("List gave the same page token twice: the list cannot be read to its end")
		}
		tokens[next], token = true, next
	}
	o.tellTooLong(filter)
	return out, tooLong
}

// pagesAtOnce is how many pages of lists a run reads at a time. They may be
// long, and a page is held whole until it is judged.
const pagesAtOnce = 2

// nextPage reads one page of a list and returns the token of the next.
func (w *world) nextPage(ctx context.Context, ep *targets.Endpoint, request *longrunningpb.ListOperationsRequest, into *listing) (string, error) {
	select {
	case w.run.pages <- struct{}{}:
		defer func() { <-w.run.pages }()
	case <-ctx.Done():
		return "", stopped(ctx)
	}
	c, err := w.repeatTransient(ctx, func() call { return w.across(ctx, ep, targets.List, request) })
	into.last = c
	if err != nil {
		return "", err
	}
	if !c.Accepted() {
		into.refused = true
		if w.judges(c) && !notOffered(c) {
			w.checkError(c)
		}
		return "", nil
	}
	into.last.Exchange = recorded(c.Exchange) // a long list is not held until its end
	next, err := w.readPage(c, into)
	if err == nil {
		w.abridge(c)
	}
	return next, err
}

// readPage takes the entries of one page and returns the token of the next.
func (w *world) readPage(c call, into *listing) (next string, err error) {
	doc, ok := c.Doc.(map[string]any)
	if !ok || c.DocErr != nil || errorAsSuccess(c.Exchange) {
		return "", inconclusive("List answered something that is no list: %v", c.DocErr)
	}
	entries, ok := doc["operations"].([]any)
	if !ok && doc["operations"] != nil {
		return "", inconclusive("operations is no array in the answer of List")
	}
	into.size += len(entries)
	for _, e := range entries {
		op := object(e)
		if done, _ := op["done"].(bool); done {
			into.done++
		}
		name, _ := op["name"].(string)
		if name != "" && name == w.unknown {
			page := c
			page.Exchange = recorded(c.Exchange)
			into.unknown = &page
			w.meetsNamesakeOf(name)
		}
		mine := w.isMine(name)
		if !mine && !w.run.owns(name) && w.isNearlyMine(name) {
			into.nearly = append(into.nearly, name)
		}
		if !mine && !w.run.owns(name) {
			continue
		}
		s := readOperation(c.Exchange, c.index, op)
		s.partial = true
		// Of two entries the one that shows it in progress counts: it is read
		// again where Get shows its end.
		if before, twice := into.ours[name]; (mine || !s.done) && !(twice && !before.done) {
			into.ours[name] = s
		}
		// A view without results is the list's own business; Get judges whether
		// the operation has one.
		if w.judges(c) && (!s.done || s.hasError || s.hasResponse) {
			w.checkOperation(nil, s)
		}
	}
	return nextPageToken(doc), nil
}

// nextPageToken is that of a page; "" on the last one.
func nextPageToken(doc map[string]any) string {
	for _, k := range [...]string{"nextPageToken", "next_page_token"} {
		if t, _ := doc[k].(string); t != "" {
			return t
		}
	}
	return ""
}

// isMine tells whether a name is that of an operation of this case, or an alias
// of one.
func (w *world) isMine(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, op := range w.mine {
		if op.name == name || alias(op.name, name) {
			return true
		}
	}
	return false
}

// isNearlyMine tells whether a name is nearly that of an operation of this case.
func (w *world) isNearlyMine(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.mine, func(op *operation) bool { return differs(op.name, name) != "" })
}

// untilListed reads the list again until visit says that it is enough, or
// settle is over; late tells the latter. Lists are long: it is read less often
// than an operation.
func (w *world) untilListed(ctx context.Context, ep *targets.Endpoint, filter string, visit func(listing) bool) (last listing, late bool, err error) {
	deadline := time.Now().Add(w.settleFor())
	longest := w.settleFor() / 8
	for pause := 5 * firstPause; ; pause = min(2*pause, longest) {
		final := !time.Now().Before(deadline)
		last, err = w.list(ctx, ep, filter)
		if err != nil {
			return last, false, err
		}
		if last.refused {
			return last, false, inconclusive("List answered %s", last.last.Status())
		}
		if visit(last) {
			return last, false, nil
		}
		if final {
			return last, true, nil
		}
		if !sleep(ctx, min(pause, max(time.Until(deadline), 0))) {
			return last, false, stopped(ctx)
		}
	}
}

// acceptedFilter finds the spelling of a filter that the server accepts, by the
// first page; it is inapplicable where there is none.
func (w *world) acceptedFilter(ctx context.Context, spellings ...string) (string, error) {
	var refusal call
	for _, f := range spellings {
		l := listing{ours: map[string]snapshot{}}
		if _, err := w.nextPage(ctx, w.ep, listRequest(w.ep.List, f, ""), &l); err != nil {
			return "", err
		}
		if !l.refused {
			return f, nil
		}
		refusal = l.last
		if !isCode(refusal.Exchange, codes.InvalidArgument) && !notOffered(refusal) {
			return "", inconclusive("List with the filter %s answered %s", f, refusal.Status())
		}
	}
	return "", inapplicable("the filter %s is not supported: %s", spellings[0], refusal.Status())
}
