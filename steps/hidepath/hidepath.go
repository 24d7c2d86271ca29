// Package hidepath takes PATH out of the environment while the packages that
// initialise after it do so. A dependency of godog runs `go env` from PATH
// during its initialisation, which costs up to 25 ms and executes whatever
// "go" is found first. The package imports only os, and so is initialised
// right after it, before that dependency.
package hidepath

import "os"

// path is what PATH was, and whether it was set.
var path, set = hide()

func hide() (string, bool) {
	p, ok := os.LookupEnv("PATH")
	os.Unsetenv("PATH")
	return p, ok
}

// Restore gives PATH back. Calling it again does nothing more.
func Restore() bool {
	if set {
		os.Setenv("PATH", path)
	}
	return set
}
