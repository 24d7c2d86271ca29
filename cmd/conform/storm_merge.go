package main

import (
	"fmt"
	"strings"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/steps/storm"
)

// mergeStorms joins the reports of the shards of one storm.
func (a *app) mergeStorms(parts []*storm.Report, specs []string) error {
	r, err := storm.Merge(parts...)
	if err != nil {
		return err
	}
	if err := a.renderStorm(r, specs); err != nil {
		return err
	}
	return endStorm(r)
}

// renderStorm writes a storm's report in the formats that are asked for.
func (a *app) renderStorm(r *storm.Report, specs []string) error {
	if len(specs) == 0 {
		specs = []string{"text"}
	}
	for _, spec := range specs {
		if format, _, _ := strings.Cut(spec, ":"); stormWriters()[format] == nil {
			return fmt.Errorf("--report: format %q is not one of a storm (formats: json, text)", format)
		}
	}
	for _, spec := range specs {
		if err := writeOne(a, spec, stormWriters(), r); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.err, reports.Harmless(r.Reason))
	return nil
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
