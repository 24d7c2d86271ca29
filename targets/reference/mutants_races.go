package reference

import (
	"context"
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

// An inFlight is a Service that knows how many cancels of an operation are
// under way, and lets a fault deal with each.
type inFlight struct {
	Service
	// cancel answers a cancel; many is how many of the operation are under way
	// with it, during whether it was being cancelled before.
	cancel func(ctx context.Context, next Service, name string, many int, during bool) error

	mu    sync.Mutex
	count map[string]int
}

// Cancel implements Service.
func (f *inFlight) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	name := r.GetName()
	during := stateOf(peek(ctx, f.Service, name)) == cancelling
	f.mu.Lock()
	f.count[name]++
	many := f.count[name]
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.count[name]--; f.count[name] == 0 {
			delete(f.count, name)
		}
	}()
	return f.cancel(ctx, f.Service, name, many, during)
}

// eachCancel returns the hook of an inFlight.
func eachCancel(cancel func(ctx context.Context, next Service, name string, many int, during bool) error) func(Service) Service {
	return func(next Service) Service {
		return &inFlight{Service: next, cancel: cancel, count: map[string]int{}}
	}
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

// longEnough leaves repeated cancels the time to find an operation that is
// being cancelled.
func longEnough(o *Options) { o.CancelDelay = 100 * time.Millisecond }

// untilDone waits until the operation is done or the caller gives up.
func untilDone(ctx context.Context, s Service, name string) error {
	_, err := s.Wait(asOwner(ctx), &longrunningpb.WaitOperationRequest{Name: name})
	return err
}

func repeatMutants() []Mutant {
	answers := func(name, doc string, err error, breaks ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: breaks, Fault: Fault{Options: longEnough,
			Service: eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
				if during {
					return err
				}
				return plainCancel(ctx, next, name)
			})}}
	}
	const legal = "cancel.repeat.code-legal"
	return []Mutant{
		{Name: "repeat-waits", Doc: "Keeps a second cancel waiting until the first has stopped the work, longer than clients wait.",
			Breaks: []string{"cancel.repeat.accepted"},
			Fault: Fault{Options: func(o *Options) { o.SlowStop = 2500 * time.Millisecond },
				Service: eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
					if during {
						return untilDone(ctx, next, name)
					}
					return plainCancel(ctx, next, name)
				})}},
		answers("repeat-invalid-argument", "Takes a second cancel for a malformed request.",
			invalid("ALREADY_CANCELLING", "the operation is being cancelled"), legal, "cancel.repeat.accepted"),
		answers("repeat-500", "Fails on a second cancel: the job has been taken out of the queue.",
			refuse(codes.Internal, "JOB_MISSING", "job is nil"), legal),
		answers("repeat-not-found", "Looks for what is being cancelled among the running operations only.",
			refuse(codes.NotFound, "OPERATION_NOT_FOUND", "operation not found"), legal),
		answers("repeat-already-exists", "Inserts each request to cancel into a table, whose key is the operation.",
			refuse(codes.AlreadyExists, "REQUEST_EXISTS", "duplicate key"), legal),
		answers("repeat-cancelled", "Answers a second cancel with the end of the first.",
			refuse(codes.Canceled, "OPERATION_CANCELLED", "the operation is cancelled"), legal),
		{Name: "repeat-never-answered", Doc: "Queues a second cancel behind the first, which never leaves the queue.",
			Breaks: []string{"cancel.repeat.accepted"},
			Fault: Fault{Options: longEnough, Service: eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
				if during {
					return pass(ctx, forever)
				}
				return plainCancel(ctx, next, name)
			})}},
		{Name: "repeat-fails-later", Doc: "Fails on a cancel that comes when the worker has taken note of the first.", Breaks: []string{legal},
			Fault: Fault{Service: func(next Service) Service {
				known := newLedger(next)
				return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					h, _ := known.of(r.GetName())
					if op := peek(ctx, next, r.GetName()); !h.accepted.IsZero() && op != nil && !op.GetDone() && time.Since(h.accepted) > 400*time.Millisecond {
						return refuse(codes.Internal, "WORKER_BUSY", "the worker does not take messages")
					}
					return next.Cancel(ctx, r)
				}}
			}}},
		{Name: "repeat-deletes", Doc: "Takes an operation that is cancelled again while it stops for one that is to be purged.",
			Breaks: []string{"cancel.repeat.single-outcome"},
			Fault: Fault{Options: longEnough, Service: func(next Service) Service {
				again := newNameSet()
				return eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
					if during {
						again.add(name)
					}
					return plainCancel(ctx, next, name)
				})(purged(again)(next))
			}}},
		{Name: "repeat-restarts", Doc: "Starts an operation afresh that is cancelled again and again after its end.",
			Breaks: []string{"cancel.repeat.single-outcome", "operation.terminal.done-monotonic"},
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if isCancelled(op) && h.again > 2 {
					op.Done, op.Result = false, nil
					setState(op, running)
				}
				return nil
			})}},
		{Name: "repeat-resumes", Doc: "Toggles: a second cancel takes the first back.",
			Breaks: []string{"cancel.repeat.single-outcome"},
			Fault: Fault{Options: func(o *Options) { o.CancelDelay = 800 * time.Millisecond }, Service: func(next Service) Service {
				taken := newNameSet()
				shown := seen(func(op *longrunningpb.Operation) {
					if n := taken.has(op.GetName()); n > 0 && n%2 == 0 {
						op.Done, op.Result = false, nil
						setState(op, running)
					}
				})(next)
				return eachCancel(func(ctx context.Context, next Service, name string, _ int, _ bool) error {
					if op := peek(ctx, next, name); op != nil && !op.GetDone() {
						taken.add(name)
						_ = plainCancel(ctx, next, name)
						return nil
					}
					return plainCancel(ctx, next, name)
				})(shown)
			}}},
		{Name: "repeat-aborts", Doc: "Ends an operation that is cancelled again while it stops as aborted.",
			Breaks: []string{"cancel.repeat.single-outcome"},
			Fault: Fault{Options: longEnough, Service: func(next Service) Service {
				again := newNameSet()
				shown := seen(func(op *longrunningpb.Operation) {
					if isCancelled(op) && again.has(op.GetName()) > 0 {
						end(op, codes.Aborted, "stopped twice")
					}
				})(next)
				return eachCancel(func(ctx context.Context, next Service, name string, _ int, during bool) error {
					if during {
						again.add(name)
					}
					return plainCancel(ctx, next, name)
				})(shown)
			}}},
	}
}

// purged returns the hook of a service that finds cancelled operations no more
// that are in the set.
func purged(names *nameSet) func(Service) Service {
	return remembering(func(_ history, op *longrunningpb.Operation) error {
		if isCancelled(op) && names.has(op.GetName()) > 0 {
			return notFound(op.GetName())
		}
		return nil
	})
}

// crowd is how many cancels of one operation at a time some mutants do not
// bear: more than a client that gave up one and sent it again makes.
const crowd = 3

// crowded deals with cancels that come in a crowd.
func crowded(fault func(ctx context.Context, next Service, name string) error) func(Service) Service {
	return eachCancel(func(ctx context.Context, next Service, name string, many int, _ bool) error {
		if many >= crowd {
			return fault(ctx, next, name)
		}
		err := plainCancel(ctx, next, name)
		time.Sleep(10 * time.Millisecond) // holds its transaction, so that others meet it
		return err
	})
}

func concurrentMutants() []Mutant {
	const outcome = "cancel.concurrent.single-outcome"
	answers := func(name, doc, breaks string, err error) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks},
			Fault: Fault{Service: crowded(func(context.Context, Service, string) error { return err })}}
	}
	// slowly leaves the operation in progress until all cancels at once are
	// answered, so that none of them met its end.
	slowly := func(name, doc string, err error) Mutant {
		m := answers(name, doc, outcome, err)
		m.Options = func(o *Options) { o.CancelDelay = 600 * time.Millisecond }
		return m
	}
	return []Mutant{
		slowly("concurrent-invalid-argument", "Takes cancels that come at once for malformed ones.",
			invalid("REQUEST_REPEATED", "the operation is being cancelled")),
		slowly("concurrent-permission-denied", "Answers the losers of cancels at once that they may not cancel.",
			refuse(codes.PermissionDenied, "PERMISSION_DENIED", "another request holds the operation")),
		slowly("concurrent-unimplemented", "Answers the losers of cancels at once that they cannot be served.",
			refuse(codes.Unimplemented, "CONFLICT", "cancels are not merged")),
		{Name: "concurrent-pair-exists", Doc: "Answers one of two cancels at once that their request exists already, also when the client of the other has gone.",
			Breaks: []string{outcome},
			Fault: Fault{Service: eachCancel(func(ctx context.Context, next Service, name string, many int, _ bool) error {
				if many > 1 {
					return refuse(codes.AlreadyExists, "REQUEST_EXISTS", "duplicate key")
				}
				err := plainCancel(ctx, next, name)
				time.Sleep(15 * time.Millisecond)
				return err
			})}},
		{Name: "concurrent-deletes", Doc: "Purges an operation that many cancel at once.", Breaks: []string{outcome},
			Fault: Fault{Service: func(next Service) Service {
				many := newNameSet()
				return crowded(func(ctx context.Context, next Service, name string) error {
					many.add(name)
					return plainCancel(ctx, next, name)
				})(purged(many)(next))
			}}},
		answers("concurrent-500", "Fails on cancels that come at once: a lost transaction is not tried again.",
			"cancel.concurrent.no-server-error", refuse(codes.Internal, "TRANSACTION_LOST", "deadlock found")),
		answers("concurrent-unknown", "Fails on cancels that come at once, with an error that nobody mapped.",
			"cancel.concurrent.no-server-error", refuse(codes.Unknown, "CONFLICT", "version mismatch")),
		answers("concurrent-already-exists", "Answers the losers of cancels at once that their request exists already.",
			outcome, refuse(codes.AlreadyExists, "REQUEST_EXISTS", "duplicate key")),
		answers("concurrent-not-found", "Does not find an operation that another cancel has locked.",
			outcome, refuse(codes.NotFound, "OPERATION_NOT_FOUND", "operation not found")),
		{Name: "concurrent-deadlock", Doc: "Never answers when cancels of one operation come at once: two locks are taken in two orders.",
			Breaks: []string{outcome},
			Fault: Fault{Service: crowded(func(ctx context.Context, _ Service, _ string) error {
				<-ctx.Done()
				return ctx.Err()
			})}},
		{Name: "concurrent-two-results", Doc: "Lets each of the cancels that come at once write a result of its own, and shows now one, now the other.",
			Breaks: []string{outcome, "operation.terminal.result-immutable"},
			Fault: Fault{Service: func(next Service) Service {
				torn, looks := newNameSet(), newNameSet()
				shown := seen(func(op *longrunningpb.Operation) {
					if isCancelled(op) && torn.has(op.GetName()) > 0 && looks.add(op.GetName())%3 == 0 {
						end(op, codes.Aborted, "stopped by another request")
					}
				})(next)
				return crowded(func(ctx context.Context, next Service, name string) error {
					torn.add(name)
					return plainCancel(ctx, next, name)
				})(shown)
			}}},
		abandoned("abandoned-cancel-sticks", "Rolls half of a cancel back when the client has gone: the operation never ends.",
			func(op *longrunningpb.Operation) {
				op.Done, op.Result = false, nil
				setState(op, running)
			}, nil),
		{Name: "abandoned-cancel-deletes", Doc: "Purges an operation whose cancel was given up by its client, once it is cancelled.",
			Breaks: []string{"cancel.deadline.safe"},
			Fault: Fault{Service: func(next Service) Service {
				left := newNameSet()
				return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if pass(ctx, 20*time.Millisecond) != nil {
						left.add(r.GetName())
						return ctx.Err()
					}
					return next.Cancel(ctx, r)
				})(purged(left)(next))
			}}},
		abandoned("abandoned-cancel-500", "Fails on a cancel after one whose client has gone: its lock is still there.",
			nil, refuse(codes.Internal, "LOCKED", "row is locked")),
	}
}

// abandoned takes 20 ms for a cancel, and does wrong by an operation when the
// client has gone by then: edit shows it changed, and err answers what follows.
func abandoned(name, doc string, edit func(op *longrunningpb.Operation), err error) Mutant {
	return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.deadline.safe"}, Fault: Fault{Service: func(next Service) Service {
		left := newNameSet()
		shown := seen(func(op *longrunningpb.Operation) {
			if edit != nil && left.has(op.GetName()) > 0 {
				edit(op)
			}
		})(next)
		return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if err != nil && left.has(r.GetName()) > 0 {
				return err
			}
			select {
			case <-ctx.Done():
				left.add(r.GetName())
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
				return next.Cancel(ctx, r)
			}
		})(shown)
	}}}
}

// late tells whether an operation that ends by itself with a response was
// cancelled in the last part of its time.
func late(h history, part float64) bool {
	return h.kind == Succeeding && !h.accepted.IsZero() && h.accepted.Sub(h.begun) > time.Duration(float64(h.lasts)*(1-part))
}

// raceNatural is how long operations last that mutants of races let end by
// themselves: enough that a busy machine does not miss what they do.
const raceNatural = time.Second

func lastsLonger(o *Options) { o.Natural = raceNatural }

// rememberingRaces is the hook of a ledger of a server whose operations last
// raceNatural.
func rememberingRaces(edit func(h history, op *longrunningpb.Operation)) func(Service) Service {
	return func(next Service) Service {
		l := newLedger(next)
		l.natural = raceNatural
		l.edit = func(h history, op *longrunningpb.Operation) error {
			edit(h, op)
			return nil
		}
		return l
	}
}

func raceMutants() []Mutant {
	const one, immutable = "cancel.race.one-terminal-result", "operation.terminal.result-immutable"
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
		{Name: "race-deletes", Doc: "Purges an operation that was cancelled near its end.", Breaks: []string{one},
			Fault: Fault{Options: lastsLonger, Service: func(next Service) Service {
				l := newLedger(next)
				l.natural = raceNatural
				l.edit = func(h history, op *longrunningpb.Operation) error {
					if isCancelled(op) && late(h, 0.3) {
						return notFound(op.GetName())
					}
					return nil
				}
				return l
			}}},
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
				known := newLedger(next)
				known.natural = raceNatural
				return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					err := next.Cancel(ctx, r)
					if h, _ := known.of(r.GetName()); err == nil && late(h, 0.3) {
						return refuse(codes.FailedPrecondition, "OPERATION_FINISHED", "operation %q is finished", r.GetName())
					}
					return err
				}}
			}}},
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
