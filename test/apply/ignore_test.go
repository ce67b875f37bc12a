package apply

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
)

func TestIgnoredFields(t *testing.T) {
	w := newWorld(t)
	replicas := func(r *apply.Request) {
		r.Ignore = []api.IgnoreRule{
			{Paths: []string{"/spec/replicas"}, Target: &api.Selector{Kind: "Deployment"}},
			{Paths: []string{"/data/key"}, Target: &api.Selector{Kind: "ConfigMap", Name: "con.*"}},
		}
	}
	w.apply(four, replicas)
	equal(t, "1", w.jsonpath("{.spec.replicas}", "deployment/web"))
	w.quiet()

	w.kubectl("-n", w.namespace, "scale", "deployment", "web", "--replicas=3")
	w.kubectl("-n", w.namespace, "patch", "configmap", "config", "--type=merge", "--field-manager=somebody", "-p", `{"data":{"key":"9"}}`)
	w.quiet()
	w.apply(four, replicas)
	equal(t, "3", w.jsonpath("{.spec.replicas}", "deployment/web"))
	equal(t, "9", w.jsonpath("{.data.key}", "configmap/config"))
	w.quiet()

	// The object is applied for another reason: what is ignored is adopted.
	changed := strings.Replace(four, "web:1", "web:2", 1)
	equal(t, []string{"Deployment/NS/web configured"}, w.apply(changed, replicas))
	equal(t, "3", w.jsonpath("{.spec.replicas}", "deployment/web"))
	w.quiet()

	// Without the rule it is drift again.
	equal(t, []string{"ConfigMap/NS/config configured", "Deployment/NS/web configured"}, w.apply(changed))
	equal(t, "1", w.jsonpath("{.spec.replicas}", "deployment/web"))
	drainFor(w, 200*time.Millisecond)
}

// Another manager that applies the field gets to own it alone.
func TestIgnoredFieldsOfAnotherApplier(t *testing.T) {
	w := newWorld(t)
	rule := func(r *apply.Request) { r.Ignore = []api.IgnoreRule{{Paths: []string{"/spec/replicas"}}} }
	w.apply(four, rule)
	_, err := plane.KubectlInput(t.Context(), strings.ReplaceAll(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec: {replicas: 4}
`, "NS", w.namespace), "apply", "--server-side", "--force-conflicts", "--field-manager=scaler", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	w.quiet()
	w.apply(strings.Replace(four, "web:1", "web:2", 1), rule)
	equal(t, "4", w.jsonpath("{.spec.replicas}", "deployment/web"))
	managers := w.jsonpath(`{range .metadata.managedFields[*]}{.manager}={.fieldsV1.f:spec.f:replicas};{end}`, "deployment/web", "--show-managed-fields")
	if !strings.Contains(managers, "scaler={};") || !strings.Contains(managers, "kustomize-controller=;") {
		t.Errorf("replicas is owned by %s", managers)
	}
}

func drainFor(w *world, d time.Duration) {
	for {
		select {
		case <-w.woken:
		case <-time.After(d):
			return
		}
	}
}
