package reference

import (
	"context"
	"errors"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"

	"github.com/lro-tools/conform/targets"
)

// A ReplicaFault is how the replicas of one service come to disagree.
type ReplicaFault struct {
	Name   string
	Doc    string
	Breaks []string // requirements, of which at least one fails
	// replica is what one replica serves: shared is one honest service that all
	// could use, own is an honest one of its own, and all are the own ones.
	replica func(shared, own Service, all func() []Service) Service
}

// ReplicaFaults returns the ways in which two replicas that share too little
// are seen through by calls that go to each in turn.
func ReplicaFaults() []ReplicaFault {
	return []ReplicaFault{
		{Name: "replicas-share-nothing", Doc: "Each replica keeps its operations in its own memory; the others do not know them.",
			Breaks:  []string{"cancel.accept.in-progress", "get.after-cancel.continuous", "cancel.finished.status-legal"},
			replica: func(_, own Service, _ func() []Service) Service { return own }},
		{Name: "replica-keeps-cancel", Doc: "All replicas know each operation, but only the one that accepted a cancel knows of it.",
			Breaks:  []string{"operation.terminal.done-monotonic", "cancel.effect.best-effort"},
			replica: func(_, own Service, all func() []Service) Service { return everywhere{own, all} }},
		{Name: "replica-caches", Doc: "A replica answers Get from what it has read in the last second.",
			Breaks: []string{"operation.terminal.done-monotonic"},
			replica: func(shared, _ Service, _ func() []Service) Service {
				return &cache{Service: shared, seen: map[string]cached{}}
			}},
	}
}

// An everywhere is a Service that starts each operation on all replicas.
type everywhere struct {
	Service
	all func() []Service
}

// Start implements Service.
func (e everywhere) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.ID == "" {
		r.ID = newID(r.Kind)
	}
	var out *longrunningpb.Operation
	for _, s := range e.all() {
		op, err := s.Start(ctx, r)
		if err != nil {
			return nil, err
		}
		out = op
	}
	return out, nil
}

// A cache is a Service that answers Get from memory while that is fresh.
type cache struct {
	Service
	mu   sync.Mutex
	seen map[string]cached
}

type cached struct {
	op *longrunningpb.Operation
	at time.Time
}

// fresh is how long a cached operation is answered.
const fresh = time.Second

// Get implements Service.
func (c *cache) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	c.mu.Lock()
	old, ok := c.seen[r.GetName()]
	c.mu.Unlock()
	if ok && time.Since(old.at) < fresh {
		return clone(old.op), nil
	}
	op, err := c.Service.Get(ctx, r)
	if err == nil {
		c.mu.Lock()
		c.seen[r.GetName()] = cached{clone(op), time.Now()}
		c.mu.Unlock()
	}
	return op, err
}

// Replicas are servers behind which one service should stand.
type Replicas struct{ servers []*Server }

// NewReplicas returns n replicas of one service. Without a fault they share
// everything.
func NewReplicas(o Options, n int, fault *ReplicaFault) (*Replicas, error) {
	r := &Replicas{}
	var shared Service
	var own []Service
	for i := range n {
		f := Fault{Service: func(next Service) Service {
			own = append(own, next)
			if i == 0 {
				shared = next
			}
			if fault == nil {
				return shared
			}
			return fault.replica(shared, next, func() []Service { return own })
		}}
		s, err := newServer(o, f)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.servers = append(r.servers, s)
	}
	return r, nil
}

// Close closes every replica.
func (r *Replicas) Close() error {
	var errs []error
	for _, s := range r.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Target serves every replica on loopback and describes them to the suite as
// one target, whose operations are started by each in turn.
func (r *Replicas) Target() (*targets.Target, error) {
	var at addresses
	for _, s := range r.servers {
		a, err := s.listen()
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		at.rest, at.grpc = append(at.rest, a.rest...), append(at.grpc, a.grpc...)
	}
	t, err := r.servers[0].describeAt(at)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	var mu sync.Mutex
	turn := 0
	t.Starter = targets.StartFunc(func(ctx context.Context, q targets.StartRequest) (targets.Started, error) {
		mu.Lock()
		s := r.servers[turn%len(r.servers)]
		turn++
		mu.Unlock()
		return s.starter(s.demoParent())(ctx, q)
	})
	closeTarget := t.Close
	t.Close = func() error { return errors.Join(closeTarget(), r.Close()) }
	return t, nil
}
