package e2e

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// A commit rolls out when the source is asked to look, and is told in the status
// and the history.
func TestCommitRollsOut(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "other/x.yaml": configMap("x", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	commit := w.commit(files{"app/config.yaml": configMap("config", "2"), "app/new.yaml": configMap("new", "2")})
	w.request(harness.Sources, "repo")
	app := w.applied("app", commit)
	equal(t, "value", "2", field(w.get(harness.ConfigMaps, "config"), "data", "key"))
	equal(t, "inventory", []string{"NS_config__ConfigMap", "NS_new__ConfigMap"}, w.inventory(app))
	history, _, _ := unstructured.NestedSlice(app.Object, "status", "history")
	if len(history) != 2 {
		t.Fatalf("history: %v", history)
	}
	newest := &unstructured.Unstructured{Object: history[0].(map[string]any)}
	equal(t, "newest outcome", "ReconciliationSucceeded", field(newest, "lastReconciledStatus"))
	equal(t, "its revision", "main@sha1:"+commit, field(newest, "metadata", "revision"))
	contains(t, "its digest", field(newest, "digest"), "sha256:")

	// A commit beside the path is no work but for the revision.
	before := version(w.get(harness.ConfigMaps, "config"))
	commit = w.commit(files{"other/x.yaml": configMap("x", "2")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	equal(t, "version", before, version(w.get(harness.ConfigMaps, "config")))
}

// A request is handled, and says so; without news it writes nothing else.
func TestRequestedReconcile(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	before := version(w.get(harness.ConfigMaps, "config"))
	for _, object := range []struct {
		kind string
		obj  *unstructured.Unstructured
	}{{"GitRepository", w.reconciled(harness.Sources, "repo")}, {"Kustomization", w.reconciled(harness.Kustomized, "app")}} {
		if !harness.Ready(object.obj) {
			t.Errorf("%s is not ready: %v", object.kind, object.obj.Object["status"])
		}
	}
	equal(t, "version", before, version(w.get(harness.ConfigMaps, "config")))
	w.events("Kustomization/app Normal ReconciliationSucceeded kustomize-controller")
}

// A change of the spec is taken up at once, although the interval is long.
func TestSpecChange(t *testing.T) {
	w := newWorld(t, files{"a/config.yaml": configMap("config", "1"), "b/config.yaml": configMap("config", "2"), "b/more.yaml": configMap("more", "2")})
	w.git("branch", "side", "main")
	w.commitTo("side", files{"b/config.yaml": configMap("config", "3")})
	w.source("repo")
	w.kustomization("app", "./a")
	w.ready("app")
	w.patch(harness.Kustomized, "app", spec(map[string]any{"path": "./b"}))
	w.wait(harness.ConfigMaps, "more", data("key", "2"))
	w.wait(harness.ConfigMaps, "config", data("key", "2"))
	w.patch(harness.Sources, "repo", spec(map[string]any{"ref": map[string]any{"branch": "side"}}))
	w.wait(harness.ConfigMaps, "config", data("key", "3"))
	w.wait(harness.Kustomized, "app", func(obj *unstructured.Unstructured) bool {
		return harness.Ready(obj) && strings.HasPrefix(field(obj, "status", "lastAppliedRevision"), "side@sha1:")
	})
}
