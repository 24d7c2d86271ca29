package targets

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// deadPort is an address at which nothing listens: tests get their ports from
// the system, which gives none below 1024 away.
const deadPort = "127.0.0.1:1"

// restAt returns a client of a base URL, closed with the test.
func restAt(t *testing.T, c Connection) Client {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	client, err := NewREST(c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return client
}

// serve runs a handler and returns its base URL.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// listen gives every connection to handle, one after the other in its own
// goroutine, and closes them with the test.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	var open atomic.Int64
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			stop := context.AfterFunc(t.Context(), func() { c.Close() })
			go func() {
				defer open.Add(-1)
				defer c.Close()
				defer stop()
				handle(c)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		assert.Eventually(t, func() bool { return open.Load() == 0 }, 10*time.Second, time.Millisecond, "connections are closed")
	})
	return l.Addr().String()
}

// recordRequest answers every request with answer and hands over what came,
// byte for byte.
func recordRequest(t *testing.T, answer string) (address string, requests chan string) {
	requests = make(chan string, 8)
	return listen(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		var b strings.Builder
		length := 0
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			b.WriteString(line)
			fmt.Sscanf(line, "Content-Length: %d", &length)
			if line == "\r\n" {
				break
			}
		}
		if strings.Contains(b.String(), "chunked") {
			for line := ""; line != "\r\n"; {
				var err error
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
				b.WriteString(line)
			}
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		requests <- b.String() + string(body)
		io.WriteString(c, answer)
	}), requests
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(data)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// drip writes piece again and again until the other side is gone.
func drip(c net.Conn, head, piece string, every time.Duration) {
	r := bufio.NewReader(c)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			return
		}
	}
	if _, err := io.WriteString(c, head); err != nil {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(c, piece); err != nil {
			return
		}
		<-tick.C
	}
}
