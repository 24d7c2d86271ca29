package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/targets/reference"
)

// serveFlags are the flags of `conform serve`.
type serveFlags struct {
	rest, grpc      string
	mutant, variant string
	list, noCancel  bool
}

func serveCommand(a *app) *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the reference server, honest or with one fault",
		Long: `serve runs the reference server until SIGINT or SIGTERM: google.longrunning.Operations
over REST and gRPC, in memory, open to everybody who reaches it. It prints where
it listens, how operations are started, and a target file for itself.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.list {
				return a.listFaults()
			}
			return a.serve(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.rest, "rest", "127.0.0.1:0", "where REST is served, as `ADDR` host:port; port 0 is a free one")
	flags.StringVar(&f.grpc, "grpc", "127.0.0.1:0", "where gRPC is served, likewise")
	flags.StringVar(&f.mutant, "mutant", "", "with the one fault of this `NAME`")
	flags.StringVar(&f.variant, "variant", "", "unusual, but legal, as this `NAME` says")
	flags.BoolVar(&f.list, "list", false, "list the mutants and variants")
	flags.BoolVar(&f.noCancel, "no-cancel", false, "do not support cancel")
	cmd.MarkFlagsMutuallyExclusive("mutant", "variant")
	return cmd
}

// listFaults prints every server that there is besides the honest one.
func (a *app) listFaults() error {
	var b strings.Builder
	b.WriteString("Mutants: one fault each (--mutant NAME)\n")
	for _, m := range reference.Mutants() {
		fmt.Fprintf(&b, "\n%s\n    %s\n    breaks %s\n", m.Name, m.Doc, strings.Join(allBroken(m), ", "))
	}
	b.WriteString("\nRaces: what `conform storm` finds (--mutant NAME)\n")
	for _, m := range reference.StormMutants() {
		fmt.Fprintf(&b, "\n%s\n    %s\n    breaks %s\n", m.Name, m.Doc, strings.Join(allBroken(m), ", "))
	}
	b.WriteString("\nVariants: unusual, but legal (--variant NAME)\n")
	for _, v := range append(reference.Variants(), reference.StormVariants()...) {
		fmt.Fprintf(&b, "\n%s\n    %s\n", v.Name, v.Doc)
	}
	_, err := fmt.Fprint(a.out, b.String())
	return err
}

// server makes the server that the flags ask for.
func (f *serveFlags) server() (*reference.Server, error) {
	o := reference.Options{NoCancel: f.noCancel}
	if f.mutant != "" {
		m, err := findMutant(f.mutant)
		if err != nil {
			return nil, err
		}
		return reference.NewMutant(o, m)
	}
	if f.variant != "" {
		v, err := findVariant(f.variant)
		if err != nil {
			return nil, err
		}
		return reference.NewVariant(o, v)
	}
	return reference.New(o)
}

func findMutant(name string) (reference.Mutant, error) {
	mutants := append(reference.Mutants(), reference.StormMutants()...)
	var names []string
	for _, m := range mutants {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return reference.Mutant{}, unknownName("mutant", name, names)
}

func findVariant(name string) (reference.Variant, error) {
	if v, ok := reference.LookupVariant(name); ok {
		return v, nil
	}
	var names []string
	for _, v := range append(reference.Variants(), reference.StormVariants()...) {
		names = append(names, v.Name)
	}
	return reference.Variant{}, unknownName("variant", name, names)
}

func unknownName(kind, name string, known []string) error {
	msg := fmt.Sprintf("--%s %q is not known", kind, name)
	if near := nearest(name, known); near != "" {
		msg += fmt.Sprintf("; did you mean %s?", near)
	}
	return fmt.Errorf("%s (conform serve --list names them)", msg)
}

func (a *app) serve(ctx context.Context, f *serveFlags) error {
	s, err := f.server()
	if err != nil {
		return err
	}
	served := make(chan error, 2)
	var at [2]string
	for i, side := range []struct {
		flag, address string
		serve         func(net.Listener) error
	}{{"--rest", f.rest, s.ServeREST}, {"--grpc", f.grpc, s.ServeGRPC}} {
		l, err := net.Listen("tcp", side.address)
		if err != nil {
			return errors.Join(fmt.Errorf("%s %s: %w", side.flag, side.address, err), s.Close())
		}
		at[i] = l.Addr().String()
		go func() { served <- side.serve(l) }()
	}
	ctx, signals := listen(ctx, func(string) {}, func() {})
	defer signals.stop()
	file, err := s.TargetFile(at[0], at[1])
	if err != nil {
		return errors.Join(problem("%w", err), s.Close())
	}
	base := url.URL{Scheme: "http", Host: at[0], Path: s.Options().Base}
	if _, err := fmt.Fprintf(a.out, "REST %s\ngRPC %s\n\n%s", &base, at[1], file); err != nil {
		return errors.Join(problem("%w", err), s.Close())
	}
	select {
	case <-ctx.Done():
		return s.Close()
	case err := <-served:
		return problem("the server ended: %w", errors.Join(err, s.Close()))
	}
}
