package e2e

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// What spec may change of the manifests, all at once.
func TestBuildOptions(t *testing.T) {
	w := newWorld(t, files{
		"app/config.yaml":          "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {key: \"1\"}\n",
		"app/web.yaml":             "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: main, image: example.com/web:1}]}\n",
		"extra/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [more.yaml]\n",
		"extra/more.yaml":          "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {key: \"2\"}\n",
	})
	w.source("repo")
	w.kustomization("app", "./app",
		"targetNamespace: NS", "namePrefix: pre-", "nameSuffix: -post",
		"commonMetadata: {labels: {team: blue}, annotations: {note: hello}}",
		"components: [../extra]",
		"images: [{name: example.com/web, newName: example.org/site, newTag: \"7\"}]",
		"patches: [{target: {kind: Deployment}, patch: \"[{\\\"op\\\": \\\"add\\\", \\\"path\\\": \\\"/spec/replicas\\\", \\\"value\\\": 2}]\"}]")
	app := w.ready("app")
	equal(t, "inventory", []string{"NS_pre-config-post__ConfigMap", "NS_pre-more-post__ConfigMap", "NS_pre-web-post_apps_Deployment"}, w.inventory(app))
	config := w.get(harness.ConfigMaps, "pre-config-post")
	equal(t, "labels", map[string]string{
		"team": "blue", api.LabelKustomizationName: "app", api.LabelKustomizationNamespace: w.namespace,
	}, config.GetLabels())
	equal(t, "annotations", map[string]string{"note": "hello"}, config.GetAnnotations())
	contains(t, "web", w.kubectl("get", "deployment", "pre-web-post", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}"), "2 example.org/site:7")

	w.patch(harness.Kustomized, "app", spec(map[string]any{"namePrefix": nil, "commonMetadata": nil, "patches": nil}))
	w.wait(harness.ConfigMaps, "config-post", not(harness.Gone))
	w.wait(harness.ConfigMaps, "pre-config-post", harness.Gone)
	app = w.ready("app")
	equal(t, "inventory", []string{"NS_config-post__ConfigMap", "NS_more-post__ConfigMap", "NS_web-post_apps_Deployment"}, w.inventory(app))
	equal(t, "annotations", map[string]string(nil), w.get(harness.ConfigMaps, "config-post").GetAnnotations())
}

// A kind and an object of it, with the objects around them, in one Kustomization.
func TestDefinitionAndItsObject(t *testing.T) {
	const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.NS.example.org}
spec:
  group: NS.example.org
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}}
`
	const thing = "apiVersion: NS.example.org/v1\nkind: Thing\nmetadata: {name: one, namespace: NS}\nspec: {size: 1}\n"
	w := newWorld(t, files{"app/all.yaml": thing + "---\n" + configMap("config", "1") + "---\n" + definition})
	w.source("repo")
	w.kustomization("app", "./app", "wait: true")
	w.ready("app")
	things := thingsOf(w.namespace)
	equal(t, "owner", "app", w.get(things, "one").GetLabels()[api.LabelKustomizationName])

	w.patch(things, "one", spec(map[string]any{"size": 5}))
	w.kubectl("wait", "--for=jsonpath={.spec.size}=1", "--timeout=30s", "things."+w.namespace+".example.org/one")

	w.commit(files{"app/all.yaml": configMap("config", "2")})
	w.request(harness.Sources, "repo")
	w.wait(crds, "things."+w.namespace+".example.org", harness.Gone)
	w.wait(harness.Kustomized, "app", func(obj *unstructured.Unstructured) bool { return harness.Ready(obj) && len(w.inventory(obj)) == 1 })
}

// An object of a kind that another Kustomization brings, later.
func TestDefinitionThatComesLater(t *testing.T) {
	w := newWorld(t, files{"app/thing.yaml": "apiVersion: NS.example.org/v1\nkind: Thing\nmetadata: {name: one, namespace: NS}\n", "app/config.yaml": configMap("config", "1"),
		"kinds/thing.yaml": `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.NS.example.org}
spec:
  group: NS.example.org
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`})
	w.source("repo")
	w.kustomization("app", "./app", "retryInterval: 1s")
	app := w.wait(harness.Kustomized, "app", harness.Failed("ReconciliationFailed"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "Thing/"+w.namespace+"/one", "no matches for kind")
	w.kustomization("kinds", "./kinds")
	w.ready("kinds", "app")
}

func thingsOf(namespace string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: namespace + ".example.org", Version: "v1", Resource: "things"}
}
