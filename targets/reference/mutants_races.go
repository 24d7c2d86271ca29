package reference

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
)

// racesMutants break what holds when cancels are repeated, come at once, are
// given up, or come near the end.
func racesMutants() []Mutant {
	return append(append(repeatMutants(), concurrentMutants()...), raceMutants()...)
}

func plainCancel(ctx context.Context, s Service, name string) error {
	return s.Cancel(ctx, &longrunningpb.CancelOperationRequest{Name: name})
}

// A set of names that is safe for many goroutines.
type nameSet struct {
	mu    sync.Mutex
	names map[string]int
}

func newNameSet() *nameSet { return &nameSet{names: map[string]int{}} }

// add counts a name and returns how often it was added.
func (s *nameSet) add(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name]++
	return s.names[name]
}

// has returns how often a name was added.
func (s *nameSet) has(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[name]
}

// all returns the names.
func (s *nameSet) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.names))
}

// longEnough leaves repeated cancels the time to find an operation that is
// being cancelled.
func longEnough(o *Options) { o.CancelDelay = 100 * time.Millisecond }

// untilDone waits until the operation is done or the caller gives up.
func untilDone(ctx context.Context, s Service, name string) error {
	_, err := s.Wait(asOwner(ctx), &longrunningpb.WaitOperationRequest{Name: name})
	return err
}

// late tells whether an operation that ends by itself with a response was
// cancelled in the last part of its time.
func late(h history, part float64) bool { return lateOf(h, Succeeding, part) }

// lateOf tells so of an operation of a kind that ends by itself.
func lateOf(h history, k Kind, part float64) bool {
	return h.kind == k && !h.accepted.IsZero() && h.accepted.Sub(h.begun) > time.Duration(float64(h.lasts)*(1-part))
}

// raceNatural is how long operations last that mutants of races let end by
// themselves: enough that a busy machine does not miss what they do.
const raceNatural = time.Second

func lastsLonger(o *Options) { o.Natural = raceNatural }

// newRaceLedger is a ledger of a server whose operations last raceNatural.
func newRaceLedger(next Service) *ledger {
	l := newLedger(next)
	l.natural = raceNatural
	return l
}

// rememberingRaces is the hook of such a ledger.
func rememberingRaces(edit func(h history, op *longrunningpb.Operation)) func(Service) Service {
	return losingRaces(func(h history, op *longrunningpb.Operation) bool {
		edit(h, op)
		return false
	})
}

// losingRaces is the hook of such a ledger that does not find what is lost.
func losingRaces(lost func(h history, op *longrunningpb.Operation) bool) func(Service) Service {
	return func(next Service) Service {
		l := newRaceLedger(next)
		l.edit = func(h history, op *longrunningpb.Operation) error {
			if lost(h, op) {
				return notFound(op.GetName())
			}
			return nil
		}
		return l
	}
}

// justEnded answers the cancel of an operation that has ended by itself less than
// 150 ms ago, while Get shows it as ever.
func justEnded(code codes.Code, reason, message string) Fault {
	return Fault{Options: lastsLonger, Service: func(next Service) Service {
		known := newRaceLedger(next)
		return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			op := peek(ctx, next, r.GetName())
			if h, _ := known.of(r.GetName()); op.GetResponse() != nil && time.Since(h.begun) < h.lasts+150*time.Millisecond {
				return refuse(code, reason, "%s", message)
			}
			return next.Cancel(ctx, r)
		}}
	}}
}

func raceMutants() []Mutant {
	const one, immutable, statusLegal = "cancel.race.one-terminal-result", "operation.terminal.result-immutable", "cancel.finished.status-legal"
	edited := func(name, doc string, edit func(h history, op *longrunningpb.Operation), breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: append([]string{one}, breaks...),
			Fault: Fault{Options: lastsLonger, Service: rememberingRaces(func(h history, op *longrunningpb.Operation) {
				if isCancelled(op) && late(h, 0.3) {
					edit(h, op)
				}
			})}}
	}
	return []Mutant{
		edited("race-result-first", "Writes the error of an operation that was cancelled near its end 150 ms before done.",
			func(h history, op *longrunningpb.Operation) {
				if time.Since(h.accepted) < 150*time.Millisecond {
					op.Done = false
					setState(op, cancelling)
				}
			}, "operation.result.none-before-done"),
		edited("race-done-first", "Writes done of an operation that was cancelled near its end 150 ms before its error.",
			func(h history, op *longrunningpb.Operation) {
				if time.Since(h.accepted) < 150*time.Millisecond {
					op.Result = nil
					setState(op, "STOPPING")
				}
			}, "operation.result.present", immutable),
		edited("race-late-worker", "Lets the worker of an operation that was cancelled near its end write its response over the result.",
			func(h history, op *longrunningpb.Operation) {
				if time.Since(h.begun) > h.lasts+10*time.Millisecond {
					op.Result = &longrunningpb.Operation_Response{Response: packed(nil)}
					setState(op, succeeded)
				}
			}, immutable),
		edited("race-comes-back", "Takes an operation that was cancelled near its end for running again, for a moment.",
			func(h history, op *longrunningpb.Operation) {
				if since := time.Since(h.accepted); since > 30*time.Millisecond && since < 300*time.Millisecond {
					op.Done, op.Result = false, nil
					setState(op, running)
				}
			}, "operation.terminal.done-monotonic"),
		edited("race-ends-empty", "Ends an operation whose cancel meets its end without a result: either side leaves that to the other.",
			func(h history, op *longrunningpb.Operation) {
				if late(h, 0.08) {
					op.Result = nil
					setState(op, "STOPPED")
				}
			}, "operation.result.present"),
		{Name: "race-deletes", Doc: "Purges an operation that was cancelled near its end.", Breaks: []string{one},
			Fault: Fault{Options: lastsLonger, Service: losingRaces(func(h history, op *longrunningpb.Operation) bool {
				return isCancelled(op) && late(h, 0.3)
			})}},
		{Name: "race-never-ends", Doc: "Loses an operation whose cancel meets its end: neither side finishes it.",
			Breaks: []string{one},
			Fault: Fault{Options: lastsLonger, Service: rememberingRaces(func(h history, op *longrunningpb.Operation) {
				if isCancelled(op) && late(h, 0.08) {
					op.Done, op.Result = false, nil
					setState(op, cancelling)
				}
			})}},
		{Name: "race-overwrites", Doc: "Reads the state, takes its time, and writes CANCELLED over what has come meanwhile.",
			Breaks: []string{one, immutable},
			Fault: Fault{Options: lastsLonger, Service: func(next Service) Service {
				overwritten := newNameSet()
				shown := seen(func(op *longrunningpb.Operation) {
					if op.GetResponse() != nil && overwritten.has(op.GetName()) > 0 {
						end(op, codes.Canceled, "the operation was cancelled")
					}
				})(next)
				return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					before := peek(ctx, next, r.GetName())
					time.Sleep(120 * time.Millisecond)
					err := next.Cancel(ctx, r)
					if err != nil && !denies(err) && before != nil && !before.GetDone() {
						overwritten.add(r.GetName())
						return nil
					}
					return err
				})(shown)
			}}},
		{Name: "race-refuses-and-cancels", Doc: "Cancels an operation near its end, and answers that it is over.",
			Breaks: []string{one},
			Fault: Fault{Options: lastsLonger, Service: func(next Service) Service {
				known := newRaceLedger(next)
				return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					err := next.Cancel(ctx, r)
					if h, _ := known.of(r.GetName()); err == nil && late(h, 0.3) {
						return refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "operation %q is finished", r.GetName())
					}
					return err
				}}
			}}},
		{Name: "race-late-failure", Doc: "Lets the worker of an operation that was cancelled in its last 60 ms write its failure over the result.",
			Breaks: []string{one, immutable},
			Fault: Fault{Options: lastsLonger, Service: rememberingRaces(func(h history, op *longrunningpb.Operation) {
				if isCancelled(op) && lateOf(h, Failing, 0.06) && time.Since(h.accepted) > soon {
					end(op, codes.InvalidArgument, "the input ends too soon")
				}
			})}},
		{Name: "race-cancel-500", Doc: "Fails on a cancel that comes just after the end.",
			Breaks: []string{statusLegal}, Fault: justEnded(codes.Internal, "ROW_LOCKED", "the row is locked")},
		{Name: "race-cancel-404", Doc: "Moves what has ended to another table, and for a moment finds it in neither to cancel it.",
			Breaks: []string{statusLegal}, Fault: justEnded(codes.NotFound, "OPERATION_NOT_FOUND", "the operation is not found")},
		{Name: "cancel-waits", Doc: "Answers a cancel when the work has stopped.",
			Breaks: []string{"cancel.response.returns-promptly"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if err := next.Cancel(ctx, r); err != nil {
					return err
				}
				return untilDone(ctx, next, r.GetName())
			})}},
		{Name: "gap-at-the-end", Doc: "Moves a cancelled operation to another table, and for 30 ms finds it in neither.",
			Breaks: []string{"get.after-cancel.continuous"},
			Fault: Fault{Service: func(next Service) Service {
				known := newLedger(next)
				return getter{known, func(ctx context.Context, op *longrunningpb.Operation) error {
					if h, _ := known.of(op.GetName()); isCancelled(op) && h.kind == Running && time.Since(h.ended) < 30*time.Millisecond {
						return notFound(op.GetName())
					}
					return nil
				}}
			}}},
	}
}

// A getter is a Service whose Get may answer an error for an operation.
type getter struct {
	Service
	edit func(ctx context.Context, op *longrunningpb.Operation) error
}

// Get implements Service.
func (g getter) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := g.Service.Get(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := g.edit(ctx, op); err != nil {
		return nil, err
	}
	return op, nil
}

// idOf is the last part of a name, after operations/.
func idOf(name string) string {
	_, id, _ := strings.Cut(name, "/operations/")
	return id
}
