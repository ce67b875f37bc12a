package bucket

import (
	"runtime"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// What is known of a tree is kept once, and for no longer than somebody keeps it.
func TestWhatIsKnownIsShared(t *testing.T) {
	var m memory
	first, second := &bucket.Known{}, &bucket.Known{}
	if m.same("a", first) != first || m.same("a", second) != first || m.same("b", second) != second {
		t.Error("the first that is known of a tree is not what all others get")
	}
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
	first, second = nil, nil
	runtime.GC()
	third := &bucket.Known{}
	if m.same("c", third) != third || len(m.shared) != 1 {
		t.Errorf("%d trees are remembered, want 1", len(m.shared))
	}
	runtime.KeepAlive(third)
}
