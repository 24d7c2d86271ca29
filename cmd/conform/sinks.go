package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/lro-tools/conform/reports"
)

// A sink is where a report goes in one format.
type sink struct {
	spec  string
	write reports.Writer
	file  *outFile // nil: standard output
}

// sinks are all that a run writes. Every file is open before the run, so that
// a path that cannot be written is found while nothing has happened yet.
type sinks struct {
	list []sink
	out  io.Writer
}

// openSinks opens what the values of --report ask for. Text goes to standard
// output unless another report claims it.
func openSinks(specs []string, out io.Writer, color bool) (*sinks, error) {
	s := &sinks{out: out}
	stdout, paths := "", map[string]bool{}
	for _, spec := range specs {
		format, path, _ := strings.Cut(spec, ":")
		write, err := writerOf(format)
		if err != nil {
			return nil, errors.Join(err, s.discard())
		}
		one := sink{spec: spec, write: write}
		switch {
		case path == "" && stdout != "":
			return nil, errors.Join(fmt.Errorf("--report %s and --report %s both claim standard output; give one a path, like %s:FILE", stdout, spec, format), s.discard())
		case path == "":
			stdout = spec
			if format == "text" {
				one.write = reports.Text(color)
			}
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
	if stdout == "" {
		s.list = append(s.list, sink{spec: "text", write: reports.Text(color)})
	}
	return s, nil
}

// writerOf finds the writer of a format.
func writerOf(format string) (reports.Writer, error) {
	writers := reports.Writers()
	if w, ok := writers[format]; ok {
		return w, nil
	}
	names := slices.Sorted(maps.Keys(writers))
	msg := fmt.Sprintf("--report: format %q is not known", format)
	if near := nearest(format, names); near != "" {
		msg += fmt.Sprintf("; did you mean %s?", near)
	}
	return nil, fmt.Errorf("%s (formats: %s)", msg, strings.Join(names, ", "))
}

// write renders the report into every sink; one that fails does not keep the
// others from being written.
func (s *sinks) write(r *reports.Report) error {
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
func (s *sinks) discard() error {
	var errs []error
	for _, one := range s.list {
		if one.file != nil {
			errs = append(errs, one.file.discard())
		}
	}
	return errors.Join(errs...)
}
