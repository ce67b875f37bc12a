package clients

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// What an object comes from, and what comes from a Kustomization.
func TestTraceAndTree(t *testing.T) {
	nested := "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: inner, namespace: NS}\n" +
		"spec: {interval: 10m, prune: true, path: ./inner, sourceRef: {kind: GitRepository, name: repo}}\n"
	w := newFluxWorld(t, files{
		"app/web.yaml": deployment("web"), "app/inner.yaml": nested, "inner/config.yaml": configMap("config", "1"),
		"app/role.yaml": "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: 'with:colon', namespace: NS}\n",
	})
	w.git("repo")
	w.kustomization("app", "repo", "./app", "wait: true")
	obj := w.Wait(kustomizations, "app", ready)
	revision := world.Field(obj, "status", "lastAppliedRevision")

	for _, args := range [][]string{{"trace", "deployment/web"}, {"trace", "web", "--kind=Deployment", "--api-version=apps/v1"}} {
		says(t, w.flux(args...), "Object:          Deployment/web", "Namespace:       "+w.Namespace, "Status:          Managed by Flux",
			"Kustomization:   app", "Path:            ./app", "Revision:        "+revision, "Status:          Last reconciled at", "Message:         Applied revision: "+revision,
			"GitRepository:   repo", "URL:             "+gits.RepoURL(w.repo), "Branch:          main", "Revision:        "+revision,
			"Message:         stored artifact for revision '"+revision+"'")
	}
	// A Pod is traced by the labels of whoever made it.
	says(t, w.flux("trace", "pod/"+w.Kubectl("get", "pods", "-o", "jsonpath={.items[0].metadata.name}")), "Status:          Managed by Flux", "Kustomization:   app")
	w.Create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine, namespace: NS}\n")
	says(t, w.flux("trace", "configmap/mine"), "object not managed by Flux")

	tree := w.flux("tree", "kustomization", "app")
	says(t, tree, "Kustomization/"+w.Namespace+"/app")
	for _, line := range []string{"Role/" + w.Namespace + "/with:colon", "Deployment/" + w.Namespace + "/web", "Kustomization/" + w.Namespace + "/inner"} {
		says(t, tree, "── "+line)
	}
	says(t, tree, "Kustomization/"+w.Namespace+"/inner", "    └── ConfigMap/"+w.Namespace+"/config")
	says(t, w.flux("tree", "ks", "app", "-o", "json"), `"Kind": "Deployment"`)
}

// An artifact of a registry tells where it came from.
func TestTraceOCI(t *testing.T) {
	w := newFluxWorld(t, nil)
	revision := w.push("v1", files{"config.yaml": configMap("config", "1")})
	w.Create(w.Manifest(sourceVersion, "OCIRepository", "oci", "url: "+w.url(""), "insecure: true", "ref: {tag: v1}"))
	w.Create(w.Manifest("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "app", "path: ./", "prune: true", "sourceRef: {kind: OCIRepository, name: oci}"))
	w.Wait(kustomizations, "app", ready)
	says(t, w.flux("trace", "configmap/config"), "Kustomization:   app", "OCIRepository:   oci", "URL:             "+w.url(""), "Tag:             v1", "Revision:        "+revision,
		"Origin Revision: main@sha1:", "Origin Source:   "+gits.RepoURL(w.repo), "Message:         stored artifact for digest '"+revision+"'")
	began := w.flux("reconcile", "ks", "app", "--with-source")
	says(t, began, "✔ OCIRepository annotated", "✔ fetched revision "+revision, "✔ applied revision "+revision)
}

// Counts and sizes.
func TestStats(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.git("repo")
	w.kustomization("app", "repo", "./app")
	w.kustomization("none", "repo", "./none")
	w.kustomization("rest", "repo", "./app", "suspend: true")
	w.Wait(kustomizations, "app", ready)
	w.Wait(kustomizations, "none", saysReady("path not found"))
	size, _, _ := unstructured.NestedInt64(w.Get(api.GitRepositoryGVR, "repo").Object, "status", "artifact", "size")
	if size == 0 {
		t.Error("the artifact has no size")
	}
	out := w.flux("stats")
	world.Equal(t, "Kustomizations", []string{"Kustomization", "2", "1", "1", "-"}, row(t, out, "Kustomization"))
	world.Equal(t, "GitRepositories", []string{"GitRepository", "1", "0", "0"}, row(t, out, "GitRepository")[:4])
	if shown := row(t, out, "GitRepository")[4]; size >= 1024 && shown == fmt.Sprintf("%d B", size) || shown == "-" {
		t.Errorf("the size is shown as %s", shown)
	}
	says(t, w.flux("stats", "-A"), "RECONCILERS", "GitRepository", "OCIRepository", "Kustomization", "HelmRelease")
}

// What a Kustomization is made with.
func TestDebugKustomization(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "${region} ${size}")})
	w.git("repo")
	w.Create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars, namespace: NS}\ndata: {region: north, size: small}\n")
	w.kustomization("app", "repo", "./app", "postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}], substitute: {size: large}}")
	obj := w.Wait(kustomizations, "app", ready)
	w.Wait(harness.ConfigMaps, "config", data("north large"))
	world.Equal(t, "variables", "region=north\nsize=large\n", w.flux("debug", "kustomization", "app", "--show-vars"))
	revision := world.Field(obj, "status", "lastAppliedRevision")
	says(t, w.flux("debug", "ks", "app", "--show-status"), "conditions:", "type: Ready", "lastAppliedRevision: "+revision)
	says(t, w.flux("debug", "ks", "app", "--show-history"), "- digest: sha256:", "firstReconciled:", "lastReconciled:", "lastReconciledDuration:",
		"lastReconciledStatus: ReconciliationSucceeded", "metadata:", "revision: "+revision, "totalReconciliations: 1")
}
