package steps

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cucumber/godog"

	"github.com/lro-tools/conform/reports"
)

// A script is what godog is given to run: the cases of a run, and of how often
// each is repeated the rounds from first on.
type script struct {
	cases         []*planned
	first, rounds int
}

// slow are words of the steps by which the cases are known that take the most
// time: those that watch a slow cancellation, those that wait for a time to be
// over, and those that wait for a natural end.
var slow = [...]string{"a slow operation", "for a second", "half a second", "an operation that is about to ", "an operation that has "}

// turn tells when a case is begun. Those that take the most time come first, so
// that no run ends with waiting for one of them.
func (c *planned) turn() int {
	for i, words := range slow {
		if slices.ContainsFunc(c.steps, func(s reports.Step) bool { return strings.Contains(s.Text, words) }) {
			return i
		}
	}
	return len(slow)
}

// slowestFirst orders cases by their turn.
func slowestFirst(cases []*planned) []*planned {
	return slices.SortedStableFunc(slices.Values(cases), func(a, b *planned) int { return a.turn() - b.turn() })
}

// features writes the cases as features of their own: one scenario for each
// case, whose rows are its rounds. The features of the contract are written
// for people; godog would parse all of them again for each round and each
// transport, and spend as much on a scenario that it skips as on one that it
// runs. The name of a scenario is the place of its case and the round.
func (s script) features() []godog.Feature {
	var out []godog.Feature
	for i := 0; i < len(s.cases); {
		file, transport := s.cases[i].file, s.cases[i].transport
		name := fmt.Sprintf("%s/%s from %d", transport, file, i) // names that are alike are one feature to godog
		var b bytes.Buffer
		fmt.Fprintf(&b, "Feature: %s\n", name)
		for ; i < len(s.cases) && s.cases[i].file == file && s.cases[i].transport == transport; i++ {
			s.write(&b, i)
		}
		out = append(out, godog.Feature{Name: name, Contents: b.Bytes()})
	}
	return out
}

func (s script) write(b *bytes.Buffer, i int) {
	fmt.Fprintf(b, "Scenario Outline: %d <round>\n", i)
	for _, st := range s.cases[i].steps {
		fmt.Fprintf(b, "%s %s\n", st.Keyword, st.Text)
	}
	b.WriteString("Examples:\n|round|\n")
	for n := range s.rounds {
		fmt.Fprintf(b, "|%d|\n", s.first+n)
	}
}

// find is the case of a scenario that features wrote, and its round.
func (s script) find(name string) (*planned, int, error) {
	place, round, _ := strings.Cut(name, " ")
	i, err := strconv.Atoi(place)
	if err != nil || i < 0 || i >= len(s.cases) {
		return nil, 0, fmt.Errorf("scenario %q is none of the script", name)
	}
	n, err := strconv.Atoi(round)
	if err != nil {
		return nil, 0, fmt.Errorf("scenario %q: round: %w", name, err)
	}
	return s.cases[i], n, nil
}
