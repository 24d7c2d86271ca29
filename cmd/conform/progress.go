package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/lro-tools/conform/reports"
)

// A progress tells on standard error how far a run is: one line that is
// written over on a terminal, one line per case with -v, else nothing.
type progress struct {
	mu           sync.Mutex
	w            io.Writer
	terminal     bool
	verbose      bool
	done, failed int
	shown        bool // a line is there to be written over
}

// caseEnded tells of one case.
func (p *progress) caseEnded(done, planned int, c reports.Case) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Verdict == reports.Failed || len(c.Broke) > 0 {
		p.failed++
	}
	switch {
	case p.verbose:
		fmt.Fprintf(p.w, "%s %s (%.0f ms)\n", c.Verdict, reports.Harmless(c.ID), c.ElapsedMS)
		if c.Reason != "" {
			fmt.Fprintf(p.w, "    %s\n", reports.Harmless(c.Reason))
		}
		for _, id := range c.Broke {
			fmt.Fprintf(p.w, "    broke %s beside\n", id)
		}
	case p.terminal:
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d cases, %d with a failure", done, planned, p.failed)
		p.shown = true
	}
}

// end removes the line that was written over.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// say prints a line beside the progress.
func (p *progress) say(format string, args ...any) {
	p.end()
	fmt.Fprintf(p.w, format+"\n", args...)
}
