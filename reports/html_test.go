package reports

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lro-tools/conform/targets"
)

// manyCases is a report of n cases with calls of their own.
func manyCases(n int) *Report {
	r := sampleReport()
	for i := len(r.Cases); i < n; i++ {
		c := failingCase()
		c.ID = fmt.Sprintf("%s-%d", c.ID, i)
		c.Verdict, c.Breaches, c.Broke, c.Reason = Passed, nil, nil, ""
		c.Exchanges = nil
		for k := range 10 {
			c.Exchanges = append(c.Exchanges, call(time.Duration(k)*time.Millisecond, targets.Get, fmt.Sprintf("GET /v1/operations/%d", i), "200 OK",
				fmt.Sprintf(`{"name":"operations/%d","metadata":{"@type":"example.com/M","progress":%d}}`, i, k)))
		}
		r.Cases = append(r.Cases, c)
	}
	Conclude(r, smallCatalogue(), r.Criteria)
	return r
}

func TestPageOf2000CasesIsUnder5MB(t *testing.T) {
	assert.Less(t, len(render(t, HTML, manyCases(2000))), 5_000_000)
}

func TestPageIsSelfContained(t *testing.T) {
	out := string(render(t, HTML, hostileReport()))
	assert.Equal(t, 2, strings.Count(out, "</script>"), "only the page's own elements end")
	assert.NotContains(t, out, "<img")
	body := strings.ReplaceAll(out, pageJS, "")
	assert.NotRegexp(t, regexp.MustCompile(`(?i)(src|href)="(https?:)?//`), body)
	assert.NotContains(t, pageCSS, "url(")
	for _, loads := range []string{"fetch(", "XMLHttpRequest", "innerHTML", "import("} {
		assert.NotContains(t, pageJS, loads)
	}
	assert.Contains(t, out, "default-src &#39;none&#39;")
}

func TestPageDataKeepsWhatWasSent(t *testing.T) {
	r := hostileReport()
	data, err := pageData(r)
	require.NoError(t, err)
	var p pageReport
	require.NoError(t, json.Unmarshal([]byte(data), &p))
	require.Len(t, p.Cases, len(r.Cases))
	// JSON has no byte that is not UTF-8; all else comes through.
	assert.Equal(t, strings.ToValidUTF8(r.Cases[0].Breaches[0].Message, "\ufffd"), p.Cases[0].Breaches[0].Message)
	assert.Equal(t, `"\udb40\udc41"`, escapeActing([]byte("\"\U000e0041\"")))
}

// Colours of text on both grounds keep to WCAG 2.2 level AA, 4.5:1.
func TestColoursHaveContrast(t *testing.T) {
	value := regexp.MustCompile(`--([a-z]+): (#[0-9a-f]{6})`)
	dark := strings.Index(pageCSS, "prefers-color-scheme: dark")
	end := strings.Index(pageCSS, "* { box-sizing")
	require.True(t, dark > 0 && end > dark)
	for name, css := range map[string]string{"light": pageCSS[:dark], "dark": pageCSS[dark:end]} {
		colours := map[string]string{}
		for _, m := range value.FindAllStringSubmatch(css, -1) {
			colours[m[1]] = m[2]
		}
		require.Contains(t, colours, "page")
		for text, c := range colours {
			if text == "page" || text == "panel" || text == "edge" {
				continue
			}
			for _, ground := range []string{"page", "panel"} {
				assert.GreaterOrEqual(t, contrast(c, colours[ground]), 4.5, "%s: %s on %s", name, text, ground)
			}
		}
	}
}

// The page works in a browser: its policy lets its own script run, the
// requirements appear, and what a server sent becomes no element.
func TestPageInABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	path := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(path, render(t, HTML, hostileReport()), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=5000", "--dump-dom", "file://"+path+"#r-cancel.state.code-1")
	cmd.WaitDelay = 5 * time.Second
	dom, err := cmd.Output()
	require.NoError(t, err)
	page := string(dom)
	assert.Equal(t, len(smallCatalogue()), strings.Count(page, `<details id="r-`))
	assert.Contains(t, page, `aria-label="Sequence of`)
	assert.Contains(t, page, "expected")
	assert.NotContains(t, page, "<img")
}
