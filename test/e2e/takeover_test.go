package e2e

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
)

// What kubectl apply made is taken over whole: what is not in Git goes.
func TestTakeoverFromKubectl(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	before := strings.Replace(w.expand(configMap("config", "0")), "\ndata: {", "\ndata: {stray: x, ", 1)
	if out, err := w.KubectlInput(t.Context(), before, "apply", "-f", "-"); err != nil {
		t.Fatal(err, out)
	}
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	config := w.get(harness.ConfigMaps, "config")
	equal(t, "data", map[string]any{"key": "1"}, config.Object["data"])
	equal(t, "annotations", map[string]string(nil), config.GetAnnotations())
	var managers []string
	for _, m := range config.GetManagedFields() {
		managers = append(managers, m.Manager+"/"+string(m.Operation))
	}
	equal(t, "field managers", []string{"kustomize-controller/Apply"}, managers)
}

const once = `apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: NS}
spec:
  template:
    metadata: {annotations: {fluxd.test/run-for: 1h}}
    spec: {restartPolicy: Never, containers: [{name: main, image: "example.com/job:1"}]}
`

// A change of a field that cannot change is refused with the object and the field,
// nothing else is written, and spec.force replaces the object.
func TestImmutableFieldAndForce(t *testing.T) {
	w := newWorld(t, files{"app/job.yaml": once, "app/config.yaml": configMap("config", "1"), "good/config.yaml": configMap("good", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	w.kustomization("good", "./good")
	w.ready("app", "good")
	uid := w.get(harness.Jobs, "once").GetUID()
	commit := w.commit(files{"app/job.yaml": strings.Replace(once, "job:1", "job:2", 1), "app/config.yaml": configMap("config", "2"), "good/config.yaml": configMap("good", "2")})
	w.request(harness.Sources, "repo")
	app := w.wait(harness.Kustomized, "app", harness.Failed("ReconciliationFailed"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "Job/"+w.namespace+"/once dry-run failed (Invalid)", "spec.template", "field is immutable")
	equal(t, "lastAttemptedRevision", "main@sha1:"+commit, field(app, "status", "lastAttemptedRevision"))
	w.events("Kustomization/app Warning ReconciliationFailed kustomize-controller kustomize-controller: Job/" + w.namespace + "/once")
	w.applied("good", commit)
	equal(t, "an object beside it", "1", field(w.get(harness.ConfigMaps, "config"), "data", "key"))
	equal(t, "UID", uid, w.get(harness.Jobs, "once").GetUID())

	w.patch(harness.Kustomized, "app", spec(map[string]any{"force": true}))
	w.applied("app", commit)
	if w.get(harness.Jobs, "once").GetUID() == uid {
		t.Error("the Job was not replaced")
	}
	w.wait(harness.ConfigMaps, "config", data("key", "2"))
}

// Annotations steer single objects. Each is in Git, and what is in the cluster or
// happens there differs from Git.
func TestAnnotationsOfObjects(t *testing.T) {
	const prefix = "kustomize.toolkit.fluxcd.io/"
	w := newWorld(t, files{
		"app/ignored.yaml":  annotated("ignored", "1", prefix+"ssa: Ignore"),
		"app/once.yaml":     annotated("once", "1", prefix+"ssa: IfNotPresent"),
		"app/merged.yaml":   annotated("merged", "1", prefix+"ssa: Merge"),
		"app/disabled.yaml": annotated("disabled", "1", prefix+"reconcile: disabled"),
		"app/job.yaml":      strings.Replace(once, "namespace: NS", "namespace: NS, annotations: {"+prefix+"force: enabled}", 1),
		"app/plain.yaml":    configMap("plain", "1"),
	})
	w.create(configMap("once", "0"))
	if out, err := w.KubectlInput(t.Context(), strings.Replace(w.expand(configMap("merged", "0")), "\ndata: {", "\ndata: {own: x, ", 1), "apply", "-f", "-"); err != nil {
		t.Fatal(err, out)
	}
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	if w.get(harness.ConfigMaps, "ignored") != nil {
		t.Error("ssa: Ignore was applied")
	}
	equal(t, "ssa: IfNotPresent", "0", field(w.get(harness.ConfigMaps, "once"), "data", "key"))
	equal(t, "ssa: Merge", map[string]any{"key": "1", "own": "x"}, w.get(harness.ConfigMaps, "merged").Object["data"])
	uid := w.get(harness.Jobs, "once").GetUID()

	// A live object that is marked is left alone, and nothing else is.
	w.patch(harness.ConfigMaps, "plain", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{prefix + "reconcile": "disabled"}}, "data": map[string]any{"key": "edited"},
	})
	w.patch(harness.ConfigMaps, "merged", map[string]any{"data": map[string]any{"key": "edited", "own": "y"}})
	w.wait(harness.ConfigMaps, "merged", data("key", "1"))
	equal(t, "a key beside that in Git", "y", field(w.get(harness.ConfigMaps, "merged"), "data", "own"))

	commit := w.commit(files{
		"app/job.yaml":   strings.Replace(strings.Replace(once, "namespace: NS", "namespace: NS, annotations: {"+prefix+"force: enabled}", 1), "job:1", "job:2", 1),
		"app/plain.yaml": configMap("plain", "2"),
	})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	equal(t, "reconcile: disabled on the live object", "edited", field(w.get(harness.ConfigMaps, "plain"), "data", "key"))
	if w.get(harness.Jobs, "once").GetUID() == uid {
		t.Error("the Job was not replaced")
	}
	w.patch(harness.ConfigMaps, "plain", map[string]any{"metadata": map[string]any{"annotations": map[string]any{prefix + "reconcile": nil}}})
	w.wait(harness.ConfigMaps, "plain", data("key", "2"))
}
