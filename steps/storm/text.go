package storm

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// WriteText writes a report for people: each violation as the sequence of
// calls that shows it, then rates and latencies.
func WriteText(w io.Writer, r *Report) error {
	var b strings.Builder
	for _, v := range r.Violations {
		writeViolation(&b, v)
	}
	loop := "closed loop: each client calls when it was answered"
	if r.Rate > 0 {
		loop = fmt.Sprintf("open loop: %g calls/s, latencies from the moment a call was due", r.Rate)
	}
	fmt.Fprintf(&b, "storm on %s: %.1f s, seed %d, %s\n%s\n\n", r.Target.Name, r.ElapsedMS/1000, r.Seed, plural(r.Clients, "client"), loop)
	fmt.Fprintf(&b, "%-5s %9s %9s  %-15s %8s %8s %8s %8s %8s %8s\n", "", "calls", "calls/s", "latency (ms)", "count", "p50", "p90", "p99", "p99.9", "max")
	for _, t := range targets.Transports() {
		if traffic := r.Traffic[t]; traffic != nil {
			fmt.Fprintf(&b, "%-5s %9d %9.0f  %s\n", t, traffic.Calls, r.CallsPerSecond(t), row("cancel", traffic.Cancel))
			fmt.Fprintf(&b, "%-5s %9s %9s  %s\n", "", "", "", row("cancel to done", traffic.Ending))
		}
	}
	for _, t := range targets.Transports() {
		if traffic := r.Traffic[t]; traffic != nil && traffic.unanswered() != "" {
			fmt.Fprintf(&b, "%-5s no answer to %s\n", t, traffic.unanswered())
		}
	}
	var roles []string
	for _, role := range slices.Sorted(maps.Keys(r.Operations)) {
		roles = append(roles, fmt.Sprintf("%d %s", r.Operations[role], role))
	}
	fmt.Fprintf(&b, "\noperations: %s\n", strings.Join(roles, ", "))
	if r.Again > 0 {
		fmt.Fprintf(&b, "not judged: what %s gave though it had been started before\n", plural(r.Again, "start"))
	}
	if n := r.Alone; n > 0 {
		fmt.Fprintf(&b, "cancelled though no cancel of it had been sent, as a system may do by itself: %s\n", plural(n, "operation"))
	}
	if q := r.Quiet; q != nil {
		fmt.Fprintf(&b, "then %.1f s without a cancel: %d of %s cancelled, where %.1f were to be expected: %s\n",
			q.ElapsedMS/1000, q.Alone, plural(q.Operations, "operation"), q.Expected, q.Reason)
	}
	if n := len(r.Leftover); n > 0 {
		more := ""
		if n > namesShown {
			more = fmt.Sprintf(", and %d more", n-namesShown)
		}
		fmt.Fprintf(&b, "not cancelled at the end: %s%s\n", strings.Join(r.Leftover[:min(n, namesShown)], ", "), more)
	}
	fmt.Fprintf(&b, "%s\n", r.Reason)
	var clean strings.Builder
	for line := range strings.SplitAfterSeq(b.String(), "\n") {
		text, newline := strings.CutSuffix(line, "\n")
		clean.WriteString(reports.Harmless(text))
		if newline {
			clean.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, clean.String())
	return err
}

// namesShown is how many operations are named in a line.
const namesShown = 10

func row(name string, l *Latency) string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("%-15s %8d %8.2f %8.2f %8.2f %8.2f %8.2f", name, l.Count(), ms(l.At(50)), ms(l.At(90)), ms(l.At(99)), ms(l.At(99.9)), ms(l.Max()))
}

func writeViolation(b *strings.Builder, v Violation) {
	fmt.Fprintf(b, "%s (%s): %s\n", v.Requirement, v.Level, v.Message)
	fmt.Fprintf(b, "  %s (number %d, role %s); of its %s these show it:\n", v.Operation, v.Index, v.Role, plural(v.Calls, "call"))
	fmt.Fprintf(b, "  %10s %10s  %-10s %-4s %-15s %s\n", "sent (ms)", "answered", "", "", "", "")
	writeLines(b, v.Sequence)
	if len(v.Around) > 0 {
		b.WriteString("  until then it had also been asked:\n")
		writeLines(b, v.Around)
	}
	if v.Seen > 1 {
		fmt.Fprintf(b, "  (so too in %s)\n", plural(v.Seen-1, "other operation"))
	}
	b.WriteByte('\n')
}

func writeLines(b *strings.Builder, lines []Line) {
	for _, l := range lines {
		fmt.Fprintf(b, "  %10.3f %10.3f  client %-3d %-4s %-15s %s\n", l.FromMS, l.ToMS, l.Client, l.Transport, l.Method, strings.TrimSuffix(l.Answer+", of "+l.Operation, ", of "))
	}
}
