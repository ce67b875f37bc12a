package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// What is edited, deleted or committed while the daemon is away is seen to when it
// is back.
func TestChangesWhileAway(t *testing.T) {
	w := newOwnWorld(t, files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1"), "app/c.yaml": configMap("c", "1")})
	w.install()
	w.start()
	w.ready("app")
	c := version(w.get(harness.ConfigMaps, "c"))
	w.stop()
	w.patch(harness.ConfigMaps, "a", map[string]any{"data": map[string]any{"key": "edited"}})
	w.delete(harness.ConfigMaps, "b")
	w.start()
	w.wait(harness.ConfigMaps, "a", data("key", "1"))
	w.wait(harness.ConfigMaps, "b", data("key", "1"))
	equal(t, "version of what nobody touched", c, version(w.get(harness.ConfigMaps, "c")))
	w.stop()
	commit := w.commit(files{"app/a.yaml": configMap("a", "2"), "app/b.yaml": ""})
	w.start()
	w.applied("app", commit)
	w.wait(harness.ConfigMaps, "b", harness.Gone)
}

// A restart is no event: of thirty objects it writes the one that was edited, and that
// in the history. It writes nothing else, in no status either.
func TestRestartWritesNothing(t *testing.T) {
	w := newOwnWorld(t, manyObjects(0, 30, "1"))
	w.install("wait: true")
	w.start()
	w.ready("app")
	w.stop()
	w.gate.watch(nil, nil)
	w.start()
	w.patch(harness.ConfigMaps, "object-00", map[string]any{"metadata": map[string]any{"annotations": map[string]any{"key": "edited"}}})
	w.wait(harness.ConfigMaps, "object-00", harness.Field("1", "metadata", "annotations", "key"))
	w.wait(harness.Kustomized, "app", rounds(2))
	equal(t, "writes", []string{
		"PATCH /api/v1/namespaces/" + w.namespace + "/configmaps/object-00",
		"PATCH /apis/kustomize.toolkit.fluxcd.io/v1/namespaces/" + w.namespace + "/kustomizations/app/status",
	}, w.gate.seen())
}

// rounds says whether the newest entry of the history stands for n runs.
func rounds(n int64) is {
	return func(obj *unstructured.Unstructured) bool {
		if history, _, _ := unstructured.NestedSlice(obj.Object, "status", "history"); len(history) > 0 {
			return history[0].(map[string]any)["totalReconciliations"] == n
		}
		return false
	}
}

// With the last known good artifact on disk a restart without Git goes on: drift is
// reverted, and Git is caught up with when it is back.
func TestLastKnownGood(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1")}, "--cache-dir="+t.TempDir())
	w.install("wait: true")
	w.start()
	w.ready("app")
	w.stop()
	w.loseGit()
	w.start()
	w.patch(harness.ConfigMaps, "config", map[string]any{"data": map[string]any{"key": "edited"}})
	w.wait(harness.ConfigMaps, "config", data("key", "1"))
	repo := w.wait(harness.Sources, "repo", harness.Failed("GitOperationFailed"))
	contains(t, "revision", field(repo, "status", "artifact", "revision"), "main@sha1:")
	if app := w.get(harness.Kustomized, "app"); !harness.Ready(app) {
		t.Errorf("the Kustomization is not ready: %v", app.Object["status"])
	}
	commit := w.commit(files{"app/config.yaml": configMap("config", "2")})
	w.findGit()
	w.applied("app", commit)
}

// Without anything on disk nothing is known of what should be. Then nothing is
// pruned, and what was ready stays so, until Git is back.
func TestColdStartWithoutGit(t *testing.T) {
	w := newOwnWorld(t, files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1")})
	w.install()
	w.start()
	w.ready("app")
	w.stop()
	w.loseGit()
	w.commit(files{"app/b.yaml": ""})
	before := w.get(harness.Kustomized, "app")
	w.start()
	w.wait(harness.Sources, "repo", harness.Failed("GitOperationFailed"))
	app := w.reconciled(harness.Kustomized, "app")
	if !harness.Ready(app) {
		t.Errorf("the Kustomization is not ready: %v", app.Object["status"])
	}
	equal(t, "lastAppliedRevision", field(before, "status", "lastAppliedRevision"), field(app, "status", "lastAppliedRevision"))
	equal(t, "inventory", []string{"NS_a__ConfigMap", "NS_b__ConfigMap"}, w.inventory(app))
	if w.get(harness.ConfigMaps, "a") == nil || w.get(harness.ConfigMaps, "b") == nil {
		t.Error("something was pruned")
	}
	w.findGit()
	w.wait(harness.ConfigMaps, "b", harness.Gone)
	w.ready("app")
}

// A network to the API server that is lost for a while, in the middle of an install.
func TestNetworkLostInInstall(t *testing.T) {
	w := newOwnWorld(t, manyObjects(0, 60, "1"))
	lost := make(chan struct{})
	w.gate.watch(func(n int) bool {
		if n == 20 {
			go func() { w.gate.close(); close(lost) }()
		}
		return n != 20
	}, nil)
	w.install()
	w.start()
	comes(w, lost)
	w.noOrphans()
	w.gate.watch(nil, nil)
	w.gate.open()
	w.ready("app")
	w.exact(map[string]int{"1": 60})
}

// atWrite has something done once the daemon has made n more writes, and returns how that went.
func (w *ownWorld) atWrite(n int, do func() error) error {
	w.t.Helper()
	done := make(chan error)
	w.gate.watch(func(count int) bool {
		if count == n {
			go func() { done <- do() }()
		}
		return true
	}, nil)
	err := comes(w, done)
	w.gate.watch(nil, nil)
	return err
}

// The API server crashes in the middle of the install of two dozen Kustomizations and a
// dozen releases, and comes back, and so does etcd. They are those of all tests, so no
// other runs at the same time. When all is quiet the API server crashes once more: nothing
// is written for that, and drift is seen as before.
func TestRestartsUnderLoad(t *testing.T) {
	f := newFleet(makeOwnWorld(t, nil), 24, 12)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	f.start()
	f.install()
	if err := f.atWrite(60, f.KillAPIServer); err != nil {
		t.Fatal(err)
	}
	if err := f.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	if err := f.atWrite(60, f.StopEtcd); err != nil {
		t.Fatal(err)
	}
	if err := f.StartEtcd(ctx); err != nil {
		t.Fatal(err)
	}
	f.converges(3 * time.Minute)
	f.exact()

	f.gate.watch(nil, nil)
	reads, watches := f.gate.readsSoFar()
	if err := f.KillAPIServer(); err != nil {
		t.Fatal(err)
	}
	if err := f.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	f.patch(harness.ConfigMaps, "app-0-stays", map[string]any{"data": map[string]any{"key": "edited"}})
	f.waitFor(2*patience, harness.ConfigMaps, "app-0-stays", data("key", "1"))
	again, more := f.gate.readsSoFar()
	t.Logf("drift was reverted %s after the API server was back; until then there were %d reads and %d watches",
		time.Since(began).Round(time.Millisecond), again-reads, more-watches)
	for _, write := range f.gate.seen() {
		if !strings.HasSuffix(write, "/configmaps/app-0-stays") && !strings.HasSuffix(write, "/kustomizations/app-0/status") {
			t.Errorf("a write for nothing: %s", write)
		}
	}
	f.next()
	f.converges(2 * patience)
	f.exact()
}
