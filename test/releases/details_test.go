package releases

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// A record that cannot be read is told, and harms nobody else.
func TestCorruptRecord(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web")
	r.helmRelease("other")
	r.ready("web")
	r.ready("other")
	r.Patch(world.Secrets, "sh.helm.release.v1.web.v1", map[string]any{"data": map[string]any{"release": "bm9uc2Vuc2U="}})
	r.Reconciled(api.HelmReleaseGVR, "web")
	obj := r.Wait(api.HelmReleaseGVR, "web", world.Has("Ready", "False/StateError"))
	r.condition(obj, "Ready", "False/StateError", "Could not determine release state", "sh.helm.release.v1.web.v1")
	obj = r.Reconciled(api.HelmReleaseGVR, "other")
	r.condition(obj, "Ready", "True/InstallSucceeded")
	r.Kubectl("delete", "secret", "sh.helm.release.v1.web.v1")
	r.ready("web")
}

// An expression says when an object is ready; until then the release waits, and is woken
// by the object.
func TestHealthExpressions(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web", "healthCheckExprs: [{apiVersion: v1, kind: ConfigMap, current: \"data.word == 'go'\", failed: \"data.word == 'stop'\"}]")
	r.Wait(configMaps, "web-config", func(obj *unstructuredObject) bool { return obj != nil })
	obj := r.Wait(api.HelmReleaseGVR, "web", world.All(world.Has("Ready", "Unknown/Progressing"), func(obj *unstructuredObject) bool { return len(history(obj)) > 0 }))
	r.condition(obj, "Ready", "Unknown/Progressing", "Running 'install' action with timeout of 5m0s")
	world.Equal(t, "history", []string{"1 pending-install 1.0.0"}, history(obj))
	r.Patch(configMaps, "web-config", map[string]any{"data": map[string]any{"word": "go"}})
	r.ready("web")

	r.helmRelease("bad", "healthCheckExprs: [{apiVersion: v1, kind: ConfigMap, current: \"data.word == 'go'\", failed: \"data.word == 'hello'\"}]")
	obj = r.stalled("bad", "RetriesExceeded")
	r.condition(obj, "Released", "False/InstallFailed", "bad-config")
}

// Post-renderers and common metadata change what is released, and a change of them is a
// reason to upgrade.
func TestPostRenderers(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	patch := func(value string) []any {
		return []any{map[string]any{"kustomize": map[string]any{"patches": []any{map[string]any{
			"target": map[string]any{"kind": "ConfigMap"}, "patch": "- op: add\n  path: /data/patched\n  value: " + value,
		}}}}}
	}
	r.helmRelease("web", "commonMetadata: {labels: {team: one, helm.toolkit.fluxcd.io/name: not-this}}")
	obj := r.ready("web")
	labels := r.Get(configMaps, "web-config").GetLabels()
	world.Equal(t, "labels", []string{"one", "web"}, []string{labels["team"], labels[api.LabelHelmReleaseName]})
	if world.Field(obj, "status", "observedCommonMetadataDigest") == "" {
		t.Error("the digest of the metadata is not there")
	}
	r.set("web", map[string]any{"postRenderers": patch("first")})
	obj = r.Wait(api.HelmReleaseGVR, "web", world.All(harness.Ready, world.Has("Ready", "True/UpgradeSucceeded")))
	world.Equal(t, "patched", "first", world.Field(r.Get(configMaps, "web-config"), "data", "patched"))
	world.Equal(t, "latest", "2 deployed 1.0.0", history(obj)[0])
	r.set("web", map[string]any{"waitStrategy": map[string]any{"name": "legacy"}, "maxHistory": int64(3)})
	obj = r.Wait(api.HelmReleaseGVR, "web", harness.Ready)
	world.Equal(t, "what is no reason to upgrade", "2 deployed 1.0.0", history(obj)[0])
}

// A hook that never ends fails the release when its time is up.
func TestHookThatHangs(t *testing.T) {
	chart := app("1.0.0", map[string]string{"templates/hook.yaml": `apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hangs
  annotations: {helm.sh/hook: pre-install}
spec:
  template:
    metadata: {annotations: {fluxd.test/never-ready: "true"}}
    spec:
      restartPolicy: Never
      containers: [{name: job, image: example.com/job}]
`})
	r := newRelease(t, chart)
	r.helmRelease("web", "install: {timeout: 3s}")
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Released", "False/InstallFailed", "web-hangs")
	if r.Get(configMaps, "web-config") != nil {
		t.Error("what comes behind the hook is there")
	}
}

// A name that is too long is shortened as Helm needs it, and found again.
func TestLongName(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	name := "a-name-that-is-much-longer-than-a-release-of-helm-may-have"
	r.helmRelease(name)
	obj := r.ready(name)
	world.Equal(t, "history", []string{"1 deployed 1.0.0"}, history(obj))
	short := world.Field(r.Get(world.Secrets, r.Kubectl("get", "secrets", "-l", "owner=helm", "-o", "jsonpath={.items[0].metadata.name}")), "metadata", "labels", "name")
	if len(short) != 53 || short[:41] != name[:40]+"-" {
		t.Errorf("the release is called %q", short)
	}
	obj = r.Reconciled(api.HelmReleaseGVR, name)
	world.Equal(t, "history", []string{"1 deployed 1.0.0"}, history(obj))
}

// A namespace that is deleted takes its HelmReleases with it.
func TestNamespaceIsDeleted(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web")
	r.ready("web")
	r.Kubectl("delete", "namespace", r.Namespace, "--wait=false")
	r.Wait(api.HelmReleaseGVR, "web", harness.Gone)
}

// A target namespace that vanishes fails the upgrade, and says so.
func TestTargetNamespaceVanishes(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	target := r.Namespace + "-target"
	r.helmRelease("web", "targetNamespace: "+target, "install: {createNamespace: true}")
	r.ready("web")
	r.Kubectl("delete", "namespace", target)
	r.values("web", map[string]any{"word": "other"})
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Released", "False/UpgradeFailed", target)
	r.set("web", map[string]any{"targetNamespace": nil, "values": nil})
	obj = r.ready("web")
	world.Equal(t, "history", []string{"1 deployed 1.0.0"}, history(obj))
}
