package reference

import (
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

func catalogue(t *testing.T) map[string]features.Requirement {
	t.Helper()
	list, err := features.Requirements()
	require.NoError(t, err)
	out := map[string]features.Requirement{}
	for _, r := range list {
		out[r.ID] = r
	}
	return out
}

func TestMutantsNameWhatTheyBreak(t *testing.T) {
	byID := catalogue(t)
	seen := map[string]bool{}
	for _, m := range Mutants() {
		assert.False(t, seen[m.Name], "%s is there twice", m.Name)
		seen[m.Name] = true
		assert.True(t, strings.HasSuffix(m.Doc, "."), "%s: doc is no sentence", m.Name)
		ids := append([]string(nil), m.Breaks...)
		for _, more := range m.BreaksOn {
			ids = append(ids, more...)
		}
		assert.NotEmpty(t, ids, m.Name)
		for _, id := range append(ids, m.May...) {
			assert.True(t, byID[id].Counts(), "%s breaks %s, which cannot fail", m.Name, id)
		}
	}
	for _, v := range Variants() {
		assert.False(t, seen[v.Name], "%s is there twice", v.Name)
		seen[v.Name] = true
	}
}

// Every MUST and SHOULD of the groups that have mutants is broken by one, on
// each transport to which it applies.
func TestMutantsCoverTheirGroups(t *testing.T) {
	groups := map[string]bool{}
	for _, g := range coveredGroups() {
		groups[g] = true
	}
	list, err := features.Requirements()
	require.NoError(t, err)
	for _, transport := range targets.Transports() {
		broken := map[string]bool{}
		for _, m := range Mutants() {
			for _, id := range m.Broken(transport, list) {
				broken[id] = true
			}
		}
		for _, r := range list {
			if groups[r.Group] && r.Counts() && r.On(string(transport)) {
				assert.True(t, broken[r.ID], "no mutant breaks %s over %s", r.ID, transport)
			}
		}
	}
}

func coveredGroups() []string {
	return []string{"Request acceptance (REST)", "Routing and names (REST)", "Success response", "Effect of an accepted cancel",
		"State of a successfully cancelled operation", "Operation resource invariants (checked on every Operation seen)",
		"Cancelling a finished operation", "Cancel not supported", "Unknown and malformed names; rejected calls", "Authentication and authorisation (only with configured principals)", "Error model"}
}

func TestLookup(t *testing.T) {
	m, ok := Lookup("answers-204")
	assert.True(t, ok)
	assert.Equal(t, "answers-204", m.Name)
	_, ok = Lookup("honest")
	assert.False(t, ok)
	v, ok := LookupVariant("no-list")
	assert.True(t, ok)
	assert.NotEmpty(t, v.Doc)
	_, ok = LookupVariant("answers-204")
	assert.False(t, ok)
}

// subject is a mutant or variant as a target of a test.
func subject(t *testing.T, f Fault) *targets.Target {
	t.Helper()
	s, err := newServer(Options{}, f)
	require.NoError(t, err)
	target, err := s.Target()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	return target
}

// Every server starts operations, and its Get finds them over both transports,
// but for those that keep a store for each, or for every other connection, and those
// that are late.
func TestEveryFaultServes(t *testing.T) {
	late := []string{"shows-operations-late", "gets-know-late", "replica-knows-late", "two-stores-by-connection"}
	faults := map[string]Fault{}
	for _, m := range Mutants() {
		faults[m.Name] = m.Fault
	}
	for _, v := range Variants() {
		faults[v.Name] = v.Fault
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			target := subject(t, f)
			for _, transport := range targets.Transports() {
				op := startRole(t, target, targets.Running)
				e := callOn(t, target, transport, targets.Get, op)
				assert.True(t, e.Accepted() || strings.HasPrefix(name, "separate-") || slices.Contains(late, name), e.Status())
				e = callOn(t, target, transport, targets.Cancel, op)
				assert.True(t, e.Answered(), e.Status())
			}
		})
	}
}

func startRole(t *testing.T, target *targets.Target, role targets.Role) string {
	t.Helper()
	s, err := target.Starter.Start(testContext(t), targets.StartRequest{Role: role})
	require.NoError(t, err)
	return s.Name
}

func callOn(t *testing.T, target *targets.Target, transport targets.Transport, m targets.Method, name string) targets.Exchange {
	t.Helper()
	c := target.Endpoints[transport].Client
	var e targets.Exchange
	var err error
	switch m {
	case targets.Cancel:
		e, err = c.Call(testContext(t), m, &longrunningpb.CancelOperationRequest{Name: name})
	case targets.List:
		e, err = c.Call(testContext(t), m, &longrunningpb.ListOperationsRequest{Name: name})
	case targets.Wait:
		e, err = c.Call(testContext(t), m, &longrunningpb.WaitOperationRequest{Name: name})
	default:
		e, err = c.Call(testContext(t), m, &longrunningpb.GetOperationRequest{Name: name})
	}
	require.NoError(t, err)
	return e
}

// cancelledOn cancels an operation and returns it as Wait shows it at its end.
func cancelledOn(t *testing.T, target *targets.Target, transport targets.Transport) (cancel, wait targets.Exchange, name string) {
	t.Helper()
	name = startRole(t, target, targets.Running)
	cancel = callOn(t, target, transport, targets.Cancel, name)
	return cancel, callOn(t, target, transport, targets.Wait, name), name
}

// One fault of each hook shows on the wire as it is described.
func TestFaultsShow(t *testing.T) {
	fault := func(name string) *targets.Target {
		m, ok := Lookup(name)
		require.True(t, ok, name)
		return subject(t, m.Fault)
	}
	e, _, _ := cancelledOn(t, fault("answers-204"), targets.REST)
	assert.Equal(t, 204, e.HTTP)
	assert.Empty(t, e.Body)

	for _, transport := range targets.Transports() {
		target := fault("deletes-on-cancel")
		e, _, name := cancelledOn(t, target, transport)
		assert.True(t, e.Accepted())
		assert.Equal(t, codes.NotFound, callOn(t, target, transport, targets.Get, name).Code)

		_, e, _ = cancelledOn(t, fault("cancel-code-10"), transport)
		assert.EqualValues(t, "10", member(e, "error", "code"))

		target = fault("both-results-at-once")
		_, e, _ = cancelledOn(t, target, transport)
		assert.NotNil(t, member(e, "error"))
		assert.NotNil(t, member(e, "response"))
		list := callOn(t, target, transport, targets.List, "projects/demo")
		entry := list.Doc.(map[string]any)["operations"].([]any)[0].(map[string]any)
		assert.NotNil(t, entry["response"])
	}

	e, _, _ = cancelledOn(t, fault("second-message"), targets.GRPC)
	assert.Equal(t, 2, e.GRPC.Messages)
	assert.Equal(t, codes.OK, e.Code)
	e, _, _ = cancelledOn(t, fault("no-message"), targets.GRPC)
	assert.Equal(t, 0, e.GRPC.Messages)
	e, _, _ = cancelledOn(t, fault("missing-trailers"), targets.GRPC)
	assert.False(t, e.GRPC.HasStatus)
	assert.Equal(t, 1, e.GRPC.Messages)
	e = callOn(t, fault("status-with-http-500"), targets.GRPC, targets.Get, "projects/demo/operations/none")
	assert.Equal(t, 500, e.HTTP)
	assert.True(t, e.GRPC.HasStatus)
	e = callOn(t, fault("details-garbage"), targets.GRPC, targets.Get, "projects/demo/operations/none")
	assert.Equal(t, "not a status", string(e.GRPC.DetailsBin))
}

func member(e targets.Exchange, path ...string) any {
	v := e.Doc
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}
