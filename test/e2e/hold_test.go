package e2e

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/test/harness"
)

func annotation(key, value string) map[string]any {
	return map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}}
}

// A revision that would delete too much is applied, and deletes nothing until it is
// approved.
func TestPruneBudget(t *testing.T) {
	w := newWorld(t, files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1"), "app/c.yaml": configMap("c", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	w.patch(harness.Kustomized, "app", annotation("fluxd.io/prune-budget", "1"))
	commit := w.commit(files{"app/a.yaml": "", "app/b.yaml": "", "app/c.yaml": configMap("c", "2")})
	w.request(harness.Sources, "repo")
	app := w.wait(harness.Kustomized, "app", harness.Failed("PruneBudgetExceeded"))
	_, message := condition(app, "Ready")
	revision := "main@sha1:" + commit
	contains(t, "message", message, "revision "+revision+" deletes 2 of 3 objects, which is more than the budget of 1: ConfigMap/"+
		w.namespace+"/a, ConfigMap/"+w.namespace+"/b; ", "fluxd.io/approve-prune: "+revision)
	w.wait(harness.ConfigMaps, "c", data("key", "2"))
	equal(t, "inventory", []string{"NS_a__ConfigMap", "NS_b__ConfigMap", "NS_c__ConfigMap"}, w.inventory(app))
	w.events("Kustomization/app Warning PruneBudgetExceeded kustomize-controller")
	if w.get(harness.ConfigMaps, "a") == nil || w.get(harness.ConfigMaps, "b") == nil {
		t.Fatal("it was pruned")
	}
	w.patch(harness.Kustomized, "app", annotation("fluxd.io/approve-prune", revision))
	app = w.applied("app", commit)
	equal(t, "inventory", []string{"NS_c__ConfigMap"}, w.inventory(app))
	w.wait(harness.ConfigMaps, "a", harness.Gone)
	w.wait(harness.ConfigMaps, "b", harness.Gone)
}

// What fluxd itself consists of is not deleted unless somebody says so.
func TestSelfIsNotPruned(t *testing.T) {
	accounts := schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	const account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: fluxd-guarded, namespace: flux-system}\n"
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "app/goes.yaml": configMap("goes", "1"), "app/self.yaml": account})
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	there := func(is is) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := w.Wait(ctx, accounts, "flux-system", "fluxd-guarded", is); err != nil {
			t.Fatal(err)
		}
	}
	commit := w.commit(files{"app/goes.yaml": "", "app/self.yaml": ""})
	w.request(harness.Sources, "repo")
	app := w.wait(harness.Kustomized, "app", harness.Failed("PruneSelfRefused"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "ServiceAccount/flux-system/fluxd-guarded", "fluxd.io/prune-self")
	w.wait(harness.ConfigMaps, "goes", harness.Gone)
	there(not(harness.Gone))
	w.patch(harness.Kustomized, "app", annotation("fluxd.io/prune-self", "enabled"))
	w.applied("app", commit)
	there(harness.Gone)
}

// A kustomization.yaml with a typo is no wish to have everything deleted.
func TestTypoPrunesNothing(t *testing.T) {
	w := newWorld(t, files{"app/kustomization.yaml": "resources: [config.yaml]\n", "app/config.yaml": configMap("config", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	for content, want := range map[string]string{
		"resource: [config.yaml]\n": `kustomization.yaml is empty: app/kustomization.yaml has no resources, and fields that are not known: "resource"`,
		"# nothing\n":               "kustomization.yaml is empty: app/kustomization.yaml",
	} {
		commit := w.commit(files{"app/kustomization.yaml": content})
		w.request(harness.Sources, "repo")
		app := w.wait(harness.Kustomized, "app", all(harness.Failed("BuildFailed"), harness.Field("main@sha1:"+commit, "status", "lastAttemptedRevision")))
		_, message := condition(app, "Ready")
		equal(t, "message", want, message)
	}
	if w.get(harness.ConfigMaps, "config") == nil {
		t.Error("it was pruned")
	}
	commit := w.commit(files{"app/kustomization.yaml": "", "app/config.yaml": "# " + strings.ReplaceAll(configMap("config", "1"), "\n", "\n# ")})
	w.request(harness.Sources, "repo")
	app := w.wait(harness.Kustomized, "app", all(harness.Failed("BuildFailed"), harness.Field("main@sha1:"+commit, "status", "lastAttemptedRevision")))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "there is nothing but comments in app/config.yaml")
	if w.get(harness.ConfigMaps, "config") == nil {
		t.Error("it was pruned")
	}
	commit = w.commit(files{"app/kustomization.yaml": "resources: []\n"})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	w.wait(harness.ConfigMaps, "config", harness.Gone)
}

// A manifest that is none fails the build with its name.
func TestManifestWithoutAPIVersion(t *testing.T) {
	w := newWorld(t, files{"app/kustomization.yaml": "resources: [sub/config.yaml]\n", "app/sub/config.yaml": "kind: ConfigMap\nmetadata: {name: config, namespace: NS}\n"})
	w.source("repo")
	w.kustomization("app", "./app")
	app := w.wait(harness.Kustomized, "app", harness.Failed("BuildFailed"))
	_, message := condition(app, "Ready")
	equal(t, "message", "failed to decode Kubernetes apiVersion, kind and name from app/sub/config.yaml", message)
}

func definition(group string) string {
	return `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.` + group + `}
spec:
  group: ` + group + `
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget, listKind: GadgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
`
}

func gadget(group string) string {
	return "apiVersion: " + group + "/v1\nkind: Gadget\nmetadata: {name: one, namespace: NS}\nspec: {size: 1}\n"
}

func gadgets(group string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: "gadgets"}
}

// A definition and an object of its kind need no order of their own.
func TestDefinitionAndObjectInOne(t *testing.T) {
	const group = "in-one.example.com"
	w := newWorld(t, files{"app/a-gadget.yaml": gadget(group), "app/z-definition.yaml": definition(group)})
	w.source("repo")
	w.kustomization("app", "./app", "wait: true")
	w.ready("app")
	if w.get(gadgets(group), "one") == nil {
		t.Error("there is no such object")
	}
	w.delete(harness.Kustomized, "app")
	w.wait(harness.Kustomized, "app", harness.Gone)
}

// Objects of any kind can be waited for, as well those that are not there and those
// of a kind that is not.
func TestDependsOnObjects(t *testing.T) {
	const group = "depended-on.example.com"
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "base/definition.yaml": definition(group)})
	w.source("repo")
	w.kustomization("app", "./app", "suspend: true")
	w.patch(harness.Kustomized, "app", annotation("fluxd.io/depends-on", "Deployment.apps/api\nGadget."+group+"/"+w.namespace+"/one"))
	w.patch(harness.Kustomized, "app", spec(map[string]any{"suspend": false}))
	says := func(text string) {
		t.Helper()
		w.wait(harness.Kustomized, "app", all(harness.Failed("DependencyNotReady"), func(obj *unstructured.Unstructured) bool {
			_, message := condition(obj, "Ready")
			return message == text
		}))
	}
	says("dependency 'Deployment.apps/api' not found")
	w.create(deployment("api", neverReady))
	says("dependency 'Deployment.apps/api' is not ready: InProgress")
	w.heal("api")
	says("dependency 'Gadget." + group + "/" + w.namespace + "/one' not found: its kind is not served")
	w.kustomization("base", "./base")
	says("dependency 'Gadget." + group + "/" + w.namespace + "/one' not found")
	if w.get(harness.ConfigMaps, "config") != nil {
		t.Error("it was applied without its dependency")
	}
	w.create(gadget(group))
	w.ready("app")
	w.delete(gadgets(group), "one")
	w.delete(harness.Kustomized, "base")
	w.wait(harness.Kustomized, "base", harness.Gone)
}
