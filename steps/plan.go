package steps

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
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
	round       int
	pickle      string // the id that godog gives the pickle: both parse alike
	uri         string
	file        string
	line        int
	feature     string
	rule        string
	scenario    string
	transport   targets.Transport
	requirement features.Requirement
	steps       []reports.Step
	deselected  string // why it is not run; "" where it is
}

// A document is one feature file, parsed, for one transport.
type document struct {
	transport targets.Transport
	file      features.File
	uri       string
	round     int // of a case that is repeated
}

// longest are the files whose cases take the most time. They are begun first,
// so that no run ends with waiting for one of them.
var longest = []string{"race.feature", "outcome.feature", "repeat.feature", "get.feature", "wait.feature", "isolation.feature", "finished.feature", "terminal.feature"}

// documents lists every feature file once for each transport: godog then runs
// both transports in one suite, and the URI tells them apart.
func documents(files []features.File) []document {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b features.File) int {
		return cmp.Compare(turn(a.Name), turn(b.Name))
	})
	var out []document
	for _, f := range files {
		for _, t := range targets.Transports() {
			out = append(out, document{transport: t, file: f, uri: string(t) + "/" + f.Name})
		}
	}
	return out
}

func turn(file string) int {
	if i := slices.Index(longest, file); i >= 0 {
		return i
	}
	return len(longest)
}

// plan parses the features as godog will, with the same succession of ids, and
// returns every case of the catalogue. It refuses what godog would silently
// pass over: scenarios without steps, descriptions that swallowed a step,
// scenarios or tags that no requirement owns.
func plan(docs []document, catalogue []features.Requirement) ([]*planned, error) {
	byID := map[string]features.Requirement{}
	for _, r := range catalogue {
		byID[r.ID] = r
	}
	newID := (&messages.Incrementing{}).NewId
	var cases []*planned
	seen := map[string]bool{}
	for _, d := range docs {
		for i, line := range bytes.Split(d.file.Contents, []byte("\n")) {
			if len(line) > maxFeatureLine {
				return nil, fmt.Errorf("%s:%d: line is longer than %d bytes", d.file.Name, i+1, maxFeatureLine)
			}
		}
		doc, err := gherkin.ParseGherkinDocument(bytes.NewReader(d.file.Contents), newID)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.file.Name, err)
		}
		pickles := gherkin.Pickles(*doc, d.uri, newID)
		if doc.Feature == nil {
			return nil, fmt.Errorf("%s: no feature", d.file.Name)
		}
		index, err := indexFeature(d.file.Name, doc.Feature)
		if err != nil {
			return nil, err
		}
		for _, p := range pickles {
			c, err := planCase(d, doc.Feature.Name, p, index, byID)
			if err != nil {
				return nil, err
			}
			if c == nil {
				continue
			}
			c.round = d.round
			if seen[c.id+repeatSuffix(c.round)] {
				return nil, fmt.Errorf("%s:%d: a second case with the id %s", d.file.Name, c.line, c.id)
			}
			seen[c.id+repeatSuffix(c.round)] = true
			cases = append(cases, c)
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("the features hold no scenario")
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

// planCase makes the case of one pickle, or nil where the pickle is not for
// the document's transport.
func planCase(d document, feature string, p *messages.Pickle, index map[string]node, byID map[string]features.Requirement) (*planned, error) {
	scenario := index[p.AstNodeIds[0]]
	where := fmt.Sprintf("%s:%d", d.file.Name, scenario.line)
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
	if only != "" && only != d.transport || !r.On(string(d.transport)) {
		return nil, nil
	}
	c := &planned{pickle: p.Id, uri: p.Uri, file: "features/" + d.file.Name, line: scenario.line, feature: feature,
		rule: scenario.rule, scenario: p.Name, transport: d.transport, requirement: r}
	c.id = id + "/" + string(d.transport) + "/" + slug(p.Name)
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
