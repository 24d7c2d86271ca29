package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps/storm"
	"github.com/lro-tools/conform/targets"
)

// stormFlags are the flags of `conform storm`.
type stormFlags struct {
	options      storm.Options
	rate, shard  string
	set, reports []string
	allowForeign bool
}

func stormCommand(a *app) *cobra.Command {
	f := &stormFlags{}
	cmd := &cobra.Command{
		Use:   "storm [TARGET.yaml]",
		Short: "Explore races under load; without a target file, on the built-in reference server",
		Long: `storm has many clients call Cancel, Get, List, Wait and Delete of many operations
(roles running, succeeding and failing) while the moment of their completion is swept.
Each operation's history is checked against the model: done never goes back,
there is one result and none before done, a cancel of a finished operation
changes nothing, what is cancelled is not deleted, an accepted cancel ends an
operation where that is guaranteed, and both transports show one state. What
breaks is printed as the shortest sequence of calls that shows it, followed by
rates and latencies.

Where operations are cancelled again and again of which no cancel was sent, and it
cannot be told whether cancels of others or the system itself did so, the storm
blows on without cancels: with as many operations in progress, started as fast, and
each of its other calls, in rounds after which all is cancelled. It ends when one is
cancelled all the same, when eight would have been were the system the cause, or
when it has lasted for --duration; the cancels of others are blamed where none is, and
some are again when it blows with cancels once more. There is none with --shard, nor beyond
--operations.

Exit codes: 0 nothing is broken, 1 something is, 2 wrong usage or target file,
3 incomplete, 4 error, 130 and 143 interrupted.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if len(args) > 0 {
				file = args[0]
			}
			return a.storm(cmd.Context(), f, file)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.DurationVar(&f.options.Duration, "duration", 10*time.Second, "how long operations are started; those under way are then followed to their end, and at most as long again it is seen what is cancelled without a cancel")
	flags.StringVar(&f.rate, "rate", "", "send `N/s` calls when they are due, whatever the server does, and measure from then; else each client calls when it was answered (100/s where the target is not loopback)")
	flags.IntVar(&f.options.Operations, "operations", 0, "start at most so many operations; 0: as many as the time allows")
	flags.IntVar(&f.options.Clients, "clients", 16, "how many clients call at a time; of each second some rest for a part, unless --rate is set")
	flags.Int64Var(&f.options.Seed, "seed", 1, "of all that is left to chance")
	flags.StringVar(&f.options.Transport, "transport", "all", "rest, grpc or all")
	flags.StringVar(&f.options.Level, "level", "must", "the lowest level that counts: must or should")
	flags.StringVar(&f.shard, "shard", "", "start part `I/N` of the operations, at that part of the rate, such as 1/3")
	flags.StringArrayVar(&f.reports, "report", nil, "write a report, as `FORMAT[:PATH]`, text or json; no PATH is standard output (repeatable)")
	flags.BoolVar(&f.options.KeepGoing, "keep-going", false, "do not end at the first violation")
	flags.BoolVar(&f.options.Yes, "yes", false, "permit more than 50 operations on a target that is not loopback")
	flags.BoolVar(&f.allowForeign, "allow-foreign", false, "permit operations that this storm did not start (names)")
	flags.StringArrayVar(&f.set, "set", nil, "set a key of the target file, as `path=value` (repeatable)")
	return cmd
}

// parse checks the flags.
func (f *stormFlags) parse() (storm.Options, error) {
	o := f.options
	o.Version, o.Level = version(), strings.ToLower(o.Level)
	var err error
	switch {
	case !slices.Contains([]string{reports.LevelMust, reports.LevelShould}, o.Level):
		return o, fmt.Errorf("--level %q: write must or should", f.options.Level)
	case !slices.Contains([]string{"rest", "grpc", "all"}, o.Transport):
		return o, fmt.Errorf("--transport %q: write rest, grpc or all", o.Transport)
	case o.Duration <= 0:
		return o, fmt.Errorf("--duration %v: write a duration above zero, like 10s", o.Duration)
	case o.Clients < 1:
		return o, fmt.Errorf("--clients %d: write a number above zero", o.Clients)
	case o.Operations < 0:
		return o, fmt.Errorf("--operations %d: write a number that is not below zero", o.Operations)
	case o.Seed < 0:
		return o, fmt.Errorf("--seed %d: write a number that is not below zero", o.Seed)
	}
	if o.Shard, o.Shards, err = parseShard(f.shard); err != nil {
		return o, err
	}
	o.Rate, err = parseRate(f.rate)
	return o, err
}

func (a *app) storm(ctx context.Context, f *stormFlags, file string) (err error) {
	o, err := f.parse()
	if err != nil {
		return err
	}
	target, err := openTarget(file, targets.LoadOptions{Set: f.set, AllowForeign: f.allowForeign})
	if err != nil {
		return err
	}
	p := &stormProgress{progress: progress{w: a.err, terminal: a.color(a.err, false)}}
	if target.Close != nil {
		defer func() {
			if e := target.Close(); e != nil {
				err = errors.Join(err, problem("the target does not close: %w", e))
			}
		}()
	}
	if ep := target.Endpoints[targets.Transport(o.Transport)]; o.Transport != "all" && (ep == nil || !ep.Judge) {
		return fmt.Errorf("--transport %s: the target has no %s to judge", o.Transport, o.Transport)
	}
	out, err := openSinks[*storm.Report](f.reports, stormWriters(), a.out)
	if err != nil {
		return err
	}
	ctx, signals := listen(ctx, func(name string) {
		p.say("conform: %s: what was started is cancelled; once more to stop at once", name)
	}, func() {
		p.end()
		if err := out.discard(); err != nil {
			p.say("conform: %v", err)
		}
	})
	defer signals.stop()
	o.Signal, o.OnProgress = signals.number, p.tell
	r, err := storm.Run(ctx, target, o)
	p.end()
	if err != nil {
		return errors.Join(err, out.discard())
	}
	if err := out.write(r); err != nil {
		return problem("%w; %s", err, r.Reason)
	}
	return a.endStorm(r)
}

// endStorm says what a storm found, and ends with its exit code.
func (a *app) endStorm(r *storm.Report) error {
	fmt.Fprintln(a.err, reports.Harmless(r.Reason))
	if code := r.ExitCode(); code != 0 {
		return &ending{code: code}
	}
	return nil
}

// stormWriters are the formats of a storm's report.
func stormWriters() map[string]func(io.Writer, *storm.Report) error {
	return map[string]func(io.Writer, *storm.Report) error{
		"text": storm.WriteText,
		"json": func(w io.Writer, r *storm.Report) error {
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			return e.Encode(r)
		},
	}
}

// A stormProgress is the line that tells how far a storm is, on a terminal.
type stormProgress struct{ progress }

func (p *stormProgress) tell(s storm.Progress) {
	if !p.terminal {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	drain := ""
	switch {
	case s.Calm:
		drain = ", seeing what is cancelled without a cancel"
	case s.Draining:
		drain = ", following the last to their end"
	}
	fmt.Fprintf(p.w, "\r\x1b[K%.1f s: %d calls (%.0f/s), %d operations checked, %d under way, %d violations%s",
		s.Elapsed.Seconds(), s.Calls, float64(s.Calls)/s.Elapsed.Seconds(), s.Judged, s.Live, s.Violations, drain)
	p.shown = true
}
