package storm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lro-tools/conform/targets"
)

// TestCausesAreMoreThanChance demands of strays that they are blamed for what
// falls into their moments alone, and not for what falls everywhere.
func TestCausesAreMoreThanChance(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	moment := func(i int) int { return 100*i + i*i*37%83 } // no period
	var strays []stray
	for i := range 40 {
		strays = append(strays, stray{p: &episode{}, from: ms(moment(i)), to: ms(moment(i) + 8)})
	}
	suspects := func(n, after int) []suspect {
		var out []suspect
		for i := range n {
			from := moment(10+i) + after
			out = append(out, suspect{p: &episode{}, from: ms(from), to: ms(from + 5)})
		}
		return out
	}
	same := suspects(1, 0)[0]
	for name, c := range map[string]struct {
		suspects []suspect
		want     int
	}{
		"each with its stray": {suspects(20, 0), 20},
		"two only":            {suspects(2, 0), 0},
		"at other moments":    {suspects(20, 300), 0},
		"all of one stray":    {[]suspect{same, same, same, same}, 0},
		"after all strays":    {suspects(20, 9000), 0},
	} {
		_, n := blamed(c.suspects, strays, natural{median: ms(5)})
		assert.Equal(t, c.want, n, name)
	}
}

// TestStraysAreWithoutEffect demands of a stray that its own operation is in
// progress long after it.
func TestStraysAreWithoutEffect(t *testing.T) {
	stop := natural{median: 5 * time.Millisecond}
	cancel, late := at(0, targets.Cancel, accepted), shows(200, snapshot{})
	assert.Len(t, straysOf(nil, []event{cancel, late}, stop), 1)
	assert.Empty(t, straysOf(nil, []event{cancel, shows(100, snapshot{})}, stop), "a slow one")
	assert.Empty(t, straysOf(nil, []event{cancel, shows(200, snapshot{done: true})}, stop))
	assert.Empty(t, straysOf(nil, []event{at(0, targets.Cancel, refused), late}, stop))
}
