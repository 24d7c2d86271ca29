package reports

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// summaryVariable names the file to which a step of a GitHub workflow appends
// its summary (GitHub Actions, "Adding a job summary").
const summaryVariable = "GITHUB_STEP_SUMMARY"

// annotationsShown bounds the annotations; GitHub shows ten of a kind.
const annotationsShown = 50

// GitHub writes workflow commands: an error for each failure that is not
// known, at the line of its scenario, a warning for each that is, and a
// notice with the outcome. Where the environment names a step summary, the
// Markdown report is appended to it.
func GitHub(w io.Writer, r *Report) error {
	if err := annotate(w, r); err != nil {
		return err
	}
	path := os.Getenv(summaryVariable)
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("%s: %w", summaryVariable, err)
	}
	if err := Markdown(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func annotate(w io.Writer, r *Report) error {
	written := 0
	for i := range r.Requirements {
		q := &r.Requirements[i]
		if q.Verdict != Failed {
			continue
		}
		for _, t := range targets.Transports() {
			found := accusers(r, q.ID, t)
			if q.Transports[t] != Failed || len(found) == 0 || written >= annotationsShown {
				continue
			}
			written++
			if err := annotation(w, q, found[0]); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "::notice title=conform::%s\n", commandText(excerpt(line(r.Reason), bodyShown)))
	return err
}

func annotation(w io.Writer, q *Requirement, c *Case) error {
	command := "error"
	if q.Known {
		command = "warning"
	}
	title := fmt.Sprintf("%s %s on %s", q.ID, q.Level, transportName(c.Transport))
	_, err := fmt.Fprintf(w, "::%s file=%s,line=%d,title=%s::%s\n", command, commandProperty(line(c.File)), c.Line, commandProperty(line(title)),
		commandText(excerpt(line(c.accusation(q.ID)), bodyShown)))
	return err
}

// commandText escapes the text of a workflow command.
func commandText(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// commandProperty escapes a property of a workflow command.
func commandProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(commandText(s))
}
