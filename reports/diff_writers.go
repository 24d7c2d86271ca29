package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// DiffWriters returns the writers of a comparison by format: text, markdown,
// json.
func DiffWriters() map[string]func(io.Writer, *Comparison) error {
	return map[string]func(io.Writer, *Comparison) error{"text": diffText, "markdown": diffMarkdown, "json": diffJSON}
}

func diffJSON(w io.Writer, c *Comparison) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(c)
}

// title says what the changes of a cause are.
func (c Cause) title() string {
	switch c {
	case ByServer:
		return "Changed by the server"
	case BySuite:
		return "Changed by the suite"
	default:
		return "Changed by the configuration"
	}
}

func diffText(w io.Writer, c *Comparison) error {
	var b strings.Builder
	fmt.Fprintf(&b, "old: %s, %s, conform %s, %s\n", line(c.Old.Target.Name), line(c.Old.Started), line(c.Old.Suite.Version), c.Old.Outcome)
	fmt.Fprintf(&b, "new: %s, %s, conform %s, %s\n", line(c.New.Target.Name), line(c.New.Started), line(c.New.Suite.Version), c.New.Outcome)
	for _, s := range c.Settings {
		fmt.Fprintf(&b, "  %s\n", line(s))
	}
	for _, cause := range Causes() {
		changes := c.By(cause)
		fmt.Fprintf(&b, "\n%s: %s\n", cause.title(), count(len(changes), "verdict"))
		for _, change := range changes {
			fmt.Fprintf(&b, "  %s %s\n", direction(change), changeLine(change))
			if change.Reason != "" {
				fmt.Fprintf(&b, "      %s\n", excerpt(line(change.Reason), 400))
			}
		}
	}
	fmt.Fprintf(&b, "\n%s\n", c.conclusion())
	_, err := io.WriteString(w, b.String())
	return err
}

// direction marks a change at a glance.
func direction(c Change) string {
	switch {
	case c.Worse():
		return "✗"
	case c.Better():
		return "✓"
	default:
		return "·"
	}
}

func changeLine(c Change) string {
	where := ""
	if c.Transport != "" {
		where = " on " + transportName(c.Transport)
	}
	return fmt.Sprintf("%s%s: %s → %s", line(c.Requirement), where, orNone(c.From), orNone(c.To))
}

// conclusion says the comparison in one sentence.
func (c *Comparison) conclusion() string {
	if len(c.Changes) == 0 {
		return "nothing changed"
	}
	better := 0
	for _, change := range c.By(ByServer) {
		if change.Better() {
			better++
		}
	}
	return fmt.Sprintf("%s by the server, %s repaired; %s by suite or configuration", count(c.Regressions(), "new failure"),
		count(better, "failure"), count(len(c.By(BySuite))+len(c.By(ByConfiguration)), "change"))
}

func diffMarkdown(w io.Writer, c *Comparison) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## conform: %s → %s\n\n%s\n\n", c.Old.Outcome, c.New.Outcome, c.conclusion())
	fmt.Fprintf(&b, "From %s (%s) to %s (%s).\n", code(c.Old.Target.Name), code(c.Old.Started), code(c.New.Target.Name), code(c.New.Started))
	for _, s := range c.Settings {
		fmt.Fprintf(&b, "- %s\n", code(s))
	}
	for _, cause := range Causes() {
		changes := c.By(cause)
		if len(changes) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", cause.title())
		for i, change := range changes {
			if b.Len() > markdownFailures {
				fmt.Fprintf(&b, "- and %s\n", count(len(changes)-i, "more change"))
				break
			}
			fmt.Fprintf(&b, "- %s %s", direction(change), code(changeLine(change)))
			if change.Reason != "" {
				fmt.Fprintf(&b, ": %s", code(excerpt(change.Reason, markdownReason)))
			}
			b.WriteString("\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
