package edge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/fleet"
	"github.com/fluxd/fluxd/test/harness/world"
)

const (
	// index is how many bytes the index of charts has, which is much for such a node.
	index = 20 << 20
	// maxReread is how many pages of the program may be read again in the course of the
	// day: 2 GiB. It is a tenth of that where all is well, and 50 GiB where the process
	// does nothing but read itself.
	maxReread = 2 << 30 / 4096
)

// The daemon of the overlay for small nodes lives through a day of twenty Kustomizations
// and ten HelmReleases within the memory that the overlay gives it.
func TestWithinTheLimit(t *testing.T) {
	flags, limit, err := fleet.Overlay(t.Context(), "edge")
	if err != nil {
		t.Fatal(err)
	}
	cgroup, err := harness.NewCgroup("fluxd-edge", limit)
	if errors.Is(err, harness.ErrNoCgroup) {
		t.Skipf("whether the daemon fits into %d bytes was not tried: %v", limit, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cgroup.Close(); err != nil {
			t.Error(err)
		}
	})
	f := newFleet(t, fleet.Options{Index: index})
	flags = append(flags, "--cache-dir="+t.TempDir())
	d := f.start(cgroup, flags...)
	stop := cgroup.Watch()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	err = f.Day(ctx, func(step string, took time.Duration) { t.Logf("%s: %s", step, took.Round(10*time.Millisecond)) })
	if err != nil {
		t.Fatal(err)
	}
	f.heavy(ctx)
	share := d.CollectorShare()
	// The node is off and on again, with nothing of the program in memory, and nothing of
	// the network either.
	f.stop(d)
	f.lose()
	f.within("drift", f.Drift)
	d = f.start(cgroup, flags...)
	f.within("what drifted is put right", f.Mended)
	most := stop()
	t.Logf("of %d bytes at most %d could not be taken back, %d of them anonymous; %d pages of files were read again; %s of the CPU went to the collector",
		limit, most.Used, most.Anonymous, most.Reread, share)
	if most.Kills > 0 {
		t.Errorf("the kernel killed it %d times", most.Kills)
	}
	if most.Reread > maxReread {
		t.Errorf("%d pages of the program were read again, at most %d should be", most.Reread, maxReread)
	}
	// It knows its limit, and leaves room for the program.
	if heap, err := d.Metric("go_gc_gomemlimit_bytes"); err != nil || heap < float64(limit)/2 || heap > float64(limit)*0.7 {
		t.Errorf("of %d bytes the heap may have %g, error %v", limit, heap, err)
	}
}

// heavy has a build that takes most of the memory, which is ready in the end, and one that
// takes more than there is, which fails alone.
func (f *ownFleet) heavy(ctx context.Context) {
	t := f.world.T
	for _, name := range []string{"large", "too-large"} {
		files := map[string]string{}
		resources := "resources:\n"
		lines := map[string]int{"large": 12_000, "too-large": 40_000}[name]
		for i := range 100 {
			file := fmt.Sprintf("%d.yaml", i)
			resources += "- " + file + "\n"
			text := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s-%d, namespace: NS}\ndata:\n", name, i)
			for j := range lines / 100 {
				text += fmt.Sprintf("  key%d: a value\n", j)
			}
			files[file] = text
		}
		files["kustomization.yaml"] = resources
		if err := f.Add(ctx, name, files); err != nil {
			t.Fatal(err)
		}
	}
	_, message := world.Condition(f.world.WaitFor(time.Minute, api.KustomizationGVR, "too-large", harness.Failed("BuildFailed")), "Ready")
	world.Contains(t, "what is too large", message, "does not fit into memory")
	f.world.WaitFor(time.Minute, api.KustomizationGVR, "large", harness.Ready)
	if err := f.Ready(ctx); err != nil {
		t.Errorf("the others: %v", err)
	}
}
