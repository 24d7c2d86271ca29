package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// mostStarts bounds how many ways to start operations a comment names.
const mostStarts = 15

// A page is the text of a target file in the making. What a server says stands
// in it only quoted, or in comments of one line.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// comment is one line that a reader sees and a parser does not.
func (p *page) comment(indent, format string, args ...any) {
	p.line("%s# %s", indent, strings.Join(strings.Fields(reports.Harmless(fmt.Sprintf(format, args...))), " "))
}

// quoted is a text as a YAML scalar; JSON strings are such.
func quoted(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return strings.NewReplacer("$", `\u0024`).Replace(string(data))
}

// target writes the target file.
func (f *finding) target(flags *initFlags) string {
	p := &page{}
	p.comment("", "A target file of conform, from what the server shows. What it cannot show is for you")
	p.comment("", "to write, where it says YOURS. Then: conform doctor FILE")
	name := f.title
	if name == "" {
		name = "my-service"
	}
	p.line("name: %s", quoted(name))
	p.line("profile: lro # or google: Google's own conventions as well")
	f.writeREST(p)
	f.writeGRPC(p, flags)
	f.writeAuth(p, flags)
	p.line("")
	p.comment("", "YOURS: guaranteed where an accepted cancel always makes the operation CANCELLED.")
	p.line("cancellation: best-effort")
	p.comment("", "YOURS: where an operation's metadata holds its state, as a JSON pointer.")
	p.line("# metadata: {state: /state}")
	f.writeOperations(p)
	p.line("")
	p.comment("", "One call; from an accepted cancel to done; how long a state is watched.")
	p.line("timeouts: {request: 10s, settle: 30s, observe: 2s}")
	return p.String()
}

func (f *finding) writeREST(p *page) {
	if len(f.bindings) == 0 {
		return
	}
	b := f.bindings[0]
	p.line("")
	p.line("rest:")
	p.line("  url: %s", quoted(b.url))
	p.line("  name: %s", quoted(b.name))
	if b.name == "**" {
		p.comment("  ", "YOURS: the pattern of operation names, such as projects/*/operations/*")
	}
	if len(f.bindings) > 1 {
		p.comment("  ", "The API has %d cancel methods. The others, each judged by a target file of its own:", len(f.bindings))
		for _, other := range f.bindings[1:] {
			p.comment("  ", "  url: %s, name: %s", other.url, other.name)
		}
	}
	switch {
	case b.listed && !strings.Contains(b.list, "*"):
		p.line("  list: %s", quoted(b.list))
	case b.listed:
		p.comment("  ", "YOURS: the parent whose operations are listed, of the pattern %s", b.list)
		p.line("  # list: %s", quoted(strings.ReplaceAll(b.list, "*", "demo")))
	default:
		p.comment("  ", "YOURS: the parent whose operations are listed, if List is offered.")
		p.line("  # list: projects/demo")
	}
	for _, m := range []struct {
		key   string
		bound *bool
	}{{"wait", b.wait}, {"delete", b.delete}} {
		if m.bound != nil {
			p.line("  %s: %t", m.key, *m.bound)
		}
	}
}

func (f *finding) writeGRPC(p *page, flags *initFlags) {
	if flags.grpc == "" {
		return
	}
	p.line("")
	p.line("grpc:")
	p.line("  address: %s", quoted(flags.grpc))
	if flags.plaintext {
		p.line("  plaintext: true")
	}
	switch d := f.grpc; {
	case d == nil:
		p.comment("  ", "Its reflection told nothing: recipes by gRPC need a protoset.")
	case !slices.Contains(d.Methods, targets.Cancel):
		p.comment("  ", "google.longrunning.Operations is not among what it describes: %s", strings.Join(d.Services, ", "))
	default:
		p.comment("  ", "It describes: %s", strings.Join(d.Services, ", "))
	}
	if len(f.bindings) == 0 {
		p.comment("  ", "YOURS: the pattern of operation names.")
		p.line("  # name: projects/*/operations/*")
	}
}

func (f *finding) writeAuth(p *page, flags *initFlags) {
	p.line("")
	if len(f.scopes) > 0 {
		p.comment("", "Application default credentials with the narrowest scope that will do. The document has: %s", strings.Join(f.scopes, ", "))
		p.line("auth: {google: {scopes: [%s]}}", quoted(f.scopes[0]))
	} else if flags.bearer != "" {
		p.line(`auth: {bearer: "${TOKEN}"}`)
	} else {
		p.comment("", "YOURS, where the server asks who calls:")
		p.line(`# auth: {bearer: "${TOKEN}"}`)
	}
	p.comment("", "YOURS: somebody who is known, but may not cancel; else auth.* is not judged whole.")
	p.line(`# principals: {stranger: {bearer: "${STRANGER_TOKEN}"}}`)
}

// writeOperations writes how operations are started: what only the user knows.
func (f *finding) writeOperations(p *page) {
	p.line("")
	p.comment("", "YOURS: how to start an operation that keeps running until it is cancelled, for longer")
	p.comment("", "than settle, observe and 10 s together. Nothing can be judged without it.")
	if len(f.starts) > 0 {
		p.comment("", "Methods that return operations:")
		for _, s := range f.starts[:min(len(f.starts), mostStarts)] {
			p.comment("", "  %s", s)
		}
		if n := len(f.starts) - mostStarts; n > 0 {
			p.comment("", "  and %d more", n)
		}
	}
	if f.grpc != nil {
		for _, m := range slices.Sorted(maps.Keys(f.grpc.Starts)) {
			p.comment("", "  grpc: {method: %s, body: {...}} of the fields %s", m, strings.Join(f.grpc.Starts[m], ", "))
		}
	}
	p.line("operations:")
	if f.grpc != nil && len(f.bindings) == 0 {
		for _, m := range slices.Sorted(maps.Keys(f.grpc.Starts))[:min(1, len(f.grpc.Starts))] {
			p.line("  running: {grpc: {method: %s, body: {}}} # YOURS: the body", quoted(m))
		}
	}
	if f.grpc == nil || len(f.bindings) > 0 || len(f.grpc.Starts) == 0 {
		if len(f.bindings) > 0 {
			p.line(`  running: {http: {method: POST, path: "YOURS", body: {}}} # YOURS: all of it`)
		} else {
			p.line(`  running: {command: [./start.sh, "{unique}"]} # YOURS: its last line is the name`)
		}
	}
	for _, role := range []struct{ name, what string }{
		{"succeeding", "ends by itself with a response, 0.2 to 3 s after its start"},
		{"failing", "ends by itself with an error, likewise"},
		{"pending", "is queued, and stays so"},
		{"nested", "has a name with several segments after operations/"},
		{"slow", "accepts a cancel, and needs 2 s or more to stop"},
		{"uncancellable", "cannot be cancelled"},
		{"chosen", "gets the id that stands for {id}"},
	} {
		p.line("  # %s: {unavailable: \"why there is none\"} # or a recipe for one that %s", role.name, role.what)
	}
}
