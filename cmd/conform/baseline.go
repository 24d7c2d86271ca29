package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/reports"
)

func baselineCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "baseline",
		Short: "Write or prune a baseline of known failures, from a saved report",
		Long: `A baseline names failures that are known: they stay failed, but do not make a run
nonconformant (run --baseline FILE). An entry that does not fail any more, or is
past its day, does.`,
	}
	cmd.AddCommand(
		baselineSubcommand(a, "write", "Write a baseline that makes every failure of the report known", (*reports.Report).Baseline),
		baselineSubcommand(a, "prune", "Write the run's baseline without the entries that are stale or expired", (*reports.Report).PrunedBaseline))
	return cmd
}

func baselineSubcommand(a *app, name, short string, entries func(*reports.Report) []reports.KnownFailure) *cobra.Command {
	return &cobra.Command{
		Use:   name + " REPORT.json [BASELINE.yaml]",
		Short: short,
		Long:  short + ": to the file, or to standard output.",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := readReport(args[0])
			if err != nil {
				return err
			}
			known := entries(r)
			if len(args) == 1 {
				return reports.WriteBaseline(a.out, known)
			}
			f, err := createFile(args[1])
			if err != nil {
				return err
			}
			if err := reports.WriteBaseline(f, known); err != nil {
				return problem("%s: %w", args[1], err)
			}
			if err := f.keep(); err != nil {
				return problem("%s: %w", args[1], err)
			}
			fmt.Fprintf(a.err, "%s: %d known failures\n", args[1], len(known))
			return nil
		},
	}
}
