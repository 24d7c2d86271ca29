package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// cucumberProcesses is how many processes cucumber-js gets in place of 64
// workers: each is a Node.js of its own.
const cucumberProcesses = "4"

// others measures the same scenario in other tools: start, look, cancel, look
// until done. Their time is that of the whole process, as conform's is here.
func (b *bench) others(ctx context.Context) error {
	scripts, err := filepath.Abs("peers")
	if err != nil {
		return err
	}
	for _, w := range []string{"1", "64"} {
		count := b.scenarios
		if w != "1" {
			count *= 4 // so that it is not the start of the processes that is measured
		}
		n := fmt.Sprint(count)
		if err := b.peer(ctx, "conform", w, count, filepath.Dir(b.target), nil, b.conform, "run", b.target, "--run", onlyCase, "--transport", "rest", "--repeat", n, "--concurrency", w, "--report", "json:"+filepath.Join(b.dir, "peer.json")); err != nil {
			return err
		}
		if err := b.peer(ctx, "k6", w, count, scripts, nil, filepath.Join(b.peers, "k6"), "run", "--quiet", "--no-usage-report", "--vus", w, "--iterations", n, "-e", "BASE="+b.base, "cancel.k6.js"); err != nil {
			return err
		}
		cucumber := []string{"--format", "summary"}
		if w != "1" {
			cucumber = append(cucumber, "--parallel", cucumberProcesses)
		}
		if err := b.peer(ctx, "cucumber-js", w, count, scripts, []string{"N=" + n}, filepath.Join(scripts, "cucumber"), cucumber...); err != nil {
			return err
		}
		if w == "1" { // it runs the cases of a suite one after the other
			if err := b.peer(ctx, "venom", w, count, scripts, []string{"N=" + n}, filepath.Join(scripts, "venom"), filepath.Join(b.peers, "venom"), b.dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// peer runs one tool in its directory and prints its time per scenario.
func (b *bench) peer(ctx context.Context, name, workers string, count int, dir string, env []string, command string, args ...string) error {
	if _, err := os.Stat(command); err != nil {
		row(fmt.Sprintf("%s, %s workers", name, workers), "not installed")
		return nil
	}
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "BASE="+b.base), env...)
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	wall := time.Since(begin)
	if err != nil && name != "conform" {
		text := strings.TrimSpace(string(out))
		return fmt.Errorf("%s: %w\n%s", name, err, text[max(0, len(text)-2000):])
	}
	row(fmt.Sprintf("%s, %s workers, whole process", name, workers), "%.2f ms per scenario (%d in %.1f s)", ms(wall)/float64(count), count, wall.Seconds())
	return nil
}
