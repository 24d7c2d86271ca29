package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/reports"
)

func reportCommand(a *app) *cobra.Command {
	var specs []string
	var share, noColor bool
	cmd := &cobra.Command{
		Use:   "report FILE",
		Short: "Render a saved report again, in any format",
		Long: `report renders a report that --report json wrote, or the lines that --evidence
wrote, of a run that was interrupted too. The report of a storm is rendered as
text or json. It contacts nobody. The exit code is 0
where the report was rendered, whatever it says.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			storms, err := stormReports(args)
			if err != nil {
				return err
			}
			if len(storms) > 0 {
				if err := writeReport(a.out, specs, stormWriters(), storms[0]); err != nil {
					return err
				}
				fmt.Fprintln(a.err, reports.Harmless(storms[0].Reason))
				return nil
			}
			r, err := readReport(args[0])
			if err != nil {
				return err
			}
			if share {
				r = r.WithoutBodies()
			}
			if err := writeReport(a.out, withText(specs), runWriters(a.out, a.color(a.out, noColor)), r); err != nil {
				return err
			}
			fmt.Fprintln(a.err, reports.Harmless(r.Reason))
			return nil
		},
	}
	reportFlag(cmd, &specs)
	cmd.Flags().BoolVar(&share, "share", false, "leave bodies out")
	cmd.Flags().BoolVar(&noColor, "no-color", false, "no color, also on a terminal")
	return cmd
}

// maxReport bounds, in bytes, the saved reports that are read.
const maxReport = 1 << 30

// readSaved reads the file of a saved report, of whatever kind.
func readSaved(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, rootCause(err))
	case info.Size() > maxReport:
		return nil, fmt.Errorf("%s: a report of %d bytes is too large", path, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, rootCause(err))
	}
	return data, nil
}

// readReport reads a saved report: JSON, or the lines of an evidence file.
func readReport(path string) (*reports.Report, error) {
	data, err := readSaved(path)
	if err != nil {
		return nil, err
	}
	r, err := reports.Decode(data)
	if err == nil && r.Schema == reports.Schema {
		return r, nil
	}
	if first, _, _ := bytes.Cut(data, []byte("\n")); bytes.Contains(first, []byte(`"run":{`)) {
		r, lineErr := readEvidence(data)
		if lineErr != nil {
			return nil, fmt.Errorf("%s: %w", path, lineErr)
		}
		return r, nil
	}
	if err == nil {
		err = fmt.Errorf("got the schema %q, want %q", r.Schema, reports.Schema)
	}
	return nil, fmt.Errorf("%s: no report of conform: %w", path, err)
}

// readReports reads several.
func readReports(paths []string) ([]*reports.Report, error) {
	var all []*reports.Report
	var errs []error
	for _, p := range paths {
		r, err := readReport(p)
		all, errs = append(all, r), append(errs, err)
	}
	return all, errors.Join(errs...)
}
