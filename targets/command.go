package targets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// maxCommandOutput bounds, in bytes, what is kept of a command's output.
const maxCommandOutput = 1 << 20

// pipesLinger is how long the output of a command that has ended is waited
// for where a child that it left behind holds it open.
const pipesLinger = 500 * time.Millisecond

// runCommand runs a program in a directory and returns its standard output.
// When ctx ends, it and its children are killed.
func runCommand(ctx context.Context, dir string, argv []string) (string, error) {
	if len(argv) == 0 || argv[0] == "" {
		return "", errors.New("no program is named")
	}
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir = dir
	c.WaitDelay = pipesLinger
	var stdout, stderr bounded
	c.Stdout, c.Stderr = &stdout, &stderr
	ownGroup(c)
	err := c.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		return stdout.String(), nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("killed: %w", cause)
	}
	if tail := lastPart(stderr.String()); tail != "" {
		return "", fmt.Errorf("%s: %w: %s", argv[0], err, tail)
	}
	return "", fmt.Errorf("%s: %w", argv[0], err)
}

// bounded keeps the last maxCommandOutput bytes or so of what is written.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > 2*maxCommandOutput {
		kept := bytes.Clone(b.Bytes()[max(0, b.Len()-maxCommandOutput):])
		b.Reset()
		b.Buffer.Write(kept)
	}
	b.Buffer.Write(p[max(0, len(p)-maxCommandOutput):])
	return len(p), nil
}

// lastPart is the end of an error output, short enough for a message.
func lastPart(s string) string {
	s = strings.TrimSpace(s)
	const most = 500
	if len(s) > most {
		s = "..." + strings.ToValidUTF8(s[len(s)-most:], "")
	}
	return s
}

// lastLine is the last line that is not blank.
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
