package e2e

import (
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// A chain of dependencies advances by wake-ups: daemons here look again by
// themselves only after an hour.
func TestDependencyChain(t *testing.T) {
	w := newWorld(t, files{
		"a/config.yaml": configMap("a", "1"), "a/web.yaml": deployment("web", "fluxd.test/ready-after: 2s"),
		"b/config.yaml": configMap("b", "1"), "c/config.yaml": configMap("c", "1"),
	})
	w.kustomization("c", "./c", "dependsOn: [{name: a}, {name: b}]")
	w.kustomization("b", "./b", "dependsOn: [{name: a}]")
	w.kustomization("a", "./a", "wait: true")
	w.source("repo")
	w.ready("a", "b", "c")
	w.inOrder("a", "b", "c")
	ready := harness.ConditionTime(w.get(harness.Deployments, "web"), "Available")
	if made := w.get(harness.ConfigMaps, "b").GetCreationTimestamp(); ready.IsZero() || made.Time.Before(ready) {
		t.Errorf("what depends on a was made at %s, and a was healthy at %s", made, ready)
	}

	commit := w.commit(files{"a/config.yaml": configMap("a", "2"), "b/config.yaml": configMap("b", "2"), "c/config.yaml": configMap("c", "2")})
	w.request(harness.Sources, "repo")
	for _, name := range []string{"c", "b", "a"} {
		w.applied(name, commit)
	}
	w.inOrder("a", "b", "c")
}

// inOrder fails the test if ConfigMaps were not last written in this order.
func (w *world) inOrder(names ...string) {
	w.t.Helper()
	before := uint64(0)
	for _, name := range names {
		written, err := strconv.ParseUint(w.get(harness.ConfigMaps, name).GetResourceVersion(), 10, 64)
		if err != nil || written < before {
			w.t.Errorf("%s was written at %d, before what it depends on at %d, error %v", name, written, before, err)
		}
		before = written
	}
}

func TestMissingDependency(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "base/config.yaml": configMap("base", "1"), "good/config.yaml": configMap("good", "1")})
	w.source("repo")
	w.kustomization("app", "./app", "dependsOn: [{name: base}]")
	w.kustomization("good", "./good")
	app := w.wait(harness.Kustomized, "app", harness.Failed("DependencyNotReady"))
	_, message := condition(app, "Ready")
	equal(t, "message", "dependency '"+w.namespace+"/base' not found", message)
	w.ready("good")
	if w.get(harness.ConfigMaps, "config") != nil {
		t.Error("it was applied without its dependency")
	}
	w.kustomization("base", "./base")
	w.ready("base", "app")
}

func TestDependencyThatFails(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "base/config.yaml": "kind: [\n"})
	w.source("repo")
	w.kustomization("app", "./app", "dependsOn: [{name: base}]")
	w.kustomization("base", "./base")
	w.wait(harness.Kustomized, "base", harness.Failed("BuildFailed"))
	app := w.wait(harness.Kustomized, "app", harness.Failed("DependencyNotReady"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "dependency '"+w.namespace+"/base' is not ready")
	commit := w.commit(files{"base/config.yaml": configMap("base", "1")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
}

func TestDependencyCycle(t *testing.T) {
	w := newWorld(t, files{"a/config.yaml": configMap("a", "1"), "b/config.yaml": configMap("b", "1"), "good/config.yaml": configMap("good", "1")})
	w.source("repo")
	w.kustomization("a", "./a", "dependsOn: [{name: b}]")
	w.kustomization("b", "./b", "dependsOn: [{name: a}]")
	w.kustomization("self", "./a", "dependsOn: [{name: self}]")
	w.kustomization("good", "./good")
	for name, other := range map[string]string{"a": "b", "b": "a", "self": "self"} {
		obj := w.wait(harness.Kustomized, name, all(harness.Failed("DependencyNotReady"), func(obj *unstructured.Unstructured) bool {
			_, message := condition(obj, "Ready")
			return message == "dependency '"+w.namespace+"/"+other+"' is not ready"
		}))
		equal(t, "finalizers", 1, len(obj.GetFinalizers()))
	}
	w.ready("good")
	w.patch(harness.Kustomized, "b", spec(map[string]any{"dependsOn": nil}))
	w.ready("b", "a")
	w.delete(harness.Kustomized, "self")
	w.wait(harness.Kustomized, "self", harness.Gone)
}
