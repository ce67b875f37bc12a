package edge

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/fleet"
	"github.com/fluxd/fluxd/test/harness/world"
)

// A card that has worn out can be read and not written to any more. What it holds is good
// for a start without the network. One that is full keeps nothing new, which is said, and
// costs nothing else.
func TestBadDisks(t *testing.T) {
	t.Parallel()
	disk := newDisk(t)
	f := newFleet(t, fleet.Options{Few: true})
	cache := "--cache-dir=" + filepath.Join(disk, "cache")
	f.installed(cache)
	before := f.states()
	remount(t, disk, syscall.MS_RDONLY)

	f.lose()
	f.within("drift", f.Drift)
	d := f.start(nil, cache)
	f.within("what drifted is put right", f.Mended)
	f.says(d, "to which nothing is added", "read-only file system")
	f.unreachable()
	f.unchanged(before)
	f.stop(d)

	remount(t, disk, 0)
	f.find()
	d = f.start(nil, cache)
	f.within("the sources are ready", f.reachable)
	fill(t, filepath.Join(disk, "filler"))
	f.within("a new revision", f.Change)
	f.within("the new revision is applied", f.Ready)
	f.says(d, "artifact cache", "no space left on device")
	f.stop(d)
}

// says waits until a daemon has logged a line with all of the words.
func (f *ownFleet) says(d *harness.Daemon, words ...string) {
	f.world.T.Helper()
	ctx, cancel := context.WithTimeout(f.world.T.Context(), world.Patience)
	defer cancel()
	if err := d.Logged(ctx, words...); err != nil {
		f.world.T.Error(err)
	}
}

// newDisk mounts an empty file system, or skips the test where that is not allowed.
func newDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("bad disks were not tried: mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, "size=4m"); err != nil {
		t.Fatal(err)
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for chunk := make([]byte, 4096); err == nil; {
		_, err = file.Write(chunk)
	}
}
