package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
)

func runCommand(a *app) *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run [TARGET.yaml]",
		Short: "Judge a server; without a target file, the built-in reference server",
		Long: `run judges the server that a target file describes, or the reference server that
is built in. The report goes to standard output, progress and advice to standard
error, whose last line says the outcome in words.

Exit codes: 0 conformant, 1 nonconformant, 2 wrong usage or target file,
3 incomplete, 4 error, 130 and 143 interrupted.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.targetFile = ""
			if len(args) > 0 {
				f.targetFile = args[0]
			}
			return a.run(cmd.Context(), f)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

// A judgement is one run of the command: all that is open until its end.
type judgement struct {
	app      *app
	flags    *runFlags
	target   *targets.Target
	options  steps.Options
	sinks    *sinks[*reports.Report]
	evidence *evidence
	progress *progress
}

func (a *app) run(ctx context.Context, f *runFlags) error {
	steps.Preload()
	options, load, err := f.parse()
	if err != nil {
		return err
	}
	if options.Baseline, err = readBaseline(f.baseline); err != nil {
		return err
	}
	j := &judgement{app: a, flags: f, options: options,
		progress: &progress{w: a.err, verbose: f.verbose, terminal: a.color(a.err, false)}}
	if j.target, err = openTarget(f.targetFile, load); err != nil {
		return err
	}
	defer j.closeTarget()
	if err := f.suits(j.target); err != nil {
		return err
	}
	if f.plan {
		return a.plan(ctx, f, j.target, options)
	}
	if j.sinks, err = openSinks[*reports.Report](withText(f.reports), runWriters(a.out, a.color(a.out, f.noColor)), a.out); err != nil {
		return err
	}
	if j.evidence, err = createEvidence(f.evidence, j); err != nil {
		return errors.Join(err, j.sinks.discard())
	}
	r, err := j.judge(ctx)
	if err != nil {
		return errors.Join(err, j.sinks.discard(), j.evidence.close(nil))
	}
	return j.conclude(r)
}

// runWriters are the formats of a run's report: text is colored on out alone.
func runWriters(out io.Writer, color bool) map[string]reports.Writer {
	all := reports.Writers()
	plain, colored := all[textFormat], reports.Text(color)
	all[textFormat] = func(w io.Writer, r *reports.Report) error {
		if w == out {
			return colored(w, r)
		}
		return plain(w, r)
	}
	return all
}

// openTarget makes the target of a file, or of the built-in server.
func openTarget(file string, o targets.LoadOptions) (*targets.Target, error) {
	if file != "" {
		return targets.Load(file, o)
	}
	if len(o.Set) > 0 || o.Rate > 0 {
		return nil, errors.New("--set and --rate are for a target file; the built-in server has none")
	}
	return builtIn()
}

func (j *judgement) closeTarget() {
	if j.target.Close == nil {
		return
	}
	if err := j.target.Close(); err != nil {
		j.progress.say("conform: the target does not close: %s", reports.Harmless(err.Error()))
	}
}

// judge runs the suite; the first signal ends it in order, a second at once.
func (j *judgement) judge(ctx context.Context) (*reports.Report, error) {
	ctx, signals := listen(ctx, func(name string) {
		j.progress.say("conform: %s: the cases that run are ended and the report is written; once more to stop at once", name)
	}, func() {
		j.progress.end()
		if err := j.sinks.discard(); err != nil {
			fmt.Fprintf(j.app.err, "conform: %v\n", err)
		}
	})
	defer signals.stop()
	j.options.Signal = signals.number
	memory := newThrift(j.app.env)
	j.options.OnCase = func(done, planned int, c reports.Case) {
		memory.caseEnded(done)
		j.progress.caseEnded(done, planned, c)
		j.evidence.add(c)
	}
	if j.flags.evidence != "" {
		j.options.OnStart, j.options.OnExchange = j.evidence.begin, j.evidence.call
	}
	defer j.progress.end()
	return steps.Run(ctx, j.target, j.options)
}

// conclude writes what was found, and ends with the exit code of the outcome.
func (j *judgement) conclude(r *reports.Report) error {
	if err := j.evidence.close(r); err != nil {
		j.progress.say("conform: --evidence %s: %v", j.flags.evidence, err)
	}
	if err := diagnose(r); err != nil {
		return problem("%w", err)
	}
	shown := r
	if j.flags.share {
		shown = r.WithoutBodies()
	}
	if err := j.sinks.write(shown); err != nil {
		return problem("%w; %s", err, r.Reason)
	}
	fmt.Fprintf(j.app.err, "%s\n", reports.Harmless(r.Reason))
	if code := r.ExitCode(); code != 0 {
		return &ending{code: code}
	}
	return nil
}

// readBaseline reads the failures that a baseline file calls known.
func readBaseline(path string) ([]reports.KnownFailure, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--baseline %s: %w", path, rootCause(err))
	}
	catalogue, err := features.Requirements()
	if err != nil {
		return nil, err
	}
	known, err := reports.ReadBaseline(path, data, catalogue)
	if err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	return known, nil
}

// defaultTimeout is that of --timeout.
const defaultTimeout = 10 * time.Minute
