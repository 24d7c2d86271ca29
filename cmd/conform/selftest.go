package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// The cases of one server mostly wait; so do servers beside each other. Those
// that are judged by the whole contract need most of the memory.
const (
	wholeServers  = 12 // judged by the whole contract at a time
	partServers   = 52 // judged by a part of it at a time
	againServers  = 4  // tried once more at a time
	selftestCases = 24 // of one server, judged at a time
	slowCases     = 64 // of one that is slow
	// selftestLimit bounds one server; what is not judged by then counts as not
	// found. Far from it, servers take a few seconds.
	selftestLimit = 90 * time.Second
	// selftestMemory is what the selftest stays below, in bytes, where the
	// environment sets no other limit. It keeps about a quarter of that.
	selftestMemory = 2000 << 20
)

func selftestCommand(a *app) *cobra.Command {
	var asJSON, verbose, full bool
	var specs, only []string
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Judge every mutant, every legal variant and the honest server; print the kill matrix",
		Long: `selftest judges the suite: each mutant is the reference server with one fault, and
the suite must find the requirements that it breaks. The honest server and its
legal variants must be accused of nothing. The exit code is 1 where a mutant
survives, in whole or in part, or a legal server is accused.

A mutant is judged by what it breaks and by one in 128 of the other requirements,
a legal server by one in 4, chosen by its name; the honest server by all. Most
legal servers are tried several at a time: one server has the habits of all of
them, and where it is accused each is judged by itself. A mutant that is missed is
tried once more when the others are done, as a busy machine hides races. With
--full each is judged by itself and by the whole contract, which takes about half
an hour. A fault of one transport is looked for on that transport.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				specs = append(specs, "json")
			}
			return a.selftest(cmd.Context(), specs, only, verbose, full)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the kill matrix as JSON")
	cmd.Flags().StringArrayVar(&specs, "report", nil, "the kill matrix as `FORMAT[:PATH]`, text, json or html (repeatable)")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print each server as it ends")
	cmd.Flags().BoolVar(&full, "full", false, "judge every mutant by the whole contract")
	cmd.Flags().StringArrayVar(&only, "only", nil, "judge only the mutant or variant of this `NAME` (repeatable)")
	return cmd
}

func (a *app) selftest(ctx context.Context, specs, only []string, verbose, full bool) error {
	catalogue, err := features.Requirements()
	if err != nil {
		return err
	}
	subjects, err := selectSubjects(allSubjects(catalogue), only)
	if err != nil {
		return err
	}
	if !full {
		for i := range subjects {
			subjects[i].sample(catalogue)
		}
	}
	out, err := openSinks[*killMatrix](specs, matrixWriters(), a.out)
	if err != nil {
		return err
	}
	ctx, signals := listen(ctx, func(string) {}, func() { _ = out.discard() })
	defer signals.stop()
	if _, set := a.env("GOMEMLIMIT"); !set {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(selftestMemory))
	}
	crowd := together
	if full || len(only) > 0 {
		crowd = 1
	}
	m, err := judgeAll(ctx, subjects, crowd, &progress{w: a.err, terminal: a.color(a.err, false), verbose: verbose})
	if n := signals.number(); n != 0 {
		return &ending{128 + n, out.discard()}
	}
	if err != nil {
		return &ending{codeProblem, errors.Join(err, out.discard())}
	}
	m.Partial = len(only) > 0
	m.conclude(catalogue)
	if err := out.write(m); err != nil {
		return problem("%w", err)
	}
	fmt.Fprintf(a.err, "%d of %d mutants killed, %d of %d legal servers accused\n", m.Killed, len(m.Mutants), m.Accused, len(m.Legal))
	if !m.sound() {
		return &ending{code: 1}
	}
	return nil
}

// judgeAll judges the subjects beside each other, the slowest first. crowd tells
// how many legal servers are tried as one.
func judgeAll(ctx context.Context, subjects []subject, crowd int, p *progress) (*killMatrix, error) {
	digest, err := features.Digest()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	kills, errs := make([]kill, len(subjects)), make([]error, len(subjects))
	var wg sync.WaitGroup
	lane := func(list [][]int, width int) {
		free := make(chan struct{}, width)
		for _, trial := range list {
			free <- struct{}{}
			if ctx.Err() != nil {
				return
			}
			wg.Go(func() {
				defer func() { <-free }()
				tried, err := try(ctx, subjects, trial)
				for n, i := range trial {
					if errs[i] = err; err == nil {
						kills[i] = tried[n]
						p.subjectEnded(len(subjects), kills[i])
					}
				}
			})
		}
	}
	whole, part := trials(subjects, crowd)
	wg.Go(func() { lane(whole, wholeServers) })
	lane(part, partServers)
	wg.Wait()
	tryAgain(ctx, subjects, kills, errs)
	p.end()
	m := &killMatrix{Version: version(), Catalogue: digest, ElapsedMS: sinceMS(began), Mutants: []kill{}, Legal: []kill{}}
	for i, s := range subjects {
		if errs[i] != nil {
			return nil, fmt.Errorf("%s: %w", s.name, errs[i])
		}
		if s.legal {
			m.Legal = append(m.Legal, kills[i])
		} else {
			m.Mutants = append(m.Mutants, kills[i])
		}
	}
	return m, nil
}

// tryAgain tries once more, few at a time, the mutants that were not killed: a
// machine on which hundreds of servers are judged at a time hides some races.
func tryAgain(ctx context.Context, subjects []subject, kills []kill, errs []error) {
	var wg sync.WaitGroup
	free := make(chan struct{}, againServers)
	for i, s := range subjects {
		if s.legal || errs[i] != nil || kills[i].Status == killed {
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			if k, err := judgeOne(ctx, s); err == nil && k.Status == killed {
				k.Again = true
				kills[i] = k
			}
		})
	}
	wg.Wait()
}

// unsettledShare is the part of the cases, one in so many, that may be inconclusive
// on a server with the habits of several.
const unsettledShare = 20

// try judges the subjects of one trial. Where a server with the habits of several
// is accused, or much of it cannot be judged, each is judged by itself, and that
// decides.
func try(ctx context.Context, subjects []subject, trial []int) ([]kill, error) {
	var members []subject
	for _, i := range trial {
		members = append(members, subjects[i])
	}
	out := make([]kill, len(members))
	all, err := judgeOne(ctx, join(members))
	if err != nil {
		return nil, err
	}
	if len(members) == 1 {
		return []kill{all}, nil
	}
	for n, s := range members {
		if len(all.Extra) == 0 && all.Unsettled*unsettledShare <= all.cases {
			out[n] = all
			out[n].Name, out[n].Doc = s.name, s.doc
			for _, other := range members {
				if other.name != s.name {
					out[n].With = append(out[n].With, other.name)
				}
			}
		} else if out[n], err = judgeOne(ctx, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func judgeOne(ctx context.Context, s subject) (kill, error) {
	began := time.Now()
	k := kill{Name: s.name, Doc: s.doc}
	patterns := s.judged
	if s.serial {
		// One case at a time, and nearly every case waits in vain for an
		// operation that another one disturbed: only its own are run.
		for _, t := range targets.Transports() {
			patterns = append(patterns, s.broken[t]...)
		}
		k.Narrow = true
	}
	r, err := runOn(ctx, s, patterns)
	if err != nil {
		return k, err
	}
	compare(&k, r, s.broken, s.may)
	if !s.legal {
		k.judgeMutant()
	}
	k.ElapsedMS = sinceMS(began)
	return k, nil
}

// server is one with what the subject is about.
func (s subject) server() (*reference.Server, error) {
	if s.legal {
		return reference.NewVariant(protected(), reference.Variant{Fault: s.fault})
	}
	return reference.NewMutant(protected(), reference.Mutant{Fault: s.fault})
}

// runOn judges a server of its own for the subject by what the patterns
// select, all where there is none.
func runOn(ctx context.Context, s subject, patterns []string) (r *reports.Report, err error) {
	server, err := s.server()
	if err != nil {
		return nil, err
	}
	t, err := describe(server)
	if err != nil {
		return nil, err
	}
	o := steps.Options{Level: reports.LevelShould, Concurrency: selftestCases, Timeout: selftestLimit, Version: version(), Run: patterns, Transport: s.transport}
	switch {
	case s.serial:
		o.Concurrency = 1
	case s.slow:
		o.Concurrency = slowCases
	}
	r, err = steps.Run(ctx, t, o)
	if closeErr := t.Close(); err == nil {
		err = closeErr
	}
	return r, err
}

func sinceMS(t time.Time) float64 { return float64(time.Since(t).Microseconds()) / 1000 }

// subjectEnded tells of one server of the selftest.
func (p *progress) subjectEnded(planned int, k kill) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	switch {
	case p.verbose:
		fmt.Fprintf(p.w, "%d of %d servers: %s (%.1f s)\n", p.done, planned, k.Name, k.ElapsedMS/1000)
	case p.terminal:
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d servers: %s", p.done, planned, k.Name)
		p.shown = true
	}
}

// matrixWriters are the formats of a kill matrix.
func matrixWriters() map[string]func(io.Writer, *killMatrix) error {
	return map[string]func(io.Writer, *killMatrix) error{textFormat: matrixText, "json": matrixJSON, "html": matrixHTML}
}

func matrixJSON(w io.Writer, m *killMatrix) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(m)
}
