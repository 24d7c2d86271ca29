// Command bench measures what conform costs, beside a bare loop that makes the
// same calls and beside other tools, on a reference server of its own. It
// prints a table in Markdown.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// A bench is one round of measurements.
type bench struct {
	conform   string // the binary that is measured
	peers     string // a directory with the other tools; "" leaves them out
	dir       string // for files of this round
	base      string // of the reference server, with the version
	target    string // its target file
	scenarios int
	quick     bool
	onlyPeers bool
}

func main() {
	b := &bench{}
	flag.StringVar(&b.conform, "conform", "", "the conform binary")
	flag.StringVar(&b.peers, "peers", "", "the directory of the other tools")
	flag.IntVar(&b.scenarios, "scenarios", 500, "scenarios in each measurement of time per scenario")
	flag.BoolVar(&b.quick, "quick", false, "leave out what takes minutes")
	flag.BoolVar(&b.onlyPeers, "only-peers", false, "measure nothing but the other tools, and conform beside them")
	flag.Parse()
	if err := b.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) error {
	var err error
	if b.conform, err = filepath.Abs(b.conform); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "conform-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	fmt.Printf("%s, %s, %d CPUs, %s/%s, load %s\n\n", time.Now().UTC().Format("2006-01-02"), runtime.Version(), runtime.NumCPU(),
		runtime.GOOS, runtime.GOARCH, load())
	fmt.Print("| what | measured |\n|---|---|\n")
	steps := []func(context.Context) error{b.startUp, b.whole, b.perScenario, b.storm}
	if b.onlyPeers {
		b.quick, steps = true, nil
	}
	if b.peers != "" {
		steps = append(steps, b.others)
	}
	if !b.quick {
		steps = append(steps, b.memory, b.stormMemory)
	}
	for _, step := range steps {
		if err := b.onServer(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

func row(what, format string, args ...any) {
	fmt.Printf("| %s | %s |\n", what, fmt.Sprintf(format, args...))
}

// load is the load of the machine over the last minute, where it tells.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	var one string
	if _, err := fmt.Sscan(string(data), &one); err != nil {
		return "unknown"
	}
	return one
}
