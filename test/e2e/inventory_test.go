package e2e

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

const role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: \"app:reader\", namespace: NS}\nrules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]\n"

// entries returns the inventory of a Kustomization in its order, as id and version.
func entries(w *world, obj *unstructured.Unstructured) []string {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "inventory", "entries")
	var all []string
	for _, e := range list {
		entry := e.(map[string]any)
		all = append(all, strings.Replace(fmt.Sprint(entry["id"], " ", entry["v"]), w.namespace, "NS", 1))
	}
	return all
}

// What the Flux controllers left behind is taken over: what is as it should be is not
// written, what has left Git is deleted, and the inventory that remains is one that
// they would have written, for the way back.
func TestInventoryOfFlux(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1"), "app/role.yaml": role, "app/web.yaml": deployment("web", "")})
	labelled := func(manifest string) string {
		return w.expand(strings.Replace(manifest, "namespace: NS", "namespace: NS, labels: {kustomize.toolkit.fluxcd.io/name: app, kustomize.toolkit.fluxcd.io/namespace: NS}", 1))
	}
	for _, manifest := range []string{configMap("config", "1"), configMap("gone", "1"), role, deployment("web", "")} {
		if out, err := w.KubectlInput(t.Context(), labelled(manifest), "apply", "--server-side", "--field-manager=kustomize-controller", "-f", "-"); err != nil {
			t.Fatal(err, out)
		}
	}
	w.install("wait: true")
	ids := `{"id":"NS_app__reader_rbac.authorization.k8s.io_Role","v":"v1"},{"id":"NS_config__ConfigMap","v":"v1"},{"id":"NS_gone__ConfigMap","v":"v1"},{"id":"NS_web_apps_Deployment","v":"v1"}`
	w.kubectl("patch", "kustomization", "app", "--subresource=status", "--type=merge", "--field-manager=gotk-kustomize-controller",
		"-p", w.expand(`{"status":{"inventory":{"entries":[`+ids+`]}}}`))
	config, web := version(w.get(harness.ConfigMaps, "config")), w.get(harness.Deployments, "web").GetGeneration()
	w.start()
	app := w.ready("app")
	w.wait(harness.ConfigMaps, "gone", harness.Gone)
	equal(t, "version of an object that was as it should be", config, version(w.get(harness.ConfigMaps, "config")))
	equal(t, "generation of the Deployment", web, w.get(harness.Deployments, "web").GetGeneration())
	equal(t, "inventory", []string{
		"NS_app__reader_rbac.authorization.k8s.io_Role v1", "NS_config__ConfigMap v1", "NS_web_apps_Deployment v1",
	}, entries(w.world, app))
	managers := w.kubectl("get", "configmap", "config", "-o", "jsonpath={.metadata.managedFields[*].manager}", "--show-managed-fields")
	equal(t, "managers", "kustomize-controller", managers)
	w.delete(harness.Kustomized, "app")
	w.wait(harness.Kustomized, "app", harness.Gone)
	w.wait(harness.ConfigMaps, "config", harness.Gone)
	equal(t, "the Role with a colon in its name", "", w.kubectl("get", "role", "app:reader", "--ignore-not-found"))
}
