package reference

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
)

// The number of operations on a page: by default, and at most.
const (
	defaultPage = 50
	maxPage     = 1000
)

// A cursor is what a page token holds: the list that it continues, and the
// last operation that was shown. Callers must not look into it.
type cursor struct {
	Parent string
	Filter string
	After  int64
}

func (c cursor) token() string {
	data, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// resume reads the token of a list with this cursor's parent and filter.
func (c cursor) resume(token string) (cursor, error) {
	if token == "" {
		return c, nil
	}
	var got cursor
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(data, &got)
	}
	if err != nil || got.Parent != c.Parent || got.Filter != c.Filter || got.After <= 0 {
		return c, invalid("PAGE_TOKEN_INVALID", "page_token is not one of this list")
	}
	return got, nil
}

// A filter tells which operations are listed.
type filter func(op *operation) bool

// parseFilter knows done=true and done=false; AIP-160 leaves a service free to
// support no more.
func parseFilter(text string) (filter, error) {
	switch strings.Join(strings.Fields(text), "") {
	case "":
		return func(*operation) bool { return true }, nil
	case "done=true":
		return func(op *operation) bool { return op.phase.finished() }, nil
	case "done=false":
		return func(op *operation) bool { return !op.phase.finished() }, nil
	}
	return nil, invalid("FILTER_UNSUPPORTED", "filter %q is neither done=true nor done=false", text)
}

// List returns a page of the operations below a parent, oldest first.
func (s *store) List(_ context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	if s.options.NoList {
		return nil, unimplemented("ListOperations")
	}
	parent, err := s.listParent(r.GetName())
	if err != nil {
		return nil, err
	}
	keep, err := parseFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	at, err := cursor{Parent: parent, Filter: r.GetFilter()}.resume(r.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := int(r.GetPageSize())
	switch {
	case size < 0:
		return nil, invalid("PAGE_SIZE_NEGATIVE", "page_size %d is negative", size)
	case size == 0:
		size = defaultPage
	}
	return s.page(at, min(size, maxPage), keep), nil
}

// listParent accepts projects/p; where operations have no parent, it accepts
// their collection as well, as google.longrunning's own binding sends it.
func (s *store) listParent(name string) (string, error) {
	if s.names.collection == 0 && name == s.names.segments[0] {
		return "", nil
	}
	if !s.names.isParent(name) {
		return "", invalid("PARENT_MALFORMED", "name %q cannot have operations by %s", name, s.names.text)
	}
	return name, nil
}

func (s *store) page(at cursor, size int, keep filter) *longrunningpb.ListOperationsResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := new(longrunningpb.ListOperationsResponse)
	i, _ := slices.BinarySearchFunc(s.order, at.After+1, bySeq)
	for _, op := range s.order[i:] {
		if op.parent != at.Parent || !keep(op) {
			continue
		}
		if len(out.Operations) == size {
			out.NextPageToken = at.token()
			break
		}
		out.Operations = append(out.Operations, clone(op.snapshot))
		at.After = op.seq
	}
	return out
}
