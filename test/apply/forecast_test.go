package apply

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/forecast"
)

// foretell returns what an apply of manifests would do, of a seer who knows nothing.
func (w *world) foretell(next string) []forecast.Object {
	w.t.Helper()
	seer := newSeer(w)
	plan, err := seer.Plan(w.t.Context(), apply.Request{Owner: w.owner, Objects: w.objects(next), Inventory: w.inv})
	if err != nil {
		w.t.Fatal(err)
	}
	objects, err := seer.Forecast(w.t.Context(), apply.Foresight{Plan: plan})
	if err != nil {
		w.t.Fatal(err)
	}
	return objects
}

func newSeer(w *world) *apply.Applier {
	own := w.Applier
	w.start(func(c *apply.Config) { c.NoWatch = true })
	seer := w.Applier
	w.Applier = own
	return seer
}

func (w *world) live(o forecast.Object) *unstructured.Unstructured {
	w.t.Helper()
	gvr := schema.GroupVersionResource{Group: o.Group, Version: o.Version, Resource: o.Resource}
	obj, err := w.clients().Dynamic.Resource(gvr).Namespace(o.Namespace).Get(w.t.Context(), o.Name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return obj
}

const webBefore = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS, labels: {stray: x, mine: own}}
spec:
  replicas: 2
  minReadySeconds: 7
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {stray: x}}
    spec:
      containers:
      - {name: web, image: "example.com/web:1", args: [a, b], env: [{name: A, value: "1"}, {name: STRAY, value: x}], ports: [{containerPort: 80, protocol: TCP}]}
      - {name: stray, image: "example.com/stray:1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS, labels: {stray: x}}
data: {key: "0", stray: x}
`

const webAfter = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS, labels: {mine: own}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "example.com/web:2", args: [a, b], env: [{name: A, value: "1"}], ports: [{containerPort: 80, protocol: TCP}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS}
data: {key: "1"}
`

// What an object would be is what it is after the apply, also where it takes over what
// other tools have left, fields, items and all.
func TestForecastIsWhatIsLeft(t *testing.T) {
	for name, prepare := range map[string]func(w *world){
		"of kubectl apply": func(w *world) { w.input(webBefore, "apply", "-f", "-") },
		"server side":      func(w *world) { w.input(webBefore, "apply", "--server-side", "-f", "-") },
		"of kubectl create": func(w *world) {
			w.input(webBefore, "create", "-f", "-")
		},
		"of ours": func(w *world) { w.apply(webBefore) },
		"of ours and of kubectl edit": func(w *world) {
			w.apply(webBefore)
			w.kubectl("-n", w.namespace, "scale", "deployment", "web", "--replicas=5")
			w.kubectl("-n", w.namespace, "label", "deployment", "web", "edited=x", "mine=z", "--overwrite")
			w.kubectl("-n", w.namespace, "patch", "configmap", "config", "-p", `{"data":{"edited":"x","key":"9"}}`)
		},
		"of kubectl and then of ours": func(w *world) {
			w.input(webBefore, "apply", "-f", "-")
			w.apply(webBefore)
			w.input(webBefore, "apply", "-f", "-")
		},
		"of somebody else as well": func(w *world) {
			w.apply(webBefore)
			w.input(strings.ReplaceAll(webBefore, "replicas: 2", "replicas: 4"), "apply", "--server-side", "--force-conflicts", "--field-manager=scaler", "-f", "-")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			foretold := w.foretell(webAfter)
			before := map[string]*unstructured.Unstructured{}
			for _, o := range foretold {
				before[o.String()] = w.live(o)
			}
			w.apply(webAfter)
			controllers := [][]string{{"metadata", "annotations", "deployment.kubernetes.io/revision"}}
			for _, o := range foretold {
				live := w.live(o)
				equal(t, []forecast.Field(nil), forecast.Compare(o.Result, live, controllers))
				equal(t, forecast.Compare(before[o.String()], live, controllers), o.Change)
				if len(o.Change) == 0 {
					t.Errorf("%s has no change", o)
				}
			}
		})
	}
}

// input has kubectl read manifests.
func (w *world) input(manifests string, args ...string) {
	w.t.Helper()
	out, err := plane.KubectlInput(w.t.Context(), strings.ReplaceAll(manifests, "NS", w.namespace), args...)
	if err != nil {
		w.t.Fatal(err, out)
	}
}
