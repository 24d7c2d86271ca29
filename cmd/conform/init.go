package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// initFlags are the flags of `conform init`.
type initFlags struct {
	rest, grpc         string
	plaintext          bool
	openapi, discovery string
	bearer, out        string
}

func initCommand(a *app) *cobra.Command {
	f := &initFlags{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented target file from what a server shows",
		Long: `init asks a server what it is, and writes a target file: with what it found, and
with comments where only you can know. It starts and cancels nothing. Where several
patterns of operation names are found, the first is used and the others stand beside
it in a comment.`,
		Example: `  conform init --rest http://127.0.0.1:8080/v1 --grpc 127.0.0.1:9090 --plaintext > target.yaml
  conform init --discovery earthengine.json --out target.yaml
  conform init --openapi https://example.com/openapi.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.init(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.rest, "rest", "", "the base `URL` of the REST side, with the version")
	flags.StringVar(&f.grpc, "grpc", "", "the gRPC side, as `ADDR` host:port; its reflection is asked")
	flags.BoolVar(&f.plaintext, "plaintext", false, "gRPC without TLS")
	flags.StringVar(&f.openapi, "openapi", "", "an OpenAPI document, as `FILE` or URL, in JSON or YAML")
	flags.StringVar(&f.discovery, "discovery", "", "a Google discovery document, as `FILE` or URL")
	flags.StringVar(&f.bearer, "bearer", "", "a bearer `TOKEN` to ask with; it is not written down")
	flags.StringVar(&f.out, "out", "", "write to this `FILE`, which must not exist; default: standard output")
	return cmd
}

// A finding is what was found out about a server.
type finding struct {
	bindings []binding
	starts   []string // how operations may be started over REST, for a comment
	scopes   []string
	title    string
	grpc     *targets.Description
	notes    []string // what was tried and did not help
}

func (f *finding) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// A binding is one cancel method of a REST API and what stands beside it.
type binding struct {
	url          string // base URL
	name         string // pattern of operation names
	list         string // pattern of the parent whose operations are listed; "" where nothing is known
	listed       bool
	wait, delete *bool // nil: not known
}

func (a *app) init(ctx context.Context, f *initFlags) error {
	if f.rest == "" && f.grpc == "" && f.openapi == "" && f.discovery == "" {
		return errors.New("nothing to ask: give --rest, --grpc, --openapi or --discovery")
	}
	found := &finding{}
	ask := &asker{bearer: f.bearer}
	for _, doc := range []struct {
		flag, at string
		read     func(*finding, []byte, string) error
	}{{"--discovery", f.discovery, readDiscovery}, {"--openapi", f.openapi, readOpenAPI}} {
		if doc.at == "" {
			continue
		}
		data, err := ask.document(ctx, doc.at)
		if err == nil {
			err = doc.read(found, data, doc.at)
		}
		if err != nil {
			return problem("%s %s: %w", doc.flag, doc.at, err)
		}
	}
	if f.rest != "" {
		ask.rest(ctx, found, strings.TrimRight(f.rest, "/"))
	}
	if f.grpc != "" {
		found.askGRPC(ctx, f, ask)
	}
	text := found.target(f)
	if _, err := targets.Parse("target.yaml", []byte(text), targets.LoadOptions{Env: anything}); err != nil {
		return problem("the target file that was made is not valid: %w", err)
	}
	for _, n := range found.notes {
		fmt.Fprintf(a.err, "%s\n", reports.Harmless(n))
	}
	return a.put(f.out, text)
}

// anything stands for an environment in which every variable is set.
func anything(string) (string, bool) { return "value", true }

// put writes the text where it belongs; no file is overwritten.
func (a *app) put(path, text string) error {
	if path == "" {
		if _, err := fmt.Fprint(a.out, text); err != nil {
			return problem("%w", err)
		}
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("--out %s: %w", path, rootCause(err))
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return problem("--out %s: %w", path, err)
	}
	fmt.Fprintf(a.err, "wrote %s; next: conform doctor %s\n", path, path)
	return nil
}

// askGRPC asks the server's reflection.
func (f *finding) askGRPC(ctx context.Context, flags *initFlags, ask *asker) {
	if _, _, err := net.SplitHostPort(flags.grpc); err != nil {
		f.note("gRPC %s: %v; write host:port", flags.grpc, err)
		return
	}
	c := targets.Connection{Addresses: []string{flags.grpc}, Timeout: askTimeout, Credentials: ask.credentials()}
	if !flags.plaintext {
		c.TLS = &tls.Config{}
	}
	d, err := targets.Describe(ctx, c)
	if err != nil {
		hint := ""
		if !flags.plaintext {
			hint = "; is it --plaintext?"
		}
		f.note("gRPC %s: no reflection: %v%s", flags.grpc, err, hint)
		return
	}
	f.grpc = &d
	if !slices.Contains(d.Methods, targets.Cancel) {
		f.note("gRPC %s: its reflection does not describe google.longrunning.Operations; it may still be there", flags.grpc)
	}
}

// askTimeout bounds each question.
const askTimeout = 10 * time.Second
