package reference

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// listsNewest is the hook of a service that lists so many operations at the most.
func listsNewest(most int) func(Service) Service {
	return lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
		if r.GetPageToken() != "" {
			return next.List(ctx, r) // it has given none
		}
		out := new(longrunningpb.ListOperationsResponse)
		for all := withFilter(r, ""); ; {
			all.PageSize = maxPage
			page, err := next.List(ctx, all)
			if err != nil {
				return nil, err
			}
			out.Operations = append(out.Operations, page.GetOperations()...)
			if all.PageToken = page.GetNextPageToken(); all.PageToken == "" {
				out.Operations = out.Operations[max(0, len(out.Operations)-most):]
				return out, nil
			}
		}
	})
}

// interplayVariants are unusual in List, Wait and Delete, or in how they deny.
func interplayVariants() []Variant {
	out := append(listVariants(), filterVariants()...)
	return append(append(out, waitVariants()...), denialVariants()...)
}

func listVariants() []Variant {
	parts := func(op *longrunningpb.Operation) bool {
		op.Result = nil
		return true
	}
	return []Variant{
		{Name: "lists-active-by-default", Doc: "Lists what is in progress unless the filter asks for more.",
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				if r.GetFilter() == "" {
					r = withFilter(r, "done=false")
				}
				return next.List(ctx, r)
			})}},
		{Name: "lists-newest", Doc: "Lists the newest sixty operations, whatever the filter is, and has no further page.",
			Fault: Fault{Service: listsNewest(60)}},
		{Name: "lists-ahead", Doc: "Gets and waits from a copy that learns of an end 400 ms after the list.",
			Fault: Fault{Service: func(next Service) Service {
				late := remembering(func(h history, op *longrunningpb.Operation) error {
					if op.GetDone() && time.Since(h.ended) < 400*time.Millisecond {
						op.Done, op.Result = false, nil
						setState(op, running)
					}
					return nil
				})(next)
				return lister{late, func(ctx context.Context, _ Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
					return next.List(ctx, r)
				}}
			}}},
		{Name: "lists-late", Doc: "Lists from a copy that is up to 300 ms old.", Fault: Fault{Service: listsLate}},
		{Name: "filters-ahead", Doc: "Filters a list by what is so, and shows for 300 ms after an end what was so before.",
			Fault: Fault{Service: filtersAhead}},
		{Name: "filters-behind", Doc: "Filters a list by what was so for 300 ms after an end, and shows what is so.",
			Fault: Fault{Service: filtersBehind}},
		{Name: "lists-parts", Doc: "Lists operations without their results.", Fault: Fault{Service: listed(parts)}},
		{Name: "lists-names", Doc: "Lists the names of operations, and nothing else of them.",
			Fault: Fault{Service: listed(func(op *longrunningpb.Operation) bool {
				name := op.GetName()
				proto.Reset(op)
				op.Name = name
				return true
			})}},
		{Name: "filters-names", Doc: "Lists the names of the operations that match a filter, and nothing else of them.",
			Fault: Fault{Service: func(next Service) Service {
				return lister{next, func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
					out, err := next.List(ctx, r)
					for i, op := range out.GetOperations() {
						out.Operations[i] = &longrunningpb.Operation{Name: op.GetName()}
					}
					return out, err
				}}
			}}},
		{Name: "lists-nothing-here", Doc: "Lists only operations that other callers have started.",
			Fault: Fault{Service: listed(func(*longrunningpb.Operation) bool { return false })}},
		{Name: "lists-one-by-one", Alone: true, Slow: true, Doc: "Has one operation on each page, so that the list is longer than anybody reads.",
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				r = withFilter(r, r.GetFilter())
				r.PageSize = 1
				return next.List(ctx, r)
			})}},
		{Name: "repeats-page-token", Alone: true, Doc: "Gives one page token for ever, and the first page for it.",
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				out, err := next.List(ctx, &longrunningpb.ListOperationsRequest{Name: r.GetName(), Filter: r.GetFilter()})
				if err == nil {
					out.NextPageToken = "next"
				}
				return out, err
			})}},
	}
}

// filtersAhead shows an operation in progress for a while after its end in a list
// that was filtered when it had ended.
func filtersAhead(next Service) Service {
	const age = 300 * time.Millisecond
	known := newLedger(next)
	return lister{known, func(ctx context.Context, _ Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
		out, err := next.List(ctx, r)
		for _, op := range out.GetOperations() {
			if !op.GetDone() {
				continue
			}
			known.note(op.GetName(), func(h *history) {
				if h.ended.IsZero() {
					h.ended = time.Now()
				}
				if time.Since(h.ended) < age {
					op.Done, op.Result = false, nil
					setState(op, running)
				}
			})
		}
		return out, err
	}}
}

// filtersBehind takes an operation for one in progress for a while after its end
// when it filters a list.
func filtersBehind(next Service) Service {
	const age = 300 * time.Millisecond
	known := newLedger(next)
	return lister{known, func(ctx context.Context, _ Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
		filter := strings.Join(strings.Fields(r.GetFilter()), "")
		if _, err := parseFilter(filter); err != nil || filter == "" {
			return next.List(ctx, r)
		}
		out, err := next.List(ctx, withFilter(r, ""))
		if err != nil {
			return nil, err
		}
		out.Operations = slices.DeleteFunc(out.GetOperations(), func(op *longrunningpb.Operation) bool {
			late := false
			known.note(op.GetName(), func(h *history) {
				if op.GetDone() && h.ended.IsZero() {
					h.ended = time.Now()
				}
				late = op.GetDone() && time.Since(h.ended) < age
			})
			return (op.GetDone() && !late) != (filter == "done=true")
		})
		return out, nil
	}}
}

// listsLate is the hook of a service whose List lags behind.
func listsLate(next Service) Service {
	const age = 300 * time.Millisecond
	type copied struct {
		list *longrunningpb.ListOperationsResponse
		at   time.Time
	}
	var mu sync.Mutex
	copies := map[string]copied{}
	return lister{next, func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		key := r.String()
		if c, ok := copies[key]; ok && time.Since(c.at) < age {
			return c.list, nil
		}
		out, err := next.List(ctx, r)
		if err == nil {
			copies[key] = copied{out, time.Now()}
		}
		return out, err
	}}
}

func filterVariants() []Variant {
	unsupported := invalid("FILTER_UNSUPPORTED", "the filter is not supported")
	return []Variant{
		{Name: "has-no-filters", Doc: "Refuses every filter.",
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				if r.GetFilter() != "" {
					return nil, unsupported
				}
				return next.List(ctx, r)
			})}},
		{Name: "filters-one-way", Doc: "Knows done=true, and refuses done=false.",
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				if strings.Contains(r.GetFilter(), "false") {
					return nil, unsupported
				}
				return next.List(ctx, r)
			})}},
		{Name: "wants-spaces-in-filters", Doc: "Knows filters with spaces around the operator only.",
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				if r.GetFilter() != "" && !strings.Contains(r.GetFilter(), " = ") {
					return nil, unsupported
				}
				return next.List(ctx, r)
			})}},
		{Name: "ignores-filters", Doc: "Does not read the filter: a deviation of List.",
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				return next.List(ctx, withFilter(r, ""))
			})}},
		{Name: "finds-nothing-by-filter", Doc: "Searches for the filter as a text, and finds it in no operation.",
			Fault: Fault{Service: lists(func(ctx context.Context, next Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
				if r.GetFilter() != "" {
					return new(longrunningpb.ListOperationsResponse), nil
				}
				return next.List(ctx, r)
			})}},
	}
}

// unbound is the REST side of a server that has no route for a method.
func unbound(m targets.Method, code int) func(http.Handler) http.Handler {
	return requests(restMethod, m, func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such route", code)
	})
}

// byQuery serves a Wait by the timeout in its query, whatever its body says.
func byQuery(next http.Handler, w http.ResponseWriter, r *http.Request) {
	body := "{}"
	if t := r.URL.Query().Get("timeout"); t != "" {
		body = fmt.Sprintf(`{"timeout":%q}`, t)
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	next.ServeHTTP(w, r)
}

// keepsRunning is the hook of a service that does not delete what is in progress.
func keepsRunning(next Service) Service {
	return deleter{next, func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error {
		if op := peek(ctx, next, r.GetName()); op != nil && !op.GetDone() {
			return refuse(codes.FailedPrecondition, "OPERATION_RUNNING", "operation %q is in progress", r.GetName())
		}
		return next.Delete(ctx, r)
	}}
}

func waitVariants() []Variant {
	deleting := func(f func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error) Fault {
		return Fault{Service: deletes(f)}
	}
	return []Variant{
		{Name: "never-waits", Doc: "Ends every Wait at once.", Fault: Fault{Options: func(o *Options) { o.MaxWait = time.Nanosecond }}},
		{Name: "wait-without-route", Doc: "Has no route for Wait over REST.", Fault: Fault{REST: unbound(targets.Wait, http.StatusNotFound)}},
		{Name: "waits-by-query", Doc: "Reads no body of a Wait, as bindings without a body do: its timeout is a query parameter.",
			Fault: Fault{REST: requests(restMethod, targets.Wait, byQuery)}},
		{Name: "wait-malformed", Doc: "Takes the verb of Wait for a part of a malformed name, over REST.", Fault: Fault{REST: unbound(targets.Wait, http.StatusBadRequest)}},
		{Name: "delete-without-route", Doc: "Has no route for Delete over REST.", Fault: Fault{REST: unbound(targets.Delete, http.StatusMethodNotAllowed)}},
		{Name: "list-without-route", Doc: "Has no route for List over REST.", Fault: Fault{REST: unbound(targets.List, http.StatusNotFound)}},
		{Name: "deletes-late", Doc: "Deletes 300 ms after it has said so.", Fault: deleting(
			func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error {
				if op := peek(ctx, next, r.GetName()); op == nil {
					return notFound(r.GetName())
				}
				late := context.WithoutCancel(ctx)
				// An operation that is gone by then needs no deletion.
				time.AfterFunc(300*time.Millisecond, func() { _ = next.Delete(late, r) })
				return nil
			})},
		{Name: "keeps-running", Doc: "Does not delete what is in progress.", Fault: Fault{Service: keepsRunning}},
		{Name: "deletes-again", Doc: "Takes the deletion of what is not there for done.",
			Fault: Fault{Service: deletes(func(ctx context.Context, next Service, r *longrunningpb.DeleteOperationRequest) error {
				if err := next.Delete(ctx, r); status.Code(err) != codes.NotFound {
					return err
				}
				return nil
			})}},
		{Name: "hides-deleted", Doc: "Answers PERMISSION_DENIED for what was deleted: permissions go by operation.", Fault: Fault{Service: hidesDeleted}},
	}
}

// hidesDeleted is the hook of a service that denies deleted operations.
func hidesDeleted(next Service) Service {
	known := newLedger(next)
	denied := func(name string, err error) error {
		if h, _ := known.of(name); h.deleted && status.Code(err) == codes.NotFound {
			return refuse(codes.PermissionDenied, "PERMISSION_DENIED", "operation %q may not exist", name)
		}
		return err
	}
	return deniesDeleted{known, denied}
}

type deniesDeleted struct {
	Service
	denied func(name string, err error) error
}

// Get implements Service.
func (d deniesDeleted) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := d.Service.Get(ctx, r)
	return op, d.denied(r.GetName(), err)
}

// Cancel implements Service.
func (d deniesDeleted) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	return d.denied(r.GetName(), d.Service.Cancel(ctx, r))
}

// denialVariants deny in ways that the profile lro tolerates.
func denialVariants() []Variant {
	stateFirst := func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if op := peek(ctx, next, r.GetName()); op.GetDone() {
			return refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "operation %q is finished", r.GetName())
		}
		return next.Cancel(ctx, r)
	}
	nameItself := func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if peek(ctx, next, r.GetName()) == nil {
			return refuse(codes.PermissionDenied, "PERMISSION_DENIED", "%q may not be cancelled, or does not exist", r.GetName())
		}
		return next.Cancel(ctx, r)
	}
	google := Fault{Options: protect, Target: asGoogle}
	return []Variant{
		{Name: "protected-google", Alone: true, Doc: "Asks every caller who it is, and is judged by the profile google.", Fault: google},
		{Name: "forbids-anonymous", Doc: "Answers PERMISSION_DENIED to callers without credentials, as Google's front ends do.",
			Fault: answersCallers(denyAs(refuse(codes.PermissionDenied, "CALLER_UNREGISTERED", "the method does not allow unregistered callers")), nil)},
		{Name: "hides-from-strangers", Doc: "Answers NOT_FOUND to callers without permission, whatever exists.",
			Fault: answersCallers(nil, denyAs(refuse(codes.NotFound, "OPERATION_NOT_FOUND", "no such operation")))},
		{Name: "looks-at-state", Doc: "Looks at the state of an operation before it checks the caller: a note in the profile lro.",
			Fault: answersCallers(stateFirst, stateFirst)},
		{Name: "denies-in-other-words", Doc: "Has another message for the denial where there is no such operation.",
			Fault: answersCallers(nil, nameItself)},
		{Name: "denies-in-turn", Doc: "Has two guards that deny with reasons of their own, whatever exists.", Fault: Fault{Options: protect, Service: deniesInTurn}},
		{Name: "reads-requests-first", Doc: "Refuses a cancel without a body to callers whom it does not know before it asks who they are: a note.",
			Fault: Fault{Options: protect, REST: cancelRequests(func(next http.Handler, w http.ResponseWriter, r *http.Request, body []byte) {
				if len(body) == 0 && r.Header.Get("Authorization") != "Bearer token-of-the-owner" {
					writeError(w, invalid("BODY_REQUIRED", "a JSON body is required"))
					return
				}
				next.ServeHTTP(w, r)
			})}},
		{Name: "protected-without-cancel", Alone: true, Doc: "Asks every caller who it is, and has no cancel.",
			Fault: Fault{Options: func(o *Options) { protect(o); o.NoCancel = true }}},
	}
}

// deniesInTurn denies cancels for one reason and another in turn.
func deniesInTurn(next Service) Service {
	var denials atomic.Int64
	return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		err := next.Cancel(ctx, r)
		if !denies(err) || denials.Add(1)%2 == 0 {
			return err
		}
		return refuse(status.Code(err), "DENIED_BY_POLICY", "a policy denies this")
	})(next)
}
