package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// terminal tells whether a stream is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// color tells whether a stream is written in color: a terminal that has not
// been told otherwise (https://no-color.org).
func (a *app) color(w io.Writer, noColor bool) bool {
	if v, ok := a.env("NO_COLOR"); ok && v != "" || noColor {
		return false
	}
	if v, _ := a.env("TERM"); v == "dumb" {
		return false
	}
	return terminal(w)
}
