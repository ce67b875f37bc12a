package e2e

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/test/harness"
)

// shortestTimeout is what a shorter spec.timeout of a Kustomization means.
const shortestTimeout = 30 * time.Second

const neverReady = `fluxd.test/never-ready: "true"`

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// A workload that is not healthy within the timeout fails its Kustomization, and no
// other. It is ready at once when the workload recovers.
func TestWaitForWorkloadThatRecovers(t *testing.T) {
	w := newWorld(t, files{"app/web.yaml": deployment("web", neverReady), "good/config.yaml": configMap("good", "1")})
	w.source("repo")
	w.kustomization("app", "./app", "wait: true", "timeout: 2s")
	w.kustomization("good", "./good", "wait: true")
	w.ready("good")
	app := w.waitFor(shortestTimeout+patience, harness.Kustomized, "app", harness.Failed("HealthCheckFailed"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "health check failed after 3", "s: timeout waiting for: [Deployment/"+w.namespace+"/web status: 'InProgress'")
	healthy, _ := condition(app, "Healthy")
	equal(t, "Healthy", "False/HealthCheckFailed", healthy)
	equal(t, "inventory", []string{"NS_web_apps_Deployment"}, w.inventory(app))
	equal(t, "lastAppliedRevision", "", field(app, "status", "lastAppliedRevision"))
	w.events("Kustomization/app Warning HealthCheckFailed kustomize-controller")

	w.heal("web")
	app = w.ready("app")
	healthy, _ = condition(app, "Healthy")
	equal(t, "Healthy", "True/Succeeded", healthy)
}

// heal makes the Pods of a Deployment ready that would never be.
func (w *world) heal(deployment string) {
	w.t.Helper()
	w.wait(harness.Deployments, deployment, func(obj *unstructured.Unstructured) bool { // or there are no Pods yet
		n, _, _ := unstructured.NestedInt64(obj.Object, "status", "replicas")
		return n > 0
	})
	list, err := w.Dynamic.Resource(pods).Namespace(w.namespace).List(w.t.Context(), metav1.ListOptions{LabelSelector: "app=" + deployment})
	if err != nil || len(list.Items) == 0 {
		w.t.Fatalf("list the Pods of %s: %d, error %v", deployment, len(list.Items), err)
	}
	for i := range list.Items {
		w.patch(pods, list.Items[i].GetName(), map[string]any{"metadata": map[string]any{"annotations": map[string]any{"fluxd.test/never-ready": nil}}})
	}
}

// A commit that mends a workload does not wait for the timeout of the one before.
func TestNewRevisionEndsTheWait(t *testing.T) {
	w := newWorld(t, files{"app/web.yaml": deployment("web", neverReady)})
	w.source("repo")
	w.kustomization("app", "./app", "wait: true", "timeout: 30m")
	app := w.wait(harness.Kustomized, "app", func(obj *unstructured.Unstructured) bool {
		healthy, _ := condition(obj, "Healthy")
		return healthy == "Unknown/Progressing"
	})
	ready, message := condition(app, "Ready")
	equal(t, "Ready", "Unknown/Progressing", ready)
	contains(t, "message", message, "Running health checks for revision main@sha1:", "with a timeout of 30m0s")
	commit := w.commit(files{"app/web.yaml": deployment("web", "")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
}

// A Job that has failed will not get better: there is nothing to wait for.
func TestFailedJobEndsTheWait(t *testing.T) {
	w := newWorld(t, files{"app/job.yaml": `apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: NS, annotations: {kustomize.toolkit.fluxcd.io/force: enabled}}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {fluxd.test/fail: "true"}}
    spec: {restartPolicy: Never, containers: [{name: main, image: example.com/job:1}]}
`})
	w.source("repo")
	w.kustomization("app", "./app", "wait: true", "timeout: 30m")
	app := w.wait(harness.Kustomized, "app", harness.Failed("HealthCheckFailed"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "failed early due to stalled resources: [Job/"+w.namespace+"/once status: 'Failed'")
	commit := w.commit(files{"app/job.yaml": `apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: NS, annotations: {kustomize.toolkit.fluxcd.io/force: enabled}}
spec:
  backoffLimit: 0
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: example.com/job:2}]}
`})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
}

// Health is that of the objects listed, also of those that somebody else makes.
func TestHealthChecks(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "app/web.yaml": deployment("web", neverReady)})
	w.source("repo")
	w.kustomization("app", "./app", "timeout: 2s", "healthChecks: [{apiVersion: apps/v1, kind: Deployment, name: other, namespace: NS}]")
	app := w.waitFor(shortestTimeout+patience, harness.Kustomized, "app", harness.Failed("HealthCheckFailed"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "timeout waiting for: [Deployment/"+w.namespace+"/other status: 'NotFound'")
	w.create(deployment("other", ""))
	w.ready("app")
}
