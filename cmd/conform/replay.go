package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
)

// A replayFlags is what `conform replay` was given.
type replayFlags struct {
	reportFile, pattern, targetFile string
	times                           int
	set                             []string
	timeout                         time.Duration
	allowForeign, yes               bool
}

func replayCommand(a *app) *cobra.Command {
	f := &replayFlags{}
	cmd := &cobra.Command{
		Use:   "replay REPORT.json [CASE]",
		Short: "Run the failed cases of a saved report again",
		Long: `replay runs the cases of a saved report that failed again, on the target file that
the report names, and says of each what became of it:

  FIXED            it is judged, and nothing fails
  STILL FAILS      it fails every time, with what it found
  FLAKY (m of n)   it fails m times of n (--times)
  CANNOT REPLAY    it cannot be judged, and why

CASE is the id of a case, or of a requirement, of which all failed cases are run.

Exit codes: 0 all fixed, 1 something still fails or is flaky, 2 wrong usage,
3 something cannot be replayed, 4 the target cannot be reached, 130 and 143
interrupted.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.reportFile = args[0]
			if len(args) > 1 {
				f.pattern = args[1]
			}
			return a.replay(cmd.Context(), f)
		},
	}
	cmd.Flags().IntVar(&f.times, "times", 1, "how often each case is run")
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "set a key of the target file, as `path=value` (repeatable)")
	cmd.Flags().StringVar(&f.targetFile, "target", "", "the target `FILE`, where it is not the one that the report names")
	cmd.Flags().DurationVar(&f.timeout, "timeout", defaultTimeout, "the time for all of it")
	cmd.Flags().BoolVar(&f.allowForeign, "allow-foreign", false, "permit operations that this run did not start (names)")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "permit more than 50 operations on a target that is not loopback")
	return cmd
}

// replay judges the failed cases again and tells what became of them.
func (a *app) replay(ctx context.Context, f *replayFlags) error {
	if f.times < 1 {
		return fmt.Errorf("--times %d: write a number above zero", f.times)
	}
	old, err := readReport(f.reportFile)
	if err != nil {
		return err
	}
	failed, err := failedCases(old, f.pattern)
	if err != nil {
		return err
	}
	if len(failed) == 0 {
		fmt.Fprintf(a.err, "%s: no case failed; there is nothing to replay\n", f.reportFile)
		return nil
	}
	ids, err := stillThere(failed)
	if err != nil {
		return err
	}
	r := &reports.Report{}
	if len(ids) > 0 {
		if r, err = f.judge(ctx, old, ids); err != nil {
			return err
		}
	}
	return a.tell(failed, r)
}

// failedCases are the cases of a report that accuse, each once, as far as the
// pattern selects them.
func failedCases(r *reports.Report, pattern string) ([]reports.Case, error) {
	var out []reports.Case
	matched := pattern == ""
	for i := range r.Cases {
		c := r.Cases[i]
		c.ID = c.CaseID()
		if pattern != "" && pattern != r.Cases[i].ID && pattern != c.ID && pattern != c.Requirement && !slices.Contains(c.Broke, pattern) {
			continue
		}
		matched = true
		if (c.Verdict == reports.Failed || len(c.Broke) > 0) &&
			!slices.ContainsFunc(out, func(have reports.Case) bool { return have.ID == c.ID }) {
			out = append(out, c)
		}
	}
	if !matched {
		var ids []string
		for _, c := range r.Cases {
			ids = append(ids, c.ID, c.Requirement)
		}
		msg := fmt.Sprintf("%q is no case and no requirement of the report", pattern)
		if near := nearest(pattern, ids); near != "" {
			msg += fmt.Sprintf("; did you mean %s?", near)
		}
		return nil, errors.New(msg)
	}
	return out, nil
}

// stillThere are the ids of those cases that this suite has too.
func stillThere(failed []reports.Case) ([]string, error) {
	all, err := steps.Cases("")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, c := range failed {
		if slices.ContainsFunc(all, func(have reports.Case) bool { return have.ID == c.ID }) {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// judge runs the cases on the report's target.
func (f *replayFlags) judge(ctx context.Context, old *reports.Report, ids []string) (r *reports.Report, err error) {
	t, err := f.target(old)
	if err != nil {
		return nil, err
	}
	if t.Close != nil {
		defer func() { err = errors.Join(err, t.Close()) }()
	}
	ctx, signals := listen(ctx, func(string) {}, func() {})
	defer signals.stop()
	return steps.Run(ctx, t, steps.Options{Cases: ids, Repeat: f.times, Timeout: f.timeout, Yes: f.yes, Version: version(), Signal: signals.number})
}

// target opens the target that the report came from, with what was set of it
// then and what is set of it now.
func (f *replayFlags) target(old *reports.Report) (*targets.Target, error) {
	file := f.targetFile
	if file == "" {
		file = old.Target.File
	}
	if file == "" {
		if t, err := builtIn(); err != nil || t.Name == old.Target.Name {
			return t, err
		} else if err := t.Close(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s names no target file; give it with --target FILE", f.reportFile)
	}
	if _, err := os.Stat(file); err != nil && !filepath.IsAbs(file) && f.targetFile == "" {
		if beside := filepath.Join(filepath.Dir(f.reportFile), file); exists(beside) {
			file = beside
		}
	}
	var set []string
	for _, s := range old.Target.Set {
		path, _, _ := strings.Cut(s, "=")
		again := slices.ContainsFunc(f.set, func(n string) bool { return strings.HasPrefix(n, path+"=") })
		switch {
		case again:
		case strings.Contains(s, targets.Redacted):
			return nil, fmt.Errorf("%s was given with --set, and its value is no part of the report; give it again, as --set %s=VALUE", path, path)
		default:
			set = append(set, s)
		}
	}
	return targets.Load(file, targets.LoadOptions{Set: append(set, f.set...), AllowForeign: f.allowForeign})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
