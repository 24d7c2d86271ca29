package steps

import (
	"context"
	"fmt"

	"github.com/lro-tools/conform/targets"
)

func unsupportedSteps() []definition {
	return []definition{
		step(`the answer is that the method is not implemented`, thenUnimplemented),
		step(`the answer carries the error in its JSON form`, thenUnimplementedJSON),
		step(`it goes on as if nothing had been sent`, thenGoesOn),
		step(`the client cancels it five times`, whenCancelsFive),
		step(`the answers are all of UNIMPLEMENTED or none`, thenConsistent),
	}
}

func thenUnimplemented(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if c.err != nil {
		return inconclusive("the cancel brought no answer: %v", c.err)
	}
	if w.rest() && c.HTTP != 501 {
		return w.fail(c, "HTTP 501", "a server without cancel does not answer 501")
	}
	if !w.rest() && !unimplemented(c.Exchange) {
		return w.fail(c, "UNIMPLEMENTED (12)", "a server without cancel does not answer UNIMPLEMENTED")
	}
	if !w.rest() && !c.GRPC.HasStatus {
		w.note("plain HTTP 404 comes in place of gRPC, which clients read as UNIMPLEMENTED")
	}
	return nil
}

// thenUnimplementedJSON judges the body of a 501. A raw google.rpc.Status is a
// note in the profile lro.
func thenUnimplementedJSON(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if c.err != nil || c.HTTP != 501 {
		return inapplicable("the answer is not 501 but %s (see cancel.unimplemented.http-501)", c.Status())
	}
	const want = `application/json, {"error": {"code": 501, "message": …, "status": "UNIMPLEMENTED"}}`
	doc := object(c.Doc)
	if rawStatus(doc) && w.run.target.Profile != targets.ProfileGoogle {
		w.note("the 501 carries a raw google.rpc.Status body, not the envelope of AIP-193")
		return nil
	}
	e, ok := doc["error"].(map[string]any)
	why := notEnvelope(e, ok, c)
	if why == "" {
		why = wrongUnimplemented(c, e)
	}
	if why != "" {
		return w.accuse(w.plan.requirement.ID, c.index, want, why, "the 501 does not carry the error in the form of AIP-193")
	}
	return nil
}

func wrongUnimplemented(c call, e map[string]any) string {
	if n, _ := readInt(e["code"]); n != 501 {
		return "error.code " + canonical(e["code"])
	}
	if e["status"] != "UNIMPLEMENTED" {
		return "error.status " + canonical(e["status"])
	}
	if t := mediaType(c.Header); t != "application/json" {
		return fmt.Sprintf("Content-Type %q", t)
	}
	return ""
}

// thenGoesOn judges that an operation whose cancel was answered UNIMPLEMENTED
// was not touched.
func thenGoesOn(ctx context.Context) error {
	w := of(ctx)
	c := w.theCall()
	if c.err != nil {
		return inconclusive("the cancel brought no answer: %v", c.err)
	}
	if c.Accepted() {
		return inapplicable("the cancel was accepted: %s (see cancel.unimplemented.%s)", c.Status(), map[bool]string{true: "http-501", false: "grpc-12"}[w.rest()])
	}
	return w.unaffected(ctx, w.it, "a cancel that was answered "+c.Status())
}

// whenCancelsFive repeats the cancel of one operation, one call after the other.
func whenCancelsFive(ctx context.Context) error {
	w := of(ctx)
	var out []repetition
	for range 5 {
		r, err := w.repeat(ctx, w.it)
		switch {
		case err != nil:
			return err
		case r.err != nil:
			return inconclusive("a cancel brought no answer: %v", r.err)
		}
		out = append(out, r)
	}
	w.facts["repetitions"] = out
	return nil
}

// thenConsistent judges that support does not come and go. What the probes
// before the first case saw counts too. That the cancel of what an earlier one
// has finished is answered UNIMPLEMENTED is legal (cancel.finished.status-legal).
func thenConsistent(ctx context.Context) error {
	w := of(ctx)
	const want = "UNIMPLEMENTED always, or never"
	if w.run.target.Cancel == targets.CancelSupported {
		return inapplicable("the target declares cancel: supported (refusals are judged by cancel.accept.in-progress)")
	}
	if s := w.run.support[w.plan.transport]; s.mixed {
		w.exchanges = append(w.exchanges, s.exchanges...)
		return w.accuse(w.plan.requirement.ID, len(w.exchanges)-1, want, "both", "fresh operations of one role were cancelled: some answers were UNIMPLEMENTED, some were not")
	}
	var none, accepted *repetition
	for _, r := range w.repetitions() {
		switch {
		case r.Accepted():
			accepted = &r
		case unimplemented(r.Exchange) && (accepted == nil || r.during):
			none = &r
		default:
			continue
		}
		if none != nil && accepted != nil {
			return w.accuse(w.plan.requirement.ID, r.index, want, accepted.Status()+", "+none.Status(), "repeated cancels of one operation were answered both ways")
		}
	}
	return nil
}
