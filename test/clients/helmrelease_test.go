package clients

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// The life of a HelmRelease as somebody leads it who has no other tool.
func TestHelmRelease(t *testing.T) {
	w := newFluxWorld(t, nil)
	index, err := upstream.StartHelmIndex(upstream.HelmIndexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	if err := index.Publish(web("1.0.0")); err != nil {
		t.Fatal(err)
	}
	w.flux("create", "source", "helm", "charts", "--url="+index.URL, "--interval=10m")
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte("text: first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	create := []string{"create", "helmrelease", "app", "--source=HelmRepository/charts", "--chart=web", "--chart-version=1.x", "--interval=10m", "--values=" + values}
	says(t, w.flux(append(create, "--export")...), "kind: HelmRelease", "chart: web", "text: first")
	says(t, w.flux(create...), "✚ generating HelmRelease", "✔ HelmRelease created", "✔ HelmRelease app is ready", "✔ applied revision 1.0.0")
	w.Wait(harness.ConfigMaps, "app", data("first"))
	message := "Helm install succeeded for release " + w.Namespace + "/app.v1 with chart web@1.0.0"
	world.Equal(t, "row", []string{"app", "1.0.0", "False", "True", message}, row(t, w.flux("get", "helmreleases"), "app"))
	says(t, w.flux("get", "hr", "-A"), w.Namespace)
	says(t, w.flux("get", "all"), "helmrepository/charts", "helmchart/"+w.Namespace+"-app", "helmrelease/app")

	table := w.watch("get", "helmreleases", "--watch")
	table.until("app", "1.0.0", "True", message)
	if err := index.Publish(web("1.0.0"), web("1.1.0")); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	says(t, w.flux("reconcile", "helmrelease", "app", "--with-source"),
		"► annotating HelmRepository charts in "+w.Namespace+" namespace", "✔ fetched revision sha256:",
		"► annotating HelmChart "+w.Namespace+"-app in "+w.Namespace+" namespace", "✔ fetched revision 1.1.0",
		"► annotating HelmRelease app in "+w.Namespace+" namespace", "✔ applied revision 1.1.0")
	t.Logf("flux reconcile helmrelease --with-source: %s", time.Since(began))
	table.until("app", "1.1.0", "True", "Helm upgrade succeeded")
	world.Equal(t, "message", "Helm upgrade succeeded for release "+w.Namespace+"/app.v2 with chart web@1.1.0", row(t, w.flux("get", "hr"), "app")[4])
	began = time.Now()
	says(t, w.flux("reconcile", "hr", "app"), "✔ HelmRelease annotated", "✔ applied revision 1.1.0")
	t.Logf("flux reconcile helmrelease: %s", time.Since(began))
	world.Equal(t, "revisions", 2, revisions(w.Get(api.HelmReleaseGVR, "app")))
	says(t, w.flux("reconcile", "hr", "app", "--force"), "✔ applied revision 1.1.0")
	world.Equal(t, "message after --force", "Helm upgrade succeeded for release "+w.Namespace+"/app.v3 with chart web@1.1.0", row(t, w.flux("get", "hr"), "app")[4])
	says(t, w.flux("reconcile", "hr", "app", "--reset"), "✔ applied revision 1.1.0")

	says(t, w.flux("suspend", "hr", "app"), "✔ helmrelease suspended")
	says(t, w.refused("reconcile", "hr", "app"), "✗ resource is suspended")
	says(t, w.flux("resume", "hr", "app"), "✔ helmrelease resumed", "✔ HelmRelease app reconciliation completed", "✔ applied revision 1.1.0")

	exported := w.flux("export", "helmrelease", "app")
	says(t, exported, "kind: HelmRelease", "name: app", "spec:", "values:", "text: first")
	lacks(t, exported, "status:", "managedFields")
	says(t, w.flux("export", "hr", "--all"), exported)
	says(t, w.flux("delete", "helmrelease", "app", "--silent"), "✔ helmrelease deleted")
	w.Wait(api.HelmReleaseGVR, "app", harness.Gone)
	w.Wait(harness.ConfigMaps, "app", harness.Gone)
	w.Wait(api.HelmChartGVR, w.Namespace+"-app", harness.Gone)
}

// revisions are how many there have been of a release.
func revisions(obj *unstructured.Unstructured) int {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "history")
	version, _, _ := unstructured.NestedInt64(list[0].(map[string]any), "version")
	return int(version)
}

// Where a release comes from and what comes of it, alone and below a Kustomization.
func TestInspectHelmRelease(t *testing.T) {
	manifest := func(name, from string) string {
		return "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: " + name + ", namespace: NS}\nspec: {interval: 10m, " + from +
			", valuesFrom: [{kind: ConfigMap, name: more}], values: {other: 1}}\n"
	}
	w := newFluxWorld(t, files{
		"app/release.yaml": manifest("index", "chart: {spec: {chart: web, version: 1.1.0, sourceRef: {kind: HelmRepository, name: charts}}}"),
		"app/more.yaml":    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: NS}\ndata: {values.yaml: 'text: more'}\n",
	})
	w.Create(w.Manifest(sourceVersion, "HelmRepository", "charts", "url: "+charts.URL))
	artifact, tag, err := web("2.0.0").Artifact()
	if err == nil {
		_, err = oci.Push(t.Context(), w.Namespace+"/web", tag, artifact)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.git("repo")
	w.kustomization("app", "repo", "./app", "wait: true")
	w.Wait(kustomizations, "app", ready)
	w.Wait(harness.ConfigMaps, "index", data("more"))
	w.Create(w.Manifest(sourceVersion, "OCIRepository", "oci", "url: "+w.url("/web"), "insecure: true", "ref: {tag: 2.0.0}",
		"layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}"))
	w.Create(w.Expand(manifest("registry", "chartRef: {kind: OCIRepository, name: oci}")))
	w.Wait(api.HelmReleaseGVR, "registry", harness.Ready)

	says(t, w.flux("trace", "configmap/index"), "Object:         ConfigMap/index", "Status:         Managed by Flux", "HelmRelease:    index", "Namespace:      "+w.Namespace,
		"Revision:       1.1.0", "Message:        Helm install succeeded", "HelmChart:      "+w.Namespace+"-index", "Chart:          web", "Version:        1.1.0", "Revision:       1.1.0",
		"HelmRepository: charts", "URL:            "+charts.URL)
	says(t, w.flux("trace", "configmap/registry"), "HelmRelease:    registry", "OCIRepository:   oci", "Tag:             2.0.0", "Revision:        2.0.0@sha256:")
	says(t, w.flux("tree", "kustomization", "app"), "Kustomization/"+w.Namespace+"/app", "── HelmRelease/"+w.Namespace+"/index", "── ConfigMap/"+w.Namespace+"/index")

	world.Equal(t, "values", "other: 1\ntext: more\n", w.flux("debug", "helmrelease", "index", "--show-values"))
	says(t, w.flux("debug", "hr", "index", "--show-history"), "- action: install", "chartName: web", "chartVersion: 1.1.0", "configDigest: sha256:", "digest: sha256:",
		"firstDeployed:", "name: index", "status: deployed", "version: 1")
	says(t, w.flux("debug", "hr", "index", "--show-status"), "conditions:", "type: Ready", "type: Released", "helmChart: "+w.Namespace+"/"+w.Namespace+"-index")
	events := w.flux("events", "--for", "HelmRelease/index")
	says(t, events, "HelmRelease/index", "Helm install succeeded for release "+w.Namespace+"/index.v1 with chart web@1.1.0")
	says(t, events, "HelmChart/"+w.Namespace+"-index")
	says(t, w.flux("reconcile", "hr", "registry", "--with-source"), "✔ OCIRepository annotated", "✔ fetched revision 2.0.0@sha256:", "✔ applied revision 2.0.0")
	world.Equal(t, "statistics", []string{"HelmRelease", "2", "0", "0", "-"}, row(t, w.flux("stats"), "HelmRelease"))

	w.Kubectl("wait", "--for=condition=Ready", "--timeout=30s", "helmrelease/index")
	says(t, w.Kubectl("get", "hr"), "index", "True", "Helm install succeeded for release")
	says(t, w.Kubectl("get", "fluxcd-appliers"), "helmrelease.helm.toolkit.fluxcd.io/index", "kustomization.kustomize.toolkit.fluxcd.io/app")
	says(t, w.Kubectl("events", "--for", "helmrelease/index"), "InstallSucceeded", "HelmRelease/index")
}

// A release that fails is told as such, at once where only an edit can help.
func TestHelmReleaseFails(t *testing.T) {
	w := newFluxWorld(t, nil)
	w.Create(w.Manifest(sourceVersion, "HelmRepository", "charts", "url: "+charts.URL))
	out := w.refused("create", "hr", "app", "--source=HelmRepository/charts", "--chart=none", "--interval=10m", "--timeout=10s")
	says(t, out, "✗")
	line := row(t, w.flux("get", "hr"), "app")
	world.Equal(t, "ready", []string{"app", "", "False", "False"}, line[:4])
	says(t, w.flux("get", "source", "chart"), w.Namespace+"-app", "False", "none")
	says(t, w.flux("delete", "hr", "app", "--silent"), "✔ helmrelease deleted")
	w.Wait(api.HelmReleaseGVR, "app", harness.Gone)
}
