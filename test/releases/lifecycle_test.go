package releases

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/program"
	"github.com/fluxd/fluxd/test/upstream"
)

// A chart of another name, and a release that is wanted under another name, are
// uninstalled and installed.
func TestReleaseMoves(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web")
	r.ready("web")
	r.set("web", map[string]any{"releaseName": "other"})
	r.Wait(configMaps, "other-config", func(obj *unstructuredObject) bool { return obj != nil })
	obj := r.ready("web")
	world.Equal(t, "history", []string{"1 deployed 1.0.0"}, history(obj))
	world.Equal(t, "records", []string{"sh.helm.release.v1.other.v1 deployed"}, r.records())
	r.Wait(configMaps, "web-config", harness.Gone)

	other := upstream.Chart{Name: "other", Version: "3.0.0", Files: app("", nil).Files, Values: app("", nil).Values}
	r.push(other)
	r.Patch(api.OCIRepositoryGVR, "chart", map[string]any{"spec": map[string]any{"url": "oci://" + r.registry.Host() + "/charts/other"}})
	obj = r.Wait(api.HelmReleaseGVR, "web", world.All(harness.Ready, func(obj *unstructuredObject) bool {
		return slices.Equal(history(obj), []string{"1 deployed 3.0.0"})
	}))
	r.condition(obj, "Ready", "True/InstallSucceeded")
}

// The release may be in another namespace than its records, and the namespace is made.
func TestNamespaces(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	target, storage := r.Namespace+"-target", r.Namespace+"-storage"
	r.Create("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + storage + "}")
	r.helmRelease("web", "targetNamespace: "+target, "storageNamespace: "+storage, "install: {createNamespace: true}")
	obj := r.ready("web")
	world.Equal(t, "storage", storage, world.Field(obj, "status", "storageNamespace"))
	name := target + "-web"
	records, err := shared.Cluster.Kubectl(t.Context(), "-n", storage, "get", "secrets", "-l", "owner=helm,name="+name, "-o", "name")
	if err != nil || strings.TrimSpace(records) != "secret/sh.helm.release.v1."+name+".v1" {
		t.Errorf("records: %s, %v", records, err)
	}
	if _, err := shared.Cluster.Kubectl(t.Context(), "-n", target, "get", "configmap", name+"-config"); err != nil {
		t.Error(err)
	}
	if _, err := shared.Cluster.Kubectl(t.Context(), "get", "namespace", target); err != nil {
		t.Error(err)
	}
}

// Values come from objects and the spec, and a change of an object wakes the release.
func TestValuesFrom(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.Create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: values, namespace: NS, labels: {reconcile.fluxcd.io/watch: Enabled}}\ndata: {values.yaml: 'word: from a file'}")
	r.helmRelease("web", "valuesFrom: [{kind: ConfigMap, name: values}, {kind: Secret, name: none, optional: true}, {kind: Secret, name: word, valuesKey: text, targetPath: word}]")
	obj := r.Wait(api.HelmReleaseGVR, "web", world.Has("Ready", "False/ValuesError"))
	r.condition(obj, "Ready", "False/ValuesError", "could not resolve Secret chart values reference '"+r.Namespace+"/word' with key 'text': resource not found")
	r.Secret("word", map[string]string{"text": "from a Secret"})
	r.ready("web")
	r.Wait(configMaps, "web-config", func(obj *unstructuredObject) bool { return world.Field(obj, "data", "word") == "from a Secret" })
	r.Patch(world.Secrets, "word", map[string]any{"stringData": map[string]any{"text": "changed"}})
	r.Wait(configMaps, "web-config", func(obj *unstructuredObject) bool { return world.Field(obj, "data", "word") == "changed" })
}

// A release waits for those that it depends on, and wakes when they are ready.
func TestDependsOn(t *testing.T) {
	r := newRelease(t, fragile("1.0.0"))
	r.helmRelease("web", "dependsOn: [{name: database}]")
	obj := r.Wait(api.HelmReleaseGVR, "web", world.Has("Ready", "False/DependencyNotReady"))
	r.condition(obj, "Ready", "False/DependencyNotReady", "unable to get '"+r.Namespace+"/database' dependency")
	r.helmRelease("database", "values: {broken: true}")
	r.stalled("database", "RetriesExceeded")
	r.Wait(api.HelmReleaseGVR, "web", func(obj *unstructuredObject) bool {
		_, message := world.Condition(obj, "Ready")
		return message == "dependency '"+r.Namespace+"/database' is not ready"
	})
	r.values("database", nil)
	r.ready("web")
}

// A forced request upgrades although nothing changed; the same request does so once.
func TestForce(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web")
	r.ready("web")
	request := map[string]any{"metadata": map[string]any{"annotations": map[string]any{
		api.AnnotationReconcileRequest: "now", api.AnnotationForceRequest: "now",
	}}}
	r.Patch(api.HelmReleaseGVR, "web", request)
	obj := r.Wait(api.HelmReleaseGVR, "web", world.Has("Ready", "True/UpgradeSucceeded"))
	world.Equal(t, "history", []string{"2 deployed 1.0.0", "1 superseded 1.0.0"}, history(obj))
	world.Equal(t, "handled", "now", world.Field(obj, "status", "lastHandledForceAt"))
	obj = r.Reconciled(api.HelmReleaseGVR, "web")
	world.Equal(t, "latest", "2 deployed 1.0.0", history(obj)[0])
}

// A request to reset makes the failures forgotten, so that it is tried again.
func TestReset(t *testing.T) {
	r := newRelease(t, fragile("1.0.0"))
	r.helmRelease("web", "values: {broken: true}")
	r.stalled("web", "RetriesExceeded")
	r.Patch(api.HelmReleaseGVR, "web", map[string]any{"metadata": map[string]any{"annotations": map[string]any{
		api.AnnotationReconcileRequest: "now", api.AnnotationResetRequest: "now",
	}}})
	r.Wait(api.HelmReleaseGVR, "web", world.All(world.Has("Stalled", "True/RetriesExceeded"), func(obj *unstructuredObject) bool {
		return len(history(obj)) > 0 && strings.HasPrefix(history(obj)[0], "2 failed")
	}))
}

// A release that Helm, or anybody else, has changed is made anew; one that was deleted is
// installed.
func TestChangedByOthers(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web")
	r.ready("web")
	content := r.record("sh.helm.release.v1.web.v1")
	content["manifest"] = fmt.Sprint(content["manifest"]) + "# changed\n"
	r.rewrite("sh.helm.release.v1.web.v1", content, "deployed")
	r.Reconciled(api.HelmReleaseGVR, "web")
	obj := r.Wait(api.HelmReleaseGVR, "web", world.Has("Ready", "True/UpgradeSucceeded"))
	world.Equal(t, "latest", "2 deployed 1.0.0", history(obj)[0])

	r.Kubectl("delete", "secret", "sh.helm.release.v1.web.v1", "sh.helm.release.v1.web.v2")
	r.Reconciled(api.HelmReleaseGVR, "web")
	obj = r.Wait(api.HelmReleaseGVR, "web", world.Has("Ready", "True/InstallSucceeded"))
	world.Equal(t, "history", []string{"1 deployed 1.0.0"}, history(obj))
}

// A suspended release is left alone, and stays when it is deleted.
func TestSuspended(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web")
	r.ready("web")
	r.set("web", map[string]any{"suspend": true, "values": map[string]any{"word": "ignored"}})
	r.Reconciled(api.HelmReleaseGVR, "web")
	world.Equal(t, "word", "hello", world.Field(r.Get(configMaps, "web-config"), "data", "word"))
	r.Delete(api.HelmReleaseGVR, "web")
	r.Wait(api.HelmReleaseGVR, "web", harness.Gone)
	world.Equal(t, "records", []string{"sh.helm.release.v1.web.v1 deployed"}, r.records())
	if r.Get(configMaps, "web-config") == nil {
		t.Error("the release is gone")
	}
}

// An object that is in sync costs a look at the names of its records, and the note that
// somebody asked.
func TestNothingNew(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	begin := r.Mark()
	r.helmRelease("web")
	r.ready("web")
	r.Reconciled(api.HelmReleaseGVR, "web")
	r.told(begin, "web")
	mark := r.Mark()
	r.Reconciled(api.HelmReleaseGVR, "web")
	requests := r.Requests(mark)
	world.Equal(t, "requests", []string{"secrets list ", "helm.toolkit.fluxcd.io/helmreleases/status patch web"}, requests)
}

// told waits until an event of an object has been written since a mark: events come
// behind the work that they tell of.
func (r release) told(since controlplane.AuditMark, name string) {
	r.T.Helper()
	ctx, cancel := context.WithTimeout(r.T.Context(), world.Patience)
	defer cancel()
	err := program.Poll(ctx, func(context.Context) error {
		if !slices.ContainsFunc(r.Requests(since), func(request string) bool { return strings.HasPrefix(request, "events create "+name+".") }) {
			return fmt.Errorf("no event of %s", name)
		}
		return nil
	})
	if err != nil {
		r.T.Fatal(err)
	}
}

// Definitions of the chart are there before its objects, which are of their kinds.
func TestDefinitions(t *testing.T) {
	group := "widgets.test"
	r := newRelease(t, app("1.0.0", map[string]string{
		"crds/widget.yaml":      "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets." + group + "}\nspec:\n  group: " + group + "\n  scope: Namespaced\n  names: {plural: widgets, kind: Widget}\n  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]\n",
		"templates/widget.yaml": "apiVersion: " + group + "/v1\nkind: Widget\nmetadata: {name: {{ .Release.Name }}}\n",
	}))
	r.helmRelease("web")
	obj := r.ready("web")
	ids := r.inventory(obj)
	world.Equal(t, "inventory", []string{
		"NS_web-config__ConfigMap", "NS_web_" + group + "_Widget", "_widgets." + group + "_apiextensions.k8s.io_CustomResourceDefinition",
	}, ids)
}
