package main

import (
	"bufio"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/reports"
)

// A composite holds the fields of a composite GitHub Action that are looked at.
type composite struct {
	Inputs map[string]struct{ Description, Default string }
	Runs   struct {
		Using string
		Steps []struct {
			ID, Name, If, Uses, Shell, Run string
			Env                            map[string]string
		}
	}
}

func runFlagNames() map[string]*pflag.Flag {
	flags := map[string]*pflag.Flag{}
	command(newRoot(&app{}), "run").Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = f })
	return flags
}

func command(root *cobra.Command, name string) *cobra.Command {
	for _, c := range root.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

func TestTheInputsOfTheActionMirrorTheFlags(t *testing.T) {
	action := documents[composite](t, "../action.yml")[0]
	assert.Equal(t, "composite", action.Runs.Using)
	env := map[string]string{}
	for _, s := range action.Runs.Steps {
		maps.Copy(env, s.Env)
		assert.NotContains(t, s.Run, "${{", "what an input holds must be no code of step %q", s.Name)
		assert.NotContains(t, s.Run, "eval")
		if s.Uses != "" {
			assert.Regexp(t, `@[0-9a-f]{40}$`, s.Uses, "a tag can be moved")
		}
	}
	for name := range runFlagNames() {
		if slices.Contains([]string{"help", "plan", "no-color"}, name) {
			continue // of no use in a workflow
		}
		assert.Contains(t, action.Inputs, name)
		assert.Equal(t, "${{ inputs."+name+" }}", env["CONFORM_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))])
	}
	for name := range action.Inputs {
		if !slices.Contains([]string{"target", "directory", "working-directory", "artifact"}, name) {
			assert.Contains(t, runFlagNames(), name)
		}
	}
	last := action.Runs.Steps[len(action.Runs.Steps)-1]
	assert.Equal(t, "always()", last.If)
	upload := action.Runs.Steps[len(action.Runs.Steps)-2]
	assert.Contains(t, upload.Uses, "actions/upload-artifact@")
	assert.Equal(t, "always()", upload.If, "also where the run failed")
}

// actionRun runs the step of the action that judges, with the inputs that are
// not empty, and then the one that ends it. It returns the exit code.
func actionRun(t *testing.T, dir string, inputs map[string]string) (code int, output string) {
	t.Helper()
	action := documents[composite](t, "../action.yml")[0]
	binary, err := exec.LookPath("conform")
	require.NoError(t, err)
	temp := t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(temp, "conform")))
	environment := append(os.Environ(), "RUNNER_TEMP="+temp, "GITHUB_OUTPUT="+filepath.Join(temp, "output"), "GITHUB_STEP_SUMMARY="+filepath.Join(temp, "summary"))
	input := regexp.MustCompile(`^\$\{\{ inputs\.([a-z-]+) \}\}$`)
	for _, s := range action.Runs.Steps {
		if s.ID != "judge" && s.If == "" || s.Run == "" {
			continue
		}
		cmd := exec.CommandContext(t.Context(), s.Shell, "--noprofile", "--norc", "-eo", "pipefail", "-c", s.Run)
		cmd.Dir, cmd.Env = dir, environment
		for name, value := range s.Env {
			if m := input.FindStringSubmatch(value); m != nil {
				value = action.Inputs[m[1]].Default
				if given, ok := inputs[m[1]]; ok {
					value = given
				}
			} else {
				said, err := os.ReadFile(filepath.Join(temp, "output"))
				require.NoError(t, err)
				value = strings.TrimPrefix(strings.TrimSpace(string(said)), "code=")
			}
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		out, err := cmd.CombinedOutput()
		output += string(out)
		if s.ID == "judge" {
			require.NoError(t, err, output)
		}
		code = cmd.ProcessState.ExitCode()
	}
	summary, err := os.ReadFile(filepath.Join(temp, "summary"))
	require.NoError(t, err)
	assert.Contains(t, string(summary), "conform")
	return code, output
}

func TestTheActionEndsAsTheRunDid(t *testing.T) {
	for mutant, want := range map[string]int{"": 0, "cancel-code-10": 1} {
		dir := t.TempDir()
		serve := []string{}
		if mutant != "" {
			serve = append(serve, "--mutant", mutant)
		}
		rest, grpc := served(t, serve...)
		target := "rest: {url: \"" + rest + "\", name: \"projects/*/operations/**\"}\ngrpc: {address: \"" + grpc + "\", plaintext: true}\ncancellation: guaranteed\n" +
			"operations: {running: {http: {path: \"projects/demo/jobs:start\", body: {kind: running}}}}\ntimeouts: {observe: 100ms}\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "my target.yaml"), []byte(target), 0o600))
		code, output := actionRun(t, dir, map[string]string{"target": "my target.yaml", "run": "cancel.state.code-1\ncancel.accept.in-progress",
			"name": "$(touch owned)", "set": "name=$(touch owned)\ntimeouts.settle=5s"})
		if want == 1 {
			assert.Contains(t, output, "::error file=features/")
			assert.Equal(t, 1, code, output)
		} else {
			assert.Contains(t, []int{0, 3}, code, output) // incomplete while requirements have no scenario
		}
		assert.Contains(t, output, "::stop-commands::")
		assert.NoFileExists(t, filepath.Join(dir, "owned"))
		for _, name := range []string{"report.txt", "report.json", "report.html", "report.xml", "evidence.jsonl"} {
			assert.FileExists(t, filepath.Join(dir, "conform-reports", name))
		}
	}
}

func TestTheActionHandsEveryExitCodeOn(t *testing.T) {
	action := documents[composite](t, "../action.yml")[0]
	end := action.Runs.Steps[len(action.Runs.Steps)-1]
	for code, want := range map[string]int{"": 4, "0": 0, "1": 1, "2": 2, "3": 3} {
		cmd := exec.CommandContext(t.Context(), end.Shell, "-c", end.Run)
		cmd.Env = append(os.Environ(), "CODE="+code)
		_ = cmd.Run()
		assert.Equal(t, want, cmd.ProcessState.ExitCode())
	}
}

// A pipeline holds the fields of a GitLab job that are looked at.
type pipeline struct {
	Conform struct {
		Variables    map[string]string
		Script       []string
		BeforeScript []string `yaml:"before_script"`
		AllowFailure struct {
			ExitCodes int `yaml:"exit_codes"`
		} `yaml:"allow_failure"`
		Artifacts struct {
			When    string
			Reports map[string]string
		}
	}
}

func TestTheGitLabTemplateNamesFlagsAndReports(t *testing.T) {
	job := documents[pipeline](t, "ci/gitlab.yml")[0].Conform
	flags := runFlagNames()
	for name := range job.Variables {
		if flag, ours := strings.CutPrefix(name, "CONFORM_"); ours {
			assert.Contains(t, flags, strings.ToLower(strings.ReplaceAll(flag, "_", "-")))
		}
	}
	assert.Equal(t, []string{`conform run "$TARGET"`}, job.Script)
	assert.Equal(t, 3, job.AllowFailure.ExitCodes)
	assert.Equal(t, "always", job.Artifacts.When)
	for spec := range strings.SplitSeq(job.Variables["CONFORM_REPORT"], "\n") {
		format, _, _ := strings.Cut(spec, ":")
		_, err := writerOf(format, reports.Writers())
		assert.NoError(t, err)
	}
	assert.Contains(t, job.Variables["CONFORM_REPORT"], "junit:"+job.Artifacts.Reports["junit"])
}

func TestTheGitHubExampleUsesInputsOfTheAction(t *testing.T) {
	action := documents[composite](t, "../action.yml")[0]
	type job struct {
		Steps []struct {
			Uses string
			With map[string]string
		}
	}
	w := documents[struct{ Jobs map[string]job }](t, "ci/github.yml")[0]
	used := false
	for _, s := range w.Jobs["conform"].Steps {
		if strings.HasPrefix(s.Uses, "lro-tools/conform@") {
			used = true
			for name := range s.With {
				assert.Contains(t, action.Inputs, name)
			}
		}
	}
	assert.True(t, used)
}

func TestMakeJudges(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	file, err := filepath.Abs("../../examples/ci/Makefile")
	require.NoError(t, err)
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "make", "-f", file, "TARGET=", "REPORTS=out")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CONFORM_RUN=cancel.state.code-1")
	out, _ := cmd.CombinedOutput()
	for _, name := range []string{"report.json", "report.html", "report.xml", "evidence.jsonl"} {
		assert.FileExists(t, filepath.Join(dir, "out", name), string(out))
	}
	r, err := readReport(filepath.Join(dir, "out", "report.json"))
	require.NoError(t, err)
	assert.Equal(t, r.ExitCode() == 0, cmd.ProcessState.Success(), "make fails where the run did")
}

// served runs conform serve until the test ends, and returns its addresses.
func served(t *testing.T, args ...string) (rest, grpc string) {
	t.Helper()
	cmd := exec.Command("conform", append([]string{"serve"}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_, err := io.Copy(io.Discard, lines)
		assert.NoError(t, err)
		assert.NoError(t, cmd.Wait())
	})
	for _, to := range []*string{&rest, &grpc} {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		_, *to, _ = strings.Cut(strings.TrimSpace(line), " ")
	}
	return rest, grpc
}
