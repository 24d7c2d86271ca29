package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
)

func diffCommand(a *app) *cobra.Command {
	var specs []string
	cmd := &cobra.Command{
		Use:   "diff OLD.json NEW.json",
		Short: "Tell what changed between two reports, and whose doing it is",
		Long: `diff compares two saved reports: what the server changed, and what is due to
another suite or another configuration. The exit code is 1 where the server
breaks what it kept before, else 0.`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			both, err := readReports(args)
			if err != nil {
				return err
			}
			c := reports.Compare(both[0], both[1])
			if err := writeReport(a.out, specs, reports.DiffWriters(), c); err != nil {
				return err
			}
			if n := c.Regressions(); n > 0 {
				fmt.Fprintf(a.err, "%d new failures of the server\n", n)
				return &ending{code: 1}
			}
			fmt.Fprintln(a.err, "no new failure of the server")
			return nil
		},
	}
	reportFlag(cmd, &specs)
	return cmd
}

func matrixCommand(a *app) *cobra.Command {
	var specs []string
	cmd := &cobra.Command{
		Use:   "matrix FILE.json...",
		Short: "Set the reports of several servers side by side",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := readReports(args)
			if err != nil {
				return err
			}
			return writeReport(a.out, specs, reports.MatrixWriters(), reports.NewMatrix(all...))
		},
	}
	reportFlag(cmd, &specs)
	return cmd
}

func mergeCommand(a *app) *cobra.Command {
	var specs []string
	cmd := &cobra.Command{
		Use:   "merge FILE.json...",
		Short: "Make one report of those of several shards",
		Long: `merge makes one report of those of several shards of one run, or of several runs
of one suite on one target, and concludes it anew. It ends with the exit code of
that outcome. The reports of the shards of a storm are joined likewise, and their
histograms exactly.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			storms, err := stormReports(args)
			if err != nil {
				return err
			}
			if len(storms) > 0 {
				return a.mergeStorms(storms, specs)
			}
			all, err := readReports(args)
			if err != nil {
				return err
			}
			catalogue, err := features.Requirements()
			if err != nil {
				return err
			}
			r, err := reports.Merge(catalogue, all...)
			if err != nil {
				return err
			}
			if err := diagnose(r); err != nil {
				return problem("%w", err)
			}
			if err := writeReport(a.out, withText(specs), runWriters(a.out, a.color(a.out, false)), r); err != nil {
				return err
			}
			fmt.Fprintln(a.err, reports.Harmless(r.Reason))
			if code := r.ExitCode(); code != 0 {
				return &ending{code: code}
			}
			return nil
		},
	}
	reportFlag(cmd, &specs)
	return cmd
}

// reportFlag adds the flag --report, whose default is text on standard output.
func reportFlag(cmd *cobra.Command, specs *[]string) {
	cmd.Flags().StringArrayVar(specs, "report", nil, "write a report, as `FORMAT[:PATH]`; no PATH is standard output (repeatable)")
}
