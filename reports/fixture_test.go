package reports

import (
	"time"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

// The catalogue of these tests: real ids, so that sources are found, with
// statements of their own.
func smallCatalogue() []features.Requirement {
	both := []string{"rest", "grpc"}
	entry := func(id, group, kind, level string, transports []string) features.Requirement {
		return features.Requirement{ID: id, Group: group, Kind: kind, Level: level, Transports: transports, Statement: "What " + id + " says."}
	}
	return []features.Requirement{
		entry("cancel.accept.in-progress", "Effect", "scenario", "MUST", both),
		entry("cancel.state.code-1", "State", "scenario", "MUST", both),
		entry("cancel.state.error-message", "State", "scenario", "SHOULD", both),
		entry("operation.result.exclusive", "Operations", "invariant", "MUST", both),
		entry("operation.json.no-null", "Operations", "invariant", "SHOULD", []string{"rest"}),
		entry("cancel.response.returns-promptly", "Response", "scenario", "SHOULD", both),
		entry("cancel.accept.pending", "Effect", "scenario", "MUST", both),
		entry("grpc.unary", "gRPC", "scenario", "MUST", []string{"grpc"}),
		entry("cancel.effect.may-complete", "Effect", "scenario", "MAY", both),
		entry("cancel.timing", "Not in the contract", "scenario", "INFO", both),
	}
}

// newCase is a case that went as its verdict says.
func newCase(requirement string, t targets.Transport, v Verdict, reason string) Case {
	return Case{
		ID: requirement + "/" + string(t) + "/a-scenario", Feature: "A feature", File: "features/a.feature", Line: 7,
		Rule: "What " + requirement + " says.", Scenario: "A scenario", Transport: t, Verdict: v, Reason: reason,
		Requirement: requirement, ElapsedMS: 12.5,
	}
}

func call(at time.Duration, m targets.Method, request, status, body string) targets.Exchange {
	return targets.Exchange{Transport: targets.REST, Method: m, At: at, Elapsed: 1200 * time.Microsecond,
		Request:  targets.Message{Line: request},
		Response: targets.Message{Line: status, Headers: map[string]string{"Content-Type": "application/json"}, Body: body}}
}

// failingCase is a case with all that a failure can have.
func failingCase() Case {
	c := newCase("cancel.state.code-1", targets.REST, Failed, "error.code is 10")
	c.Steps = []Step{
		{Keyword: "Given ", Text: "a running operation", Line: 8, Status: "passed"},
		{Keyword: "When ", Text: "the client cancels it", Line: 9, Status: "passed"},
		{Keyword: "Then ", Text: "it ends with the code CANCELLED", Line: 10, Status: "failed", Message: "error.code is 10"},
		{Keyword: "And ", Text: "it stays so", Line: 11, Status: "skipped"},
	}
	c.Exchanges = []targets.Exchange{
		call(400*time.Microsecond, targets.Cancel, "POST /v1/operations/a:cancel", "200 OK", "{}"),
		call(2*time.Millisecond, targets.Get, "GET /v1/operations/a", "200 OK", `{"name":"operations/a"}`),
		call(20*time.Millisecond, targets.Get, "GET /v1/operations/a", "200 OK", `{"name":"operations/a"}`),
		call(40*time.Millisecond, targets.Get, "GET /v1/operations/a", "200 OK", `{"name":"operations/a"}`),
		call(60*time.Millisecond, targets.Get, "GET /v1/operations/a", "200 OK", `{"name":"operations/a","done":true,"error":{"code":10,"message":"stopped"}}`),
	}
	c.Breaches = []Breach{
		{Requirement: "cancel.state.code-1", Message: "error.code is 10", Expected: "1 (CANCELLED)", Actual: "10 (ABORTED)", Pointer: "/error/code", Exchange: 4},
		{Requirement: "operation.json.no-null", Message: "metadata is null", Expected: "no member, or an object", Actual: "null", Pointer: "/metadata", Exchange: 1},
	}
	c.Broke = []string{"operation.json.no-null"}
	c.Held = []string{"operation.result.exclusive"}
	c.Notes = map[string][]string{"cancel.state.error-message": {"the message is in French"}}
	c.Observed = map[string]string{"cancel.timing": "60 ms"}
	return c
}

// sampleReport has something of everything.
func sampleReport() *Report {
	slow := newCase("cancel.response.returns-promptly", targets.REST, Untested, "operations.slow is not configured")
	slow.Needs = "operations.slow"
	pending := newCase("cancel.accept.pending", targets.REST, Untested, "operations.pending is not configured")
	pending.Needs = "operations.pending"
	bug := newCase("cancel.accept.pending", targets.GRPC, Inconclusive, "suite error: index out of range")
	bug.SuiteBug = true
	r := &Report{
		Suite:     Suite{Version: "1.2.3", Catalogue: "0123456789ab"},
		Target:    Target{Name: "my-service", Implementation: map[string]string{"organization": "Example", "version": "1.4.2"}, Profile: "lro", REST: "http://127.0.0.1:8080/v1", GRPC: "127.0.0.1:9090"},
		Started:   "2026-01-02T03:04:05Z",
		ElapsedMS: 4321,
		Cases: []Case{
			newCase("cancel.accept.in-progress", targets.REST, Passed, ""),
			newCase("cancel.accept.in-progress", targets.GRPC, Passed, ""),
			failingCase(),
			newCase("cancel.state.code-1", targets.GRPC, Passed, ""),
			newCase("cancel.state.error-message", targets.REST, Passed, ""),
			newCase("cancel.state.error-message", targets.GRPC, Inconclusive, "the cancel had no effect within 30 s"),
			slow,
			pending,
			bug,
			newCase("grpc.unary", targets.GRPC, Deselected, DeselectedByPattern),
		},
		Leftover: []string{"operations/left"},
	}
	Conclude(r, smallCatalogue(), Criteria{Level: LevelMust, RunningConfigured: true})
	return r
}
