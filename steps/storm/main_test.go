package storm_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more storms blow at a time than there are cores: the short ones
// mostly wait for the end of their operations.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6")
	}
	os.Exit(m.Run())
}
