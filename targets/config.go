package targets

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// LoadOptions are what a user says beside the target file.
type LoadOptions struct {
	// Set holds assignments path=value that override keys of the file.
	Set []string
	// Env looks up ${NAME}; nil: the environment of the process.
	Env func(name string) (value string, ok bool)
	// Rate bounds the requests per second, over both transports and all
	// recipes together; 0: no bound.
	Rate float64
	// AllowForeign permits operations that this run did not start (names).
	AllowForeign bool
}

// Load reads a target file. All mistakes of a file are reported at once, each
// a *ConfigError (errors.As finds the first, errors.Join holds them). Nothing
// is contacted; Target.Close releases what the target holds.
func Load(path string, o LoadOptions) (*Target, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	t, err := Parse(path, data, o)
	if err != nil {
		return nil, err
	}
	t.File = path
	for _, s := range o.Set {
		t.Set = append(t.Set, shownAssignment(s))
	}
	return t, nil
}

// shownAssignment is an assignment path=value as reports show it: without the
// value where that may prove who calls.
func shownAssignment(s string) string {
	path, value, _ := strings.Cut(s, "=")
	if secretKey.MatchString(path) {
		value = Redacted
	}
	return path + "=" + NewRedactor().String(value)
}

// secretKey are the keys of a target file that hold credentials: auth,
// principals, headers and metadata.
var secretKey = regexp.MustCompile(`^(auth|principals)\b|\.(headers|metadata)\b`)

func unreadable(path string, err error) error {
	return &ConfigError{File: path, Message: fmt.Sprintf("cannot be read: %v", rootCause(err))}
}

// Parse makes a target of the text of a target file. The name is that of the
// file: mistakes are reported under it, and relative paths are relative to
// its directory.
func Parse(name string, data []byte, o LoadOptions) (*Target, error) {
	r, err := read(name, data, o)
	if err != nil {
		return nil, err
	}
	d := r.draft(o)
	if err := joinConfigErrors(r.errs); err != nil {
		return nil, err
	}
	return d.build()
}

// read takes the file apart and checks it; mistakes are left in errs, except
// where the file cannot be read at all.
func read(name string, data []byte, o LoadOptions) (*reading, error) {
	schema, err := loadTargetSchema()
	if err != nil {
		return nil, err
	}
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	r := &reading{file: name, env: o.Env, schema: schema, unique: newUnique(), origin: map[*yaml.Node]string{},
		marks: map[string]mark{}, faulty: map[string]bool{}, keys: map[string]mark{}, within: map[*yaml.Node]bool{}}
	root, problem := parseYAML(name, data)
	if problem != nil {
		return nil, problem
	}
	if root.Kind != yaml.MappingNode {
		return nil, &ConfigError{File: name, Line: root.Line, Column: root.Column, Message: "not a mapping", Hint: "write keys and values, like rest: {url: ...}"}
	}
	for _, s := range o.Set {
		r.applySet(root, s)
	}
	doc, _ := r.value(root, "", schema.root).(map[string]any)
	if r.doc = doc; doc == nil || r.nodes > maxConfigNodes {
		return nil, joinConfigErrors(r.errs)
	}
	if err := r.check(doc); err != nil {
		return nil, err
	}
	return r, nil
}

// The accessors below return the zero value where a key is missing or of a
// wrong type, which check has reported.

func (r *reading) has(pointer string) bool {
	_, ok := r.marks[pointer]
	return ok
}

func (r *reading) text(pointer string) text {
	t, _ := lookup(r.doc, pointer).(text)
	return t
}

func (r *reading) str(pointer string) string {
	return r.text(pointer).expand(map[string]string{varUnique: r.unique})
}

func (r *reading) strOr(pointer, missing string) string {
	if !r.has(pointer) {
		return missing
	}
	return r.str(pointer)
}

func (r *reading) boolOr(pointer string, missing bool) bool {
	if b, ok := lookup(r.doc, pointer).(bool); ok {
		return b
	}
	return missing
}

// flag is nil where the key is missing.
func (r *reading) flag(pointer string) *bool {
	if b, ok := lookup(r.doc, pointer).(bool); ok {
		return &b
	}
	return nil
}

func (r *reading) texts(pointer string) []text {
	list, _ := lookup(r.doc, pointer).([]any)
	var out []text
	for _, v := range list {
		if t, ok := v.(text); ok {
			out = append(out, t)
		}
	}
	return out
}

func (r *reading) strs(pointer string) []string {
	var out []string
	for i := range r.texts(pointer) {
		out = append(out, r.str(pointer+"/"+strconv.Itoa(i)))
	}
	return out
}

func (r *reading) mapTexts(pointer string) map[string]text {
	m, _ := lookup(r.doc, pointer).(map[string]any)
	out := map[string]text{}
	for k, v := range m {
		if t, ok := v.(text); ok {
			out[k] = t
		}
	}
	return out
}

func (r *reading) mapStrs(pointer string) map[string]string {
	out := map[string]string{}
	for k := range r.mapTexts(pointer) {
		out[k] = r.str(pointer + "/" + escapePointer(k))
	}
	return out
}

func (r *reading) duration(pointer string, missing time.Duration) time.Duration {
	if d, err := time.ParseDuration(r.str(pointer)); err == nil && d > 0 {
		return d
	}
	return missing
}

// besides returns a path relative to the target file.
func (r *reading) besides(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(r.file), path)
}

// file reads a small regular file that a key names, or reports why not.
func (r *reading) contents(pointer string) []byte {
	path := r.str(pointer)
	if path == "" {
		return nil
	}
	data, err := readSmallFile(r.besides(path))
	if err != nil {
		r.failAt(pointer, "relative paths are relative to the target file", "the file %q cannot be read: %v", path, rootCause(err))
	}
	return data
}

// maxSideFile bounds, in bytes, certificates, tokens and protosets.
const maxSideFile = 16 << 20

func readSmallFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSideFile {
		return nil, fmt.Errorf("not a regular file of at most %d MiB", maxSideFile>>20)
	}
	return os.ReadFile(path)
}

// rootCause leaves out the path that an os error repeats.
func rootCause(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}
