package steps

import (
	"sync"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
)

// A contract is the catalogue, and the digest of it and the scenarios.
type contract struct {
	requirements []features.Requirement
	digest       string
}

// catalogue is the contract, which does not change: it is read once.
var catalogue = sync.OnceValues(func() (c contract, err error) {
	if c.requirements, err = features.Requirements(); err != nil {
		return c, err
	}
	c.digest, err = features.Digest()
	return c, err
})

// parsed are the cases of the contract. They are parsed once, and a process
// that judges many servers pays for it once.
var parsed = sync.OnceValues(func() ([]*planned, error) {
	c, err := catalogue()
	if err != nil {
		return nil, err
	}
	files, err := features.Files()
	if err != nil {
		return nil, err
	}
	return plan(files, c.requirements)
})

// Preload begins to parse the contract in the background, for a process that is
// about to call Run and has other things to do first.
func Preload() { go parsed() } // Run tells of an error

// everyCase returns all the cases that there are, each a copy that the caller
// may mark.
func everyCase() ([]*planned, error) {
	list, err := parsed()
	if err != nil {
		return nil, err
	}
	cases := make([]*planned, len(list))
	for i, p := range list {
		c := *p
		cases[i] = &c
	}
	return cases, nil
}

// Cases returns every case that the suite has, in the order of the features,
// none of them judged: each is inconclusive for the reason given.
func Cases(reason string) ([]reports.Case, error) {
	cases, err := everyCase()
	if err != nil {
		return nil, err
	}
	var out []reports.Case
	for _, c := range cases {
		out = append(out, decided(c, inconclusive("%s", reason)))
	}
	return out, nil
}
