// Package schemas holds the JSON Schemas (draft 2020-12) of all that is read,
// received or written, and validates documents against them.
package schemas

import (
	"embed"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

//go:embed *.schema.json
var files embed.FS

const suffix = ".schema.json"

// compilers has for every embedded schema a function that compiles it once. To
// compile one takes milliseconds, and most commands need one or none.
var compilers = sync.OnceValues(func() (map[string]func() (*jsonschema.Schema, error), error) {
	names, err := Names()
	if err != nil {
		return nil, err
	}
	out := make(map[string]func() (*jsonschema.Schema, error), len(names))
	for _, name := range names {
		out[name] = sync.OnceValues(func() (*jsonschema.Schema, error) { return compile(name) })
	}
	return out, nil
})

// Validate tells whether a document keeps to a schema. The name is that of an
// embedded file, with or without ".schema.json". The document is made of
// map[string]any, []any, string, bool, nil, and json.Number or float64. A
// document that does not keep to the schema is a *jsonschema.ValidationError;
// a panic of the library is an error too.
func Validate(name string, doc any) (err error) {
	all, err := compilers()
	if err != nil {
		return err
	}
	compiled, ok := all[strings.TrimSuffix(name, suffix)]
	if !ok {
		return fmt.Errorf("schema %q: there is no such schema", name)
	}
	s, err := compiled()
	if err != nil {
		return fmt.Errorf("schema %s: %w", name, err)
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("schema %s: the document cannot be validated: %v", name, r)
		}
	}()
	return s.Validate(doc)
}

// Source returns the text of a schema, named as for Validate.
func Source(name string) ([]byte, error) {
	return files.ReadFile(strings.TrimSuffix(name, suffix) + suffix)
}

// Names returns the names of all schemas, sorted.
func Names() ([]string, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), suffix))
	}
	return names, nil
}

func compile(name string) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	// The library's default opens file:// and would let a $ref read anything.
	c.LoadURL = loadEmbedded
	c.AssertFormat = true
	c.ExtractAnnotations = false
	for name, holds := range formats() {
		c.Formats[name] = onStrings(holds)
	}
	return c.Compile(base + name + suffix)
}

// base is what the $id of every schema starts with; nothing is fetched from it.
const base = "https://github.com/lro-tools/conform/schemas/"

func loadEmbedded(url string) (io.ReadCloser, error) {
	name, ok := strings.CutPrefix(url, base)
	if !ok {
		return nil, fmt.Errorf("schema %s: only embedded schemas are loaded", url)
	}
	return files.Open(name)
}

// onStrings lifts a check of strings to any value: a format says nothing about
// values of other types.
func onStrings(holds func(string) bool) func(any) bool {
	return func(v any) bool {
		s, ok := v.(string)
		return !ok || holds(s)
	}
}
