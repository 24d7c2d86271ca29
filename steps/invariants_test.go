package steps

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// TestRequestedFlagIsMissedOnlyWhereACancelActed holds that an operation which
// had ended when its cancel was accepted need not show that it was requested,
// however long it is watched.
func TestRequestedFlagIsMissedOnlyWhereACancelActed(t *testing.T) {
	const id = "cancel.effect.requested-flag"
	accepted := time.Now()
	late := accepted.Add(time.Hour)
	unset := map[string]any{"metadata": map[string]any{"requestedCancellation": false}}
	running := snapshot{doc: unset, sent: late}
	succeeded := snapshot{doc: unset, sent: late, done: true, hasResponse: true}
	cancelled := snapshot{doc: unset, sent: late, done: true, hasError: true, code: 1, codeRead: true}
	early := cancelled
	early.sent, early.received = accepted.Add(-2*time.Second), accepted.Add(-time.Second)
	for name, tt := range map[string]struct {
		before []snapshot
		seen   snapshot
		missed bool
	}{
		"in progress":                   {nil, running, true},
		"cancelled":                     {nil, cancelled, true},
		"succeeded":                     {nil, succeeded, false},
		"cancelled, and again later":    {[]snapshot{early}, cancelled, false},
		"in progress, within the grace": {nil, snapshot{doc: unset, sent: accepted.Add(time.Second)}, false},
	} {
		r := newRun(&targets.Target{Timeouts: targets.Timeouts{Settle: time.Second}}, Options{},
			[]features.Requirement{{ID: id, Level: "SHOULD", Transports: []string{"rest"}}})
		w := newWorld(r, &planned{transport: targets.REST})
		w.checkRequestedFlag(&operation{accepted: accepted, snapshots: tt.before}, tt.seen)
		assert.Equal(t, tt.missed, w.broken(id) >= 0, name)
	}
}

// A state that the suite is not told of is missed whatever roles there are.
func TestMetadataStateThatIsNotKnown(t *testing.T) {
	t.Parallel()
	target := honest(t, reference.Options{})
	target.MetadataState = ""
	maps.DeleteFunc(target.Roles, func(role targets.Role, _ targets.Availability) bool { return role != targets.Running })
	got := judge(t, target, Options{Run: []string{metadataState}}).Requirement(metadataState)
	assert.Equal(t, reports.Inapplicable, got.Verdict)
	assert.Contains(t, got.Reason, "metadata.state")
}
