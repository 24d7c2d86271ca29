package main

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lro-tools/conform/reports"
)

// Exit codes that do not come from the outcome of a report (Report.ExitCode).
const (
	codeUsage   = 2 // wrong usage, or a target file that is not valid
	codeProblem = 4 // something other than the usage kept the command from its result
)

// An app is what a command has of the world: results go to out, progress and
// advice to err.
type app struct {
	out, err io.Writer
	env      func(name string) (string, bool)
}

// An ending is an exit code, and what is said about it on standard error; nil
// where all is said.
type ending struct {
	code  int
	cause error
}

func (e *ending) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

func (e *ending) Unwrap() error { return e.cause }

// problem is an error that is not one of usage.
func problem(format string, args ...any) error {
	return &ending{codeProblem, fmt.Errorf(format, args...)}
}

// execute runs one command and returns its exit code. An error without an
// exit code of its own is one of usage.
func execute(args []string, a *app) int {
	root := newRoot(a)
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	code := codeUsage
	var end *ending
	if errors.As(err, &end) {
		code = end.code
		if end.cause == nil {
			return code
		}
	}
	for line := range strings.SplitSeq(strings.TrimRight(err.Error(), "\n"), "\n") {
		fmt.Fprintf(a.err, "conform: %s\n", reports.Harmless(line))
	}
	if code == codeUsage {
		fmt.Fprintf(a.err, "see %s --help\n", cmd.CommandPath())
	}
	return code
}

// versionFlag has no environment variable: scripts that install conform keep in
// CONFORM_VERSION which one they want.
const versionFlag = "version"

func newRoot(a *app) *cobra.Command {
	var asksVersion bool
	root := &cobra.Command{
		Use:   "conform",
		Short: "Judge the cancel of google.longrunning.Operations servers",
		Long: `conform judges servers of google.longrunning.Operations, over REST and gRPC, by
the contract of their cancel. It starts operations as the target file says,
cancels them, and reports what the server broke, with the calls that show it.

Every flag of a command has an environment variable, CONFORM_ and the flag's name
in upper case with _ for -; the flag beats it. Flags that can be repeated take one
value per line there.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.fromEnvironment(cmd.Flags()) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asksVersion {
				return a.printVersion()
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&asksVersion, versionFlag, false, "print the version of the suite and the digest of its catalogue")
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(runCommand(a), stormCommand(a), serveCommand(a), selftestCommand(a), requirementsCommand(a), explainCommand(a),
		reportCommand(a), replayCommand(a), diffCommand(a), matrixCommand(a), mergeCommand(a), baselineCommand(a), initCommand(a), doctorCommand(a), versionCommand(a))
	return root
}

// fromEnvironment gives the flags that were not given the values of their
// environment variables.
func (a *app) fromEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "CONFORM_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := a.env(name)
		if !ok || value == "" || f.Changed || f.Name == "help" || f.Name == versionFlag {
			return
		}
		values := []string{value}
		if f.Value.Type() == "stringArray" {
			values = strings.Split(strings.Trim(value, "\n"), "\n")
		}
		for _, v := range values {
			if err := flags.Set(f.Name, v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	return errors.Join(errs...)
}

// flagError explains a flag that is not understood.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}

// nearest is the name that a mistyped one was most likely meant to be, or "": the
// first that begins with it, or else the one with the fewest differences.
func nearest(word string, names []string) string {
	if i := slices.IndexFunc(names, func(n string) bool { return word != "" && strings.HasPrefix(n, word) }); i >= 0 {
		return names[i]
	}
	best, least := "", len(word)/3+2
	for _, n := range names {
		if d := distance(word, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short strings.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// version is that of the module that was built, and the commit where the build
// knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	v := strings.Trim(info.Main.Version, "()")
	if v == "" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
			v += "+" + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
