package main

import (
	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
	"github.com/lro-tools/conform/targets/reference"
)

// diagnose says of what failed which mutant it looks like.
func diagnose(r *reports.Report) error {
	catalogue, err := features.Requirements()
	if err != nil {
		return err
	}
	var faults []reports.Fault
	for _, m := range reference.Mutants() {
		f := reports.Fault{Name: m.Name, Doc: m.Doc, May: m.May, Broken: map[targets.Transport][]string{}}
		for _, t := range targets.Transports() {
			f.Broken[t] = m.Broken(t, catalogue)
		}
		faults = append(faults, f)
	}
	r.Diagnose(faults)
	return nil
}
