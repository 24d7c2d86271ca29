package reference

import (
	"context"
	"path"
	"slices"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
)

// likeMatches tells whether an id is one that the pattern of LIKE matches which the
// id of the other name is, if it is one.
func likeMatches(asked, other string) bool {
	ok, err := path.Match(strings.ReplaceAll(idOf(asked), "_", "?"), idOf(other))
	return ok && err == nil && strings.Contains(asked, "_")
}

// firstMatchMutants look for what is to be cancelled by less than its name, and stop
// at the first match: what was started sooner is cancelled in its place.
func firstMatchMutants() []Mutant {
	first := func(name, doc string, matches func(asked, other string) bool) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{"cancel.isolation.prefix-names"}, Fault: Fault{Service: cancelsFirst(matches)}}
	}
	return []Mutant{
		first("cancels-first-like", "Looks for WHERE id LIKE, LIMIT 1, in the order of the rows.", likeMatches),
		first("cancels-first-beginning", "Takes the first id that begins with the one that was given, as an abbreviation may.", func(asked, other string) bool {
			return strings.HasPrefix(idOf(other), idOf(asked))
		}),
		first("cancels-first-shortened", "Compares the first 40 characters of ids, in a list, and takes the first that is the same.", func(asked, other string) bool {
			a, b := idOf(asked), idOf(other)
			return len(a) > 40 && len(b) > 40 && a[:40] == b[:40]
		}),
	}
}

// cancelsFirst is a hook by which the cancel of a running operation reaches the one
// that was started first of those that match its name.
func cancelsFirst(matches func(asked, other string) bool) func(Service) Service {
	return func(next Service) Service {
		known := newLedger(next)
		return canceller{known, func(ctx context.Context, next Service, r *longrunningpb.CancelOperationRequest) error {
			asked, name := r.GetName(), r.GetName()
			if running := known.running(); slices.Contains(running, asked) {
				running = slices.DeleteFunc(running, func(other string) bool { return other != asked && !matches(asked, other) })
				name = known.first(running)
			}
			return plainCancel(ctx, next, name)
		}}
	}
}
