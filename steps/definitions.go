package steps

import (
	"regexp"
	"slices"
	"sync"
)

// A definition binds a step's text to what it does. do is a function of a
// context and the pattern's groups that returns an error.
type definition struct {
	pattern *regexp.Regexp
	do      any
}

// step makes a definition whose pattern matches whole texts.
func step(pattern string, do any) definition {
	return definition{pattern: regexp.MustCompile("^" + pattern + "$"), do: do}
}

// definitions are all steps, compiled once.
var definitions = sync.OnceValue(func() []definition {
	return slices.Concat(givenSteps(), agedSteps(), whenSteps(), responseSteps(), stateSteps(), finishedSteps(),
		unsupportedSteps(), unknownSteps(), invariantSteps(), requestSteps(), leftoverSteps(), connectionSteps(), routeSteps(),
		grpcSteps(), paritySteps(), parityListSteps(), malformedSteps(),
		isolationSteps(), looksSteps(), chosenSteps(), repeatSteps(), raceSteps(), terminalSteps(), promptSteps(), rejectedSteps(),
		listSteps(), waitSteps(), deleteSteps(), authSteps(), beyondSteps())
})
