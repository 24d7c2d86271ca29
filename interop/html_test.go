package interop_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// browsing bounds one test in the browser.
const browsing = 2 * time.Minute

// evil is what a server could send to attack who reads a report.
const evil = "\x1b[2J\u202e\u2066</script><script>window.owned=1</script><img src=x onerror=\"window.owned=1\">]]><!--\u2028"

// manyCases are n cases over the whole catalogue, each with six calls; every
// twentieth fails.
func manyCases(t *testing.T, n int, text string) *reports.Report {
	catalogue, err := features.Requirements()
	require.NoError(t, err)
	r := &reports.Report{Suite: reports.Suite{Version: "1.2.3", Catalogue: "0123"}, Started: "2026-01-02T03:04:05Z", ElapsedMS: 5000,
		Target: reports.Target{Name: "my service " + text, Profile: "lro", REST: "http://127.0.0.1:8080/v1", GRPC: "127.0.0.1:9090"}}
	for i := range n {
		q := catalogue[i%len(catalogue)]
		transport := targets.Transport(q.Transports[i/len(catalogue)%len(q.Transports)])
		c := reports.Case{ID: fmt.Sprintf("%s/%s/case-%d", q.ID, transport, i), Feature: "A feature", File: "features/a.feature", Line: 7, Rule: q.Statement,
			Scenario: fmt.Sprintf("Scenario %d %s", i, text), Transport: transport, Verdict: reports.Passed, Requirement: q.ID, Broke: []string{}, ElapsedMS: 12,
			Steps: []reports.Step{{Keyword: "Given ", Text: "a running operation", Status: "passed"}, {Keyword: "When ", Text: "the client cancels it", Status: "passed"},
				{Keyword: "Then ", Text: "it is cancelled", Status: "passed"}}}
		for k := range 6 {
			c.Exchanges = append(c.Exchanges, targets.Exchange{Transport: transport, Method: targets.Get, At: time.Duration(k) * 20 * time.Millisecond, Elapsed: time.Millisecond,
				Request:  targets.Message{Line: fmt.Sprintf("GET /v1/projects/demo/operations/%d-%d", i, k), Headers: map[string]string{"Host": "127.0.0.1:8080"}},
				Response: targets.Message{Line: "200 OK", Headers: map[string]string{"Content-Type": "application/json"}, Body: fmt.Sprintf(`{"name":"projects/demo/operations/%d-%d","done":%t}`, i, k, k > 4) + text}})
		}
		if i%20 == 0 && q.Counts() {
			c.Verdict, c.Reason, c.Steps[2].Status, c.Steps[2].Message = reports.Failed, "it goes on "+text, "failed", "it goes on "+text
			c.Breaches = []reports.Breach{{Requirement: q.ID, Message: "it goes on " + text, Expected: "an end", Actual: text, Pointer: "/done", Exchange: 5}}
		}
		r.Cases = append(r.Cases, c)
	}
	reports.Conclude(r, catalogue, reports.Criteria{Guaranteed: true, RunningConfigured: true})
	return r
}

// A page is an HTML report in a browser.
type page struct {
	context.Context
	t        *testing.T
	mu       sync.Mutex
	asked    []string // URLs that were requested
	problems []string // exceptions and console errors
}

// open writes a report as HTML and opens it from disk.
func open(t *testing.T, r *reports.Report) *page {
	var browser string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("a browser is needed under CI")
		}
		t.Skip("there is no chromium")
	}
	path := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, reports.HTML(f, r))
	require.NoError(t, f.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Less(t, info.Size(), int64(5<<20))

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.WindowSize(1200, 900))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := context.WithTimeout(ctx, browsing)
	t.Cleanup(end)
	ctx, closed := chromedp.NewContext(ctx)
	t.Cleanup(closed)
	p := &page{Context: ctx, t: t}
	require.NoError(t, chromedp.Listen(ctx, p.listen))
	command(p, network.Enable, network.EnableParams{})
	command(p, runtime.Enable, cdp.Empty{})
	p.run(chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()), chromedp.WaitReady(chromedp.CSS("#requirements details")))
	return p
}

func (p *page) listen(v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := v.(type) {
	case *network.EventRequestWillBeSent:
		p.asked = append(p.asked, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, e.ExceptionDetails.Text)
	}
}

func (p *page) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.Context, actions...))
}

// command has the browser do something.
func command[P, R any](p *page, c cdp.Command[P, R], params P) {
	p.t.Helper()
	p.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	}))
}

// js evaluates an expression.
func js[T any](p *page, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.Context, chromedp.Evaluate[T](expression))
	require.NoError(p.t, err)
	return value
}

// do runs a script.
func (p *page) do(script string) {
	p.t.Helper()
	js[bool](p, "(() => { "+script+"; return true })()")
}

// harmless checks that the page asked for nothing but itself and went without
// an error.
func (p *page) harmless() {
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.Len(p.t, p.asked, 1, "the page and nothing else")
	assert.Empty(p.t, p.problems)
}

const shownRequirements = `[...document.querySelectorAll("#requirements section > details")].filter(d => d.offsetParent !== null).length`

func TestAReportOfTwoThousandCasesOpensInABrowser(t *testing.T) {
	r := manyCases(t, 2000, "")
	p := open(t, r)
	t.Logf("interactive after %.0f ms", js[float64](p, `performance.getEntriesByType("navigation")[0].domComplete`))
	assert.Equal(t, "nonconformant", js[string](p, `document.querySelector("h1").textContent`))
	assert.Equal(t, len(r.Requirements), js[int](p, shownRequirements))

	p.run(chromedp.SendKeys(chromedp.CSS("#text"), "cancel.state.code-1"))
	assert.Equal(t, 1, js[int](p, shownRequirements))
	assert.Equal(t, fmt.Sprintf("1 of %d requirements", len(r.Requirements)), js[string](p, `document.getElementById("shown").textContent`))
	p.run(chromedp.Click(chromedp.CSS(`#filters button[type=reset]`)))
	p.run(chromedp.Poll[chromedp.Void](shownRequirements + " === " + fmt.Sprint(len(r.Requirements))))

	failed := 0
	for _, q := range r.Requirements {
		if q.Verdict == reports.Failed {
			failed++
		}
	}
	for _, v := range []string{"passed", "inconclusive", "untested", "inapplicable"} {
		if js[bool](p, `document.querySelector('#verdicts input[value="`+v+`"]') !== null`) {
			p.run(chromedp.Click(chromedp.CSS(`#verdicts input[value="` + v + `"]`)))
		}
	}
	assert.Equal(t, failed, js[int](p, shownRequirements), "only those that failed")

	p.run(chromedp.Click(chromedp.CSS(`#requirements details:not([hidden]) > summary`)))
	p.run(chromedp.WaitVisible(chromedp.CSS(`#requirements details[open] svg`)))
	assert.Contains(t, js[string](p, `document.querySelector("#requirements details[open]").textContent`), "it goes on")
	assert.Contains(t, js[string](p, `document.querySelector("#requirements details[open]").textContent`), "conform run --run")
	p.harmless()
}

func TestHostileTextStaysTextInABrowser(t *testing.T) {
	r := manyCases(t, 130, evil)
	r.Cases[0].Exchanges[5].Response.Body = evil + strings.Repeat("A", 1<<20)
	p := open(t, r)
	p.do(`for (const d of document.querySelectorAll("#requirements section > details")) d.openNow()`)
	p.do(`for (const s of document.querySelectorAll("#requirements details:not([open]) > summary")) s.click()`)
	assert.True(t, js[bool](p, `window.owned === undefined`))
	assert.Zero(t, js[int](p, `document.querySelectorAll("img").length`))
	assert.Equal(t, 2, js[int](p, `document.querySelectorAll("script").length`), "its data and its own script")
	assert.True(t, js[bool](p, `document.body.textContent.includes("</script><script>window.owned=1")`), "it shows as it is")
	assert.False(t, js[bool](p, `/[\u001b\u202e\u2066\u2028]/.test(document.querySelector("main").innerText)`), "characters that act show as escapes")
	p.harmless()
}

// On a phone nothing is wider than the screen, and both schemes are there. The
// pictures are kept where CONFORM_PICTURES names a directory, to be looked at.
func TestAReportFitsAPhone(t *testing.T) {
	p := open(t, manyCases(t, 130, ""))
	for _, width := range []int64{400, 1200} {
		for _, scheme := range []string{"light", "dark"} {
			command(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 1800, DeviceScaleFactor: 1, Mobile: width < 600})
			command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			p.do(`const d = document.querySelector('#requirements details:has(.badge.failed)'); d.openNow(); d.scrollIntoView()`)
			assert.LessOrEqual(t, js[int64](p, `document.documentElement.scrollWidth`), width)
			background := js[string](p, `getComputedStyle(document.body).backgroundColor`)
			var r, g, b int
			_, err := fmt.Sscanf(background, "rgb(%d, %d, %d)", &r, &g, &b)
			require.NoError(t, err, background)
			assert.Equal(t, scheme == "dark", r+g+b < 3*128, background)
			if dir := os.Getenv("CONFORM_PICTURES"); dir != "" {
				picture, err := chromedp.Run(p.Context, chromedp.CaptureScreenshot())
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("report-%s-%d.png", scheme, width)), picture, 0o600))
			}
		}
	}
	p.harmless()
}
