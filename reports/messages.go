package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"
	"time"

	gherkin "github.com/cucumber/gherkin/go/v26"
	messages "github.com/cucumber/messages/go/v21"

	"github.com/lro-tools/conform/features"
)

// protocolVersion is the version of Cucumber Messages that is written.
const protocolVersion = "21.0.1"

// A messageStream writes Cucumber Messages, one JSON object a line.
type messageStream struct {
	encoder *json.Encoder
	id      func() string
	nodes   map[string]string // file:line -> id of the scenario or step there
	start   time.Time
}

// Messages writes a stream of Cucumber Messages (NDJSON), which formatters of
// Cucumber and its viewers read. A case is a pickle and a test case. What is
// inconclusive is pending there, and what was not judged is skipped.
func Messages(w io.Writer, r *Report) error {
	m := &messageStream{encoder: json.NewEncoder(w), id: (&messages.Incrementing{}).NewId, nodes: map[string]string{}, start: startTime(r)}
	if err := m.send(&messages.Envelope{Meta: &messages.Meta{
		ProtocolVersion: protocolVersion,
		Implementation:  &messages.Product{Name: "conform", Version: r.Suite.Version},
		Runtime:         &messages.Product{Name: "go", Version: runtime.Version()},
		Os:              &messages.Product{Name: runtime.GOOS},
		Cpu:             &messages.Product{Name: runtime.GOARCH},
	}}); err != nil {
		return err
	}
	if err := m.documents(r); err != nil {
		return err
	}
	if err := m.send(&messages.Envelope{TestRunStarted: &messages.TestRunStarted{Timestamp: m.at(0)}}); err != nil {
		return err
	}
	for i := range r.Cases {
		if err := m.testCase(&r.Cases[i]); err != nil {
			return err
		}
	}
	return m.send(&messages.Envelope{TestRunFinished: &messages.TestRunFinished{Message: line(r.Reason), Success: r.Outcome == Conformant, Timestamp: m.at(r.ElapsedMS)}})
}

func (m *messageStream) send(e *messages.Envelope) error { return m.encoder.Encode(e) }

// at is the moment some milliseconds after the run's start.
func (m *messageStream) at(ms float64) *messages.Timestamp {
	t := messages.GoTimeToTimestamp(m.start.Add(time.Duration(ms * float64(time.Millisecond))))
	return &t
}

// documents sends the feature files that cases come from, as far as this
// version of the suite has them.
func (m *messageStream) documents(r *Report) error {
	used := map[string]string{}
	for i := range r.Cases {
		used[path.Base(r.Cases[i].File)] = r.Cases[i].File
	}
	files, err := features.Files()
	if err != nil {
		return err
	}
	for _, f := range files {
		uri, ok := used[f.Name]
		if !ok {
			continue
		}
		doc, err := gherkin.ParseGherkinDocument(bytes.NewReader(f.Contents), m.id)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		doc.Uri = uri
		source := &messages.Source{Uri: uri, Data: string(f.Contents), MediaType: messages.SourceMediaType_TEXT_X_CUCUMBER_GHERKIN_PLAIN}
		if err := m.send(&messages.Envelope{Source: source}); err != nil {
			return err
		}
		if err := m.send(&messages.Envelope{GherkinDocument: doc}); err != nil {
			return err
		}
		m.index(uri, doc)
	}
	return nil
}

// index remembers the ids of scenarios and steps by their lines.
func (m *messageStream) index(uri string, doc *messages.GherkinDocument) {
	scenario := func(s *messages.Scenario) {
		if s == nil {
			return
		}
		m.nodes[node(uri, int(s.Location.Line))] = s.Id
		for _, step := range s.Steps {
			m.nodes[node(uri, int(step.Location.Line))] = step.Id
		}
	}
	background := func(b *messages.Background) {
		if b == nil {
			return
		}
		for _, step := range b.Steps {
			m.nodes[node(uri, int(step.Location.Line))] = step.Id
		}
	}
	if doc.Feature == nil {
		return
	}
	for _, child := range doc.Feature.Children {
		scenario(child.Scenario)
		background(child.Background)
		if child.Rule == nil {
			continue
		}
		for _, inner := range child.Rule.Children {
			scenario(inner.Scenario)
			background(inner.Background)
		}
	}
}

func node(uri string, line int) string { return fmt.Sprintf("%s:%d", uri, line) }

// nodeIDs names the node at a line; none where the file is not known.
func (m *messageStream) nodeIDs(uri string, line int) []string {
	if id, ok := m.nodes[node(uri, line)]; ok {
		return []string{id}
	}
	return []string{}
}

// testCase sends one case: what it is, and how it went.
func (m *messageStream) testCase(c *Case) error {
	steps := c.Steps
	if len(steps) == 0 {
		// A test case without steps would have no status.
		steps = []Step{{Keyword: "* ", Text: "is judged", Line: c.Line, Status: "skipped", Message: c.Reason}}
		if c.Verdict == Passed || c.Verdict == Failed {
			steps[0].Status = string(c.Verdict)
		}
	}
	pickle := &messages.Pickle{Id: m.id(), Uri: c.File, Name: line(c.Scenario) + " (" + transportName(c.Transport) + ")", Language: "en",
		Steps: []*messages.PickleStep{}, Tags: []*messages.PickleTag{}, AstNodeIds: m.nodeIDs(c.File, c.Line)}
	test := &messages.TestCase{Id: m.id(), PickleId: pickle.Id, TestSteps: []*messages.TestStep{}}
	for _, tag := range []string{"@req:" + c.Requirement, "@" + string(c.Transport)} {
		pickle.Tags = append(pickle.Tags, &messages.PickleTag{Name: tag})
	}
	for _, s := range steps {
		p := &messages.PickleStep{Id: m.id(), Text: line(s.Text), AstNodeIds: m.nodeIDs(c.File, s.Line)}
		pickle.Steps = append(pickle.Steps, p)
		test.TestSteps = append(test.TestSteps, &messages.TestStep{Id: m.id(), PickleStepId: p.Id, StepDefinitionIds: []string{}, StepMatchArgumentsLists: []*messages.StepMatchArgumentsList{}})
	}
	started := &messages.TestCaseStarted{Id: m.id(), TestCaseId: test.Id, Timestamp: m.at(0)}
	for _, e := range []*messages.Envelope{{Pickle: pickle}, {TestCase: test}, {TestCaseStarted: started}} {
		if err := m.send(e); err != nil {
			return err
		}
	}
	for i, s := range steps {
		if err := m.step(c, s, test.TestSteps[i].Id, started.Id); err != nil {
			return err
		}
	}
	return m.send(&messages.Envelope{TestCaseFinished: &messages.TestCaseFinished{TestCaseStartedId: started.Id, Timestamp: m.at(c.ElapsedMS)}})
}

// step sends how a step went; the step that failed carries the evidence.
func (m *messageStream) step(c *Case, s Step, id, started string) error {
	result := &messages.TestStepResult{Duration: &messages.Duration{}, Status: stepStatus(c.Verdict, s.Status)}
	envelopes := []*messages.Envelope{{TestStepStarted: &messages.TestStepStarted{TestCaseStartedId: started, TestStepId: id, Timestamp: m.at(0)}}}
	if result.Status != messages.TestStepResultStatus_PASSED {
		result.Message = excerpt(harmless(s.Message, true), bodyShown)
		if result.Message == "" {
			result.Message = excerpt(line(c.Reason), bodyShown)
		}
	}
	if s.Status == "failed" && len(c.Exchanges) > 0 {
		envelopes = append(envelopes, &messages.Envelope{Attachment: &messages.Attachment{Body: strings.Join(timeline(c), "\n"),
			ContentEncoding: messages.AttachmentContentEncoding_IDENTITY, MediaType: "text/plain", TestCaseStartedId: started, TestStepId: id}})
	}
	envelopes = append(envelopes, &messages.Envelope{TestStepFinished: &messages.TestStepFinished{TestCaseStartedId: started, TestStepId: id, TestStepResult: result, Timestamp: m.at(c.ElapsedMS)}})
	for _, e := range envelopes {
		if err := m.send(e); err != nil {
			return err
		}
	}
	return nil
}

// stepStatus is a step's status there. Only a finding fails: a step that could
// not be carried out is pending, and so is the first that an inconclusive case
// did not reach.
func stepStatus(v Verdict, status string) messages.TestStepResultStatus {
	switch {
	case status == "passed" && (v == Passed || v == Failed || v == Inconclusive):
		return messages.TestStepResultStatus_PASSED
	case status == "failed" && v == Failed:
		return messages.TestStepResultStatus_FAILED
	case v == Inconclusive:
		return messages.TestStepResultStatus_PENDING
	default:
		return messages.TestStepResultStatus_SKIPPED
	}
}
