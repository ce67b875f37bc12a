package e2e

import (
	"testing"

	"github.com/fluxd/fluxd/test/harness"
)

func TestPrune(t *testing.T) {
	w := newWorld(t, files{
		"app/stays.yaml": configMap("stays", "1"), "app/goes.yaml": configMap("goes", "1"),
		"app/kept.yaml": annotated("kept", "1", "kustomize.toolkit.fluxcd.io/prune: disabled"),
	})
	w.source("repo")
	w.kustomization("app", "./app")
	w.kustomization("lax", "./app", "prune: false\nnamePrefix: lax-")
	w.ready("app", "lax")
	commit := w.commit(files{"app/goes.yaml": "", "app/kept.yaml": ""})
	w.request(harness.Sources, "repo")
	app := w.applied("app", commit)
	w.applied("lax", commit)
	w.wait(harness.ConfigMaps, "goes", harness.Gone)
	for _, name := range []string{"stays", "kept", "lax-stays", "lax-goes", "lax-kept"} {
		if w.get(harness.ConfigMaps, name) == nil {
			t.Errorf("%s was deleted", name)
		}
	}
	equal(t, "inventory", []string{"NS_stays__ConfigMap"}, w.inventory(app))
	w.events("Kustomization/app Normal Progressing kustomize-controller", "ConfigMap/"+w.namespace+"/goes deleted")
}

// An object that moves from one Kustomization to another is not deleted by the one
// that it has left.
func TestMoveBetweenKustomizations(t *testing.T) {
	w := newWorld(t, files{"a/config.yaml": configMap("config", "1"), "b/x.yaml": configMap("x", "1"), "a/y.yaml": configMap("y", "1")})
	w.source("repo")
	w.kustomization("b", "./b")
	w.kustomization("a", "./a", "dependsOn: [{name: b}]")
	w.ready("a", "b")
	uid := w.get(harness.ConfigMaps, "config").GetUID()
	commit := w.commit(files{"a/config.yaml": "", "b/config.yaml": configMap("config", "2")})
	w.request(harness.Sources, "repo")
	w.applied("b", commit)
	w.applied("a", commit)
	moved := w.get(harness.ConfigMaps, "config")
	if moved == nil || moved.GetUID() != uid || !data("key", "2")(moved) {
		t.Errorf("it is now %v", moved)
	}
}

func TestDeletionPolicy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spec   string
		stays  bool
		before func(w *world)
	}{
		"default with prune":    {spec: "prune: true"},
		"default without prune": {spec: "prune: false", stays: true},
		"Delete":                {spec: "prune: false\ndeletionPolicy: Delete"},
		"Orphan":                {spec: "prune: true\ndeletionPolicy: Orphan", stays: true},
		"suspended": {spec: "prune: true", stays: true, before: func(w *world) {
			w.patch(harness.Kustomized, "app", spec(map[string]any{"suspend": true}))
		}},
		"without its source": {spec: "prune: true", before: func(w *world) {
			w.delete(harness.Sources, "repo")
			w.wait(harness.Sources, "repo", harness.Gone)
		}},
		"without its dependency": {spec: "prune: true", before: func(w *world) {
			w.patch(harness.Kustomized, "app", spec(map[string]any{"dependsOn": []any{map[string]any{"name": "nothing"}}}))
			w.wait(harness.Kustomized, "app", harness.Failed("DependencyNotReady"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
			w.source("repo")
			w.kustomization("app", "./app", test.spec)
			w.ready("app")
			if test.before != nil {
				test.before(w)
			}
			w.delete(harness.Kustomized, "app")
			w.wait(harness.Kustomized, "app", harness.Gone)
			if stays := w.get(harness.ConfigMaps, "config") != nil; stays != test.stays {
				t.Errorf("the object is there: %t", stays)
			}
		})
	}
}

func TestDeletionWaitsForTermination(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.source("repo")
	w.kustomization("app", "./app", "deletionPolicy: WaitForTermination")
	w.ready("app")
	held := map[string]any{"metadata": map[string]any{"finalizers": []string{"example.com/hold"}}}
	w.patch(harness.ConfigMaps, "config", held)
	w.delete(harness.Kustomized, "app")
	config := w.wait(harness.ConfigMaps, "config", terminating)
	if w.get(harness.Kustomized, "app") == nil {
		t.Error("the Kustomization did not wait")
	}
	w.patch(harness.ConfigMaps, config.GetName(), map[string]any{"metadata": map[string]any{"finalizers": nil}})
	w.wait(harness.Kustomized, "app", harness.Gone)
	w.wait(harness.ConfigMaps, "config", harness.Gone)
}
