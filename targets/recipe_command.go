package targets

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// commandTimeout bounds a recipe's command.
const commandTimeout = 60 * time.Second

// A commandRecipe runs a program; the last line that it prints which is not
// blank is the operation's name.
type commandRecipe struct {
	wire  *wiring
	argv  []text
	limit time.Duration // 0: commandTimeout
}

func (c *commandRecipe) run(ctx context.Context, values map[string]string) (string, Exchange, error) {
	if c.wire.before != nil {
		if err := c.wire.before(ctx); err != nil {
			return "", Exchange{}, err
		}
	}
	limit := c.limit
	if limit == 0 {
		limit = commandTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not end within %v", limit))
	defer cancel()
	var argv []string
	for _, t := range c.argv {
		argv = append(argv, t.expand(values))
	}
	out, err := runCommand(ctx, c.wire.dir, argv)
	if err != nil {
		return "", Exchange{}, fmt.Errorf("command %w", err)
	}
	_, cleaning := values[varName]
	name := lastLine(out)
	if name == "" && !cleaning {
		return "", Exchange{}, errors.New("command " + argv[0] + ": it printed no name on standard output")
	}
	return name, Exchange{}, nil
}
