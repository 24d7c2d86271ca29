package reference

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/lro-tools/conform/targets"
)

// plainID and childID are the forms of the ids that the server makes (newID).
var (
	plainID = regexp.MustCompile(`^[A-Z0-9]{26}$`)
	childID = regexp.MustCompile(`^[A-Z0-9]{8}/[A-Z0-9]{18}$`)
	// shortenedID has the plain ones, and what is left of a name that is cut short.
	shortenedID = regexp.MustCompile(`^[A-Z0-9]{26}(-cu)?$`)
)

// isUnknown tells whether a name has an id of a form that the server makes,
// under a parent that it knows, but was never that of an operation.
func (l *ledger) isUnknown(name string, form *regexp.Regexp) bool {
	parent, id, _ := strings.Cut(name, "/operations/")
	if !form.MatchString(id) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byName[name] != nil {
		return false
	}
	for other := range l.byName {
		if strings.HasPrefix(other, parent+"/operations/") {
			return true
		}
	}
	return false
}

// unknownCancelled is a hook that answers the cancel of unknown names.
func unknownCancelled(answer func(ctx context.Context, next Service, name string) error) func(Service) Service {
	return unknownOfForm(plainID, answer)
}

// unknownOfForm is unknownCancelled for ids of one form.
func unknownOfForm(form *regexp.Regexp, answer func(ctx context.Context, next Service, name string) error) func(Service) Service {
	return func(next Service) Service {
		known := newLedger(next)
		return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			if !known.isUnknown(r.GetName(), form) {
				return next.Cancel(ctx, r)
			}
			if err := next.Cancel(ctx, r); denies(err) {
				return err // permission is asked for before the name
			}
			return answer(ctx, next, r.GetName())
		}}
	}
}

// unknownMutants are wrong about names that no operation has.
func unknownMutants() []Mutant {
	const unknown = "cancel.unknown.not-found"
	always := func(err error) func(context.Context, Service, string) error {
		return func(context.Context, Service, string) error { return err }
	}
	creates := func(ctx context.Context, next Service, name string) error {
		parent, id, _ := strings.Cut(name, "/operations/")
		_, _ = next.Start(asOwner(ctx), StartRequest{Parent: parent, ID: id})
		return notFound(name)
	}
	return append([]Mutant{
		{Name: "unknown-ok", Doc: "Answers OK to the cancel of any name of the right form, as gapic-showcase does.",
			Breaks: []string{unknown}, Fault: Fault{Service: unknownCancelled(always(nil))}},
		{Name: "unknown-ok-cut-short", Doc: "Answers OK so, and has a library that reads what is there of a name that is cut short.",
			Breaks: []string{unknown}, Fault: Fault{Service: unknownOfForm(shortenedID, always(nil)), Wire: requests(wireMethod, targets.Cancel, readShort)}},
		{Name: "unknown-500", Doc: "Fails on the cancel of an unknown name: nobody looked whether the record was there.",
			Breaks: []string{unknown}, Fault: Fault{Service: unknownCancelled(always(refuse(codes.Internal, "REQUEST_FAILED", "record is nil")))}},
		{Name: "unknown-failed-precondition", Doc: "Takes an unknown operation for one that has ended.",
			Breaks: []string{unknown}, Fault: Fault{Service: unknownCancelled(always(refuse(codes.FailedPrecondition, "OPERATION_NOT_RUNNING", "operation is not running")))}},
		{Name: "cancel-folds-case", Doc: "Looks for what is to be cancelled without regard to case, where no name is the same.",
			Breaks: []string{unknown}, Fault: Fault{Service: findsNear(strings.EqualFold, plainCancel)}},
		{Name: "unknown-dropped", Doc: "Follows the record that it has not found, and ends the connection.",
			Breaks: []string{unknown}, Fault: dropped(func(d *draft) bool {
				return d.status == http.StatusNotFound || d.trailer.Get("Grpc-Status") == strconv.Itoa(int(codes.NotFound))
			})},
		{Name: "cancel-creates", Doc: "Leaves a record of the cancel of an unknown name, which Get then finds.",
			Breaks: []string{"cancel.unknown.no-create"},
			Fault:  Fault{Service: unknownCancelled(creates)}},
		{Name: "nested-unknown-500", Doc: "Fails on the cancel of an unknown child: it looks for its parent only.",
			Breaks: []string{unknown}, Fault: Fault{Service: unknownOfForm(childID, always(refuse(codes.Internal, "REQUEST_FAILED", "child is nil")))}},
		{Name: "nested-cancel-creates", Doc: "Leaves a record of the cancel of an unknown child, which Get then finds.",
			Breaks: []string{"cancel.unknown.no-create"}, Fault: Fault{Service: unknownOfForm(childID, creates)}},
		{Name: "unknown-ok-later", Doc: "Remembers that an unknown name was asked for, and answers OK to its next cancel.",
			Breaks: []string{unknown}, Fault: Fault{Service: func(next Service) Service {
				asked := newNameSet()
				return unknownCancelled(func(_ context.Context, _ Service, name string) error {
					if asked.add(name) > 1 {
						return nil
					}
					return notFound(name)
				})(next)
			}}},
		{Name: "cancel-creates-at-last", Doc: "Takes the second cancel of an unknown name for that of one that is yet to be written.",
			Breaks: []string{"cancel.unknown.no-create"}, Fault: Fault{Service: func(next Service) Service {
				asked := newNameSet()
				return unknownCancelled(func(ctx context.Context, next Service, name string) error {
					if asked.add(name) == 2 {
						return creates(ctx, next, name)
					}
					return notFound(name)
				})(next)
			}}},
		{Name: "cancel-creates-whatever", Doc: "Leaves a record of the cancel of any name that it does not find, and finds it from then on.",
			Breaks: []string{"cancel.unknown.no-create"}, Fault: Fault{Service: recordsCancels(false)}},
		{Name: "cancel-makes-record", Doc: "Leaves a record of the cancel of any name that it does not find, be it that of a deleted operation, and finds it from then on.",
			Breaks: []string{"cancel.unknown.no-create"}, Fault: Fault{Service: recordsCancels(true)}},
		{Name: "cancel-buries-later", Doc: "Writes down, a while after it, that what it has not found was cancelled before its start: what was deleted, too.",
			Breaks: []string{"cancel.unknown.no-create", "cancel.deleted.not-found"},
			Fault:  Fault{Service: func(next Service) Service { return &graveyard{Service: next, from: map[string]time.Time{}} }}},
		{Name: "cancel-creates-later", Doc: "Queues the cancel of an unknown name, and makes a record of it when its turn comes.",
			Breaks: []string{"cancel.unknown.no-create"},
			Fault: Fault{Service: unknownCancelled(func(ctx context.Context, next Service, name string) error {
				parent, id, _ := strings.Cut(name, "/operations/")
				later := context.WithoutCancel(asOwner(ctx))
				time.AfterFunc(60*time.Millisecond, func() { _, _ = next.Start(later, StartRequest{Parent: parent, ID: id}) })
				return notFound(name)
			})}},
	}, append(rejectionMutants(), aheadMutants()...)...)
}

// A graveyard is a Service that shows, from a while after its cancel on, a name
// that it has not found as that of a cancelled operation.
type graveyard struct {
	Service
	mu   sync.Mutex
	from map[string]time.Time // by name
}

// Cancel implements Service.
func (g *graveyard) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	err := g.Service.Cancel(ctx, r)
	_, id, _ := strings.Cut(r.GetName(), "/operations/")
	if status.Code(err) == codes.NotFound && (plainID.MatchString(id) || childID.MatchString(id)) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.from[r.GetName()].IsZero() {
			g.from[r.GetName()] = time.Now().Add(60 * time.Millisecond)
		}
	}
	return err
}

// Get implements Service.
func (g *graveyard) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := g.Service.Get(ctx, r)
	g.mu.Lock()
	from := g.from[r.GetName()]
	g.mu.Unlock()
	if status.Code(err) != codes.NotFound || from.IsZero() || time.Now().Before(from) {
		return op, err
	}
	return &longrunningpb.Operation{Name: r.GetName(), Done: true, Result: failure(codes.Canceled, "cancelled before its start"),
		Metadata: packed(map[string]*structpb.Value{"state": structpb.NewStringValue(string(cancelled))})}, nil
}

// A recorder is a Service that keeps a record of every cancel that finds no
// operation.
type recorder struct {
	*ledger
	records *nameSet
	deleted bool // of what was deleted, too
}

func recordsCancels(deleted bool) func(Service) Service {
	return func(next Service) Service { return recorder{newLedger(next), newNameSet(), deleted} }
}

// Cancel implements Service.
func (s recorder) Cancel(ctx context.Context, r *longrunningpb.CancelOperationRequest) error {
	err := s.ledger.Cancel(ctx, r)
	if _, started := s.of(r.GetName()); started && !s.deleted || status.Code(err) != codes.NotFound || s.records.add(r.GetName()) == 1 {
		return err
	}
	return nil
}

// Get implements Service.
func (s recorder) Get(ctx context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := s.ledger.Get(ctx, r)
	if status.Code(err) != codes.NotFound || s.records.has(r.GetName()) == 0 {
		return op, err
	}
	op = &longrunningpb.Operation{Name: r.GetName(), Done: true}
	end(op, codes.Canceled, cancelMessage)
	return op, nil
}

// longID is the length of an id, in bytes, that is too much for a mutant.
const longID = 1000

func rejectionMutants() []Mutant {
	return []Mutant{
		{Name: "malformed-ok", Doc: "Answers OK to the cancel of a name of another collection.",
			Breaks: []string{"cancel.malformed.rejected"},
			Fault: Fault{
				Service: overGRPC(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					if r.GetName() != "" && !strings.Contains(r.GetName(), "operations/") {
						return nil
					}
					return next.Cancel(ctx, r)
				}),
				REST: requests(restMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
					if !strings.Contains(r.URL.Path, "/operations") {
						writeJSON(w, http.StatusOK, []byte("{}"))
						return
					}
					next.ServeHTTP(w, r)
				})}},
		{Name: "long-name-ok", Doc: "Drops a message with a name that does not fit, and answers OK.", Breaks: []string{"cancel.malformed.rejected"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				err := next.Cancel(ctx, r)
				if len(r.GetName()) > longID && !denies(err) {
					return nil
				}
				return err
			})}},
		{Name: "malformed-failed-precondition", Doc: "Takes a name that cannot be one for that of an operation in the wrong state.",
			Breaks: []string{"cancel.malformed.rejected"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				err := next.Cancel(ctx, r)
				if strings.ContainsAny(r.GetName(), `"<>`) && !denies(err) {
					return refuse(codes.FailedPrecondition, "OPERATION_NOT_RUNNING", "operation is not running")
				}
				return err
			})}},
		{Name: "long-name-500", Doc: "Fails on a name that does not fit its column.",
			Breaks: []string{"cancel.malformed.no-crash"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if len(r.GetName()) > longID {
					return refuse(codes.Internal, "REQUEST_FAILED", "value too long for its column")
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "cancel-finds-deleted", Doc: "Answers OK to the cancel of an operation that was deleted.",
			Breaks: []string{"cancel.deleted.not-found"},
			Fault: Fault{Service: func(next Service) Service {
				known := newLedger(next)
				return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
					err := next.Cancel(ctx, r)
					if h, _ := known.of(r.GetName()); h.deleted && status.Code(err) == codes.NotFound {
						return nil
					}
					return err
				}}
			}}},
		{Name: "refuses-and-cancels", Doc: "Starts the cancellation and then answers that it cannot.",
			Breaks: []string{"cancel.accept.in-progress", "cancel.rejected.no-effect"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if err := next.Cancel(ctx, r); err != nil {
					return err
				}
				return refuse(codes.FailedPrecondition, "OPERATION_BUSY", "operation %q is busy", r.GetName())
			})}},
	}
}
