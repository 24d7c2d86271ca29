package reference

import (
	"context"
	"sync"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
)

// whereaboutsMutants answer from another place than the one that has what was asked
// for.
func whereaboutsMutants() []Mutant {
	const nameUnchanged = "cancel.state.name-unchanged"
	return []Mutant{
		{Name: "answers-exchanged", Doc: "Now and then answers a Get, or a Wait, with the operation that somebody else has asked for.",
			Breaks: []string{nameUnchanged},
			Fault:  Fault{Service: func(next Service) Service { return &exchanged{Service: next, asked: map[string]int{}} }}},
	}
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
