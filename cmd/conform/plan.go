package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// plan prints what a run would send, and sends none of it: the run is made
// against a reference server in this process, which has the target's name
// pattern and version, and its requests are printed with the target's address.
func (a *app) plan(ctx context.Context, f *runFlags, t *targets.Target, o steps.Options) error {
	if len(f.reports) > 0 || f.evidence != "" {
		return errors.New("--plan writes no report: nothing is judged; leave --report and --evidence out")
	}
	all := &recording{}
	stand, err := standIn(t, all)
	if err != nil {
		return err
	}
	r, err := steps.Run(ctx, stand, o)
	if err := errors.Join(err, stand.Close()); err != nil {
		return err
	}
	p := &planned{target: t, recipes: recipes(f.targetFile)}
	fmt.Fprintf(&p.Builder, "# What a run would send to %s. Nothing was sent: a reference server in this process\n"+
		"# stood in. Names of operations are its own, and where the target answers\n"+
		"# otherwise, what follows differs.\n", reports.Harmless(t.Name))
	for _, s := range targets.Transports() {
		if ep := t.Endpoints[s]; ep != nil && ep.Prepare != nil {
			fmt.Fprintf(p, "%s %s: server reflection is asked for message types\n", s, ep.Address)
		}
	}
	for i := range r.Cases {
		p.add(r.Cases[i].ID, all.without(r.Cases[i].Exchanges))
	}
	p.add("beside the cases: what is found out before the first, and the ends of operations", all.rest())
	if _, err := io.WriteString(a.out, p.String()); err != nil {
		return problem("%w", err)
	}
	fmt.Fprintf(a.err, "planned: %d calls under %d headings, and %d operations to start; nothing was sent\n", p.calls, p.headings, p.starts)
	return nil
}

// standIn is a reference server in the target's place: what the target file
// says of roles, callers and cancel holds of it too.
func standIn(t *targets.Target, all *recording) (*targets.Target, error) {
	options := reference.Options{NoCancel: t.Cancel == targets.CancelUnsupported}
	if t.Authenticated {
		options.Tokens = protected().Tokens
	}
	for _, s := range targets.Transports() {
		if ep := t.Endpoints[s]; ep != nil && ep.NamePattern != "**" {
			options.Template = ep.NamePattern
			break
		}
	}
	if ep := t.Endpoints[targets.REST]; ep != nil {
		if u, err := url.Parse(ep.Address); err == nil && u.Path != "" {
			options.Base = strings.TrimRight(u.Path, "/")
		}
	}
	s, err := reference.New(options)
	if err != nil { // a pattern that the reference server does not have
		options.Template = ""
		if s, err = reference.New(options); err != nil {
			return nil, err
		}
	}
	stand, err := s.Target()
	if err != nil {
		return nil, err
	}
	out := *t
	out.Confirmed, out.Timeouts, out.Unknown, out.Close = true, stand.Timeouts, "", stand.Close
	out.Endpoints = map[targets.Transport]*targets.Endpoint{}
	for s, ep := range t.Endpoints {
		own := *stand.Endpoints[s]
		own.Judge, own.HasList, own.Wait, own.Delete = ep.Judge, ep.HasList, ep.Wait, ep.Delete
		own.Client = recordedClient{own.Client, all}
		out.Endpoints[s] = &own
	}
	if t.MetadataState != "" {
		out.MetadataState = stand.MetadataState
	}
	out.Starter = targets.StartFunc(func(ctx context.Context, r targets.StartRequest) (targets.Started, error) {
		started, err := stand.Starter.Start(ctx, r)
		started.Exchange.Request.Line = startOf + string(r.Role)
		all.add(started.Exchange)
		return started, err
	})
	return &out, nil
}

// A recording holds every call that is made, in order.
type recording struct {
	mu    sync.Mutex
	calls []targets.Exchange
}

func (r *recording) add(e targets.Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, e)
}

// without takes the calls of a case out of the recording, and returns them.
func (r *recording) without(exchanges []targets.Exchange) []targets.Exchange {
	for _, e := range exchanges {
		i := slices.IndexFunc(r.calls, func(c targets.Exchange) bool {
			return c.Transport == e.Transport && c.Request.Line == e.Request.Line && c.Start.Equal(e.Start)
		})
		if i >= 0 {
			r.calls = slices.Delete(r.calls, i, i+1)
		}
	}
	return exchanges
}

// rest returns what no case has.
func (r *recording) rest() []targets.Exchange { return r.calls }

// A recordedClient is a client whose calls are recorded.
type recordedClient struct {
	targets.Client
	all *recording
}

// Call implements targets.Client.
func (c recordedClient) Call(ctx context.Context, m targets.Method, request proto.Message) (targets.Exchange, error) {
	e, err := c.Client.Call(ctx, m, request)
	c.all.add(e)
	return e, err
}

// Raw implements targets.Client.
func (c recordedClient) Raw(ctx context.Context, r targets.RawRequest) (targets.Exchange, error) {
	e, err := c.Client.Raw(ctx, r)
	c.all.add(e)
	return e, err
}

// startOf begins the request line by which the start of an operation is known
// in a plan; the role follows.
const startOf = "start "

// planned is the text of a plan in the making.
type planned struct {
	strings.Builder
	target                  *targets.Target
	recipes                 map[string]string // by role, as the target file has them
	calls, headings, starts int
}

// add prints requests under a heading; one that repeats, once.
func (p *planned) add(heading string, exchanges []targets.Exchange) {
	if len(exchanges) == 0 {
		return
	}
	p.headings++
	fmt.Fprintf(p, "\n%s\n", heading)
	last, times := "", 0
	flush := func() {
		if times > 1 {
			last += fmt.Sprintf("    (%d times)", times)
		}
		if times > 0 {
			fmt.Fprintf(p, "  %s\n", last)
		}
	}
	for _, e := range exchanges {
		line := p.line(e)
		if line != last {
			flush()
			last, times = line, 0
		}
		times++
	}
	flush()
}

// line is one request, with the target's address.
func (p *planned) line(e targets.Exchange) string {
	if role, ok := strings.CutPrefix(e.Request.Line, startOf); ok {
		p.starts++
		return fmt.Sprintf("start of an operation: operations.%s%s", role, p.recipes[role])
	}
	p.calls++
	address := p.target.Endpoints[e.Transport].Address
	out := ""
	if e.Transport == targets.REST {
		first, _, _ := strings.Cut(address, ", ")
		if u, err := url.Parse(first); err == nil {
			address = u.Scheme + "://" + u.Host
		}
		method, path, _ := strings.Cut(e.Request.Line, " ")
		out = method + " " + address + path
	} else {
		out = address + " " + e.Request.Line
	}
	if e.Request.Body != "" {
		body := e.Request.Body
		if len(body) > 200 {
			body = body[:200] + "…"
		}
		out += "  " + body
	}
	return reports.Harmless(out)
}

// recipes reads how the target file starts operations, as it is written there:
// what stands for secrets stays unread.
func recipes(file string) map[string]string {
	out := map[string]string{}
	data, err := os.ReadFile(file)
	if err != nil { // there is no file: the built-in server
		return out
	}
	var doc struct {
		Operations map[string]yaml.Node `yaml:"operations"`
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return out
	}
	for role, node := range doc.Operations {
		node.Style = yaml.FlowStyle
		if text, err := yaml.Marshal(&node); err == nil {
			out[role] = " " + reports.Harmless(strings.Join(strings.Fields(string(text)), " "))
		}
	}
	return out
}
