package reports

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// uniqueWord is what {unique} becomes in a recipe: 16 lower-case letters and
// digits, a letter first.
var uniqueWord = regexp.MustCompile(`\b[a-z][a-z0-9]{15}\b`)

// uniques lets fresh values stand for those that a start made unique, so that
// the server does not refuse them the second time.
func (s *script) uniques() {
	n := 0
	for _, c := range s.calls {
		if !starts(c.Exchange) {
			continue
		}
		for _, word := range uniqueWord.FindAllString(c.Request.Line+" "+c.Request.Body, -1) {
			if !strings.ContainsAny(word, "0123456789") || s.knows(word) {
				continue
			}
			n++
			variable := fmt.Sprintf("UNIQUE%d", n)
			s.inputs = append(s.inputs, variable+`=u$(od -An -N7 -tx1 /dev/urandom | tr -d ' \n')x`)
			s.know(word, variable)
		}
	}
}

func (s *script) knows(text string) bool {
	return slices.ContainsFunc(s.values, func(v shellValue) bool { return v.text == text })
}

// starts tells whether a call started an operation.
func starts(e targets.Exchange) bool {
	return e.Method == "" && strings.HasPrefix(e.Note, "start")
}

// startAsElsewhere puts the start of an operation before the calls, as another
// case made it, where the first operation of the case was started before it.
func (s *script) startAsElsewhere(r *Report) {
	first := s.calls[0]
	name := s.nameOf(first.Exchange)
	if first.Method != targets.Get || !answeredWell(first.Exchange) || len(name) < shortestName {
		return
	}
	for i := range r.Cases {
		calls := r.Cases[i].Exchanges
		for k := 0; k+1 < len(calls); k++ {
			start, other := calls[k], s.nameOf(calls[k+1])
			if !starts(start) || !strings.HasSuffix(start.Note, " "+string(targets.Running)) || calls[k+1].Method != targets.Get ||
				len(other) < shortestName || !strings.Contains(start.Response.Body, other) {
				continue
			}
			start.Response.Body = strings.ReplaceAll(start.Response.Body, other, name)
			start.Note += ", as before another case"
			start.At, start.Elapsed = first.At, 0
			s.calls = slices.Insert(s.calls, 0, numbered{start, -1, true})
			return
		}
	}
}

// answeredWell tells whether a call found what it asked for.
func answeredWell(e targets.Exchange) bool {
	return strings.HasPrefix(e.Response.Line, "2") || strings.HasPrefix(e.Response.Line, "grpc-status 0 ")
}

// askForNames lets variables stand for the operations that no recorded call
// started: a command did, or they were given by name.
func (s *script) askForNames() {
	started := ""
	for _, c := range s.calls {
		if starts(c.Exchange) {
			started += c.Response.Body
		}
	}
	for _, c := range s.calls {
		name := s.nameOf(c.Exchange)
		if c.Method != targets.Get || !answeredWell(c.Exchange) || len(name) < shortestName || s.knows(name) || strings.Contains(started, name) {
			continue
		}
		s.names++
		variable := fmt.Sprintf("NAME%d", s.names)
		s.ask(variable, "the name of a fresh operation, started as the target file says")
		s.know(name, variable)
	}
}

// nameOf is the name that a Get asks for.
func (s *script) nameOf(e targets.Exchange) string {
	if e.Transport == targets.GRPC {
		var request struct{ Name string }
		if json.Unmarshal([]byte(e.Request.Body), &request) != nil {
			return ""
		}
		return request.Name
	}
	_, path, _ := strings.Cut(e.Request.Line, " ")
	path, _, _ = strings.Cut(path, "?")
	name, below := strings.CutPrefix(path, s.base)
	if !below {
		return ""
	}
	return name
}

// ask has the user set a variable.
func (s *script) ask(variable, meaning string) {
	if !s.asked[variable] {
		s.asked[variable] = true
		s.inputs = append(s.inputs, fmt.Sprintf(`: "${%s:?set it to %s}"`, variable, meaning))
	}
}
