package steps

import (
	"sync"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
)

// A contract is what the embedded files hold, parsed.
type contract struct {
	catalogue []features.Requirement
	digest    string
	cases     []planned
}

// parsed is the contract, which does not change: it is parsed once, and a
// process that judges many servers pays for it once.
var parsed = sync.OnceValues(func() (contract, error) {
	var c contract
	var err error
	if c.catalogue, err = features.Requirements(); err != nil {
		return c, err
	}
	if c.digest, err = features.Digest(); err != nil {
		return c, err
	}
	files, err := features.Files()
	if err != nil {
		return c, err
	}
	cases, err := plan(files, c.catalogue)
	for _, p := range cases {
		c.cases = append(c.cases, *p)
	}
	return c, err
})

// everyCase returns the catalogue and all the cases that there are, each a copy
// that the caller may mark.
func everyCase() ([]features.Requirement, []*planned, error) {
	c, err := parsed()
	if err != nil {
		return nil, nil, err
	}
	cases := make([]*planned, len(c.cases))
	for i := range c.cases {
		p := c.cases[i]
		cases[i] = &p
	}
	return c.catalogue, cases, nil
}

// Cases returns every case that the suite has, in the order of the features,
// none of them judged: each is inconclusive for the reason given.
func Cases(reason string) ([]reports.Case, error) {
	_, cases, err := everyCase()
	if err != nil {
		return nil, err
	}
	var out []reports.Case
	for _, c := range cases {
		out = append(out, decided(c, inconclusive("%s", reason)))
	}
	return out, nil
}
