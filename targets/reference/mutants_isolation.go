package reference

import (
	"context"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/lro-tools/conform/targets"
)

// reachMutants let a call reach operations that it should not, or reach its
// own in spite of a refusal.
func reachMutants() []Mutant {
	return slices.Concat(siblingMutants(), besideMutants(), pendingMutants(), rejectedMutants())
}

func siblingMutants() []Mutant {
	const prefix = "cancel.isolation.prefix-names"
	also := func(name, doc string, also func(cancelled, other string) bool) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{prefix}, Fault: Fault{Service: cancelsAlso(also)}}
	}
	return append(firstMatchMutants(), []Mutant{
		{Name: "cancels-all", Doc: "Cancels every operation of the parent: the condition on the id is missing.",
			Breaks: []string{"cancel.isolation.siblings"},
			Fault:  Fault{Service: cancelsAlso(func(string, string) bool { return true })}},
		{Name: "cancels-latest", Doc: "Cancels what was started last, whatever name is given.",
			Breaks: []string{"cancel.isolation.siblings"},
			Fault:  Fault{Service: func(next Service) Service { return &latest{Service: next} }}},
		{Name: "third-cancel-frees-oldest", Doc: "Makes room by stopping what has run longest, whenever it has stopped three operations.",
			Breaks: []string{"cancel.isolation.siblings"},
			Fault: Fault{Service: func(next Service) Service {
				started := newLedger(next)
				var accepted atomic.Int64
				return canceller{started, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					err := next.Cancel(ctx, r)
					if err == nil && accepted.Add(1)%3 == 0 {
						if name := started.oldest(); name != "" {
							_ = plainCancel(asOwner(ctx), next, name)
						}
					}
					return err
				}}
			}}},
		also("cancels-by-suffix", "Cancels every operation whose id ends in the id that was given.",
			func(cancelled, other string) bool { return strings.HasSuffix(idOf(other), idOf(cancelled)) }),
		also("cancels-by-pattern", "Takes the id for a pattern of LIKE, in which _ is any character.", likeMatches),
		also("cancels-by-expression", "Takes the id for a regular expression, in which a dot is any character.",
			func(cancelled, other string) bool {
				e, err := regexp.Compile("^" + idOf(cancelled) + "$")
				return err == nil && strings.Contains(idOf(cancelled), ".") && e.MatchString(idOf(other))
			}),
		also("cancels-lowered", "Writes ids in lower case in some places, and as they are in others.",
			func(cancelled, other string) bool {
				return other != cancelled && idOf(other) == strings.ToLower(idOf(cancelled))
			}),
		also("cancels-above", "Cancels the operation that the cancelled one is below as well.",
			func(cancelled, other string) bool { return strings.HasPrefix(cancelled, other+"/") }),
		also("cancels-shortened", "Keys operations by the first 40 characters of their ids.",
			func(cancelled, other string) bool {
				a, b := idOf(cancelled), idOf(other)
				return len(a) > 40 && len(b) > 40 && a[:40] == b[:40]
			}),
		also("cancels-by-last-segment", "Keys operations by the last segment of their names.",
			func(cancelled, other string) bool { return path.Base(cancelled) == path.Base(other) }),
		also("cancels-what-it-ends-in", "Cancels every operation whose id the id that was given ends in.",
			func(cancelled, other string) bool { return strings.HasSuffix(idOf(cancelled), idOf(other)) }),
		{Name: "cancel-stops-pool", Doc: "Stops all its workers for a cancel: what else was running fails.",
			Breaks: []string{"cancel.isolation.siblings"},
			Fault: Fault{Service: func(next Service) Service {
				started := newLedger(next)
				var mu sync.Mutex
				stopped := map[string]bool{}
				started.edit = func(_ history, op *longrunningpb.Operation) error {
					mu.Lock()
					defer mu.Unlock()
					if stopped[op.GetName()] && !op.GetDone() {
						op.Done = true
						end(op, codes.Aborted, "the workers were stopped")
					}
					return nil
				}
				return canceller{started, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					err := next.Cancel(ctx, r)
					if err == nil {
						mu.Lock()
						defer mu.Unlock()
						for _, name := range started.running() {
							stopped[name] = name != r.GetName()
						}
					}
					return err
				}}
			}}},
		{Name: "cancel-drains-queue", Doc: "Empties its queue when something that runs is cancelled.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: stopsKind(Running, Pending)}},
		{Name: "cancel-stops-children", Doc: "Stops all operations whose names have several segments, as if they were children of the cancelled one.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: stopsKind(Running, Nested)}},
		{Name: "nested-cancel-stops-all", Doc: "Takes the cancel of a child for that of all that runs.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: stopsKind(Nested, Running)}},
		{Name: "pending-cancel-stops-all", Doc: "Resets its workers when it takes a cancelled operation out of its queue.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: stopsKind(Pending, Running)}},
		{Name: "slow-cancel-stops-slow", Doc: "Kills the process in which all runs that does not stop at once.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: stopsKind(Slow, Slow)}},
		{Name: "cancel-stops-succeeding", Doc: "Keeps a cancelled worker's flag: what was to succeed is stopped as well.",
			Breaks: []string{"cancel.isolation.siblings"}, Fault: Fault{Service: stopsKind(Running, Succeeding)}},
		{Name: "looking-requests", Doc: "Takes a client that looks often for an impatient one, and shows a request to cancel.",
			Breaks: []string{"cancel.isolation.get-no-effect"},
			Fault: Fault{Service: func(next Service) Service {
				var often sync.Map // by name
				looks := newNameSet()
				shown := seen(func(op *longrunningpb.Operation) {
					if _, ok := often.Load(op.GetName()); ok {
						editMetadata(op, func(fields map[string]*structpb.Value) {
							fields["requestedCancellation"] = structpb.NewBoolValue(true)
						})
					}
				})
				return getter{shown(next), func(_ context.Context, op *longrunningpb.Operation) error {
					if looks.add(op.GetName()) > 8 {
						often.Store(op.GetName(), true)
					}
					return nil
				}}
			}}},
		{Name: "listing-requests", Doc: "Takes an inventory for the end of the shift: when a list was read to its end, all that runs shows a request to cancel.",
			Breaks: []string{"cancel.isolation.get-no-effect"},
			Fault:  Fault{Service: inventory}},
		{Name: "waiting-cancels", Doc: "Takes a client that waits often for one that has given up, and cancels.",
			Breaks: []string{"cancel.isolation.get-no-effect"},
			Fault: Fault{Service: func(next Service) Service {
				waits := newNameSet()
				return waiter{next, func(ctx context.Context, next Service, name string) {
					if waits.add(name) > 8 {
						_ = plainCancel(asOwner(ctx), next, name)
					}
				}}
			}}},
		{Name: "polling-fails", Doc: "Has a quota for looks at an operation, and ends the work when it is used up.",
			Breaks: []string{"cancel.isolation.get-no-effect"},
			Fault: Fault{Service: func(next Service) Service {
				looks := newNameSet()
				var spent sync.Map // names
				return getter{failing(&spent, codes.ResourceExhausted)(next), func(_ context.Context, op *longrunningpb.Operation) error {
					if !op.GetDone() && looks.add(op.GetName()) > pollsToCancel {
						spent.Store(op.GetName(), true)
					}
					return nil
				}}
			}}},
		{Name: "disconnect-fails", Doc: "Passes the context of a Wait on to the work: it fails when that call is aborted.",
			Breaks: []string{"cancel.isolation.rpc-abort"},
			Fault:  Fault{Service: func(next Service) Service { return disconnectEnds(next, codes.DeadlineExceeded) }}},
		{Name: "deadline-cancels", Doc: "Hands the deadline of a Wait on to the work: where it comes, the operation is cancelled. A client that leaves does no harm.",
			BreaksOn: map[targets.Transport][]string{targets.GRPC: {"cancel.isolation.rpc-abort"}, targets.REST: nil},
			Fault:    Fault{Service: func(next Service) Service { return bound{next, overdue} }}},
		{Name: "get-deadline-cancels", Doc: "Hands the deadline of a Get, which takes 8 ms, on to the work.",
			BreaksOn: map[targets.Transport][]string{targets.GRPC: {"cancel.isolation.rpc-abort"}, targets.REST: nil},
			Fault: Fault{Service: func(next Service) Service {
				return getter{next, func(ctx context.Context, op *longrunningpb.Operation) error {
					if pass(ctx, 8*time.Millisecond) != nil && overdue(ctx) {
						return plainCancel(asOwner(context.WithoutCancel(ctx)), next, op.GetName())
					}
					return nil
				}}
			}}},
		{Name: "get-disconnect-cancels", Doc: "Binds the work to the Get that looks at it, which takes 8 ms.",
			Breaks: []string{"cancel.isolation.rpc-abort"},
			Fault: Fault{Service: func(next Service) Service {
				return getter{next, func(ctx context.Context, op *longrunningpb.Operation) error {
					select {
					case <-ctx.Done():
						return plainCancel(asOwner(context.WithoutCancel(ctx)), next, op.GetName())
					case <-time.After(8 * time.Millisecond):
						return nil
					}
				}}
			}}},
	}...)
}

// inventory is the hook of a service that lists by short pages, the last of which
// has every running operation show a request to cancel.
func inventory(next Service) Service {
	started := newLedger(next)
	var asked sync.Map // names
	shown := seen(func(op *longrunningpb.Operation) {
		if _, ok := asked.Load(op.GetName()); ok {
			editMetadata(op, func(fields map[string]*structpb.Value) {
				fields["requestedCancellation"] = structpb.NewBoolValue(true)
			})
		}
	})(started)
	return lister{shown, func(ctx context.Context, shown Service, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
		if r.GetPageSize() == 0 {
			r = withFilter(r, r.GetFilter())
			r.PageSize = 20
		}
		out, err := shown.List(ctx, r)
		if err == nil && out.GetNextPageToken() == "" {
			for _, name := range started.running() {
				asked.Store(name, true)
			}
		}
		return out, err
	}}
}

// failing is the hook of a service that shows those of its operations which have
// such a name as failed, whatever happened to them since.
func failing(names *sync.Map, code codes.Code) func(Service) Service {
	return seen(func(op *longrunningpb.Operation) {
		if _, ok := names.Load(op.GetName()); ok {
			op.Done = true
			end(op, code, "the worker has stopped")
		}
	})
}

// stopsKind is the hook of a service that stops all operations of one kind with
// each of another that is cancelled.
func stopsKind(cancelled, stopped Kind) func(Service) Service {
	return func(next Service) Service {
		started := newLedger(next)
		return canceller{started, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			err := next.Cancel(ctx, r)
			if h, _ := started.of(r.GetName()); err != nil || h.kind != cancelled {
				return err
			}
			for _, name := range started.idle(stopped) {
				_ = plainCancel(asOwner(ctx), next, name)
			}
			return nil
		}}
	}
}

// A waiter is a Service that does something after each Wait.
type waiter struct {
	Service
	after func(ctx context.Context, next Service, name string)
}

// Wait implements Service.
func (w waiter) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	op, err := w.Service.Wait(ctx, r)
	if err == nil && !op.GetDone() {
		w.after(ctx, w.Service, r.GetName())
	}
	return op, err
}

// A latest is a Service that cancels the operation that was started last.
type latest struct {
	Service
	mu   sync.Mutex
	name string
}

// Start implements Service.
func (l *latest) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := l.Service.Start(ctx, r)
	if err == nil {
		l.mu.Lock()
		l.name = op.GetName()
		l.mu.Unlock()
	}
	return op, err
}

// Cancel implements Service.
func (l *latest) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if peek(ctx, l.Service, r.GetName()) == nil {
		return l.Service.Cancel(ctx, r)
	}
	l.mu.Lock()
	name := l.name
	l.mu.Unlock()
	return plainCancel(ctx, l.Service, name)
}

func pendingMutants() []Mutant {
	const alike = "cancel.accept.pending"
	edited := func(name, doc, breaks string, edit func(op *longrunningpb.Operation) error) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if h.kind == Pending && isCancelled(op) {
					return edit(op)
				}
				return nil
			})}}
	}
	return []Mutant{
		edited("pending-never-ends", "Accepts the cancel of a queued operation, which stays in the queue.", alike, func(op *longrunningpb.Operation) error {
			op.Done, op.Result = false, nil
			setState(op, pending)
			return nil
		}),
		edited("pending-removed", "Takes a queued operation that is cancelled out of the queue, and knows it no longer.", "cancel.state.not-deleted",
			func(op *longrunningpb.Operation) error { return notFound(op.GetName()) }),
		edited("pending-fails", "Ends a queued operation that is cancelled as failed.", alike, func(op *longrunningpb.Operation) error {
			end(op, codes.Aborted, "never started")
			return nil
		}),
		{Name: "pending-succeeds", Doc: "Has nothing to do for a queued operation that is cancelled, and says that it is done: with success.",
			Breaks: []string{alike},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if h.kind == Pending && !h.accepted.IsZero() {
					op.Done, op.Result = true, &longrunningpb.Operation_Response{Response: packed(nil)}
					setState(op, succeeded)
				}
				return nil
			})}},
		{Name: "pending-comes-back", Doc: "Leaves a queued operation that is cancelled in the queue: a worker takes it up soon after.",
			Breaks: []string{"operation.terminal.done-monotonic"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if h.kind == Pending && isCancelled(op) && h.looks > 1 && time.Since(h.ended) > soon {
					op.Done, op.Result = false, nil
					setState(op, running)
				}
				return nil
			})}},
	}
}

func rejectedMutants() []Mutant {
	const rejected = "cancel.rejected.no-effect"
	onlyREST := map[targets.Transport][]string{targets.GRPC: nil}
	return []Mutant{
		{Name: "uncancellable-stops", Doc: "Says that an operation cannot be cancelled, and cancels it.",
			Breaks: []string{rejected},
			Fault: Fault{Service: func(next Service) Service {
				known := newLedger(next)
				stopped := seen(func(op *longrunningpb.Operation) {
					if h, _ := known.of(op.GetName()); h.kind == Uncancellable && h.cancels > 0 {
						op.Done = true
						end(op, codes.Canceled, "the operation was cancelled")
					}
				})(known)
				return stopped
			}}},
		{Name: "unknown-cancels-nearby", Doc: "Says that it does not know a name, and cancels the operation whose name it begins with.",
			Breaks: []string{rejected},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				err := next.Cancel(ctx, r)
				if name := r.GetName(); status.Code(err) == codes.NotFound && len(name) > 1 {
					_ = plainCancel(asOwner(ctx), next, name[:len(name)-1])
				}
				return err
			})}},
		{Name: "illegal-characters-too-late", Doc: "Cancels what a name is without the characters that no name has, and then refuses it.",
			Breaks: []string{rejected},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if i := strings.IndexAny(r.GetName(), `"<>\^`); i > 0 {
					_ = next.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: r.GetName()[:i]})
					return invalid("NAME_MALFORMED", "the name is malformed")
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "text-refused-but-cancels", Doc: "Cancels before it finds that the body is of a media type that it does not take.",
			Breaks: []string{rejected}, BreaksOn: onlyREST,
			Fault: Fault{REST: requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if r.ContentLength == 0 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
					next.ServeHTTP(w, r)
					return
				}
				r.Header.Set("Content-Type", "application/json")
				record(next, r)
				http.Error(w, "unsupported media type", http.StatusUnsupportedMediaType)
			})}},
	}
}

// disconnectEnds shows an operation ended with a code once a Wait for it was given up.
func disconnectEnds(next Service, code codes.Code) Service {
	var abandoned sync.Map // names
	return waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, before *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		op, err := next.Wait(ctx, r)
		if ctx.Err() != nil && before != nil && !before.GetDone() {
			abandoned.Store(r.GetName(), true)
		}
		return op, err
	})(failing(&abandoned, code)(next))
}
