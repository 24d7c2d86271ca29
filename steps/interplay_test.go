package steps

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// What is tolerated must show as what it is: a note, or a verdict that is no
// pass.
func TestTolerancesOfInterplay(t *testing.T) {
	const rest, grpc = targets.REST, targets.GRPC
	for _, c := range []struct {
		variant, requirement string
		transport            targets.Transport
		verdict              reports.Verdict
		note, observed       string
	}{
		{variant: "lists-active-by-default", requirement: "cancel.state.listed", transport: rest, verdict: reports.Passed, note: "only with the filter done=true"},
		{variant: "lists-late", requirement: "cancel.state.listed", transport: grpc, verdict: reports.Passed},
		{variant: "lists-parts", requirement: "list.consistent-with-get", transport: grpc, verdict: reports.Passed, note: "a part of each operation"},
		{variant: "lists-names", requirement: "list.consistent-with-get", transport: rest, verdict: reports.Passed, note: "a part of each operation"},
		{variant: "lists-nothing-here", requirement: "cancel.state.listed", transport: rest, verdict: reports.Inconclusive},
		{variant: "repeats-page-token", requirement: "cancel.state.listed", transport: grpc, verdict: reports.Inconclusive},
		{variant: "shows-operations-late", requirement: "cancel.state.code-1", transport: rest, verdict: reports.Passed},
		{variant: "shows-operations-late", requirement: "cancel.finished.status-legal", transport: grpc, verdict: reports.Passed},
		{variant: "no-list", requirement: "list.consistent-with-get", transport: rest, verdict: reports.Inapplicable},
		{variant: "no-list", requirement: "list.optional", transport: grpc, verdict: reports.Passed, observed: "ListOperations is not offered"},
		{variant: "list-without-route", requirement: "cancel.state.listed", transport: rest, verdict: reports.Inapplicable},
		{variant: "has-no-filters", requirement: "list.filter-consistent", transport: rest, verdict: reports.Inapplicable},
		{variant: "has-no-filters", requirement: "list.optional", transport: grpc, verdict: reports.Passed, observed: "done=true is not supported"},
		{variant: "wants-spaces-in-filters", requirement: "list.filter-consistent", transport: rest, verdict: reports.Passed},
		{variant: "ignores-filters", requirement: "list.filter-consistent", transport: grpc, verdict: reports.Passed, note: "ignores the filter"},
		{variant: "finds-nothing-by-filter", requirement: "list.filter-consistent", transport: grpc, verdict: reports.Passed, note: "leaves out"},
		{variant: "no-wait", requirement: "wait.timeout-bound", transport: grpc, verdict: reports.Inapplicable},
		{variant: "wait-malformed", requirement: "wait.done-immediate", transport: rest, verdict: reports.Inapplicable},
		{variant: "wait-without-route", requirement: "wait.equals-get", transport: rest, verdict: reports.Inapplicable},
		{variant: "never-waits", requirement: "wait.released-on-cancel", transport: grpc, verdict: reports.Passed},
		{variant: "never-waits", requirement: "wait.expiry-no-effect", transport: rest, verdict: reports.Passed},
		{variant: "no-delete", requirement: "delete.after-cancel", transport: rest, verdict: reports.Inapplicable},
		{variant: "delete-without-route", requirement: "cancel.deleted.not-found", transport: rest, verdict: reports.Inapplicable},
		{variant: "deletes-late", requirement: "cancel.deleted.not-found", transport: grpc, verdict: reports.Passed},
		{variant: "keeps-running", requirement: "delete.after-cancel", transport: grpc, verdict: reports.Passed},
		{variant: "hides-deleted", requirement: "cancel.deleted.not-found", transport: rest, verdict: reports.Passed, note: "PERMISSION_DENIED"},
		{variant: "forbids-anonymous", requirement: "auth.missing-credentials", transport: grpc, verdict: reports.Passed, note: "instead of UNAUTHENTICATED"},
		{variant: "hides-from-strangers", requirement: "auth.insufficient", transport: rest, verdict: reports.Passed, note: "NOT_FOUND instead of"},
		{variant: "looks-at-state", requirement: "auth.before-validation", transport: grpc, verdict: reports.Passed, note: "before the caller's permission"},
		{variant: "looks-at-state", requirement: "auth.missing-credentials", transport: rest, verdict: reports.Passed},
		{variant: "looks-at-state", requirement: "auth.no-existence-leak", transport: grpc, verdict: reports.Passed},
		{variant: "no-cancel-finished-ok", requirement: "cancel.unimplemented.no-effect", transport: rest, verdict: reports.Passed},
		{variant: "no-cancel-finished-precondition", requirement: "cancel.finished.status-legal", transport: grpc, verdict: reports.Passed},
		{variant: "no-cancel", requirement: "cancel.finished.status-legal", transport: rest, verdict: reports.Passed},
		{variant: "denies-in-other-words", requirement: "auth.no-existence-leak", transport: rest, verdict: reports.Passed, note: "another message"},
		{variant: "protected-without-cancel", requirement: "auth.no-effect", transport: rest, verdict: reports.Passed},
	} {
		t.Run(c.variant+"/"+c.requirement+"/"+string(c.transport), func(t *testing.T) {
			t.Parallel()
			v, ok := reference.LookupVariant(c.variant)
			require.True(t, ok)
			r := judgeTelling(t, func() *targets.Target {
				s, err := reference.NewVariant(reference.Options{}, v)
				require.NoError(t, err)
				return describe(t, s)
			}, c.requirement, map[targets.Transport]reports.Verdict{c.transport: c.verdict})
			q := r.Requirement(c.requirement)
			require.NotNil(t, q)
			assert.Equal(t, c.verdict, q.Transports[c.transport], "%s", q.Reasons[c.transport])
			if c.note != "" {
				assert.Contains(t, joined(q.Notes), c.note)
			} else {
				assert.Empty(t, q.Notes)
			}
			assert.Contains(t, q.Observed, c.observed)
		})
	}
}

func joined(lines []string) string {
	out := ""
	for _, l := range lines {
		out += l + "\n"
	}
	return out
}

// What the target file says of an optional method, and what is left out of it,
// decides where the server's answer does not.
func TestDeclaredMethods(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name        string
		options     reference.Options
		describe    func(ep *targets.Endpoint)
		requirement string
		verdict     reports.Verdict
		needs       string
	}{
		{"declared and refused", reference.Options{NoWait: true}, func(ep *targets.Endpoint) { ep.Wait = &yes }, "wait.timeout-bound", reports.Inconclusive, ""},
		{"declared absent", reference.Options{}, func(ep *targets.Endpoint) { ep.Wait = &no }, "wait.timeout-bound", reports.Inapplicable, ""},
		{"declared and there", reference.Options{}, func(ep *targets.Endpoint) { ep.Wait = &yes }, "wait.timeout-bound", reports.Passed, ""},
		{"delete declared and refused", reference.Options{NoDelete: true}, func(ep *targets.Endpoint) { ep.Delete = &yes }, "delete.after-cancel", reports.Inconclusive, ""},
		{"delete declared absent", reference.Options{}, func(ep *targets.Endpoint) { ep.Delete = &no }, "delete.after-cancel", reports.Inapplicable, ""},
		{"no parent to list", reference.Options{}, func(ep *targets.Endpoint) { ep.HasList = false }, "cancel.state.listed", reports.Untested, ".list"},
		{"no parent to list", reference.Options{}, func(ep *targets.Endpoint) { ep.HasList = false }, "cancel.unknown.no-create", reports.Passed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := judgeTelling(t, func() *targets.Target {
				target := honest(t, c.options)
				for _, ep := range target.Endpoints {
					c.describe(ep)
				}
				return target
			}, c.requirement, map[targets.Transport]reports.Verdict{targets.REST: c.verdict, targets.GRPC: c.verdict})
			for _, tr := range targets.Transports() {
				assert.Equal(t, c.verdict, r.Requirement(c.requirement).Transports[tr], "over %s", tr)
			}
			for _, k := range r.Cases {
				if k.Requirement == c.requirement && c.needs != "" {
					assert.Equal(t, string(k.Transport)+c.needs, k.Needs)
				}
			}
		})
	}
}

// Callers that are known by their certificates alone cannot leave them out.
func TestCertificatesAlone(t *testing.T) {
	t.Parallel()
	target := honest(t, reference.Options{Tokens: tokens()})
	target.ClientCertOnly = true
	r := judge(t, target, Options{Run: []string{"auth.*"}})
	assert.Equal(t, reports.Untested, r.Requirement("auth.missing-credentials").Verdict)
	assert.Equal(t, reports.Passed, r.Requirement("auth.insufficient").Verdict)
}

// TestMethodsThatAreNotOffered judges a server without Wait by a target without
// most roles: what is about Wait does not apply, so that no role is missing for it.
func TestMethodsThatAreNotOffered(t *testing.T) {
	t.Parallel()
	target := honest(t, reference.Options{NoWait: true})
	target.Roles = map[targets.Role]targets.Availability{targets.Running: {Configured: true}}
	for _, q := range judge(t, target, Options{Level: reports.LevelShould, Run: []string{"wait.*"}}).Requirements {
		if strings.HasPrefix(q.ID, "wait.") {
			assert.Equal(t, reports.Inapplicable, q.Verdict, "%s: %s", q.ID, q.Reason)
		}
	}
}
