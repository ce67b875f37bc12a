package e2e

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

const byPhase = "healthCheckExprs: [{apiVersion: v1, kind: ConfigMap, current: \"has(data.phase) && data.phase == 'up'\", failed: \"has(data.phase) && data.phase == 'broken'\"}]"

// merged is a ConfigMap in which fields of kubectl are let be.
func merged(name, value string) string {
	return annotated(name, value, "kustomize.toolkit.fluxcd.io/ssa: Merge")
}

func phase(is string) map[string]any { return map[string]any{"data": map[string]any{"phase": is}} }

func checking(obj *unstructured.Unstructured) bool {
	healthy, _ := condition(obj, "Healthy")
	return healthy == "Unknown/Progressing"
}

// Expressions decide about health, and a wait for them parks and is woken.
func TestHealthCheckExprs(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": merged("config", "1")})
	w.source("repo")
	w.kustomization("app", "./app", "wait: true", "timeout: 30m", byPhase)
	w.wait(harness.Kustomized, "app", checking)
	w.patch(harness.ConfigMaps, "config", phase("up"))
	w.ready("app")
	w.patch(harness.ConfigMaps, "config", phase("broken"))
	w.reconciled(harness.Kustomized, "app")
	app := w.wait(harness.Kustomized, "app", harness.Failed("HealthCheckFailed"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "failed early due to stalled resources: [ConfigMap/"+w.namespace+"/config status: 'Failed'")
	w.patch(harness.ConfigMaps, "config", phase("up"))
	w.ready("app")
}

// Two Kustomizations that see one object in two ways each go by their own.
func TestHealthCheckExprsOfTwo(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": merged("config", "1"), "other/x.yaml": configMap("x", "1")})
	w.source("repo")
	w.kustomization("app", "./app", "wait: true", "timeout: 30m", byPhase)
	w.kustomization("other", "./other", "timeout: 30m", "healthChecks: [{apiVersion: v1, kind: ConfigMap, name: config, namespace: NS}]",
		"healthCheckExprs: [{apiVersion: v1, kind: ConfigMap, current: \"has(data.phase) && data.phase == 'down'\"}]")
	w.wait(harness.Kustomized, "app", checking)
	w.wait(harness.Kustomized, "other", checking)
	w.patch(harness.ConfigMaps, "config", phase("down"))
	w.ready("other")
	if app := w.get(harness.Kustomized, "app"); !checking(app) {
		t.Errorf("the other's expression counts for it: %v", app.Object["status"])
	}
	w.patch(harness.ConfigMaps, "config", phase("up"))
	w.ready("app")
}

func TestExpressionsThatDoNotParse(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.source("repo")
	w.kustomization("app", "./app", "healthCheckExprs: [{apiVersion: v1, kind: ConfigMap, current: 'data.'}]")
	w.kustomization("ready", "./app", "namePrefix: ready-", "dependsOn: [{name: app, readyExpr: dep.spec.suspend}]")
	app := w.wait(harness.Kustomized, "app", stalled("InvalidCELExpression"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "Reconciliation failed terminally due to configuration error: spec.healthCheckExprs[0].current: ")
	ready := w.wait(harness.Kustomized, "ready", stalled("InvalidCELExpression"))
	_, message = condition(ready, "Ready")
	contains(t, "message", message, "spec.dependsOn[0].readyExpr: ", "expected bool, got dyn")
	w.patch(harness.Kustomized, "app", spec(map[string]any{"healthCheckExprs": nil}))
	w.ready("app")
}

// An expression stands in for readiness, and any change of the dependency is noticed.
func TestReadyExpr(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "base/config.yaml": configMap("base", "1")})
	w.source("repo")
	w.kustomization("base", "./base", "suspend: true")
	w.kustomization("app", "./app", `dependsOn: [{name: base, readyExpr: "'gate' in dep.metadata.labels && dep.metadata.labels['gate'] == 'open'"}]`)
	app := w.wait(harness.Kustomized, "app", harness.Failed("DependencyNotReady"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "dep.metadata.labels") // it has none, which is an error
	w.patch(harness.Kustomized, "base", map[string]any{"metadata": map[string]any{"labels": map[string]any{"gate": "shut"}}})
	w.wait(harness.Kustomized, "app", func(obj *unstructured.Unstructured) bool {
		_, message := condition(obj, "Ready")
		return message == "dependency '"+w.namespace+"/base' is not ready according to readyExpr eval"
	})
	w.patch(harness.Kustomized, "base", map[string]any{"metadata": map[string]any{"labels": map[string]any{"gate": "open"}}})
	w.ready("app")
}
