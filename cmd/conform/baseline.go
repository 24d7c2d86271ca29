package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/reports"
)

func baselineCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "baseline",
		Short: "Write or prune a baseline of known failures, from a saved report",
		Long: `A baseline names failures that are known: they stay failed, but do not make a run
nonconformant (run --baseline FILE). An entry holds for one requirement, one
transport and one kind of failure, its fingerprint. A run is nonconformant where
what an entry names passes or fails differently, or the entry is past its day; it
then prints the line to change.`,
	}
	cmd.AddCommand(baselineWriteCommand(a), baselinePruneCommand(a))
	return cmd
}

func baselineWriteCommand(a *app) *cobra.Command {
	var add reports.KnownFailure
	cmd := &cobra.Command{
		Use:   "write REPORT.json [BASELINE.yaml] --reason TEXT",
		Short: "Write a baseline that makes every failure of the report known",
		Long: `write makes every failure of the report known: to the file, or to standard output.
Entries of the run's own baseline that still hold keep their reason, issue and
day; all others get what the flags say. A reason is mandatory.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := time.Parse(time.DateOnly, add.Expires); add.Expires != "" && err != nil {
				return fmt.Errorf("--expires %q: write a day, like 2026-12-31", add.Expires)
			}
			r, err := readReport(args[0])
			if err != nil {
				return err
			}
			known := r.Baseline(add)
			if slices.ContainsFunc(known, func(k reports.KnownFailure) bool { return k.Reason == "" }) {
				return errors.New("--reason is missing: say why the failures are tolerated, like --reason \"mended in 2.1\"")
			}
			return a.writeBaseline(known, args[1:])
		},
	}
	cmd.Flags().StringVar(&add.Reason, "reason", "", "why the failures are tolerated")
	cmd.Flags().StringVar(&add.Issue, "issue", "", "a link to where they are dealt with")
	cmd.Flags().StringVar(&add.Expires, "expires", "", "the last day, `YYYY-MM-DD`, on which they are tolerated")
	return cmd
}

func baselinePruneCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "prune REPORT.json [BASELINE.yaml]",
		Short: "Write the run's baseline without the entries that are stale or expired",
		Long: `prune writes the baseline that the run had, without the entries that are stale or
expired: to the file, or to standard output.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := readReport(args[0])
			if err != nil {
				return err
			}
			return a.writeBaseline(r.PrunedBaseline(), args[1:])
		},
	}
}

// writeBaseline writes to the path, if there is one, or to standard output.
func (a *app) writeBaseline(known []reports.KnownFailure, paths []string) error {
	if len(paths) == 0 {
		return reports.WriteBaseline(a.out, known)
	}
	path := paths[0]
	f, err := createFile(path)
	if err != nil {
		return err
	}
	if err := reports.WriteBaseline(f, known); err != nil {
		return problem("%s: %w", path, err)
	}
	if err := f.keep(); err != nil {
		return problem("%s: %w", path, err)
	}
	fmt.Fprintf(a.err, "%s: %d known failures\n", path, len(known))
	return nil
}
