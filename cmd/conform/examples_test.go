package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/lro-tools/conform/targets"
)

// documents reads the YAML documents of an example into the fields of a struct
// each; what the struct does not have is not looked at.
func documents[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile("../../examples/" + name)
	require.NoError(t, err)
	var out []T
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var v T
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, v)
	}
}

// A manifest holds the fields of the objects of the Kubernetes API (v1,
// batch/v1) by which the shards of a Job are told apart.
type manifest struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   map[string]string `yaml:"metadata"`
	Data       map[string]string `yaml:"data"`
	Spec       struct {
		CompletionMode       string `yaml:"completionMode"`
		Completions          int    `yaml:"completions"`
		Parallelism          int    `yaml:"parallelism"`
		BackoffLimitPerIndex *int   `yaml:"backoffLimitPerIndex"`
		Template             struct {
			Spec struct {
				RestartPolicy string `yaml:"restartPolicy"`
				Containers    []struct {
					Command, Args []string
					Env           []struct{ Name, Value string }
					VolumeMounts  []struct{ Name, MountPath string } `yaml:"volumeMounts"`
				} `yaml:"containers"`
				Volumes []struct{ Name string } `yaml:"volumes"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

func TestKubernetesExample(t *testing.T) {
	all := documents[manifest](t, "kubernetes-job.yaml")
	require.Len(t, all, 3)
	target, err := targets.Parse("target.yaml", []byte(all[0].Data["target.yaml"]), targets.LoadOptions{})
	require.NoError(t, err)
	require.NoError(t, target.Close())

	job := all[2]
	assert.Equal(t, "batch/v1 Job", job.APIVersion+" "+job.Kind)
	spec := job.Spec
	assert.Equal(t, "Indexed", spec.CompletionMode, "only then is there JOB_COMPLETION_INDEX")
	assert.Equal(t, spec.Completions, spec.Parallelism)
	require.NotNil(t, spec.BackoffLimitPerIndex)
	assert.Equal(t, "Never", spec.Template.Spec.RestartPolicy, "which backoffLimitPerIndex demands")
	require.Len(t, spec.Template.Spec.Containers, 1)
	c := spec.Template.Spec.Containers[0]
	require.Len(t, c.Env, 1)
	assert.Equal(t, "SHARDS", c.Env[0].Name)
	assert.Equal(t, fmt.Sprint(spec.Completions), c.Env[0].Value)
	assert.Contains(t, c.Args[0], `--shard "$((JOB_COMPLETION_INDEX + 1))/$SHARDS"`)
	var mounted, volumes []string
	for _, m := range c.VolumeMounts {
		mounted = append(mounted, m.Name)
	}
	for _, v := range spec.Template.Spec.Volumes {
		volumes = append(volumes, v.Name)
	}
	assert.Equal(t, volumes, mounted)
}

// A workflow holds the fields of a GitHub Actions workflow that shards use.
type workflow struct {
	Jobs map[string]struct {
		Needs    string
		Strategy struct {
			FailFast *bool `yaml:"fail-fast"`
			Matrix   map[string][]int
		}
		Steps []struct{ Uses, Run string }
	}
}

func TestGitHubExample(t *testing.T) {
	w := documents[workflow](t, "github-matrix.yml")[0]
	shard, merge := w.Jobs["shard"], w.Jobs["merge"]
	assert.Equal(t, []int{1, 2, 3, 4}, shard.Strategy.Matrix["shard"])
	require.NotNil(t, shard.Strategy.FailFast)
	assert.False(t, *shard.Strategy.FailFast)
	assert.Equal(t, "shard", merge.Needs)
	var run strings.Builder
	for _, s := range append(shard.Steps, merge.Steps...) {
		run.WriteString(s.Run + s.Uses + "\n")
	}
	assert.Contains(t, run.String(), `--shard "${{ matrix.shard }}/4"`)
	assert.Contains(t, run.String(), "conform merge report-*.json")
	assert.Contains(t, run.String(), "actions/upload-artifact@")
	assert.Contains(t, run.String(), "actions/download-artifact@")
}
