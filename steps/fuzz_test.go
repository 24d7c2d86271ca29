package steps

import (
	"testing"
	"time"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

// FuzzOperation shows whatever a server may send as an operation to everything
// that reads one: nothing panics, and an answer is the same as itself.
func FuzzOperation(f *testing.F) {
	for _, s := range []string{
		`{"name":"operations/x","done":true,"error":{"code":1,"message":"m","details":[{"@type":"t"}]}}`,
		`{"done":"true","error":{"error":{"code":499}},"response":null,"metadata":[1]}`,
		`{"error":{"code":1e400},"response":{"@type":7},"metadata":{"value":{"cancelTime":"x"}}}`,
		`[]`, `null`, `{"error":{"code":"1","status":"CANCELLED"}}`,
	} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, rest bool) {
		doc, err := targets.DecodeJSON(body)
		if err != nil {
			return
		}
		transport := targets.GRPC
		if rest {
			transport = targets.REST
		}
		catalogue, err := features.Requirements()
		if err != nil {
			t.Fatal(err)
		}
		target := &targets.Target{Profile: targets.ProfileLRO, MetadataState: "/value/state", Timeouts: targets.DefaultTimeouts()}
		w := newWorld(newRun(target, Options{}, catalogue), &planned{transport: transport})
		op := &operation{name: "operations/x", accepted: time.Now()}
		ex := targets.Exchange{Transport: transport, Method: targets.Get, HTTP: 200, Start: time.Now(), Doc: doc}
		for i := range 2 {
			s := readOperation(ex, i, object(doc))
			w.checkOperation(op, s)
			if !sameResult(s, s) {
				t.Errorf("%s differs from itself", body)
			}
		}
		c := call{Exchange: ex}
		c.HTTP, c.Method = 404, targets.Cancel
		w.checkError(c)
	})
}

// FuzzNames makes names that no operation has from whatever a server calls its
// operations, and takes them apart: nothing panics, and a made-up name differs.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"operations/a", "projects/p/operations/a/b", "", "/", "x:cancel", "operations/9", "\xff/é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for try := range unknownTries {
			made := unlike(name, try)
			if id := name[max(0, lastSlash(name)+1):]; hasLetterOrDigit(id) && made == name {
				t.Errorf("%q: try %d changes nothing", name, try)
			}
		}
		_ = slug(name)
		_ = targets.EscapeName(name)
	})
}

func lastSlash(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '/' {
			return i
		}
	}
	return -1
}

func hasLetterOrDigit(s string) bool {
	for _, c := range []byte(s) {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return true
		}
	}
	return false
}
