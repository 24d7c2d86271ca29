//go:build unix

package targets

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCommandIsKilledWithItsChildren(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "held")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() {
		f, err := os.Open(fifo) // returns when the child has opened the other end
		cancel(errors.New("enough"))
		if err == nil {
			_, err = io.ReadAll(f) // returns when the child is dead
		}
		ended <- err
	}()
	_, err := runCommand(ctx, "", []string{"sh", "-c", "(exec sleep 600 > " + fifo + ") & wait"})
	assert.EqualError(t, err, "sh: killed: enough")
	select {
	case err := <-ended:
		assert.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("the child lives on")
	}
}
