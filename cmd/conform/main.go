// Command conform judges servers of google.longrunning.Operations by the
// contract of their cancel.
package main

import (
	"os"
	"runtime"
)

// ballast is what the heap seems to hold from the beginning, in bytes. The
// collector, which would run at 4 MB and again and again while a command starts,
// first runs at twice as much. Nobody touches it, so that it takes no memory.
const ballast = 32 << 20

func main() {
	heap := make([]byte, ballast)
	code := execute(os.Args[1:], &app{out: os.Stdout, err: os.Stderr, env: os.LookupEnv})
	runtime.KeepAlive(heap)
	os.Exit(code)
}
