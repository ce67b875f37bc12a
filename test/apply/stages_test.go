package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/apply"
)

const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.SUFFIX.example.com}
spec:
  group: SUFFIX.example.com
  scope: Namespaced
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
---
apiVersion: SUFFIX.example.com/v1
kind: Widget
metadata: {name: one, namespace: NS-new}
spec: {size: 1}
---
apiVersion: v1
kind: Namespace
metadata: {name: NS-new, namespace: bogus}
`

func TestDefinitionsNamespacesAndTheirObjects(t *testing.T) {
	w := newWorld(t)
	manifests := strings.ReplaceAll(widgets, "SUFFIX", w.namespace)
	equal(t, []string{
		"CustomResourceDefinition/widgets.NS.example.com created", "Namespace/NS-new created", "Widget/NS-new/one created",
	}, w.apply(manifests))
	var ids []string
	for _, e := range w.inv {
		ids = append(ids, strings.ReplaceAll(e.ID(), w.namespace, "NS"))
	}
	equal(t, []string{
		"_widgets.NS.example.com_apiextensions.k8s.io_CustomResourceDefinition", "_NS-new__Namespace", "NS-new_one_NS.example.com_Widget",
	}, ids)
	equal(t, map[string]int{}, w.counted(func() { w.apply(manifests) }))
	w.quiet()

	// Without its definition the object is gone, and that is drift of both.
	w.kubectl("delete", "crd", "widgets."+w.namespace+".example.com")
	w.await(0)
	equal(t, []string{"CustomResourceDefinition/widgets.NS.example.com created", "Widget/NS-new/one created"}, w.apply(manifests))
	drain(w)

	changes, remaining, err := w.Prune(t.Context(), w.owner, w.inv)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, 0, len(remaining))
	equal(t, 3, len(changes))
	equal(t, "Widget", changes[0].Kind)
	w.quiet()
}

func drain(w *world) {
	for len(w.woken) > 0 {
		<-w.woken
	}
}

func TestNothingOfAStageIsWrittenIfOneObjectIsRefused(t *testing.T) {
	w := newWorld(t)
	_, err := w.pass(w.request(strings.Replace(four, "containerPort: 80", "containerPort: 99999", 1)))
	stage, ok := errors.AsType[*apply.StageError](err)
	if !ok || stage.Written || len(stage.Errors) != 1 {
		t.Fatalf("got %v", err)
	}
	equal(t, "", w.jsonpath("{.metadata.name}", "configmap/config"))
}

func TestTextsOfRefusals(t *testing.T) {
	w := newWorld(t)
	tests := map[string]struct{ manifest, want string }{
		"namespace missing": {
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: NS-missing}}",
			`ConfigMap/NS-missing/a not found: namespaces "NS-missing" not found`,
		},
		"no namespace": {
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
			"ConfigMap/a namespace not specified: the server could not find the requested resource",
		},
		"unknown kind": {
			"{apiVersion: example.com/v1, kind: Nothing, metadata: {name: a}}",
			`Nothing/a dry-run failed: no matches for kind "Nothing" in version "example.com/v1"`,
		},
		"wrong type": {
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: NS}, data: {a: {b: c}}}",
			`ConfigMap/NS/a dry-run failed`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := w.pass(w.request(test.manifest))
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.ReplaceAll(err.Error(), w.namespace, "NS")
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestUndeclaredFieldsOfBuiltinKinds(t *testing.T) {
	w := newWorld(t)
	manifests := strings.Replace(web, "        image:", "        imagee: x\n        image:", 1)
	manifests = strings.Replace(manifests, "  replicas: 1", "  replicas: 1\n  bogus: {a: b}\n  revisionHistoryLimit: null", 1)
	manifests = strings.Replace(manifests, "containerPort: 80}", "containerPort: 80, foo: bar}", 1)
	out, err := w.pass(w.request(manifests))
	if err != nil {
		t.Fatal(err)
	}
	var warnings []string
	for _, s := range out.Warnings {
		warnings = append(warnings, strings.ReplaceAll(s, w.namespace, "NS"))
	}
	const text = "Deployment/NS/web has a field that Deployment does not have, and it was left out: "
	equal(t, []string{
		text + ".spec.bogus",
		text + `.spec.template.spec.containers[name="web"].imagee`,
		text + `.spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].foo`,
	}, warnings)
	equal(t, map[string]int{}, w.counted(func() { equal(t, []string(nil), w.apply(manifests)) }))
}
