// Command conform judges servers of google.longrunning.Operations by the
// contract of their cancel.
package main

import (
	"io"
	"log"
	"os"
	"runtime/debug"
)

func main() {
	// While a command starts, next to nothing is garbage.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// net/http writes what a server sends beyond its answers to the standard log, as
	// it came: neither redacted nor escaped.
	log.SetOutput(io.Discard)
	os.Exit(execute(os.Args[1:], &app{out: os.Stdout, err: os.Stderr, env: os.LookupEnv}))
}
