package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

func doctorCommand(a *app) *cobra.Command {
	var load targets.LoadOptions
	cmd := &cobra.Command{
		Use:   "doctor TARGET.yaml",
		Short: "Find why a target cannot be judged",
		Long: `doctor tries what every case of a run needs: reach the server, start an operation
of each role, find it with Get over each transport, cancel one, and see it end. It
judges nothing. It says what it saw, and what to look at where that will not do;
the exit code is 4 where a run could judge nothing, else 0.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := targets.Load(args[0], load)
			if err != nil {
				return err
			}
			d := &doctor{app: a, target: t}
			err = d.examine(cmd.Context())
			if t.Close != nil {
				if closeErr := t.Close(); err == nil && closeErr != nil {
					err = problem("%w", closeErr)
				}
			}
			return err
		},
	}
	cmd.Flags().StringArrayVar(&load.Set, "set", nil, "set a key of the target file, as `path=value` (repeatable)")
	cmd.Flags().BoolVar(&load.AllowForeign, "allow-foreign", false, "permit operations that were not started here (names)")
	return cmd
}

// A doctor examines one target.
type doctor struct {
	app     *app
	target  *targets.Target
	started []begun
	ill     bool // a run could judge nothing
}

// begun is an operation that was started, and must not be left running.
type begun struct {
	targets.Started
	role targets.Role
}

func (d *doctor) well(format string, args ...any)   { d.say("ok", format, args...) }
func (d *doctor) advise(format string, args ...any) { d.say("note", format, args...) }
func (d *doctor) fault(format string, args ...any) {
	d.ill = true
	d.say("FAULT", format, args...)
}

func (d *doctor) say(word, format string, args ...any) {
	fmt.Fprintf(d.app.out, "%-6s%s\n", word, reports.Harmless(fmt.Sprintf(format, args...)))
}

func (d *doctor) examine(ctx context.Context) error {
	ctx, signals := listen(ctx, func(string) {}, func() {})
	defer signals.stop()
	defer d.cleanup(context.WithoutCancel(ctx))
	reached := false
	for _, t := range targets.Transports() {
		if ep := d.target.Endpoints[t]; ep != nil {
			reached = d.reach(ctx, t, ep) || reached
		}
	}
	if reached {
		d.roles(ctx)
		d.lists(ctx)
	}
	if n := signals.number(); n != 0 {
		return &ending{code: 128 + n}
	}
	if d.ill {
		return &ending{codeProblem, fmt.Errorf("%s cannot be judged as it is", d.target.Name)}
	}
	fmt.Fprintf(d.app.err, "%s can be judged\n", reports.Harmless(d.target.Name))
	return nil
}

// reach asks one transport for an operation that is not there.
func (d *doctor) reach(ctx context.Context, t targets.Transport, ep *targets.Endpoint) bool {
	if ep.Prepare != nil {
		if err := ep.Prepare(ctx); err != nil {
			d.advise("%s: the types of messages are not known: %v", t, err)
		}
	}
	ex, err := d.get(ctx, t, d.unknownName(ep))
	switch {
	case err != nil:
		d.fault("%s %s: no answer: %v; %s", t, ep.Address, err, adviceFor(err))
		d.proxied(t, ep)
		return false
	case ex.Code == codes.Unauthenticated || ex.Code == codes.PermissionDenied:
		d.fault("%s %s: %s; set auth in the target file, or look at its token", t, ep.Address, answered(ex))
	case ex.Code == codes.NotFound && notFoundAdvice(ex) == "":
		d.well("%s %s: answers, NOT_FOUND to an operation that is not there", t, ep.Address)
	case ex.Code == codes.NotFound:
		d.advise("%s %s: answers %s%s", t, ep.Address, ex.Status(), notFoundAdvice(ex))
	case ex.HTTP >= 300 && ex.HTTP < 400:
		d.fault("%s %s: %s; the server redirects: set the address that it redirects to", t, ep.Address, ex.Status())
	default:
		d.advise("%s %s: answers %s to an operation that is not there; NOT_FOUND is usual", t, ep.Address, answered(ex))
	}
	d.clock(ex)
	return true
}

// unknownName is a name that fits the pattern and names no operation.
func (d *doctor) unknownName(ep *targets.Endpoint) string {
	switch {
	case d.target.Unknown != "":
		return d.target.Unknown
	case ep.NamePattern == "**" || ep.NamePattern == "":
		return "operations/conform-doctor-unknown"
	}
	return strings.NewReplacer("**", "conform-doctor-unknown", "*", "conform-doctor-unknown").Replace(ep.NamePattern)
}

func (d *doctor) get(ctx context.Context, t targets.Transport, name string) (targets.Exchange, error) {
	return d.target.Endpoints[t].Client.Call(ctx, targets.Get, &longrunningpb.GetOperationRequest{Name: name})
}

// roles starts an operation of each role.
func (d *doctor) roles(ctx context.Context) {
	for _, role := range targets.Roles() {
		a := d.target.Roles[role]
		switch {
		case a.Unavailable != "":
			d.well("operations.%s: unavailable: %s", role, a.Unavailable)
		case !a.Configured && role == targets.Running:
			d.fault("operations.running: not configured; nothing can be judged without it")
		case !a.Configured:
			d.advise("operations.%s: not configured; what needs it is untested", role)
		case a.Foreign:
			d.advise("operations.%s: %d names, each used once; they are not touched here", role, a.Count)
		case ctx.Err() == nil:
			d.role(ctx, role)
		}
	}
}

// role starts an operation, and looks for it over each transport.
func (d *doctor) role(ctx context.Context, role targets.Role) {
	complain := d.advise
	if role == targets.Running {
		complain = d.fault
	}
	r := targets.StartRequest{Role: role}
	if role == targets.Chosen {
		r.ID = fmt.Sprintf("conform-doctor-%d", time.Now().UnixNano())
	}
	s, err := d.target.Starter.Start(ctx, r)
	if err != nil {
		complain("operations.%s: not started: %v", role, err)
		return
	}
	d.started = append(d.started, begun{s, role})
	d.well("operations.%s: started %s", role, s.Name)
	watched := false
	for _, t := range targets.Transports() {
		ep := d.target.Endpoints[t]
		if ep == nil || !ep.Judge {
			continue
		}
		ex, err := d.get(ctx, t, s.Name)
		switch {
		case err != nil:
			complain("  %s: Get: no answer: %v", t, err)
		case !ex.Accepted():
			complain("  %s: Get: %s; %s", t, answered(ex), getAdvice(ex))
		case done(ex) && role != targets.Succeeding && role != targets.Failing:
			complain("  %s: Get: it is done already; it must keep running until it is cancelled", t)
		default:
			d.well("  %s: Get: finds it, %s", t, inWords(done(ex)))
			if !fits(ep.NamePattern, s.Name) {
				complain("  %s: the name does not fit the template %s (key name)", t, ep.NamePattern)
			}
			if !watched {
				watched = true
				d.declared(ctx, t, role, s.Name, complain)
			}
			d.cancel(ctx, t, role, s.Name)
		}
	}
}

// cancel tries it on the role running, once for each transport.
func (d *doctor) cancel(ctx context.Context, t targets.Transport, role targets.Role, name string) {
	if role != targets.Running {
		return
	}
	own, err := d.target.Starter.Start(ctx, targets.StartRequest{Role: role})
	if err != nil {
		d.advise("  %s: a second operation is not started: %v", t, err)
		return
	}
	d.started = append(d.started, begun{own, role})
	if own.Name == name {
		d.fault("  the recipe gave the name %s twice; use {unique} where the service takes an id", name)
		return
	}
	ex, err := d.target.Endpoints[t].Client.Call(ctx, targets.Cancel, &longrunningpb.CancelOperationRequest{Name: own.Name})
	switch {
	case err != nil:
		d.advise("  %s: Cancel: no answer: %v", t, err)
	case !ex.Accepted():
		d.advise("  %s: Cancel: %s; a run will tell whether that is a fault", t, answered(ex))
	default:
		d.well("  %s: Cancel: %s", t, ex.Status())
		d.settle(ctx, t, own.Name)
	}
}

// settle watches an operation that was cancelled until it is done.
func (d *doctor) settle(ctx context.Context, t targets.Transport, name string) {
	ctx, stop := context.WithTimeout(ctx, d.target.Timeouts.Settle)
	defer stop()
	began, last := time.Now(), "nothing"
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ex, err := d.get(ctx, t, name)
		if ctx.Err() == nil || err == nil { // not the call that the end of the time has cut
			last = shows(ex, err)
		}
		if err == nil && done(ex) {
			d.well("  %s: done %v after the cancel", t, time.Since(began).Round(time.Millisecond))
			return
		}
		select {
		case <-ctx.Done():
			d.advise("  %s: not done within timeouts.settle (%v) of the cancel; Get showed last: %s", t, d.target.Timeouts.Settle, last)
			return
		case <-tick.C:
		}
	}
}

// cleanup cancels what was started.
func (d *doctor) cleanup(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, d.target.Timeouts.Request)
	defer stop()
	for _, op := range d.started {
		for _, t := range targets.Transports() {
			if ep := d.target.Endpoints[t]; ep != nil && ep.Judge {
				// Whether it is accepted does not matter: it may have ended.
				_, _ = ep.Client.Call(ctx, targets.Cancel, &longrunningpb.CancelOperationRequest{Name: op.Name})
				break
			}
		}
		if op.Cleanup != nil {
			if err := op.Cleanup(ctx); err != nil {
				d.advise("operations.%s: cleanup: %v", op.role, err)
			}
		}
	}
}

// done tells whether an operation's answer says so.
func done(ex targets.Exchange) bool {
	m, _ := ex.Doc.(map[string]any)
	v, _ := m["done"].(bool)
	return v
}

func inWords(done bool) string {
	if done {
		return "done"
	}
	return "in progress"
}
