package steps

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run at a time than there are cores: runs of the
// suite mostly wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("8")
	}
	os.Exit(m.Run())
}
