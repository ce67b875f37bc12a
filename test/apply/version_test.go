package apply

import (
	"slices"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/apply"
)

const gauges = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gauges.NS.example.com}
spec:
  group: NS.example.com
  scope: Namespaced
  names: {kind: Gauge, listKind: GaugeList, plural: gauges, singular: gauge}
  versions:
  - &v
    name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}, color: {type: string}}}}}}
  - <<: *v
    name: v2
    storage: false
`

const gauge = `
apiVersion: NS.example.com/v1
kind: Gauge
metadata: {name: one, namespace: NS}
spec: {size: 1}
`

// managers returns who owns fields of the gauge, and in which version.
func (w *world) managers() string {
	w.t.Helper()
	text := w.jsonpath(`{range .metadata.managedFields[*]}{.manager} {.apiVersion},{end}`, "gauges.v2."+w.namespace+".example.com", "one")
	return strings.ReplaceAll(text, w.namespace, "NS")
}

// Another version of its API is the same object: nothing is deleted. With the gate,
// what others own moves along, so that the old version can be given up.
func TestAPIVersions(t *testing.T) {
	for name, migrate := range map[string]bool{"kept": false, "moved": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *apply.Config) { c.MigrateAPIVersion = migrate })
			w.apply(gauges + "---" + gauge)
			w.inv = w.inv[1:] // the definition is no matter
			uid := w.jsonpath("{.metadata.uid}", "gauges."+w.namespace+".example.com", "one")
			if out, err := plane.KubectlInput(t.Context(), strings.ReplaceAll(strings.Replace(gauge, "size: 1", "color: red", 1), "NS", w.namespace),
				"apply", "--server-side", "--field-manager=painter", "-f", "-"); err != nil {
				t.Fatal(err, out)
			}
			newer := strings.Replace(gauge, "/v1", "/v2", 1)
			plan, err := w.Plan(t.Context(), w.request(newer))
			if err != nil || len(plan.Stale) != 0 || len(plan.Additions) != 0 {
				t.Fatalf("stale %v, new %v, error %v", plan.Stale, plan.Additions, err)
			}
			w.apply(newer)
			equal(t, uid, w.jsonpath("{.metadata.uid}", "gauges."+w.namespace+".example.com", "one"))
			equal(t, "v2", w.inv[0].Version)
			want := "painter NS.example.com/v1,kustomize-controller NS.example.com/v1," // since nothing has changed
			if migrate {
				want = "kustomize-controller NS.example.com/v2,painter NS.example.com/v2,"
			}
			equal(t, sorted(want), sorted(w.managers()))
			if !migrate {
				return
			}
			w.kubectl("patch", "crd", "gauges."+w.namespace+".example.com", "--type=json", "-p",
				`[{"op":"replace","path":"/spec/versions/0/storage","value":false},{"op":"replace","path":"/spec/versions/1/storage","value":true},{"op":"replace","path":"/spec/versions/0/served","value":false}]`)
			equal(t, []string{"Gauge/NS/one configured"}, w.apply(strings.Replace(newer, "size: 1", "size: 2", 1)))
			equal(t, "2 red", w.jsonpath("{.spec.size} {.spec.color}", "gauges.v2."+w.namespace+".example.com", "one"))
			w.quiet()
		})
	}
}

// sorted returns a list between commas in order.
func sorted(list string) []string {
	return slices.Sorted(strings.SplitSeq(strings.Trim(list, ","), ","))
}
