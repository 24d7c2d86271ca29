// Command conform judges servers of google.longrunning.Operations by the
// contract of their cancel.
package main

import "os"

func main() {
	os.Exit(execute(os.Args[1:], &app{out: os.Stdout, err: os.Stderr, env: os.LookupEnv}))
}
