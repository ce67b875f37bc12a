package e2e

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// Intervals are ten minutes here: what reverts an edit is the edit itself.
func TestDriftIsReverted(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "app/other.yaml": configMap("other", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	other := version(w.get(harness.ConfigMaps, "other"))

	w.kubectl("patch", "configmap", "config", "--field-manager=someone", "--type=merge", `--patch={"data":{"more":"kept"}}`)
	w.patch(harness.ConfigMaps, "config", map[string]any{"data": map[string]any{"key": "edited", "stray": "x"}})
	edited := w.wait(harness.ConfigMaps, "config", data("key", "1"))
	equal(t, "data", map[string]any{"key": "1", "more": "kept"}, edited.Object["data"])

	w.delete(harness.ConfigMaps, "config")
	made := w.wait(harness.ConfigMaps, "config", all(not(harness.Gone), data("key", "1"), not(data("more", "kept"))))
	equal(t, "owner", "app", made.GetLabels()[api.LabelKustomizationName])

	w.patch(harness.ConfigMaps, "config", map[string]any{"metadata": map[string]any{"labels": map[string]any{api.LabelKustomizationName: nil}}})
	w.wait(harness.ConfigMaps, "config", harness.Field("app", "metadata", "labels", api.LabelKustomizationName))
	equal(t, "version of what nobody touched", other, version(w.get(harness.ConfigMaps, "other")))
	w.events("Kustomization/app Normal Progressing kustomize-controller kustomize-controller: ConfigMap/" + w.namespace + "/config configured")
}

// A suspended Kustomization neither reverts an edit nor rolls out a commit, and does
// both when it is resumed.
func TestSuspendAndResume(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "beside/config.yaml": configMap("beside", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	w.kustomization("beside", "./beside")
	w.ready("app", "beside")
	w.patch(harness.Kustomized, "app", spec(map[string]any{"suspend": true}))
	w.wait(harness.Kustomized, "app", harness.Observed)

	commit := w.commit(files{"app/new.yaml": configMap("new", "2"), "beside/config.yaml": configMap("beside", "2")})
	w.request(harness.Sources, "repo")
	w.applied("beside", commit)
	for _, name := range []string{"config", "beside"} { // in this order, also for who watches
		w.patch(harness.ConfigMaps, name, map[string]any{"data": map[string]any{"key": "edited"}})
	}
	w.wait(harness.ConfigMaps, "beside", data("key", "2"))
	w.reconciled(harness.Kustomized, "app") // which only says that it heard
	equal(t, "an edit", "edited", field(w.get(harness.ConfigMaps, "config"), "data", "key"))
	if w.get(harness.ConfigMaps, "new") != nil {
		t.Error("a commit was rolled out")
	}

	w.patch(harness.Kustomized, "app", spec(map[string]any{"suspend": nil}))
	w.wait(harness.ConfigMaps, "config", data("key", "1"))
	w.wait(harness.ConfigMaps, "new", data("key", "2"))
	w.applied("app", commit)
}

// A suspended source stays at its revision.
func TestSuspendedSource(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	before := field(w.ready("app"), "status", "lastAppliedRevision")
	w.patch(harness.Sources, "repo", spec(map[string]any{"suspend": true}))
	w.wait(harness.Sources, "repo", harness.Observed)
	commit := w.commit(files{"app/config.yaml": configMap("config", "2")})
	w.reconciled(harness.Sources, "repo")
	app := w.reconciled(harness.Kustomized, "app")
	equal(t, "revision", before, field(app, "status", "lastAppliedRevision"))
	w.patch(harness.Sources, "repo", spec(map[string]any{"suspend": false}))
	w.applied("app", commit)
	w.wait(harness.ConfigMaps, "config", data("key", "2"))
}
