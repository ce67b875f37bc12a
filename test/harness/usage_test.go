package harness

import (
	"os"
	"runtime/debug"
	"testing"
)

// The peak is that since it was forgotten.
func TestForgetPeak(t *testing.T) {
	const much = 64 << 20
	var g gauge
	used := make([]byte, much)
	for i := range used {
		used[i] = 1 // so that the kernel has to give it
	}
	high, err := g.read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used[much-1] != 1 || high.Peak < much {
		t.Fatalf("the peak is %d bytes with %d in use", high.Peak, much)
	}
	used = nil
	debug.FreeOSMemory()
	if low, err := g.read(os.Getpid()); err != nil || low.Peak < high.Peak {
		t.Errorf("the peak falls by itself from %d to %d: %v", high.Peak, low.Peak, err)
	}
	if err := g.forget(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if low, err := g.read(os.Getpid()); err != nil || low.Peak > high.Peak-much/2 || low.Peak < low.Resident {
		t.Errorf("the peak is %d after it was forgotten, %d before, %d resident: %v", low.Peak, high.Peak, low.Resident, err)
	}
}
