package edge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/fleet"
	"github.com/fluxd/fluxd/test/harness/world"
)

// A node comes back without its network, and what it had was edited and deleted in the
// meantime. From what is on its disk, of every kind of source, all of that is put right.
// Sources say that they cannot be reached, what applies them is ready, and everything
// moves on once the network is back.
func TestColdStartWithoutTheNetwork(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{Few: true})
	cache := "--cache-dir=" + t.TempDir()
	f.installed(cache)
	before := f.states()

	f.lose()
	f.within("drift", f.Drift)
	d := f.start(nil, cache)
	f.within("what drifted is put right", f.Mended)
	f.unreachable()
	f.unchanged(before)

	f.find()
	f.within("the sources are ready", f.reachable)
	f.within("a new revision", f.Change)
	f.within("the new revision is applied", f.Ready)
	f.stop(d)
}

// Without anything on disk nothing is known of what should be. Then everything stays as
// it was, and drifts, until the network is back.
func TestColdStartWithoutAnything(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{Few: true})
	f.installed()
	before := f.states()

	f.lose()
	d := f.start(nil)
	f.unreachable()
	f.within("everything is looked at", func(ctx context.Context) error { return f.Handled(ctx, f.Consumers()...) })
	f.unchanged(before)
	f.nothingPruned()
	f.within("drift", f.Drift)

	f.find()
	f.within("what drifted is put right", f.Mended)
	f.within("everything is ready", f.Ready)
	f.stop(d)
}

// The power went while the cache was written, and the card is not what it was: whatever
// is found in the place of an artifact, another one is never applied. What is damaged is
// said and counts as missing, and is fetched again.
func TestColdStartFromADamagedCache(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{Few: true})
	dir := t.TempDir()
	f.installed("--cache-dir=" + dir)
	before := f.states()
	f.lose()
	damaged := damage(t, filepath.Join(dir, "artifacts"))

	d := f.start(nil, "--cache-dir="+dir)
	f.unreachable()
	f.within("everything is looked at", func(ctx context.Context) error { return f.Handled(ctx, f.Consumers()...) })
	f.unchanged(before)
	f.nothingPruned()
	reported := 0
	for _, line := range d.Logs() {
		if strings.Contains(line, "artifact cache") && strings.Contains(line, "damaged") {
			reported++
		}
	}
	if reported == 0 || reported > damaged {
		t.Errorf("of %d damaged files %d were reported", damaged, reported)
	}
	f.within("drift", f.Drift)

	f.find()
	f.within("what drifted is put right", f.Mended)
	f.within("everything is ready", f.Ready)
	f.stop(d)
	whole(t, filepath.Join(dir, "artifacts"))
}

// damage does something else to each file of a cache, and leaves what a write leaves
// behind that was cut off. It returns how many there are.
func damage(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.artifact"))
	if err != nil || len(files) < 6 {
		t.Fatalf("the cache has %q, error %v", files, err)
	}
	var content [][]byte
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, text)
	}
	for i, text := range content {
		switch i % 6 {
		case 0:
			text = text[:len(text)/2]
		case 1:
			text = append([]byte{}, text...)
			text[len(text)-len(text)/4] ^= 0x10
		case 2:
			text = nil
		case 3:
			text = []byte(strings.Repeat("\x00", len(text))) // as some file systems have it after a crash
		case 4:
			text = content[i-1] // that of another source
		case 5: // the head of this source before the content of another one
			other := content[i-2]
			text = append(append([]byte{}, text[:strings.IndexByte(string(text), '\n')]...), other[strings.IndexByte(string(other), '\n'):]...)
		}
		if err := os.WriteFile(files[i], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "new-1234567890"), content[0][:len(content[0])/3], 0o600); err != nil {
		t.Fatal(err)
	}
	return len(files) + 1
}

// whole fails the test if a cache has anything in it but artifacts.
func whole(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Ext(file.Name()) != ".artifact" {
			t.Errorf("the cache has %s in it", file.Name())
		}
	}
}

// installed has the fleet installed by a daemon that has ended in good order.
func (f *ownFleet) installed(flags ...string) {
	f.world.T.Helper()
	d := f.start(nil, flags...)
	f.within("create", f.Create)
	f.within("ready", f.Ready)
	f.stop(d)
}

// lose makes the servers go, find brings them back.
func (f *ownFleet) lose() {
	f.world.T.Helper()
	if err := f.Shut(); err != nil {
		f.world.T.Fatal(err)
	}
}

func (f *ownFleet) find() {
	f.world.T.Helper()
	if err := f.Open(); err != nil {
		f.world.T.Fatal(err)
	}
}

// unreachable waits until every source says that it cannot be reached, and has the
// artifact that it had.
func (f *ownFleet) unreachable() {
	f.world.T.Helper()
	for _, o := range f.Sources() {
		obj := f.world.WaitFor(2*world.Patience, o.Resource, o.Name, func(obj *unstructured.Unstructured) bool {
			failed, _, _ := harness.Condition(obj, api.ConditionFetchFailed)
			ready, _, _ := harness.Condition(obj, api.ConditionReady)
			return failed == "True" && ready == "False"
		})
		if world.Revision(obj) == "" {
			f.world.T.Errorf("%s %s: the artifact is gone", o.Resource.Resource, o.Name)
		}
	}
}

// reachable waits until every source is ready again.
func (f *ownFleet) reachable(ctx context.Context) error {
	for _, o := range f.Sources() {
		if _, err := f.Cluster.Wait(ctx, o.Resource, f.Namespace, o.Name, harness.Ready); err != nil {
			return err
		}
	}
	return nil
}

// states are what a restart does not change of each that applies.
func (f *ownFleet) states() map[fleet.Object]string {
	f.world.T.Helper()
	states := make(map[fleet.Object]string)
	for _, o := range f.Consumers() {
		states[o] = state(f.world.Get(o.Resource, o.Name))
	}
	return states
}

// unchanged fails the test if any is not ready or not as it was.
func (f *ownFleet) unchanged(before map[fleet.Object]string) {
	f.world.T.Helper()
	for _, o := range f.Consumers() {
		obj := f.world.Wait(o.Resource, o.Name, harness.Ready)
		world.Equal(f.world.T, o.Name, before[o], state(obj))
	}
}

// state is what was applied: the revision, what is in the inventory, and the number of the
// release.
func state(obj *unstructured.Unstructured) string {
	entries, _, _ := unstructured.NestedSlice(obj.Object, "status", "inventory", "entries")
	text := fmt.Sprintf("%s %s, %d objects", world.Field(obj, "status", "lastAppliedRevision"), world.Field(obj, "status", "lastAttemptedRevision"), len(entries))
	history, _, _ := unstructured.NestedSlice(obj.Object, "status", "history")
	if len(history) > 0 && obj.GetKind() == "HelmRelease" {
		newest, _ := history[0].(map[string]any)
		text += fmt.Sprintf(", release %v %v", newest["version"], newest["status"])
	}
	return text
}

// nothingPruned fails the test if a mark is gone.
func (f *ownFleet) nothingPruned() {
	f.world.T.Helper()
	for _, name := range f.Marks() {
		if f.world.Get(harness.ConfigMaps, name) == nil {
			f.world.T.Errorf("%s is gone", name)
		}
	}
}
