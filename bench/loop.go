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

// call makes a call that has to succeed.
func (c *caller) call(ctx context.Context, method, path, body string) (operation, error) {
	var op operation
	status, data, err := c.send(ctx, method, path, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s %s: %d", method, path, status)
	}
	if err != nil {
		return op, err
	}
	return op, json.Unmarshal(data, &op)
}

func (c *caller) send(ctx context.Context, method, path, body string) (status int, data []byte, err error) {
	c.calls.Add(1)
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/"+path, bytes.NewBufferString(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err = io.ReadAll(resp.Body)
	return resp.StatusCode, data, err
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

// A mix is how many calls of each kind are made for each operation, on average.
type mix struct{ get, list, wait, cancel, remove float64 }

// mixed starts operations and makes the calls of a mix for each, one after the
// other, and returns the calls a second, those that start operations left out.
// Every Wait is for an operation that has ended, so that none takes time.
func (b *bench) mixed(ctx context.Context, workers int, d time.Duration, m mix) (float64, error) {
	c := newCaller(b.base, workers)
	var started atomic.Int64
	begin := time.Now()
	errs := make(chan error, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for due := (mix{}); time.Since(begin) < d; started.Add(1) {
				if err := c.mix(ctx, m, &due); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	rate := float64(c.calls.Load()-started.Load()) / time.Since(begin).Seconds()
	select {
	case err := <-errs:
		return 0, err
	default:
		return rate, nil
	}
}

// mix makes the calls for one operation; due are the parts of calls that are
// left from the operations before.
func (c *caller) mix(ctx context.Context, m mix, due *mix) error {
	op, err := c.call(ctx, http.MethodPost, "projects/demo/jobs:start", `{"kind":"running"}`)
	if err != nil {
		return err
	}
	for _, call := range []struct {
		each               float64
		due                *float64
		method, path, body string
	}{
		{m.get, &due.get, http.MethodGet, op.Name, ""},
		{m.list, &due.list, http.MethodGet, "projects/demo/operations?pageSize=50", ""},
		{max(1, m.cancel), &due.cancel, http.MethodPost, op.Name + ":cancel", "{}"},
		{m.wait, &due.wait, http.MethodPost, op.Name + ":wait", `{"timeout":"0.3s"}`},
		{m.remove, &due.remove, http.MethodDelete, op.Name, ""},
	} {
		for *call.due += call.each; *call.due >= 1; *call.due-- {
			// What has ended may refuse to be cancelled again.
			if _, _, err := c.send(ctx, call.method, call.path, call.body); err != nil {
				return err
			}
		}
	}
	return nil
}
