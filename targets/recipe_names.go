package targets

import (
	"context"
	"fmt"
	"sync/atomic"
)

// startByName hands out operations that run already, each once.
func (w *wiring) startByName(role Role, names []string, cleanup recipe) StartFunc {
	var used atomic.Int64
	return func(context.Context, StartRequest) (Started, error) {
		i := used.Add(1) - 1
		if i >= int64(len(names)) {
			return Started{}, fmt.Errorf("operations.%s.names: all %d are used; each serves once", role, len(names))
		}
		values := map[string]string{varUnique: newUnique()}
		return Started{Name: names[i], Cleanup: w.cleanupBy(role, cleanup, names[i], values)}, nil
	}
}
