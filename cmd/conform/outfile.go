package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// An outFile is a file in the making: readers see the old contents until keep
// replaces them whole.
type outFile struct {
	*bufio.Writer
	file *os.File
	path string // what it becomes; "" where it is written in place (a device, a pipe)
	over atomic.Bool
}

// createFile opens a file to be written. What is not a regular file, such as
// /dev/stderr or a pipe, is written in place.
func createFile(path string) (*outFile, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a directory", path)
	case err == nil && !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		return &outFile{Writer: bufio.NewWriter(f), file: f}, nil
	case err == nil:
		// A link stays one: what it points to is replaced.
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	// Not os.CreateTemp: the umask decides who may read the report.
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()[:8])
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be written: %w", path, rootCause(err))
	}
	return &outFile{Writer: bufio.NewWriter(f), file: f, path: path}, nil
}

// rootCause leaves out the path that an os error repeats.
func rootCause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// keep ends the file and puts it where it belongs.
func (f *outFile) keep() error {
	if f.over.Swap(true) {
		return nil
	}
	err := errors.Join(f.Flush(), f.file.Close())
	if f.path == "" {
		return err
	}
	if err == nil {
		err = os.Rename(f.file.Name(), f.path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.file.Name()))
	}
	return err
}

// discard ends the file as if it had never been begun. It may be called from
// another goroutine than the one that writes.
func (f *outFile) discard() error {
	if f.over.Swap(true) {
		return nil
	}
	err := f.file.Close()
	if f.path != "" {
		err = errors.Join(err, os.Remove(f.file.Name()))
	}
	return err
}
