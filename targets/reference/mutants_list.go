package reference

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// A lister is a Service whose List is another one.
type lister struct {
	Service
	list func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error)
}

// List implements Service.
func (l lister) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	return l.list(ctx, l.Service, r)
}

// lists returns the hook of a lister.
func lists(list func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error)) func(Service) Service {
	return func(next Service) Service { return lister{next, list} }
}

// withFilter is the same request with another filter. The page tokens of the
// honest server belong to a filter, so that a fault must keep to one.
func withFilter(r *longrunningpb.ListOperationsRequest, filter string) *longrunningpb.ListOperationsRequest {
	return &longrunningpb.ListOperationsRequest{Name: r.GetName(), PageSize: r.GetPageSize(), PageToken: r.GetPageToken(), Filter: filter}
}

// listed returns a hook by which List shows operations changed, or leaves them
// out where edit says false. It reads the whole list and filters what edit has
// made of it, so that the filter agrees with what is shown.
func listed(edit func(op *longrunningpb.Operation) bool) func(Service) Service {
	return lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
		done := strings.Join(strings.Fields(r.GetFilter()), "")
		if _, err := parseFilter(done); err != nil {
			return nil, err
		}
		out, err := next.List(ctx, withFilter(r, ""))
		if err != nil {
			return nil, err
		}
		kept := out.Operations[:0]
		for _, op := range out.GetOperations() {
			if edit(op) && (done == "" || op.GetDone() == (done == "done=true")) {
				kept = append(kept, op)
			}
		}
		out.Operations = kept
		return out, nil
	})
}

// listMutants show other operations than those that there are.
func listMutants() []Mutant {
	const still, consistent = "cancel.state.listed", "list.consistent-with-get"
	mutant := func(name, doc, breaks string, edit func(op *longrunningpb.Operation) bool) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{Service: listed(edit)}}
	}
	return append([]Mutant{
		mutant("list-drops-cancelled", "Leaves cancelled operations out of every list, as buildfarm did.", still,
			func(op *longrunningpb.Operation) bool { return !isCancelled(op) }),
		mutant("list-drops-finished", "Lists the work queue, which holds no operation that has ended.", still,
			func(op *longrunningpb.Operation) bool { return !op.GetDone() }),
		{Name: "list-of-work", Doc: "Lists the work queue, which holds no operation that has ended, whatever the filter.", Breaks: []string{still},
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				return next.List(ctx, withFilter(r, "done=false"))
			})}},
		mutant("list-shows-running", "Lists from an index that the cancellation does not reach: cancelled operations stay in progress there.", consistent,
			func(op *longrunningpb.Operation) bool {
				if isCancelled(op) {
					op.Done, op.Result = false, nil
					setState(op, running)
				}
				return true
			}),
		{Name: "list-shows-stale", Doc: "Filters by the operations, and shows them as an index has them that the cancellation does not reach.",
			Breaks: []string{consistent},
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				out, err := next.List(ctx, r)
				for _, op := range out.GetOperations() {
					if isCancelled(op) {
						op.Done, op.Result = false, nil
						setState(op, running)
					}
				}
				return out, err
			})}},
		mutant("list-shows-aborted", "Lists cancelled operations with the error ABORTED, from a column of its own.", consistent,
			func(op *longrunningpb.Operation) bool {
				if isCancelled(op) {
					end(op, codes.Aborted, "aborted")
				}
				return true
			}),
		mutant("list-shows-response", "Lists every operation that has ended as one that has succeeded.", consistent,
			func(op *longrunningpb.Operation) bool {
				if isCancelled(op) {
					op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
					setState(op, succeeded)
				}
				return true
			}),
		mutant("list-empties-responses", "Lists operations that succeeded with a response of no fields.", consistent,
			func(op *longrunningpb.Operation) bool {
				if op.GetResponse() != nil {
					op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
				}
				return true
			}),
		{Name: "list-of-done-shows-aborted", Doc: "Lists what is in progress by default, and for done=true from an archive that has no CANCELLED.", Breaks: []string{consistent},
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				if r.GetFilter() == "" {
					r = withFilter(r, "done=false")
				}
				out, err := next.List(ctx, r)
				for _, op := range out.GetOperations() {
					if isCancelled(op) {
						end(op, codes.Aborted, "aborted")
					}
				}
				return out, err
			})}},
		{Name: "lists-error-as-envelope", Doc: "Writes the error of an operation as that of an HTTP answer, in lists only.", Breaks: []string{"operation.json.error-is-status"},
			Fault: Fault{REST: answers(restMethod, targets.List, func(d *draft) {
				doc := d.doc()
				ops, _ := doc["operations"].([]any)
				for _, op := range ops {
					if op, ok := op.(map[string]any); ok && op["error"] != nil {
						op["error"] = map[string]any{"error": op["error"]}
					}
				}
				if ops != nil {
					d.setDoc(doc)
				}
			})}},
		{Name: "list-error-as-text", Doc: "Writes the errors of List as a text where an object should be.", Breaks: []string{"error.http.json-envelope"},
			Fault: Fault{REST: answers(restMethod, targets.List, func(d *draft) {
				if d.status >= http.StatusBadRequest {
					d.setDoc(map[string]any{"error": "the list cannot be given"})
				}
			})}},
		{Name: "cancel-lists-unknown", Doc: "Leaves an entry in the list when an unknown name is cancelled; Get does not find it.",
			Breaks: []string{"cancel.unknown.no-create"}, Fault: Fault{Service: listsUnknown}},
	}, filterMutants()...)
}

// filterMutants accept a filter and list what does not match it.
func filterMutants() []Mutant {
	const filter = "list.filter-consistent"
	refilter := func(as map[string]string) func(Service) Service {
		return lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
			if other, ok := as[strings.Join(strings.Fields(r.GetFilter()), "")]; ok {
				r = withFilter(r, other)
			}
			return next.List(ctx, r)
		})
	}
	return []Mutant{
		{Name: "filter-inverted", Doc: "Lists the operations in progress for done=true, and the others for done=false.",
			Breaks: []string{filter}, Fault: Fault{Service: refilter(map[string]string{"done=true": "done=false", "done=false": "done=true"})}},
		{Name: "filter-one-way", Doc: "Knows done=false only: done=true lists all.",
			Breaks: []string{filter}, Fault: Fault{Service: refilter(map[string]string{"done=true": ""})}},
		{Name: "filter-other-way", Doc: "Knows done=true only: done=false lists all.",
			Breaks: []string{filter}, Fault: Fault{Service: refilter(map[string]string{"done=false": ""})}},
		{Name: "filter-forgets-cancelled", Doc: "Takes done=true for what has succeeded or failed.", Breaks: []string{filter},
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				out, err := next.List(ctx, r)
				if err == nil && strings.Join(strings.Fields(r.GetFilter()), "") == "done=true" {
					out.Operations = slices.DeleteFunc(out.Operations, isCancelled)
				}
				return out, err
			})}},
		{Name: "filter-lists-active", Doc: "Takes any filter by done for one of the operations in progress.",
			Breaks: []string{filter}, Fault: Fault{Service: refilter(map[string]string{"done=true": "done=false"})}},
	}
}

// listsUnknown is the hook of a service that adds the names of refused cancels
// to its lists.
func listsUnknown(next Service) Service {
	known := newLedger(next)
	var mu sync.Mutex
	var names []string
	noting := canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if known.isUnknown(r.GetName(), plainID) {
			mu.Lock()
			names = append(names, r.GetName())
			mu.Unlock()
		}
		return next.Cancel(ctx, r)
	}}
	return lister{noting, func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
		out, err := next.List(ctx, r)
		if err != nil || r.GetFilter() != "" || r.GetPageToken() != "" {
			return out, err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, n := range names {
			out.Operations = append(out.Operations, &longrunningpb.Operation{Name: n})
		}
		return out, nil
	}}
}
