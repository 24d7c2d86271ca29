package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// onServer measures on a reference server that nobody has called: lists of
// what earlier measurements left would be read by the later ones.
func (b *bench) onServer(ctx context.Context, measure func(context.Context) error) error {
	stop, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return measure(ctx)
}

// serve starts a reference server in a process of its own.
func (b *bench) serve(ctx context.Context) (stop func(), err error) {
	cmd := exec.CommandContext(ctx, b.conform, "serve")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
	}
	var file strings.Builder
	for s := bufio.NewScanner(out); s.Scan(); {
		line := s.Text()
		if base, ok := strings.CutPrefix(line, "REST "); ok {
			b.base = base
			continue
		}
		if strings.HasPrefix(line, "gRPC ") {
			continue
		}
		file.WriteString(line + "\n")
		if strings.HasPrefix(line, "timeouts:") {
			b.target = filepath.Join(b.dir, "target.yaml")
			return stop, os.WriteFile(b.target, []byte(file.String()), 0o600)
		}
	}
	stop()
	return nil, errors.New("conform serve did not print its target file")
}

// A report is what is read of a report of conform.
type report struct {
	ElapsedMS float64 `json:"elapsed_ms"`
	Cases     []struct {
		ID        string            `json:"id"`
		Verdict   string            `json:"verdict"`
		ElapsedMS float64           `json:"elapsed_ms"`
		Exchanges []json.RawMessage `json:"exchanges"`
	} `json:"cases"`
}

// A spent is what a process took.
type spent struct {
	wall time.Duration
	rss  int64 // bytes at its peak
}

// judge runs conform with a JSON report. Outcomes 1 and 3 are results as well.
func (b *bench) judge(ctx context.Context, args ...string) (*report, spent, error) {
	path := filepath.Join(b.dir, "report.json")
	args = append([]string{"run", b.target, "--report", "json:" + path, "--timeout", "30m"}, args...)
	s, err := process(ctx, b.conform, args...)
	if err != nil {
		return nil, s, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, s, err
	}
	r := &report{}
	return r, s, json.Unmarshal(data, r)
}

// process runs a command. Exit codes 1 and 3 are those of judgements.
func process(ctx context.Context, name string, args ...string) (spent, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var log strings.Builder
	cmd.Stderr = &log
	begin := time.Now()
	err := cmd.Run()
	s := spent{wall: time.Since(begin)}
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == 1 || exit.ExitCode() == 3) {
		err = nil
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, log.String())
	}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.rss = u.Maxrss << 10 // kilobytes on Linux
	}
	return s, nil
}

// startUp measures the time from the start of the process to its first
// request. Each round has a server of its own, which refuses everything.
func (b *bench) startUp(ctx context.Context) error {
	var all []time.Duration
	for range 10 {
		var once sync.Once
		first := make(chan time.Time, 1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			once.Do(func() { first <- time.Now() })
			w.WriteHeader(http.StatusForbidden)
		}))
		path := filepath.Join(b.dir, "nobody.yaml")
		text := fmt.Sprintf("rest: {url: %q}\noperations: {running: {http: {path: x}}}\n", server.URL)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, b.conform, "run", path)
		begin := time.Now()
		_ = cmd.Run() // error, as it must be
		server.Close()
		select {
		case t := <-first:
			all = append(all, t.Sub(begin))
		default:
			return errors.New("conform made no request")
		}
	}
	slices.Sort(all)
	row("start-up to the first request (goal: under 20 ms)", "%.1f ms, median of 10 (least %.1f, most %.1f)", ms(all[5]), ms(all[0]), ms(all[9]))
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// whole measures a run of everything against its longest scenario.
func (b *bench) whole(ctx context.Context) error {
	for _, n := range []string{"16", "64"} {
		var ratios, walls []float64
		var cases int
		for range 5 {
			var r *report
			if err := b.onServer(ctx, func(ctx context.Context) (err error) {
				r, _, err = b.judge(ctx, "--concurrency", n)
				return err
			}); err != nil {
				return err
			}
			longest := 0.0
			cases = 0
			for _, c := range r.Cases {
				longest = max(longest, c.ElapsedMS)
				if len(c.Exchanges) > 0 {
					cases++
				}
			}
			ratios, walls = append(ratios, r.ElapsedMS/longest), append(walls, r.ElapsedMS)
		}
		row(fmt.Sprintf("whole run, --concurrency %s, against its longest scenario (goal: under 1.2)", n),
			"%.0f ms for %d cases, %.2f times, medians of 5", median(walls), cases, median(ratios))
	}
	return nil
}

// median sorts what was measured an odd number of times.
func median(measured []float64) float64 {
	slices.Sort(measured)
	return measured[len(measured)/2]
}

// onlyCase is the name of a scenario that does no more than start, cancel, poll
// and judge.
const onlyCase = "It is done"

// perScenario measures the time of one scenario beside a bare loop.
func (b *bench) perScenario(ctx context.Context) error {
	for _, workers := range []int{1, 64} {
		n := b.scenarios
		if workers > 1 {
			n *= 4
		}
		r, _, err := b.judge(ctx, "--run", onlyCase, "--transport", "rest", "--repeat", fmt.Sprint(n), "--concurrency", fmt.Sprint(workers))
		if err != nil {
			return err
		}
		judged, calls := 0, 0
		for _, c := range r.Cases {
			if len(c.Exchanges) > 0 {
				judged++
				calls += len(c.Exchanges)
			}
		}
		if judged < n {
			return fmt.Errorf("%d of %d scenarios were judged", judged, n)
		}
		bare, bareCalls, err := b.loop(ctx, workers, n)
		if err != nil {
			return err
		}
		own := r.ElapsedMS / float64(judged)
		goal := map[int]string{1: "1.5", 64: "2.5"}[workers]
		row(fmt.Sprintf("time per scenario, %d workers, against a bare loop (goal: under %s)", workers, goal),
			"%.2f ms (%.1f calls) against %.2f ms (%.1f calls): %.2f times", own, float64(calls)/float64(judged),
			ms(bare)/float64(n), float64(bareCalls)/float64(n), own/(ms(bare)/float64(n)))
	}
	return nil
}

// memory measures the peak of a run of 10,000 cases with its report.
func (b *bench) memory(ctx context.Context) error {
	r, _, err := b.judge(ctx)
	if err != nil {
		return err
	}
	repeat := 10000/len(r.Cases) + 1
	r, s, err := b.judge(ctx, "--repeat", fmt.Sprint(repeat), "--concurrency", "64")
	if err != nil {
		return err
	}
	row("memory with 10,000 cases, JSON report included (goal: under 250 MB)", "%d MB at the peak, %d cases, %.1f s", s.rss>>20, len(r.Cases), s.wall.Seconds())
	return nil
}

// A stormReport is what is read of the report of a storm.
type stormReport struct {
	StartingMS float64        `json:"starting_ms"`
	Operations map[string]int `json:"operations"`
	Transports map[string]struct {
		Starting int            `json:"calls_starting"`
		Methods  map[string]int `json:"methods"`
	} `json:"transports"`
}

func (b *bench) blow(ctx context.Context, args ...string) (*stormReport, spent, error) {
	path := filepath.Join(b.dir, "storm.json")
	s, err := process(ctx, b.conform, append([]string{"storm", b.target, "--report", "json:" + path}, args...)...)
	if err != nil {
		return nil, s, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, s, err
	}
	r := &stormReport{}
	return r, s, json.Unmarshal(data, r)
}

// storm measures the rate of a storm, while it starts operations, beside a bare
// loop of the same calls.
func (b *bench) storm(ctx context.Context) error {
	const duration, times = 5 * time.Second, 3
	var own, bare, ratios []float64
	for range times {
		r, _, err := b.blow(ctx, "--transport", "rest", "--duration", duration.String())
		if err != nil {
			return err
		}
		operations := 0
		for _, n := range r.Operations {
			operations += n
		}
		rest := r.Transports["rest"]
		each := func(method string) float64 { return float64(rest.Methods[method]) / float64(max(1, operations)) }
		rate, err := b.mixed(ctx, 16, duration, mix{get: each("GetOperation"), list: each("ListOperations"), wait: each("WaitOperation"),
			cancel: each("CancelOperation"), remove: each("DeleteOperation")})
		if err != nil {
			return err
		}
		own, bare = append(own, float64(rest.Starting)/(r.StartingMS/1000)), append(bare, rate)
		ratios = append(ratios, own[len(own)-1]/rate)
	}
	row("rate of a storm, 16 clients over REST, against a bare loop of the same calls (goal: at least 0.8)",
		"%.0f calls/s against %.0f: %.2f times, medians of %d", median(own), median(bare), median(ratios), times)
	return nil
}

// stormMemory measures the peak of a storm of 100,000 operations.
func (b *bench) stormMemory(ctx context.Context) error {
	r, s, err := b.blow(ctx, "--operations", "100000", "--duration", "20m", "--clients", "64")
	if err != nil {
		return err
	}
	n := 0
	for _, k := range r.Operations {
		n += k
	}
	row("memory of a storm of 100,000 operations (goal: under 500 MB)", "%d MB at the peak, %d operations, %.0f s", s.rss>>20, n, s.wall.Seconds())
	return nil
}
