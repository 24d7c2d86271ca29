package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A sink is where a report goes in one format.
type sink[R any] struct {
	spec  string
	write func(io.Writer, R) error
	file  *outFile // nil: standard output
}

// sinks are all that a command writes of one report. Every file is open before
// there is anything to write, so that a path that cannot be written is found
// while nothing has happened yet.
type sinks[R any] struct {
	list []sink[R]
	out  io.Writer
}

// textFormat is the name of the format for people.
const textFormat = "text"

// withText adds text on standard output to the values of --report, unless one of
// them claims it.
func withText(specs []string) []string {
	if slices.ContainsFunc(specs, func(s string) bool { return !strings.Contains(s, ":") }) {
		return specs
	}
	return append(slices.Clone(specs), textFormat)
}

// openSinks opens what the values of --report ask for, in the formats that there
// are for such a report. Without a value it is text on standard output. The
// errors are those of usage.
func openSinks[R any, W ~func(io.Writer, R) error](specs []string, writers map[string]W, out io.Writer) (*sinks[R], error) {
	s := &sinks[R]{out: out}
	if len(specs) == 0 {
		specs = []string{textFormat}
	}
	stdout, paths := "", map[string]bool{}
	for _, spec := range specs {
		format, path, _ := strings.Cut(spec, ":")
		write, err := writerOf(format, writers)
		if err != nil {
			return nil, errors.Join(err, s.discard())
		}
		one := sink[R]{spec: spec, write: write}
		switch {
		case path == "" && stdout != "":
			return nil, errors.Join(fmt.Errorf("--report %s and --report %s both claim standard output; give one a path, like %s:FILE", stdout, spec, format), s.discard())
		case path == "":
			stdout = spec
		case paths[path]:
			return nil, errors.Join(fmt.Errorf("two reports go to %s; give each a path of its own", path), s.discard())
		default:
			paths[path] = true
			if one.file, err = createFile(path); err != nil {
				return nil, errors.Join(fmt.Errorf("--report %s: %w", spec, err), s.discard())
			}
		}
		s.list = append(s.list, one)
	}
	return s, nil
}

// writerOf finds the writer of a format.
func writerOf[W any](format string, writers map[string]W) (W, error) {
	w, ok := writers[format]
	if ok {
		return w, nil
	}
	names := slices.Sorted(maps.Keys(writers))
	msg := fmt.Sprintf("--report: format %q is not known", format)
	if near := nearest(format, names); near != "" {
		msg += fmt.Sprintf("; did you mean %s?", near)
	}
	return w, fmt.Errorf("%s (formats: %s)", msg, strings.Join(names, ", "))
}

// write renders the report into every sink; one that fails does not keep the
// others from being written.
func (s *sinks[R]) write(r R) error {
	var errs []error
	for _, one := range s.list {
		var err error
		if one.file == nil {
			err = one.write(s.out, r)
		} else if err = one.write(one.file, r); err == nil {
			err = one.file.keep()
		} else {
			err = errors.Join(err, one.file.discard())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("report %s: %w", one.spec, err))
		}
	}
	return errors.Join(errs...)
}

// discard leaves what was there before, where nothing has been written.
func (s *sinks[R]) discard() error {
	var errs []error
	for _, one := range s.list {
		if one.file != nil {
			errs = append(errs, one.file.discard())
		}
	}
	return errors.Join(errs...)
}

// writeReport writes a report that is there already as the values of --report
// ask for.
func writeReport[R any, W ~func(io.Writer, R) error](out io.Writer, specs []string, writers map[string]W, r R) error {
	s, err := openSinks[R](specs, writers, out)
	if err != nil {
		return err
	}
	if err := s.write(r); err != nil {
		return problem("%w", err)
	}
	return nil
}
