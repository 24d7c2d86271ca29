package targets

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A recipe is one way to start an operation, or to clean up after one. The
// values stand for placeholders. The exchange is zero where there was none,
// and tells what happened even where there is an error.
type recipe interface {
	run(ctx context.Context, values map[string]string) (name string, e Exchange, err error)
}

// A recipeError says why a recipe failed, secrets removed.
type recipeError struct {
	text  string
	cause error
}

func (e *recipeError) Error() string { return e.text }

// Unwrap returns the cause, such as a *NoAnswer.
func (e *recipeError) Unwrap() error { return e.cause }

// roles reads operations: what starts each role.
func (r *reading) roles(d *draft, allowForeign bool) {
	operations, _ := lookup(r.doc, "/operations").(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(operations)) {
		role, at := Role(key), "/operations/"+escapePointer(key)
		if !slices.Contains(Roles(), role) {
			continue // reported as an unknown key
		}
		cleanup := r.recipe(d, at+"/cleanup")
		switch {
		case r.has(at + "/unavailable"):
			d.target.Roles[role] = Availability{Unavailable: r.str(at + "/unavailable")}
		case r.has(at + "/names"):
			names := r.strs(at + "/names")
			if !allowForeign {
				r.failAt(at+"/names", "add --allow-foreign to let them be cancelled, or give a recipe", "these operations are not started by this run")
			}
			d.target.Roles[role] = Availability{Configured: true, Foreign: true, Count: len(names)}
			d.starts[role] = d.wire.startByName(role, names, cleanup)
		default:
			start := r.recipe(d, at)
			if start == nil {
				continue
			}
			if role == Chosen && !anyText(operations[key], func(t text) bool { return t.has(varID) }) {
				r.failAt(at, "put {id} where the service takes the id of the operation", "{id} does not occur, so the suite cannot choose the id")
			}
			d.target.Roles[role] = Availability{Configured: true}
			d.starts[role] = d.wire.startBy(role, start, cleanup)
		}
	}
}

// recipe reads http, grpc or command; nil where there is none of them.
func (r *reading) recipe(d *draft, at string) recipe {
	switch {
	case r.has(at + "/http"):
		return r.httpRecipe(d, at+"/http")
	case r.has(at + "/grpc"):
		return r.grpcRecipe(d, at+"/grpc")
	case r.has(at + "/command"):
		return &commandRecipe{wire: d.wire, argv: r.texts(at + "/command")}
	}
	return nil
}

// startBy starts operations of a role by a recipe.
func (w *wiring) startBy(role Role, start, cleanup recipe) StartFunc {
	return func(ctx context.Context, q StartRequest) (Started, error) {
		values := map[string]string{varUnique: newUnique()}
		if role == Chosen {
			values[varID] = q.ID
		}
		name, e, err := start.run(ctx, values)
		if e.Request.Line != "" {
			e.Note = "start " + string(role)
		}
		if err != nil {
			return Started{Exchange: e}, w.failed("operations."+string(role), err)
		}
		return Started{Name: name, Exchange: e, Cleanup: w.cleanupBy(role, cleanup, name, values)}, nil
	}
}

// cleanupBy cleans up after one operation: the placeholders have the values of
// its start, and {name} is its name.
func (w *wiring) cleanupBy(role Role, cleanup recipe, name string, values map[string]string) func(context.Context) error {
	if cleanup == nil {
		return nil
	}
	values = maps.Clone(values)
	values[varName] = name
	return func(ctx context.Context) error {
		if _, _, err := cleanup.run(ctx, values); err != nil {
			return w.failed("operations."+string(role)+".cleanup", err)
		}
		return nil
	}
}

func (w *wiring) failed(key string, err error) error {
	return &recipeError{text: w.redact.String(key + ": " + err.Error()), cause: err}
}

// nameIn finds an operation's name in an answer; no pointer, no name.
func nameIn(doc any, pointer string) (string, error) {
	if pointer == "" {
		return "", nil
	}
	switch v := lookup(doc, pointer).(type) {
	case string:
		if v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the answer holds an empty string at %s, not the operation's name", pointer)
	case nil:
		return "", fmt.Errorf("the answer holds nothing at %s, where the operation's name should be", pointer)
	default:
		return "", fmt.Errorf("the answer holds %s at %s, not the operation's name", valueInWords(v), pointer)
	}
}

// beginning shortens an answer for a message.
func beginning(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return "(empty)"
	}
	const most = 300
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
