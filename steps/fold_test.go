package steps

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

func TestFoldKeepsTheEndsOfARowAndWhatABreachShows(t *testing.T) {
	poll := func(name, answer string) targets.Exchange {
		return targets.Exchange{Method: targets.Get, Request: targets.Message{Line: name}, Response: targets.Message{Body: answer}}
	}
	exchanges := []targets.Exchange{
		poll("a", "1"), poll("b", "1"), poll("a", "1"), poll("a", "1"), {Method: targets.Cancel}, poll("a", "1"), poll("b", "1"),
		poll("a", "1"), poll("a", "1"), poll("a", "2"), poll("a", "2"),
	}
	breaches := []reports.Breach{{Exchange: 5}, {Exchange: 9}, {Exchange: -1}}
	out := fold(exchanges, breaches)
	var got []string
	for _, ex := range out {
		got = append(got, ex.Request.Line+ex.Response.Body)
	}
	assert.Equal(t, []string{"a1", "b1", "", "a1", "b1", "a1", "a2", "a2"}, got)
	assert.Equal(t, "3 more between with the same answer", out[5].Note)
	assert.Equal(t, []int{3, 6, -1}, []int{breaches[0].Exchange, breaches[1].Exchange, breaches[2].Exchange})
}

func TestFoldKeepsPagesThatShowSomething(t *testing.T) {
	page := func(token, note string) targets.Exchange {
		return targets.Exchange{Method: targets.List, Request: targets.Message{Line: "list " + token}, Note: note}
	}
	exchanges := []targets.Exchange{
		page("1", foreignPage), page("2", foreignPage), page("3", foreignPage), page("4", foreignPage), page("5", ""),
		page("6", foreignPage), page("7", foreignPage), page("8", foreignPage), page("9", foreignPage), page("10", foreignPage),
	}
	breaches := []reports.Breach{{Exchange: 7}}
	out := fold(exchanges, breaches)
	var got []string
	for _, ex := range out {
		got = append(got, ex.Request.Line)
	}
	assert.Equal(t, []string{"list 1", "list 4", "list 5", "list 6", "list 8", "list 10"}, got)
	assert.Equal(t, foreignPage+", nor on 2 more between", out[1].Note)
	assert.Equal(t, 4, breaches[0].Exchange)
}

func TestExcerptsKeepTheBeginningAndWhatIsOurs(t *testing.T) {
	short := strings.Repeat("é", shownOfPage/2)
	assert.Equal(t, short, excerpts(short, []int{0}))
	assert.Equal(t, short, excerpts(short, []int{0, 7}), "what follows on is no gap")
	long := short + strings.Repeat("x", 1000) + "ours" + strings.Repeat("y", 2000)
	ours := "ours" + strings.Repeat("y", shownOfPage-4)
	assert.Equal(t, short+"…"+ours+"… (2492 bytes more)", excerpts(long, []int{0, shownOfPage + 1000}))
	assert.Equal(t, short+"… (3004 bytes more)", excerpts(long, []int{0}))
	assert.Equal(t, "é", excerpts("é", []int{0, 1}), "no rune is torn")
}
