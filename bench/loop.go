package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A caller is a plain HTTP client, with nothing around it.
type caller struct {
	client *http.Client
	base   string
	calls  atomic.Int64
}

func newCaller(base string, workers int) *caller {
	return &caller{base: base, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}}
}

type operation struct {
	Name string `json:"name"`
	Done bool   `json:"done"`
}

func (c *caller) call(ctx context.Context, method, path, body string) (operation, error) {
	c.calls.Add(1)
	var op operation
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/"+path, bytes.NewBufferString(body))
	if err != nil {
		return op, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return op, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	if err != nil {
		return op, err
	}
	return op, json.Unmarshal(data, &op)
}

// scenario makes the calls of one scenario: start, look, cancel, look until
// done, with the pauses of conform's own polling: from 1 ms, growing.
func (c *caller) scenario(ctx context.Context) error {
	op, err := c.call(ctx, http.MethodPost, "projects/demo/jobs:start", `{"kind":"running"}`)
	if err != nil {
		return err
	}
	if _, err := c.call(ctx, http.MethodGet, op.Name, ""); err != nil {
		return err
	}
	if _, err := c.call(ctx, http.MethodPost, op.Name+":cancel", "{}"); err != nil {
		return err
	}
	for pause := time.Millisecond; ; pause += pause / 2 {
		now, err := c.call(ctx, http.MethodGet, op.Name, "")
		if err != nil || now.Done {
			return err
		}
		time.Sleep(pause)
	}
}

// loop makes the calls of n scenarios.
func (b *bench) loop(ctx context.Context, workers, n int) (time.Duration, int64, error) {
	c := newCaller(b.base, workers)
	var left atomic.Int64
	left.Store(int64(n))
	errs := make(chan error, workers)
	begin := time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := c.scenario(ctx); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return 0, 0, err
	default:
		return time.Since(begin), c.calls.Load(), nil
	}
}

// gets looks at one operation, again and again, and returns the calls a second.
func (b *bench) gets(ctx context.Context, workers int, d time.Duration) (float64, error) {
	c := newCaller(b.base, workers)
	op, err := c.call(ctx, http.MethodPost, "projects/demo/jobs:start", `{"kind":"running"}`)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for range workers {
		wg.Go(func() {
			for time.Since(begin) < d {
				if _, err := c.call(ctx, http.MethodGet, op.Name, ""); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	rate := float64(c.calls.Load()) / time.Since(begin).Seconds()
	select {
	case err := <-errs:
		return 0, err
	default:
		_, err = c.call(ctx, http.MethodPost, op.Name+":cancel", "{}")
		return rate, err
	}
}
