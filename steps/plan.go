package steps

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	gherkin "github.com/cucumber/gherkin/go/v26"
	messages "github.com/cucumber/messages/go/v21"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// maxFeatureLine is the longest line of a feature file: the parser's scanner
// panics beyond 64 KiB.
const maxFeatureLine = 60 << 10

// A planned case is one scenario (or one row of an outline) on one transport.
type planned struct {
	id          string
	file        string
	line        int
	feature     string
	rule        string
	scenario    string
	transport   targets.Transport
	requirement features.Requirement
	steps       []reports.Step
	deselected  string // why it is not run; "" where it is
	missing     error  // the ruling on a role that its requirement lacks, and the case does not need; nil where there is none
}

// plan parses the features and returns every case of the catalogue, in the
// order of the files. It refuses what godog would silently pass over: scenarios
// without steps, descriptions that swallowed a step, scenarios or tags that no
// requirement owns.
func plan(files []features.File, catalogue []features.Requirement) ([]*planned, error) {
	byID := map[string]features.Requirement{}
	for _, r := range catalogue {
		byID[r.ID] = r
	}
	each, errs := make([][]*planned, len(files)), make([]error, len(files))
	_ = together(len(files), func(i int) error { // a run begins when they are parsed
		each[i], errs[i] = planFile(files[i], byID)
		return nil
	})
	var cases []*planned
	seen := map[string]bool{}
	for i, list := range each {
		if errs[i] != nil {
			return nil, errs[i]
		}
		for _, c := range list {
			if seen[c.id] {
				return nil, fmt.Errorf("%s:%d: a second case with the id %s", c.file, c.line, c.id)
			}
			seen[c.id] = true
		}
		cases = append(cases, list...)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("the features hold no scenario")
	}
	return cases, nil
}

// planFile returns the cases of one feature file.
func planFile(f features.File, byID map[string]features.Requirement) ([]*planned, error) {
	for i, line := range bytes.Split(f.Contents, []byte("\n")) {
		if len(line) > maxFeatureLine {
			return nil, fmt.Errorf("%s:%d: line is longer than %d bytes", f.Name, i+1, maxFeatureLine)
		}
	}
	newID := (&messages.Incrementing{}).NewId
	doc, err := gherkin.ParseGherkinDocument(bytes.NewReader(f.Contents), newID)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if doc.Feature == nil {
		return nil, fmt.Errorf("%s: no feature", f.Name)
	}
	index, err := indexFeature(f.Name, doc.Feature)
	if err != nil {
		return nil, err
	}
	pickles := gherkin.Pickles(*doc, f.Name, newID)
	var cases []*planned
	for _, t := range targets.Transports() {
		for _, p := range pickles {
			c, err := planCase(t, f.Name, doc.Feature.Name, p, index, byID)
			if err != nil {
				return nil, err
			}
			if c != nil {
				cases = append(cases, c)
			}
		}
	}
	return cases, nil
}

// A node of a feature file that pickles refer to.
type node struct {
	line    int
	keyword string
	rule    string // of a scenario: the rule it stands under
	row     string // of a table row: its first cell
}

// indexFeature finds the scenarios, steps and rows of a feature, and lints it.
func indexFeature(file string, f *messages.Feature) (map[string]node, error) {
	index := map[string]node{}
	steps := func(list []*messages.Step) {
		for _, s := range list {
			index[s.Id] = node{line: int(s.Location.Line), keyword: strings.TrimSpace(s.Keyword)}
		}
	}
	scenario := func(s *messages.Scenario, rule string) error {
		if strings.TrimSpace(s.Description) != "" {
			return fmt.Errorf("%s:%d: the scenario %q has a description: a mistyped first step becomes one", file, s.Location.Line, s.Name)
		}
		if len(s.Steps) == 0 {
			return fmt.Errorf("%s:%d: the scenario %q has no steps", file, s.Location.Line, s.Name)
		}
		index[s.Id] = node{line: int(s.Location.Line), rule: rule}
		steps(s.Steps)
		for _, e := range s.Examples {
			for _, r := range e.TableBody {
				index[r.Id] = node{line: int(r.Location.Line), row: r.Cells[0].Value}
			}
		}
		return nil
	}
	for _, child := range f.Children {
		switch {
		case child.Background != nil:
			steps(child.Background.Steps)
		case child.Scenario != nil:
			if err := scenario(child.Scenario, ""); err != nil {
				return nil, err
			}
		case child.Rule != nil:
			for _, c := range child.Rule.Children {
				if c.Background != nil {
					steps(c.Background.Steps)
				}
				if c.Scenario != nil {
					if err := scenario(c.Scenario, child.Rule.Name); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return index, nil
}

// planCase makes the case of one pickle on a transport, or nil where the pickle
// is not for that.
func planCase(transport targets.Transport, file, feature string, p *messages.Pickle, index map[string]node, byID map[string]features.Requirement) (*planned, error) {
	scenario := index[p.AstNodeIds[0]]
	where := fmt.Sprintf("%s:%d", file, scenario.line)
	var id string
	only := targets.Transport("")
	for _, t := range p.Tags {
		switch {
		case strings.HasPrefix(t.Name, "@req:"):
			if id != "" {
				return nil, fmt.Errorf("%s: scenario %q judges two requirements", where, p.Name)
			}
			id = strings.TrimPrefix(t.Name, "@req:")
		case t.Name == "@rest", t.Name == "@grpc":
			only = targets.Transport(t.Name[1:])
		default:
			return nil, fmt.Errorf("%s: tag %s is none of @req:ID, @rest and @grpc", where, t.Name)
		}
	}
	r, ok := byID[id]
	if !ok {
		return nil, fmt.Errorf("%s: scenario %q: no requirement has the id %q", where, p.Name, id)
	}
	if only != "" && only != transport || !r.On(string(transport)) {
		return nil, nil
	}
	c := &planned{file: "features/" + file, line: scenario.line, feature: feature,
		rule: scenario.rule, scenario: p.Name, transport: transport, requirement: r}
	c.id = id + "/" + string(transport) + "/" + slug(p.Name)
	if len(p.AstNodeIds) > 1 {
		row := index[p.AstNodeIds[1]]
		c.id += "/" + slug(row.row)
		c.line = row.line
	}
	for _, s := range p.Steps {
		n := index[s.AstNodeIds[0]]
		c.steps = append(c.steps, reports.Step{Keyword: n.keyword, Text: s.Text, Line: n.line, Status: "skipped"})
	}
	return c, nil
}

// slug makes a name fit for an id: lower-case letters and digits, words joined
// by one dash.
func slug(s string) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(s) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			b.WriteRune(r)
			continue
		}
		dash = true
	}
	return b.String()
}
