package reference

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lro-tools/conform/targets"
)

// nameCaseMutants reach an operation by a request that does not name it, in some
// cases only: where it is of one kind, by one form of the request, or by names of
// one shape.
func nameCaseMutants() []Mutant {
	return slices.Concat(parentCaseMutants(), verbCaseMutants(), spellingMutants(), nearbyMutants())
}

type strayKey struct{}

// strays is a fault by which a request over REST that applies is answered as it
// should be, and beside that cancels the operation that of makes of its path, if
// it is of the kind.
func strays(k Kind, applies func(*http.Request) bool, of func(path string) string) Fault {
	return Fault{
		REST: where(applies, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			stray := redirected(r, http.MethodPost, of(rawPath(r.URL)))
			record(next, stray.WithContext(context.WithValue(r.Context(), strayKey{}, true)))
			next.ServeHTTP(w, r)
		}),
		Service: func(next Service) Service {
			known := newLedger(next)
			return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if h, _ := known.of(r.GetName()); ctx.Value(strayKey{}) != nil && h.kind != k {
					return notFound(r.GetName())
				}
				return next.Cancel(ctx, r)
			}}
		},
	}
}

// foreignCancel returns what tells the cancel of an operation under a parent that
// is not the one of the suite's, and that is like it says.
func foreignCancel(like func(parent string) bool) func(*http.Request) bool {
	return func(r *http.Request) bool {
		_, rest, _ := strings.Cut(rawPath(r.URL), "/projects/")
		parent, _, ok := strings.Cut(rest, "/operations/")
		return ok && parent != "demo" && like(decode(parent)) && onVerb(http.MethodPost)(r)
	}
}

func parentCaseMutants() []Mutant {
	breaks := []string{"cancel.route.parent-scope"}
	anyParent := foreignCancel(func(string) bool { return true })
	ownCancel := rewritten(http.MethodPost, ownParent)
	return []Mutant{
		{Name: "nested-ignores-parent", Doc: "Finds a child to cancel by its id alone.",
			Breaks: breaks, Fault: strays(Nested, anyParent, ownParent)},
		{Name: "pending-ignores-parent", Doc: "Takes out of its queue, which all parents share, whatever has the id.",
			Breaks: breaks, Fault: strays(Pending, anyParent, ownParent)},
		{Name: "bodiless-ignores-parent", Doc: "Has a route for cancels without a body that reads the id alone.",
			Breaks: breaks, Fault: Fault{REST: where(func(r *http.Request) bool { return anyParent(r) && r.ContentLength == 0 }, ownCancel)}},
		{Name: "parent-by-prefix", Doc: "Looks whether the parent in the path begins with that of the operation.",
			Breaks: breaks, Fault: Fault{REST: where(foreignCancel(func(p string) bool { return strings.HasPrefix(p, "demo") }), ownCancel)}},
		{Name: "parent-abbreviated", Doc: "Looks for the operations below whatever begins with the parent in the path.",
			Breaks: breaks, Fault: Fault{REST: where(foreignCancel(func(p string) bool { return strings.HasPrefix("demo", p) }), ownCancel)}},
		{Name: "parent-folds-case", Doc: "Compares parents without regard to case where it cancels, and with it where it gets.",
			Breaks: breaks, Fault: Fault{REST: where(foreignCancel(func(p string) bool { return strings.EqualFold(p, "demo") }), ownCancel)}},
		{Name: "other-parent-ok", Doc: "Finds an operation by its id, sees that the parent is another one, and has nothing to do: OK.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.unknown.not-found"}},
			Fault:    Fault{REST: where(foreignCancel(func(p string) bool { return p != "demo" }), answering(nil))}},
		{Name: "grpc-ignores-parent", Doc: "Finds the operation to cancel over gRPC by its id alone.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {}, targets.GRPC: {"cancel.unknown.not-found"}},
			Fault: Fault{Service: overGRPCAlone(findsNear(func(asked, live string) bool {
				return idOf(asked) == idOf(live)
			}, plainCancel))}},
	}
}

func verbCaseMutants() []Mutant {
	const effect, near = "cancel.route.wrong-method-no-effect", "cancel.route.near-miss-no-effect"
	miss := func(applies func(verb string) bool) func(*http.Request) bool {
		return func(r *http.Request) bool {
			v := verbOf(rawPath(r.URL))
			return r.Method == http.MethodPost && !slices.Contains([]string{"cancel", "start", "wait"}, v) && applies(v)
		}
	}
	return []Mutant{
		{Name: "nested-get-cancels", Doc: "Has a route for children that asks for no method.",
			Breaks: []string{effect}, Fault: strays(Nested, onVerb(http.MethodGet), asIs)},
		{Name: "pending-delete-cancels", Doc: "Takes a DELETE to the path of a cancel for one that takes the operation out of its queue.",
			Breaks: []string{effect}, Fault: strays(Pending, onVerb(http.MethodDelete), asIs)},
		{Name: "nested-verb-by-prefix", Doc: "Takes every verb that begins with cancel for it, behind the name of a child.",
			Breaks: []string{near}, Fault: strays(Nested, miss(func(v string) bool { return strings.HasPrefix(v, "cancel") }), withVerb)},
		{Name: "pending-post-cancels", Doc: "Takes a POST without a verb for one that takes the operation out of its queue.",
			Breaks: []string{near}, Fault: strays(Pending, miss(func(v string) bool { return v == "" }), withVerb)},
	}
}

// encodedName tells whether a path is that of a cancel with percent-encoding that
// stands for legal characters.
func encodedName(p string) bool {
	return strings.HasSuffix(p, verbSuffix) && strings.Contains(p, "%") && decode(p) != p && !strings.Contains(p, "%00") && !strings.Contains(p, "%FF")
}

// twiceEncoded tells whether a path is that of a cancel of a name that is another
// one when it is decoded.
func twiceEncoded(p string) bool {
	return strings.HasSuffix(p, verbSuffix) && strings.Contains(p, "%25")
}

// spellingMutants take names that are spelt in another way for others, or names
// that are others for the same.
func spellingMutants() []Mutant {
	const decoded, zero = "cancel.route.percent-decode-unreserved", "cancel.route.zero-segment-name"
	const malformed = "cancel.malformed.rejected"
	unrouted := answering(refuse(codes.NotFound, "PATH_NOT_FOUND", "no such path"))
	empty := func(r *http.Request) bool {
		return r.ContentLength == 0 && onVerb(http.MethodPost)(r) && strings.HasSuffix(rawPath(r.URL), "/operations"+verbSuffix)
	}
	read := func(as func(name string) string) func(Service) Service {
		return cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			return plainCancel(ctx, next, as(r.GetName()))
		})
	}
	untilNUL := func(name string) string { name, _, _ = strings.Cut(name, "\x00"); return name }
	return []Mutant{
		{Name: "decodes-first-segment", Doc: "Decodes the first segment of an id, and leaves those that follow as they are.",
			Breaks: []string{decoded}, Fault: Fault{REST: where(posted(func(p string) bool {
				_, second, _ := strings.Cut(idIn(p), "/")
				return encodedName(p) && nestedCancel(p) && decode(second) != second
			}), unrouted)}},
		{Name: "keeps-percent-bodiless", Doc: "Has a route for cancels without a body that takes names from the raw path.",
			Breaks: []string{decoded}, Fault: Fault{REST: where(func(r *http.Request) bool {
				return r.ContentLength == 0 && posted(encodedName)(r)
			}, unrouted)}},
		{Name: "decodes-twice", Doc: "Decodes the name of what is to be cancelled, which its router has decoded, once more.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.unknown.not-found"}},
			Fault:    Fault{REST: where(posted(twiceEncoded), rewritten(http.MethodPost, decode))}},
		{Name: "decodes-twice-too-late", Doc: "Cancels by a name that was decoded twice, and then finds none of the name that was asked for.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.rejected.no-effect"}},
			Fault:    strays(Running, posted(twiceEncoded), decode)},
		{Name: "trims-spaces", Doc: "Trims the name of what is to be cancelled, as it does with all that people type.",
			Breaks: []string{malformed}, Fault: Fault{Service: read(func(name string) string { return strings.TrimRight(name, " ") })}},
		{Name: "trims-lines", Doc: "Cuts off the end of the line from the name of what is to be cancelled.",
			Breaks: []string{malformed}, Fault: Fault{Service: read(func(name string) string { return strings.TrimRight(name, "\r\n") })}},
		{Name: "cuts-at-nul", Doc: "Hands the name of what is to be cancelled to a library in C.",
			Breaks: []string{malformed}, Fault: Fault{Service: read(untilNUL)}},
		{Name: "trims-too-soon", Doc: "Cancels what has the trimmed name, and then finds none of the name that was asked for.",
			Breaks: []string{"cancel.rejected.no-effect"},
			Fault: Fault{Service: cancels(func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
				if trimmed := strings.TrimSpace(r.GetName()); trimmed != r.GetName() {
					_ = plainCancel(ctx, next, trimmed)
				}
				return next.Cancel(ctx, r)
			})}},
		{Name: "empty-id-bodiless-ok", Doc: "Finds neither an id nor a body, and nothing to do: OK.",
			Breaks: []string{zero}, Fault: Fault{REST: where(empty, answering(nil))}},
		{Name: "empty-id-bodiless-cancels-all", Doc: "Takes an empty id without a body for all operations of the parent, and says that it has found none.",
			Breaks: []string{zero}, Fault: Fault{REST: where(empty, cancelAll)}},
	}
}

// findsNear is a hook by which the cancel of a name of no operation is answered
// for the running one that it is near to.
func findsNear(near func(asked, live string) bool, answer func(ctx context.Context, next Service, live string) error) func(Service) Service {
	return func(next Service) Service {
		known := newLedger(next)
		return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			err := next.Cancel(ctx, r)
			if status.Code(err) != codes.NotFound {
				return err
			}
			for _, live := range known.running() {
				if near(r.GetName(), live) {
					return answer(ctx, next, live)
				}
			}
			return err
		}}
	}
}

// overGRPCAlone has a hook serve gRPC, and REST without it.
func overGRPCAlone(fault func(Service) Service) func(Service) Service {
	return func(next Service) Service {
		own := fault(next)
		return canceller{own, func(ctx context.Context, _ Service, r *longrunningpb.CancelOperationRequest) error {
			if CallOf(ctx).Transport == targets.GRPC {
				return own.Cancel(ctx, r)
			}
			return next.Cancel(ctx, r)
		}}
	}
}

func nearbyMutants() []Mutant {
	breaks := []string{"cancel.unknown.not-found"}
	ok := func(context.Context, Service, string) error { return nil }
	crash := func(context.Context, Service, string) error {
		return refuse(codes.Internal, "REQUEST_FAILED", "the operation has no parts")
	}
	continues := func(asked, live string) bool {
		rest, found := strings.CutPrefix(asked, live)
		return found && strings.Trim(rest, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
	}
	below := func(asked, live string) bool { return strings.HasPrefix(asked, live+"/") }
	return []Mutant{
		{Name: "longer-name-ok", Doc: "Looks for the key that precedes the name, as a search tree finds it, and answers OK.",
			Breaks: breaks, Fault: Fault{Service: findsNear(continues, ok)}},
		{Name: "longer-name-500", Doc: "Finds one row with the name at its beginning, and fails when it is not the same.",
			Breaks: breaks, Fault: Fault{Service: findsNear(continues, crash)}},
		{Name: "part-cancels-whole", Doc: "Takes what lies below an operation for a part of it, and cancels the whole.",
			Breaks: breaks, Fault: Fault{Service: findsNear(below, plainCancel)}},
		{Name: "part-500", Doc: "Fails on the name of what lies below an operation that has no parts.",
			Breaks: breaks, Fault: Fault{Service: findsNear(below, crash)}},
	}
}
