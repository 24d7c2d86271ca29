package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/lro-tools/conform/"

// chain tells which packages of the module each package may import. A package
// below one of these is bound as that one is, and may be imported by it.
func chain() map[string][]string {
	return map[string][]string{
		"features":          {},
		"schemas":           {},
		"targets":           {"features", "schemas"},
		"targets/reference": {"features", "schemas", "targets"},
		"reports":           {"features", "schemas", "targets"},
		"steps":             {"features", "schemas", "targets", "reports"},
		"cmd/conform":       {"features", "schemas", "targets", "targets/reference", "reports", "steps"},
	}
}

func TestImportsRunOneWay(t *testing.T) {
	root := filepath.Join("..", "..")
	checked := 0
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && (strings.HasPrefix(entry.Name(), ".") || nestedModule(file)):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(file) != ".go":
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err == nil {
			checked++
			checkImports(t, file, filepath.ToSlash(relative))
		}
		return err
	})
	require.NoError(t, err)
	assert.NotZero(t, checked, "Go files found")
}

// nestedModule tells whether a directory starts a module of its own.
func nestedModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// checkImports reports every import of a file that the chain does not allow.
// Tests of steps may also meet the reference server.
func checkImports(t *testing.T, file, relative string) {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	require.NoError(t, err)
	owner, known := link(path.Dir(relative))
	if !assert.True(t, known, "%s: no package of the chain", relative) {
		return
	}
	allowed := append(chain()[owner], owner)
	if owner == "steps" && strings.HasSuffix(relative, "_test.go") {
		allowed = append(allowed, "targets/reference")
	}
	for _, spec := range source.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		if dir, ours := strings.CutPrefix(imported, module); ours {
			to, _ := link(dir)
			assert.True(t, slices.Contains(allowed, to), "%s imports %s, against the chain", relative, dir)
		}
	}
}

// link finds the package of the chain that a directory is, or lies below.
func link(dir string) (string, bool) {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, ok := chain()[dir]; ok {
			return dir, true
		}
	}
	return "", false
}
