package main

import (
	"crypto/rand"
	"fmt"

	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// builtIn is the reference server on loopback, as a target on which everything
// can be judged: all roles, an owner and a stranger.
func builtIn() (*targets.Target, error) {
	s, err := reference.New(protected())
	if err != nil {
		return nil, fmt.Errorf("reference server: %w", err)
	}
	return describe(s)
}

// describe serves a reference server and describes it to the suite.
func describe(s *reference.Server) (*targets.Target, error) {
	t, err := s.Target()
	if err != nil {
		return nil, fmt.Errorf("reference server: %w", err)
	}
	t.Implementation["version"] = version()
	return t, nil
}

// protected are the options of a server that knows its callers by tokens,
// which nobody else can guess.
func protected() reference.Options {
	return reference.Options{Tokens: map[string]reference.Caller{rand.Text(): reference.Owner, rand.Text(): reference.Stranger}}
}
