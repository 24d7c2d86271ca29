package main

import (
	"fmt"

	"github.com/lro-tools/conform/steps/storm"
)

// mergeStorms joins the reports of the shards of one storm.
func (a *app) mergeStorms(parts []*storm.Report, specs []string) error {
	r, err := storm.Merge(parts...)
	if err != nil {
		return err
	}
	if err := writeReport(a.out, specs, stormWriters(), r); err != nil {
		return err
	}
	return a.endStorm(r)
}

// stormReports reads saved reports as those of storms; nil where the first is
// none of a storm.
func stormReports(paths []string) ([]*storm.Report, error) {
	var out []*storm.Report
	for i, path := range paths {
		data, err := readSaved(path)
		if err != nil {
			return nil, err
		}
		r, ok, err := storm.Decode(data)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", path, err)
		case !ok && i == 0:
			return nil, nil
		case !ok:
			return nil, fmt.Errorf("%s: not the report of a storm, as the first is", path)
		}
		out = append(out, r)
	}
	return out, nil
}
