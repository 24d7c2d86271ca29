package reference

import (
	"context"
	"hash/fnv"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/peer"
)

// whereaboutsMutants answer from another place than the one that has what was asked
// for.
func whereaboutsMutants() []Mutant {
	const continuous, nameUnchanged = "get.after-cancel.continuous", "cancel.state.name-unchanged"
	return []Mutant{
		{Name: "two-stores-by-connection", Doc: "Runs two workers behind one address, each with operations in its own memory: the connection decides which of them answers.",
			Breaks: []string{continuous}, May: []string{"get.read-your-cancel"},
			Fault: Fault{REST: fromConnection, Service: func(next Service) Service {
				return splitService{next, newTurns()}
			}}},
		{Name: "replica-lags", Doc: "Runs two replicas behind one address, of which one learns late that something was cancelled: the connection decides which of them answers.",
			Breaks: []string{"operation.terminal.done-monotonic", "get.read-your-cancel"},
			Fault:  Fault{REST: fromConnection, Service: lagging}},
		{Name: "answers-exchanged", Doc: "Now and then answers a Get, or a Wait, with the operation that somebody else has asked for.",
			Breaks: []string{nameUnchanged},
			Fault:  Fault{Service: func(next Service) Service { return &exchanged{Service: next, asked: map[string]int{}} }}},
	}
}

// replicaLag is how much later one replica shows an end.
const replicaLag = 800 * time.Millisecond

// lagging is a hook by which every other connection leads to a replica that learns late
// of the end of what runs.
func lagging(next Service) Service {
	turns, known := newTurns(), newLedger(next)
	return getter{known, func(ctx context.Context, op *longrunningpb.Operation) error {
		h, _ := known.of(op.GetName())
		if worker, ok := turns.worker(ctx); ok && worker == 1 && h.kind == Running && isCancelled(op) && time.Since(h.ended) < replicaLag {
			op.Done, op.Result = false, nil
			setState(op, running)
		}
		return nil
	}}
}

// turns gives the connections to two workers by turns.
type turns struct {
	mu   sync.Mutex
	from map[string]uint32 // the worker, by the client's end of a connection
}

func newTurns() *turns { return &turns{from: map[string]uint32{}} }

// worker is the worker, 0 or 1, that a call comes to; ok is false for one that comes
// over no connection.
func (t *turns) worker(ctx context.Context) (worker uint32, ok bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	worker, known := t.from[p.Addr.String()]
	if !known {
		worker = uint32(len(t.from) % 2)
		t.from[p.Addr.String()] = worker
	}
	return worker, true
}

// A splitService is two workers, each with the operations that fell to it.
type splitService struct {
	Service
	turns *turns
}

// fromConnection has the service know over which connection a REST request came, as
// it does of gRPC.
func fromConnection(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := &net.UnixAddr{Name: r.RemoteAddr, Net: "http"}
		next.ServeHTTP(w, r.WithContext(peer.NewContext(r.Context(), &peer.Peer{Addr: from})))
	})
}

// has tells whether the worker that a call came to has an operation.
func (s splitService) has(ctx context.Context, name string) bool {
	worker, ok := s.turns.worker(ctx)
	h := fnv.New32a()
	h.Write([]byte(idOf(name)))
	return !ok || h.Sum32()>>8%2 == worker
}

// Get implements Service.
func (s splitService) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	if !s.has(ctx, r.GetName()) {
		return nil, notFound(r.GetName())
	}
	return s.Service.Get(ctx, r)
}

// Wait implements Service.
func (s splitService) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	if !s.has(ctx, r.GetName()) {
		return nil, notFound(r.GetName())
	}
	return s.Service.Wait(ctx, r)
}

// Cancel implements Service.
func (s splitService) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	if !s.has(ctx, r.GetName()) {
		return notFound(r.GetName())
	}
	return s.Service.Cancel(ctx, r)
}

// Delete implements Service.
func (s splitService) Delete(ctx context.Context, r *longrunningpb.DeleteOperationRequest) error {
	if !s.has(ctx, r.GetName()) {
		return notFound(r.GetName())
	}
	return s.Service.Delete(ctx, r)
}

// List implements Service.
func (s splitService) List(ctx context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	out, err := s.Service.List(ctx, r)
	if err == nil {
		out.Operations = slices.DeleteFunc(out.Operations, func(op *longrunningpb.Operation) bool { return !s.has(ctx, op.GetName()) })
	}
	return out, err
}

// exchangedEvery is how often an operation is read until another is shown in its
// place.
const exchangedEvery = 7

// An exchanged is a Service that shows, at every so manieth reading of an
// operation, the one that was read before it.
type exchanged struct {
	Service

	mu    sync.Mutex
	asked map[string]int // by name
	last  string
}

// instead is the name of what is shown for an operation.
func (e *exchanged) instead(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked[name]++
	other := e.last
	e.last = name
	if other != "" && e.asked[name]%exchangedEvery == 0 {
		return other
	}
	return name
}

// Get implements Service.
func (e *exchanged) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := e.Service.Get(ctx, r)
	return e.exchange(ctx, r.GetName(), op, err)
}

// Wait implements Service.
func (e *exchanged) Wait(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	op, err := e.Service.Wait(ctx, r)
	return e.exchange(ctx, r.GetName(), op, err)
}

func (e *exchanged) exchange(ctx context.Context, name string, op *longrunningpb.Operation, err error) (*longrunningpb.Operation, error) {
	if err != nil {
		return nil, err
	}
	if other := peek(ctx, e.Service, e.instead(name)); other != nil {
		return other, nil
	}
	return op, nil
}
