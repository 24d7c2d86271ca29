package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
)

// runFlags are the flags of `conform run` as they were given.
type runFlags struct {
	targetFile string

	reports, runOnly, skip, set []string
	level, transport            string
	concurrency, repeat         int
	seed                        int64
	timeout                     time.Duration
	baseline, shard, rate       string
	evidence                    string
	share, plan                 bool
	allowForeign, yes           bool
	noColor, verbose            bool
}

func (f *runFlags) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringArrayVar(&f.reports, "report", nil, "write a report, as `FORMAT[:PATH]`; no PATH is standard output (repeatable)")
	flags.StringVar(&f.level, "level", "must", "the lowest level that counts: must or should")
	flags.StringArrayVar(&f.runOnly, "run", nil, "judge only what matches `PATTERN`: a requirement id with *, or text in a scenario's name (repeatable)")
	flags.StringArrayVar(&f.skip, "skip", nil, "do not judge what matches `PATTERN` (repeatable)")
	flags.StringVar(&f.transport, "transport", "all", "rest, grpc or all")
	flags.IntVar(&f.concurrency, "concurrency", 16, "how many cases are at work at a time; on a target that is not this machine, those that merely wait count as well")
	flags.IntVar(&f.repeat, "repeat", 1, "how often each case is judged")
	flags.DurationVar(&f.timeout, "timeout", defaultTimeout, "the time for the whole run; what is not judged by then is inconclusive")
	flags.StringVar(&f.baseline, "baseline", "", "a `FILE` of known failures")
	flags.StringVar(&f.shard, "shard", "", "judge part `I/N` of the cases, such as 1/3")
	flags.Int64Var(&f.seed, "seed", 0, "shuffle the cases, each seed in its own way; 0: the order of the files")
	flags.StringVar(&f.rate, "rate", "", "at most `N/s` requests, over everything")
	flags.StringVar(&f.evidence, "evidence", "", "write a log to `FILE`: a line of JSON for each event, as it happens")
	flags.BoolVar(&f.share, "share", false, "leave bodies out of the reports")
	flags.BoolVar(&f.plan, "plan", false, "print every request that would be sent, and send none")
	flags.BoolVar(&f.allowForeign, "allow-foreign", false, "permit operations that this run did not start (names)")
	flags.BoolVar(&f.yes, "yes", false, "permit more than 50 operations on a target that is not loopback")
	flags.StringArrayVar(&f.set, "set", nil, "set a key of the target file, as `path=value` (repeatable)")
	flags.BoolVar(&f.noColor, "no-color", false, "no color, also on a terminal")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "print each case as it ends")
}

// parse checks the flags and turns them into what the suite and the target
// file are read with.
func (f *runFlags) parse() (steps.Options, targets.LoadOptions, error) {
	o := steps.Options{Run: f.runOnly, Skip: f.skip, Transport: f.transport, Level: strings.ToLower(f.level),
		Concurrency: f.concurrency, Repeat: f.repeat, Timeout: f.timeout, Seed: f.seed, Yes: f.yes, Version: version()}
	load := targets.LoadOptions{Set: f.set, AllowForeign: f.allowForeign}
	var err error
	switch {
	case !slices.Contains([]string{reports.LevelMust, reports.LevelShould}, o.Level):
		return o, load, fmt.Errorf("--level %q: write must or should", f.level)
	case !slices.Contains([]string{"rest", "grpc", "all"}, f.transport):
		return o, load, fmt.Errorf("--transport %q: write rest, grpc or all", f.transport)
	case f.concurrency < 1:
		return o, load, fmt.Errorf("--concurrency %d: write a number above zero", f.concurrency)
	case f.repeat < 1:
		return o, load, fmt.Errorf("--repeat %d: write a number above zero", f.repeat)
	case f.timeout <= 0:
		return o, load, fmt.Errorf("--timeout %v: write a duration above zero, like 90s or 10m", f.timeout)
	case f.seed < 0:
		return o, load, fmt.Errorf("--seed %d: write a number that is not below zero", f.seed)
	}
	if o.Shard, o.Shards, err = parseShard(f.shard); err != nil {
		return o, load, err
	}
	load.Rate, err = parseRate(f.rate)
	return o, load, err
}

// parseShard reads I/N, which part of how many; 1 of 1 where nothing is said.
func parseShard(s string) (shard, shards int, err error) {
	if s == "" {
		return 1, 1, nil
	}
	first, second, _ := strings.Cut(s, "/")
	shard, err1 := strconv.Atoi(first)
	shards, err2 := strconv.Atoi(second)
	if err1 != nil || err2 != nil || shard < 1 || shard > shards {
		return 0, 0, fmt.Errorf("--shard %q: write I/N with I from 1 to N, like 1/3", s)
	}
	return shard, shards, nil
}

// parseRate reads N/s, requests per second; 0 where nothing is said.
func parseRate(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	number, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || unit != "s" || !(n > 0) || n > 1e6 {
		return 0, fmt.Errorf("--rate %q: write N/s with N above zero, like 10/s", s)
	}
	return n, nil
}

// suits finds out whether the target has what the flags choose.
func (f *runFlags) suits(t *targets.Target) error {
	if f.transport == "all" {
		return nil
	}
	if ep := t.Endpoints[targets.Transport(f.transport)]; ep == nil || !ep.Judge {
		return fmt.Errorf("--transport %s: the target has no %s to judge", f.transport, f.transport)
	}
	return nil
}
