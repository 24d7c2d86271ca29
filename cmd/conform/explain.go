package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

func explainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain ID",
		Short: "Tell one requirement whole: why, how it is judged, how servers get it wrong",
		Long: `explain tells what a requirement says and where it comes from, how it is observed,
and what is tolerated. It then judges the reference server and a mutant, and
shows the calls of a server that keeps it and of one that breaks it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			catalogue, err := features.Requirements()
			if err != nil {
				return err
			}
			r, err := findRequirement(args[0], catalogue)
			if err != nil {
				return err
			}
			return a.explain(cmd.Context(), r, catalogue)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			catalogue, err := features.Requirements()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			var ids []string
			for _, r := range catalogue {
				ids = append(ids, r.ID)
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func findRequirement(id string, catalogue []features.Requirement) (features.Requirement, error) {
	var ids []string
	for _, r := range catalogue {
		if r.ID == id {
			return r, nil
		}
		ids = append(ids, r.ID)
	}
	msg := fmt.Sprintf("no requirement has the id %q", id)
	if near := nearest(id, ids); near != "" {
		msg += fmt.Sprintf("; did you mean %s?", near)
	}
	return features.Requirement{}, fmt.Errorf("%s (conform requirements lists them)", msg)
}

// explain prints what the catalogue knows, then what is found out by judging.
func (a *app) explain(ctx context.Context, r features.Requirement, catalogue []features.Requirement) error {
	var b strings.Builder
	explainEntry(&b, r)
	cases, err := steps.Cases("")
	if err != nil {
		return err
	}
	explainScenarios(&b, r, cases)
	if _, err := fmt.Fprint(a.out, b.String()); err != nil {
		return problem("%w", err)
	}
	b.Reset()
	mutants := breaking(r.ID, catalogue)
	if err := explainCalls(ctx, &b, r, mutants); err != nil {
		return problem("%w", err)
	}
	explainMutants(&b, mutants)
	explainMending(&b, r)
	if _, err := fmt.Fprint(a.out, b.String()); err != nil {
		return problem("%w", err)
	}
	return nil
}

// bases says what the letters of an entry's basis mean.
func bases() map[string]string {
	return map[string]string{
		"K": "the source's own keyword (MUST, SHOULD, ...)",
		"P": "plain indicative prose of the normative document",
		"D": "a logical consequence of what the sources say",
		"C": "official clients break otherwise",
		"F": "field practice",
	}
}

func explainEntry(b *strings.Builder, r features.Requirement) {
	fmt.Fprintf(b, "%s\n  %s\n\n", r.ID, r.Statement)
	fmt.Fprintf(b, "Level       %s\n", r.Level)
	for _, profile := range slices.Sorted(maps.Keys(r.Profiles)) {
		fmt.Fprintf(b, "            %s in profile %s\n", r.Profiles[profile], profile)
	}
	for i, letter := range strings.Split(r.Basis, "+") {
		fmt.Fprintf(b, "%-11s %s\n", heading(i, "Because"), bases()[strings.TrimSpace(letter)])
	}
	for i, s := range r.Sources {
		fmt.Fprintf(b, "%-11s %s, %s\n", heading(i, "Sources"), s.Document, s.Section)
	}
	fmt.Fprintf(b, "Transports  %s\n", strings.Join(r.Transports, ", "))
	needs := slices.Clone(r.Roles)
	for _, p := range r.Principals {
		needs = append(needs, "principals."+p)
	}
	if len(needs) > 0 {
		fmt.Fprintf(b, "Needs       %s\n", strings.Join(needs, ", "))
	}
	if r.Invariant() {
		b.WriteString("Judged      beside every case, on every answer seen; the scenario below is its own\n")
	}
	fmt.Fprintf(b, "Observed    %s\n", r.Observe)
	fmt.Fprintf(b, "Tolerated   %s\n", r.Tolerate)
}

// heading names the first of several lines.
func heading(i int, name string) string {
	if i > 0 {
		return ""
	}
	return name
}

// explainScenarios prints the scenarios as the features have them; those of an
// outline once.
func explainScenarios(b *strings.Builder, r features.Requirement, cases []reports.Case) {
	b.WriteString("\nScenarios\n")
	seen := map[string]bool{}
	for _, c := range cases {
		key := fmt.Sprintf("%s:%d", c.File, c.Line)
		if c.Requirement != r.ID || seen[key] {
			continue
		}
		seen[key] = true
		fmt.Fprintf(b, "\n  # %s\n  Scenario: %s\n", key, c.Scenario)
		for _, s := range c.Steps {
			fmt.Fprintf(b, "    %s %s\n", s.Keyword, s.Text)
		}
	}
	if len(seen) == 0 {
		b.WriteString("  none yet\n")
	}
}

// breaking lists the mutants that break a requirement.
func breaking(id string, catalogue []features.Requirement) []reference.Mutant {
	var out []reference.Mutant
	for _, m := range reference.Mutants() {
		for _, t := range targets.Transports() {
			if slices.Contains(m.Broken(t, catalogue), id) {
				out = append(out, m)
				break
			}
		}
	}
	return out
}

// explainCalls shows the calls of a server that keeps the requirement, and of
// one that breaks it; both were really made.
func explainCalls(ctx context.Context, b *strings.Builder, r features.Requirement, mutants []reference.Mutant) error {
	honest, err := runOn(ctx, subject{}, []string{r.ID})
	if err != nil {
		return err
	}
	b.WriteString("\nA server that keeps it (the reference server)\n")
	if c := firstCase(honest, func(c *reports.Case) bool { return c.Requirement == r.ID && c.Verdict == reports.Passed }); c != nil {
		explainCase(b, c, len(c.Exchanges)-1)
	} else {
		b.WriteString("  it was not judged: " + whyNot(honest, r.ID) + "\n")
	}
	for _, m := range mutants {
		s := subject{serial: m.Alone, fault: m.Fault}
		found, err := runOn(ctx, s, []string{r.ID})
		if err != nil {
			return err
		}
		c := firstCase(found, func(c *reports.Case) bool { return breach(c, r.ID) != nil })
		if c == nil {
			continue
		}
		at := breach(c, r.ID)
		fmt.Fprintf(b, "\nA server that breaks it (%s)\n  found: %s\n", m.Name, reports.Harmless(at.Message))
		if at.Expected != "" {
			fmt.Fprintf(b, "  expected: %s\n  got:      %s\n", reports.Harmless(at.Expected), reports.Harmless(at.Actual))
		}
		explainCase(b, c, at.Exchange)
		return nil
	}
	return nil
}

func firstCase(r *reports.Report, suits func(*reports.Case) bool) *reports.Case {
	for i := range r.Cases {
		if suits(&r.Cases[i]) {
			return &r.Cases[i]
		}
	}
	return nil
}

func breach(c *reports.Case, id string) *reports.Breach {
	for i := range c.Breaches {
		if c.Breaches[i].Requirement == id {
			return &c.Breaches[i]
		}
	}
	return nil
}

func whyNot(r *reports.Report, id string) string {
	if q := r.Requirement(id); q != nil {
		return string(q.Verdict) + ", " + reports.Harmless(q.Reason)
	}
	return "it is not in the catalogue"
}

// explainCase shows the calls of a case up to the decisive one; of those that
// ask the same again and again, the last.
func explainCase(b *strings.Builder, c *reports.Case, decisive int) {
	if decisive < 0 || decisive >= len(c.Exchanges) {
		decisive = len(c.Exchanges) - 1
	}
	calls, folded := c.Exchanges[:decisive+1], 0
	for i, e := range calls {
		if i < decisive && calls[i+1].Request.Line == e.Request.Line && calls[i+1].Request.Body == e.Request.Body {
			folded++
			continue
		}
		fmt.Fprintf(b, "  > %s\n", reports.Harmless(e.Request.Line))
		if folded > 0 {
			fmt.Fprintf(b, "    (asked %d times; the last answer is shown)\n", folded+1)
		}
		folded = 0
		explainBody(b, ">", e.Request.Body)
		if e.Problem != "" {
			fmt.Fprintf(b, "  < no answer: %s\n", reports.Harmless(e.Problem))
			continue
		}
		fmt.Fprintf(b, "  < %s\n", reports.Harmless(e.Response.Line))
		explainBody(b, "<", e.Response.Body)
	}
}

func explainBody(b *strings.Builder, arrow, body string) {
	if body != "" {
		fmt.Fprintf(b, "  %s   %s\n", arrow, reports.Harmless(body[:min(len(body), 1000)]))
	}
}

func explainMutants(b *strings.Builder, mutants []reference.Mutant) {
	if len(mutants) == 0 {
		b.WriteString("\nNo mutant breaks it.\n")
		return
	}
	b.WriteString("\nHow servers get it wrong, and the mutants that do so\n")
	for _, m := range mutants {
		fmt.Fprintf(b, "  %s: %s\n", m.Name, m.Doc)
	}
}

// explainMending says what would be right, and how to see that it is.
func explainMending(b *strings.Builder, r features.Requirement) {
	fmt.Fprintf(b, "\nHow to mend it\n  Make this true: %s\n  What is tolerated beside: %s\n", r.Statement, r.Tolerate)
	fmt.Fprintf(b, "  Then judge it alone: conform run TARGET.yaml --run %s\n", r.ID)
	if !r.Counts() {
		fmt.Fprintf(b, "  A %s is only observed: it never fails.\n", r.Level)
	}
}
