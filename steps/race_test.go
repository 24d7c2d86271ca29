package steps

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// An operation whose cancel would have been due before it could be sent has as
// long to end as any other.
func TestMomentIsNotPast(t *testing.T) {
	begun := time.Now()
	now := begun.Add(10 * time.Millisecond)
	odd := natural{lasts: 200 * time.Millisecond, varies: 3 * time.Second}
	assert.Equal(t, now, odd.moment(begun, now, 0))
	assert.Equal(t, now, natural{lasts: -time.Hour}.moment(begun, now, 1))

	even := natural{lasts: time.Second}
	assert.Equal(t, begun.Add(time.Second-2*even.stretch()/3), even.moment(begun, now, 0))
}
