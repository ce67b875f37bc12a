package e2e

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// smallChart are the files of a chart with one ConfigMap, which tells what it looks up.
func smallChart() files {
	return files{
		"chart/Chart.yaml":  "apiVersion: v2\nname: app\nversion: 1.0.0\n",
		"chart/values.yaml": "word: hello\n",
		"chart/templates/one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-one}\ndata:\n  word: {{ .Values.word }}\n" +
			"  found: {{ (lookup \"v1\" \"ConfigMap\" .Release.Namespace \"kube-root-ca.crt\").metadata.name | default \"\" | quote }}\n",
	}
}

// helmRelease creates the source "repo" and the HelmRelease "web" of its chart.
func (w *world) helmRelease(spec ...string) {
	w.t.Helper()
	w.source("repo")
	w.create(w.manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web",
		"chart: {spec: {chart: chart, sourceRef: {kind: GitRepository, name: repo}}}\ninterval: 10m\n"+strings.Join(spec, "\n")))
}

func hasReady(short string) is {
	return func(obj *unstructured.Unstructured) bool {
		got, _ := condition(obj, "Ready")
		return got == short
	}
}

// A tenant's release is made, recorded and taken away as its service account. What that
// may not do is told.
func TestReleaseOfATenant(t *testing.T) {
	w := newWorld(t, smallChart())
	w.account("tenant", allVerbs)
	mark := w.mark()
	w.helmRelease("serviceAccountName: tenant")
	w.wait(api.HelmReleaseGVR, "web", says("cannot list resource \"secrets\""))
	equal(t, "records", []string(nil), w.records())
	w.kubectl("create", "role", "records", "--verb=get,list,create,update,patch,delete", "--resource=secrets")
	w.kubectl("create", "rolebinding", "records", "--role=records", "--serviceaccount="+w.namespace+":tenant")
	w.reconciled(api.HelmReleaseGVR, "web")
	w.wait(api.HelmReleaseGVR, "web", harness.Ready)
	equal(t, "records", []string{"sh.helm.release.v1.web.v1 deployed"}, w.records())
	equal(t, "authors", []string{"fluxd as system:serviceaccount:NS:tenant"}, w.authors(mark))
	equal(t, "what was looked up", "kube-root-ca.crt", field(w.get(harness.ConfigMaps, "web-one"), "data", "found"))

	w.delete(api.HelmReleaseGVR, "web")
	w.wait(api.HelmReleaseGVR, "web", harness.Gone)
	w.wait(harness.ConfigMaps, "web-one", harness.Gone)
	equal(t, "authors", []string{"fluxd as system:serviceaccount:NS:tenant"}, w.authors(mark))
}

// Without its service account a release cannot be uninstalled, and is left behind.
func TestReleaseOfATenantThatIsGone(t *testing.T) {
	w := newWorld(t, smallChart())
	w.account("tenant", "")
	w.kubectl("create", "rolebinding", "all", "--clusterrole=cluster-admin", "--serviceaccount="+w.namespace+":tenant")
	w.helmRelease("serviceAccountName: tenant")
	w.wait(api.HelmReleaseGVR, "web", harness.Ready)
	w.kubectl("delete", "serviceaccount", "tenant")
	w.delete(api.HelmReleaseGVR, "web")
	w.wait(api.HelmReleaseGVR, "web", harness.Gone)
	equal(t, "records", []string{"sh.helm.release.v1.web.v1 deployed"}, w.records())
}

// A release on another cluster is made and recorded there, with its credentials.
func TestReleaseOnAnotherCluster(t *testing.T) {
	w := newWorld(t, smallChart())
	mark := w.mark()
	w.helmRelease(there, "driftDetection: {mode: enabled}")
	w.wait(api.HelmReleaseGVR, "web", hasReady("False/RESTClientError"))
	w.secret("there", map[string]string{"value": w.kubeconfig()})
	w.wait(api.HelmReleaseGVR, "web", harness.Ready)
	equal(t, "authors", []string{elsewhere}, w.authors(mark))
	w.patch(harness.ConfigMaps, "web-one", map[string]any{"data": map[string]any{"word": "edited"}})
	w.reconciled(api.HelmReleaseGVR, "web")
	w.wait(harness.ConfigMaps, "web-one", func(obj *unstructured.Unstructured) bool { return field(obj, "data", "word") == "hello" })
	w.delete(api.HelmReleaseGVR, "web")
	w.wait(api.HelmReleaseGVR, "web", harness.Gone)
	equal(t, "records", []string(nil), w.records())
}
