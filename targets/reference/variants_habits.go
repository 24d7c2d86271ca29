package reference

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// keptSuccess is how long a success can be read where results are soon
// forgotten: less than the time for which it is watched.
const keptSuccess = 60 * time.Millisecond

// everyOtherFails is the hook of a service in which every other operation fails that
// is to succeed.
func everyOtherFails(next Service) Service {
	turns := newNameSet()
	var failed sync.Map // names
	shown := seen(func(op *longrunningpb.Operation) {
		if _, ok := failed.Load(op.GetName()); ok && op.GetResponse() != nil {
			end(op, codes.Internal, "the worker has a fault")
		}
	})(next)
	return starter{shown, func(_ context.Context, _ Service, op *longrunningpb.Operation) (*longrunningpb.Operation, error) {
		if turns.add("")%2 == 0 {
			failed.Store(op.GetName(), true)
		}
		return op, nil
	}}
}

// habitVariants are what services do whose ways differ from those of most.
func habitVariants() []Variant {
	return []Variant{
		{Name: "forgets-successes", Doc: "Keeps what has succeeded for a short while only, as nobody can cancel it any more.",
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if h.kind == Succeeding && op.GetResponse() != nil && h.looks > 0 && time.Since(h.ended) > keptSuccess {
					return refuse(codes.NotFound, "OPERATION_NOT_FOUND", "operation %q is not found", op.GetName())
				}
				return nil
			})}},
		{Name: "shows-successes-once", Doc: "Has no Delete, nor a route for it, and forgets what has succeeded once somebody has seen it.",
			Fault: Fault{Options: func(o *Options) { o.NoDelete = true }, REST: unbound(targets.Delete, http.StatusNotFound),
				Service: remembering(func(h history, op *longrunningpb.Operation) error {
					if h.kind == Succeeding && op.GetResponse() != nil && h.looks > 1 {
						return notFound(op.GetName())
					}
					return nil
				})}},
		{Name: "every-other-success-fails", Doc: "Has two workers that take operations by turns, and one of them has a fault: what was to succeed fails.",
			Fault: Fault{Service: everyOtherFails}},
		{Name: "forgets-soon", Alone: true, Doc: "Keeps what has ended for 350 ms, more than three times as long as it is watched for.",
			Fault: Fault{Service: remembering(func(h history, op *longrunningpb.Operation) error {
				if op.GetDone() && time.Since(h.ended) > 350*time.Millisecond {
					return notFound(op.GetName())
				}
				return nil
			})}},
		{Name: "waits-three-seconds", Doc: "Bounds the timeout of a Wait, and refuses one that is longer than three seconds, or not set.",
			Fault: Fault{Service: waits(func(ctx context.Context, next Service, r *longrunningpb.WaitOperationRequest, _ *longrunningpb.Operation) (*longrunningpb.Operation, error) {
				if r.GetTimeout() == nil || r.GetTimeout().AsDuration() > 3*time.Second {
					return nil, refuse(codes.OutOfRange, "TIMEOUT_TOO_LONG", "the timeout is at most 3s")
				}
				return next.Wait(ctx, r)
			})}},
		{Name: "counts-operations", Doc: "Numbers its operations.", Fault: Fault{Service: func(next Service) Service { return &counting{Service: next} }}},
		{Name: "gives-names-again", Alone: true, Doc: "Numbers its operations by the lowest number that is free, be it that of one that was deleted.",
			Fault: Fault{Service: givesNamesAgain}},
		{Name: "routes-by-hexadecimal", Doc: "Has routes for ids of hexadecimal digits only; all else is answered with a page.",
			Fault: Fault{Service: func(next Service) Service { return hexIDs{next} }, REST: pageUnlessHex}},
		{Name: "reads-short-names", Doc: "Has a library that reads what is there of a field that is cut short: a note.",
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, readShort)}},
		{Name: "reads-short-numbers", Alone: true, Doc: "Numbers its operations and has such a library, which finds another one by a number that is cut short.",
			Fault: Fault{Service: func(next Service) Service { return &counting{Service: next} }, Wire: requests(wireMethod, targets.Cancel, readShort)}},
		{Name: "cancels-no-children", Alone: true, Doc: "Has no cancel for operations whose ids have several segments, and says so.",
			Fault: Fault{Service: ofKind(Nested, cancels(func(_ context.Context, _ Service, r *longrunningpb.CancelOperationRequest) error {
				return refuse(codes.Unimplemented, "NOT_CANCELLABLE", "%q is a part of another operation", r.GetName())
			}))}},
		{Name: "cancels-not-all", Alone: true, Doc: "Has no cancel for what cannot be cancelled, and says so by a raw google.rpc.Status without a message.",
			Fault: Fault{Service: ofKind(Uncancellable, cancelsNone), REST: answers(restMethod, targets.Cancel, func(d *draft) {
				if d.status == http.StatusNotImplemented {
					d.setDoc(map[string]any{"code": int(codes.Unimplemented)})
				}
			})}},
		{Name: "cancels-no-queue", Alone: true, Doc: "Has no cancel for what is queued, and says so.",
			Fault: Fault{Service: ofKind(Pending, cancelsNone)}},
		{Name: "cancels-queue-alone", Alone: true, Doc: "Takes what is cancelled out of its queue, and has no cancel for what has begun.",
			Fault: Fault{Service: cancelsKind(Pending)}},
		{Name: "cancels-children-alone", Alone: true, Doc: "Has a cancel for children alone, which shows at once and takes its time.",
			Fault: Fault{Target: bestEffort, Options: func(o *Options) { o.CancelDelay = time.Hour },
				Service: cancelsKind(Nested)}},
		{Name: "gets-know-late", Alone: true, Doc: "Gets from a copy that knows an operation 100 ms after its start, while Waits and cancels know it at once.",
			Fault: Fault{Service: func(next Service) Service { return lateCopy{next, newMoments(), nil} }}},
		{Name: "replica-knows-late", Alone: true, Doc: "Gets by turns from two copies, of which one knows an operation 200 ms after its start: the connection decides which.",
			Fault: Fault{REST: fromConnection, Service: func(next Service) Service { return lateCopy{next, newMoments(), newTurns()} }}},
		{Name: "has-four-threads", Alone: true, Slow: true, Doc: "Serves four calls at a time over REST, of which each Wait is one.",
			Fault: Fault{REST: threads(4)}},
		{Name: "loses-workers", Alone: true, Doc: "Has two workers, of which one dies 150 ms after it was given something.",
			Fault: Fault{Options: func(o *Options) { o.Natural = 150 * time.Millisecond }, Service: func(next Service) Service {
				return &mortal{Service: next}
			}}},
		{Name: "no-cancel-works-long", Alone: true, Doc: "Has no cancel, and needs longer for its work than anybody looks on.",
			Fault: Fault{Options: func(o *Options) { o.NoCancel, o.Natural = true, time.Minute }}},
		{Name: "no-cancel-often-busy", Alone: true, Doc: "Has no cancel, and is too busy to say so at every other call.",
			Fault: Fault{Options: noCancel, Service: func(next Service) Service {
				var calls atomic.Int64
				return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if calls.Add(1)%2 == 1 {
						return refuse(codes.Unavailable, "BUSY", "try again later")
					}
					return next.Cancel(ctx, r)
				}}
			}}},
	}
}

// cancelsNone is the hook of a service without cancel, whatever next has. Who may not
// see an operation is told no more of it than by Get.
func cancelsNone(next Service) Service {
	return canceller{next, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
		if _, err := next.Get(ctx, &longrunningpb.GetOperationRequest{Name: r.GetName()}); err != nil {
			return err
		}
		return unimplemented("CancelOperation")
	}}
}

// cancelsKind returns the hook of a service that cancels one kind of operation
// alone, as firebasehosting does.
func cancelsKind(k Kind) func(Service) Service {
	return func(next Service) Service {
		return &divided{Service: cancelsNone(next), kind: k, own: next, mine: map[string]bool{}}
	}
}

// A mortal is a Service of which every other operation that would run on fails
// by itself.
type mortal struct {
	Service
	starts atomic.Int64
}

// Start implements Service.
func (s *mortal) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.Kind == Running && s.starts.Add(1)%2 == 0 {
		r.Kind = Failing
	}
	return s.Service.Start(ctx, r)
}

// A lateCopy is what Get alone reads from. Where there are turns it is that of one
// worker, and twice as late.
type lateCopy struct {
	Service
	started *moments
	turns   *turns
}

// Start implements Service.
func (s lateCopy) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	op, err := s.Service.Start(ctx, r)
	if err == nil {
		s.started.set(op.GetName())
	}
	return op, err
}

// Get implements Service.
func (s lateCopy) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	late := 100 * time.Millisecond
	if s.turns != nil {
		late *= 2
		if worker, _ := s.turns.worker(ctx); worker == 0 {
			late = 0
		}
	}
	if s.started.within(r.GetName(), late) {
		return nil, notFound(r.GetName())
	}
	return s.Service.Get(ctx, r)
}

// A counting Service chooses numbers for ids.
type counting struct {
	Service
	last atomic.Int64
}

// Start implements Service.
func (c *counting) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.ID == "" && r.Kind != Nested {
		r.ID = strconv.FormatInt(c.last.Add(1), 10)
	}
	return c.Service.Start(ctx, r)
}

// hexIDs is a Service whose ids are hexadecimal; it takes no others.
type hexIDs struct{ Service }

// Start implements Service.
func (h hexIDs) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	switch {
	case r.ID == "" && r.Kind != Nested:
		r.ID = hex.EncodeToString([]byte(rand.Text())[:6])
	case r.ID != "" && !hexPath.MatchString("/operations/"+r.ID):
		return nil, invalid("ID_MALFORMED", "the id %q is not hexadecimal", r.ID)
	}
	return h.Service.Start(ctx, r)
}

// hexPath is a path with an id that has a route. Nested ids have routes of
// their own.
var hexPath = regexp.MustCompile(`/operations(/[0-9a-f]+|/[^/]+/[^/]+)?(:[a-z]+)?$`)

// pageUnlessHex answers as a router does that has no route for other ids.
func pageUnlessHex(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := restMethod(r); (m == targets.Get || m == targets.Cancel) && !hexPath.MatchString(r.URL.Path) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte("<h1>404 Not Found</h1>"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readShort has the name of a request that ends within it taken for what is
// left of it, as protobuf.js does.
func readShort(next http.Handler, w http.ResponseWriter, r *http.Request) {
	m := payloadOf(r)
	number, kind, n := protowire.ConsumeTag(m)
	if proto.Unmarshal(m, new(longrunningpb.CancelOperationRequest)) != nil && n > 0 && number == 1 && kind == protowire.BytesType {
		if size, k := protowire.ConsumeVarint(m[n:]); k > 0 && size > uint64(len(m)-n-k) {
			d := &draft{}
			d.setMessages(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), m[n+k:]))
			reread(r, d.body)
		}
	}
	next.ServeHTTP(w, r)
}

// threads serves so many calls at a time. A call that is given up before its turn
// is not served.
func threads(n int) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		free := make(chan struct{}, n)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case free <- struct{}{}:
				defer func() { <-free }()
				next.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
	}
}

// lowestFree is a Service that numbers its operations by the lowest number that none
// has: one that was deleted leaves its own to the next.
type lowestFree struct {
	Service
	mu    sync.Mutex
	taken map[string]bool // ids
}

func givesNamesAgain(next Service) Service {
	return &lowestFree{Service: next, taken: map[string]bool{}}
}

// Start implements Service.
func (l *lowestFree) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.ID == "" && r.Kind != Nested {
		l.mu.Lock()
		defer l.mu.Unlock()
		n := 1
		for l.taken[strconv.Itoa(n)] {
			n++
		}
		r.ID = strconv.Itoa(n)
		l.taken[r.ID] = true
	}
	return l.Service.Start(ctx, r)
}

// Delete implements Service.
func (l *lowestFree) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.Service.Delete(ctx, r)
	if err == nil {
		delete(l.taken, idOf(r.GetName()))
	}
	return err
}
