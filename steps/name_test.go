package steps

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

func TestNamesAreReadByTheirPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, name, collection, id string
		parents                       []int
	}{
		{"**", "operations/a", "/operations", "a", nil},
		{"operations/**", "operations/a/b=", "/operations", "a/b=", nil},
		{"**", "projects/p/operations/a/b", "/projects/p/operations", "a/b", []int{1}},
		{"projects/*/operations/**", "projects/p/operations/operations/b", "/projects/p/operations", "operations/b", []int{1}},
		{"projects/*/locations/*/operations/*", "projects/p/locations/l/operations/a", "/projects/p/locations/l/operations", "a", []int{1, 3}},
		{"**", "v/projects/p/operations/a", "/v/projects/p/operations", "a", []int{2}},
		{"jobs/*", "jobs/a:b", "/jobs", "a:b", nil},
	} {
		w := &world{ep: &targets.Endpoint{NamePattern: tt.pattern}}
		p, err := w.pathOf(tt.name)
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.collection, p.to(p.collection+1), tt.name)
		assert.Equal(t, tt.id, p.id(), tt.name)
		assert.Equal(t, tt.parents, p.parents, tt.name)
		for _, parent := range p.parents {
			other, another := p.elsewhere(parent, 0), p.elsewhere(parent, 1)
			assert.NotEqual(t, p.name(), other.name())
			assert.NotEqual(t, other.name(), another.name())
			assert.Equal(t, p.id(), other.id())
		}
	}
	w := &world{ep: &targets.Endpoint{NamePattern: "**"}}
	_, err := w.pathOf("jobs/a")
	assert.ErrorContains(t, err, "no collection")
}

func TestPathsLeadThroughAnotherParent(t *testing.T) {
	w := &world{ep: &targets.Endpoint{NamePattern: "projects/*/locations/*/operations/*"}}
	p, err := w.pathOf("projects/p/locations/--/operations/a")
	require.NoError(t, err)
	assert.Equal(t, "/projects/p/locations/--x0/operations/../../--/operations/a", p.around(".."))
}

func TestIDsArePercentEncoded(t *testing.T) {
	all := func(byte) bool { return true }
	for _, tt := range []struct {
		id, want string
		choose   func(byte) bool
		lower    bool
		changed  bool
	}{
		{"aZ9/-=", "%61%5A%39/%2D=", all, false, true},
		{"jo", "%6a%6f", all, true, true},
		{"a b", "a%20b", func(byte) bool { return false }, false, false},
	} {
		got, changed := encode(tt.id, tt.choose, tt.lower)
		assert.Equal(t, tt.want, got)
		assert.Equal(t, tt.changed, changed)
	}
}

func TestDiffers(t *testing.T) {
	const own = "projects/p/operations/a/B"
	for name, want := range map[string]string{
		own:                              "",
		"":                               "",
		"b":                              "",
		"projects/p/operations/a/b":      "differs from its name only in case",
		own + " ":                        "is its name with blanks around it",
		"a/B":                            "is only the last part of its name",
		"//example.test/" + own:          "is its name with more in front of it",
		"projects/p/operations/a/B2":     "",
		"projects/other/operations/a/Bc": "",
	} {
		assert.Equal(t, want, differs(own, name), "%q", name)
	}
}
