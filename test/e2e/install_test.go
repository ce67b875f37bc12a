package e2e

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

func TestInstall(t *testing.T) {
	w := newWorld(t, files{
		"app/web.yaml":     deployment("web", ""),
		"app/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: NS}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n",
		"app/config.yaml":  configMap("config", "1"),
		"other/x.yaml":     configMap("other", "1"),
	})
	head, err := w.repo.Head(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	w.source("repo")
	w.kustomization("app", "./app", "wait: true")
	ks := w.ready("app")
	revision := "main@sha1:" + head

	ready, message := condition(ks, "Ready")
	equal(t, "Ready", "True/ReconciliationSucceeded", ready)
	equal(t, "message", "Applied revision: "+revision, message)
	healthy, _ := condition(ks, "Healthy")
	equal(t, "Healthy", "True/Succeeded", healthy)
	reconciling, _ := condition(ks, "Reconciling")
	equal(t, "Reconciling", "", reconciling)
	equal(t, "lastAppliedRevision", revision, field(ks, "status", "lastAppliedRevision"))
	equal(t, "lastAttemptedRevision", revision, field(ks, "status", "lastAttemptedRevision"))
	equal(t, "inventory", []string{"NS_config__ConfigMap", "NS_web__Service", "NS_web_apps_Deployment"}, w.inventory(ks))
	equal(t, "finalizers", []string{api.Finalizer}, ks.GetFinalizers())
	history, _, _ := unstructured.NestedSlice(ks.Object, "status", "history")
	if len(history) != 1 || history[0].(map[string]any)["lastReconciledStatus"] != "ReconciliationSucceeded" {
		t.Errorf("history: %v", history)
	}

	repo := w.get(harness.Sources, "repo")
	if !harness.Ready(repo) {
		t.Errorf("the source is not ready: %v", repo.Object["status"])
	}
	stored, _ := condition(repo, "ArtifactInStorage")
	equal(t, "ArtifactInStorage", "True/Succeeded", stored)
	equal(t, "revision of the artifact", revision, field(repo, "status", "artifact", "revision"))
	contains(t, "digest of the artifact", field(repo, "status", "artifact", "digest"), "sha256:")
	equal(t, "finalizers of the source", 0, len(repo.GetFinalizers()))

	web := w.get(harness.Deployments, "web")
	equal(t, "owner", []string{"app", w.namespace}, []string{
		web.GetLabels()[api.LabelKustomizationName], web.GetLabels()[api.LabelKustomizationNamespace],
	})
	equal(t, "field manager", api.ManagerKustomize, web.GetManagedFields()[0].Manager)
	if w.get(harness.ConfigMaps, "other") != nil {
		t.Error("an object outside of spec.path was applied")
	}
}

func TestKubectl(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	w.kubectl("wait", "--for=condition=Ready", "--timeout=30s", "kustomization/app", "gitrepository/repo")
	contains(t, "columns of a Kustomization", w.kubectl("get", "kustomizations"), "NAME", "AGE", "READY", "STATUS", "True", "Applied revision: main@sha1:")
	contains(t, "columns of a GitRepository", w.kubectl("get", "gitrepositories"), "NAME", "URL", "AGE", "READY", "STATUS", "True", "stored artifact for revision")
	equal(t, "short names", w.kubectl("get", "ks", "-o", "name"), w.kubectl("get", "kustomizations", "-o", "name"))
	for _, r := range api.Resources() {
		out := w.kubectl("explain", r.Name.Resource+".spec", "--api-version="+r.Kind.GroupVersion().String())
		contains(t, "explain "+r.Kind.Kind, out, "DESCRIPTION:", "FIELDS:")
		if strings.Contains(out, "<empty>") || strings.Contains(out, "<no description>") {
			t.Errorf("a field of %s is not explained:\n%s", r.Kind.Kind, out)
		}
	}
}
