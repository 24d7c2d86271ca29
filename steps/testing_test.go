package steps

import (
	"testing"

	"github.com/lro-tools/conform/targets/reference"
)

func TestSuiteInsideGoTest(t *testing.T) {
	Test(t, honest(t, reference.Options{}), Options{Level: "should"})
}
