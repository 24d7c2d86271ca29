package steps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// Polling starts at once and slows down, to a share of the observation window.
const (
	firstPause  = time.Millisecond
	pauseGrowth = 1.6
	longestPoll = 250 * time.Millisecond
)

// transientTries is how often a call that may be repeated is made in all.
const transientTries = 3

// pauseBefore is the pause before a call is repeated for the try-th time: 50 ms,
// then 200 ms.
func pauseBefore(try int) time.Duration { return 50 * time.Millisecond << (2 * (try - 1)) }

func getRequest(name string) *longrunningpb.GetOperationRequest {
	return &longrunningpb.GetOperationRequest{Name: name}
}

func cancelRequest(name string) *longrunningpb.CancelOperationRequest {
	return &longrunningpb.CancelOperationRequest{Name: name}
}

func deleteRequest(name string) *longrunningpb.DeleteOperationRequest {
	return &longrunningpb.DeleteOperationRequest{Name: name}
}

func waitRequest(name string, timeout time.Duration) *longrunningpb.WaitOperationRequest {
	return &longrunningpb.WaitOperationRequest{Name: name, Timeout: durationpb.New(timeout)}
}

// transient tells whether an answer says nothing about the server's contract:
// 503, 504, 429; UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED (semantics
// of google/rpc/code.proto); or a Get that met what another call had left in the
// connection.
func transient(ex targets.Exchange) bool {
	if !ex.Answered() || ex.Accepted() {
		return false
	}
	if ex.Transport == targets.REST {
		return ex.HTTP == 429 || ex.HTTP == 503 || ex.HTTP == 504 || ex.Spoilt()
	}
	if ex.GRPC != nil && !ex.GRPC.HasStatus {
		return ex.HTTP == 429 || ex.HTTP == 502 || ex.HTTP == 503 || ex.HTTP == 504
	}
	return ex.Code == codes.Unavailable || ex.Code == codes.DeadlineExceeded || ex.Code == codes.ResourceExhausted
}

// serverFault tells whether an answer is a fault of the server: HTTP 500 or
// 502; INTERNAL, UNKNOWN, DATA_LOSS. 501 is UNIMPLEMENTED, and no fault.
func serverFault(ex targets.Exchange) bool {
	if !ex.Answered() || ex.Accepted() {
		return false
	}
	if ex.Transport == targets.REST {
		return ex.HTTP == 500 || ex.HTTP == 502
	}
	return ex.GRPC != nil && ex.GRPC.HasStatus && (ex.Code == codes.Internal || ex.Code == codes.Unknown || ex.Code == codes.DataLoss)
}

// unimplemented tells whether an answer says that the method is not offered:
// UNIMPLEMENTED, and over REST any 501.
func unimplemented(ex targets.Exchange) bool {
	if !ex.Answered() {
		return false
	}
	if ex.Transport == targets.REST {
		return ex.HTTP == 501
	}
	return ex.GRPC != nil && (ex.GRPC.HasStatus && ex.Code == codes.Unimplemented || !ex.GRPC.HasStatus && ex.HTTP == 404)
}

// notFound tells whether an answer is NOT_FOUND.
func notFound(ex targets.Exchange) bool {
	if !ex.Answered() || ex.Accepted() {
		return false
	}
	if ex.Transport == targets.REST {
		return ex.HTTP == 404
	}
	return ex.GRPC != nil && ex.GRPC.HasStatus && ex.Code == codes.NotFound
}

// A look is one Get of an operation, answered.
type look struct {
	call
	snapshot
	found   bool // answered with success
	garbled bool // found, but the answer is no operation
	another bool // found, but the answer is another operation of this run
}

// get looks at an operation once. A transient answer is repeated, three tries
// in all. The error is a ruling: nothing can be told without an answer.
func (w *world) get(ctx context.Context, op *operation) (look, error) {
	return w.getOn(ctx, op, 0)
}

// getOn is get over a connection of its own; calls with different numbers
// share none.
func (w *world) getOn(ctx context.Context, op *operation, connection int) (look, error) {
	for try := 1; ; try++ {
		var c call
		if connection == 0 {
			c = w.call(ctx, targets.Get, getRequest(op.name), "")
		} else {
			c = w.raw(ctx, targets.RawRequest{Method: targets.Get, Message: getRequest(op.name), Connection: connection}, "")
		}
		if c.err != nil {
			if ctx.Err() != nil {
				return look{call: c}, stopped(ctx)
			}
			return look{call: c}, &ruling{verdict: reports.Inconclusive, reason: fmt.Sprintf("Get brought no answer: %v", c.err), silent: &c}
		}
		if transient(c.Exchange) {
			if try < transientTries && sleep(ctx, pauseBefore(try)) {
				continue
			}
			return look{call: c}, inconclusive("Get answered %s, %d times", c.Status(), try)
		}
		if err := unread(c); err != nil {
			return look{call: c}, err
		}
		l := w.sight(op, c)
		if l.another && try < transientTries {
			continue
		}
		return l, l.unlessAnother()
	}
}

// unlessAnother rules on an answer that is another operation than the one asked
// for: it says nothing about that.
func (l look) unlessAnother() error {
	if l.another {
		return inconclusive("%s answered with another operation: %s (see cancel.state.name-unchanged)", l.Method, l.name)
	}
	return nil
}

// unread rules on an answer that is larger than what is read of one.
func unread(c call) error {
	if errors.Is(c.DocErr, targets.ErrBeyond) {
		return inconclusive("%s answered more than is read of an answer: %v", c.Method, c.DocErr)
	}
	return nil
}

// sight reads the answer of a Get and keeps what it shows of the operation.
func (w *world) sight(op *operation, c call) look {
	l := look{call: c, found: c.Accepted()}
	w.meetsNamesake(op)
	w.checkErrorAbout(op, c)
	if !l.found {
		if c.Method == targets.Get && notFound(c.Exchange) {
			w.missed(op, c)
		}
		return l
	}
	doc, ok := c.Doc.(map[string]any)
	if !ok || c.DocErr != nil || errorAsSuccess(c.Exchange) || op.seen() && !showsOperation(doc) {
		l.garbled = true
		return l
	}
	l.snapshot = readOperation(c.Exchange, c.index, doc)
	if w.another(op, l.snapshot) {
		l.another = true
		return l
	}
	w.checkFoundAgain(op, l.snapshot)
	w.checkOperation(op, l.snapshot)
	return l
}

// envelope tells whether a JSON object is the error of a call, in whatever
// form, and not an operation that has an error: an operation has a name.
func envelope(doc map[string]any) bool {
	if doc["name"] != nil || doc["done"] != nil || doc["metadata"] != nil {
		return false
	}
	code, _ := readInt(doc["code"])
	return doc["error"] != nil || rawStatus(doc) && code != 0
}

// errorAsSuccess tells whether a REST answer is an error that was sent with a
// status of success. Streaming libraries put it into an array.
func errorAsSuccess(ex targets.Exchange) bool {
	if ex.Transport != targets.REST || !ex.Accepted() {
		return false
	}
	doc := ex.Doc
	if list, ok := doc.([]any); ok && len(list) == 1 {
		doc = list[0]
	}
	return envelope(object(doc))
}

// showsOperation tells whether a JSON object has a member of an Operation.
func showsOperation(doc map[string]any) bool {
	for _, k := range [...]string{"name", "done", "error", "response", "metadata"} {
		if _, ok := doc[k]; ok {
			return true
		}
	}
	return false
}

// mustFind is get for a place in a scenario where the operation must be there
// before anything can be judged. One just started may become visible late.
func (w *world) mustFind(ctx context.Context, op *operation) (look, error) {
	l, err := w.appears(ctx, op)
	if err != nil {
		return l, err
	}
	if !l.found {
		return l, inconclusive("Get of the operation just started answered %s", l.Status())
	}
	if l.garbled {
		return l, inconclusive("Get answered with something that is no operation")
	}
	return l, nil
}

// visibleFor is how long an operation just started may be unknown to Get. Where one
// has taken longer than is usual, others may take twice as long, and settle at most.
func (w *world) visibleFor() time.Duration {
	return max(w.run.target.Timeouts.Visible(), min(2*time.Duration(w.run.late.Load()), w.settleFor()))
}

// appears looks at an operation until Get finds it, for as long as it may take
// to become visible.
func (w *world) appears(ctx context.Context, op *operation) (look, error) {
	return w.appearsWithin(ctx, op, w.visibleFor())
}

// appearsWithin is appears with a bound of its own, from the start on.
func (w *world) appearsWithin(ctx context.Context, op *operation, d time.Duration) (look, error) {
	var last look
	_, err := w.poll(ctx, op, max(0, d-time.Since(op.begun)), func(l look) (bool, error) {
		if l.found && notFound(last.Exchange) {
			w.run.tellLate(time.Since(op.begun))
		}
		last = l
		return l.found || !notFound(l.Exchange), nil
	})
	return last, err
}

// tellLate takes note of how long it took until Get found an operation.
func (r *run) tellLate(d time.Duration) {
	for {
		known := r.late.Load()
		if int64(d) <= known || r.late.CompareAndSwap(known, int64(d)) {
			return
		}
	}
}

// startInProgress starts an operation and sees it in progress. One whose id the
// suite chooses is of the scenario's kind.
func (w *world) startInProgress(ctx context.Context, role targets.Role) (*operation, error) {
	if role == targets.Chosen {
		return w.startChosen(ctx)
	}
	op, err := w.start(ctx, role, "")
	if err != nil {
		return nil, err
	}
	return op, w.inProgress(ctx, op)
}

// inProgress sees an operation in progress, or rules that its role does not
// behave as declared.
func (w *world) inProgress(ctx context.Context, op *operation) error {
	l, err := w.mustFind(ctx, op)
	if err != nil {
		return err
	}
	if l.done {
		return w.tooSoon(op)
	}
	return nil
}

func (w *world) tooSoon(op *operation) error {
	return disturbed("%s ends too soon: the operation was done when the scenario needed it in progress", op.role)
}

// poll looks at an operation until visit says that it is enough, or the time
// is over; late tells the latter. Polls go out towards a deadline, the last
// one at it.
func (w *world) poll(ctx context.Context, op *operation, d time.Duration, visit func(look) (enough bool, err error)) (late bool, err error) {
	began := time.Now()
	deadline := began.Add(d)
	pause := firstPause
	longest := min(longestPoll, max(min(d/8, w.observeFor()), 2*time.Millisecond))
	resting := false
	for {
		last := !time.Now().Before(deadline)
		l, err := w.get(ctx, op)
		if err != nil {
			return false, err
		}
		enough, err := visit(l)
		if enough || err != nil {
			return false, err
		}
		if last {
			return true, nil
		}
		if !resting && time.Since(began) > restsAfter {
			resting = true
			w.seat.rest()
			defer w.seat.rise(ctx)
		}
		if !sleep(ctx, min(pause, max(time.Until(deadline), 0))) {
			return false, stopped(ctx)
		}
		pause = min(time.Duration(float64(pause)*pauseGrowth), longest)
	}
}

// lookOn looks at an operation for a time, whatever it shows.
func (w *world) lookOn(ctx context.Context, op *operation, d time.Duration) error {
	_, err := w.poll(ctx, op, d, func(look) (bool, error) { return false, nil })
	return err
}
