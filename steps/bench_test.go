package steps

import (
	"testing"

	"github.com/lro-tools/conform/targets/reference"
)

// BenchmarkWholeRun judges the honest reference server by everything.
func BenchmarkWholeRun(b *testing.B) {
	for b.Loop() {
		target := honest(b, reference.Options{Tokens: tokens()})
		judge(b, target, Options{Concurrency: 64})
	}
}
