package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
)

func diffCommand(a *app) *cobra.Command {
	var spec string
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
			if err := writeOne(a, spec, reports.DiffWriters(), c); err != nil {
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
	reportFlag(cmd, &spec)
	return cmd
}

func matrixCommand(a *app) *cobra.Command {
	var spec string
	cmd := &cobra.Command{
		Use:   "matrix FILE.json...",
		Short: "Set the reports of several servers side by side",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := readReports(args)
			if err != nil {
				return err
			}
			return writeOne(a, spec, reports.MatrixWriters(), reports.NewMatrix(all...))
		},
	}
	reportFlag(cmd, &spec)
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
			out, err := openSinks(specs, a.out, a.color(a.out, false))
			if err != nil {
				return err
			}
			if err := out.write(r); err != nil {
				return problem("%w", err)
			}
			fmt.Fprintln(a.err, reports.Harmless(r.Reason))
			if code := r.ExitCode(); code != 0 {
				return &ending{code: code}
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&specs, "report", nil, "write a report, as `FORMAT[:PATH]`; no PATH is standard output (repeatable)")
	return cmd
}

func reportFlag(cmd *cobra.Command, spec *string) {
	cmd.Flags().StringVar(spec, "report", "text", "the format, and where it goes, as `FORMAT[:PATH]`; no PATH is standard output")
}

// writeOne writes a value in one format of several.
func writeOne[T any](a *app, spec string, writers map[string]func(io.Writer, T) error, value T) error {
	format, path, _ := strings.Cut(spec, ":")
	write, ok := writers[format]
	if !ok {
		names := slices.Sorted(maps.Keys(writers))
		return fmt.Errorf("--report: format %q is not known (formats: %s)", format, strings.Join(names, ", "))
	}
	if path == "" {
		return write(a.out, value)
	}
	f, err := createFile(path)
	if err != nil {
		return fmt.Errorf("--report %s: %w", spec, err)
	}
	if err := write(f, value); err != nil {
		return problem("--report %s: %w", spec, err)
	}
	if err := f.keep(); err != nil {
		return problem("--report %s: %w", spec, err)
	}
	return nil
}
