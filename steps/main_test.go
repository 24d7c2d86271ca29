package steps

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets more tests run at a time than there are cores: runs of the
// suite mostly wait. Hundreds of them make much garbage and keep little, which
// is collected seldom, but where a run's own memory is measured.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		parallel := "24"
		if testing.Short() { // with the race detector, they compute more than they wait
			parallel = "8"
		}
		_ = f.Value.Set(parallel)
	}
	if _, measured := os.LookupEnv(memoryChild); !measured {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}
