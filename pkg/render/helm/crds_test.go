package helm

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/helm"
)

func TestCRDs(t *testing.T) {
	named := func(name string) string {
		return "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: " + name + "}\n"
	}
	in := input(chartOf(t, `-- Chart.yaml --
apiVersion: v2
name: web
version: 1.0.0
dependencies: [{name: on, version: "*", alias: alias}, {name: off, version: "*", condition: off.enabled}]
-- crds/b.yaml --
`+named("b1")+"---\n"+named("b2")+`
-- crds/c.YML --
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
-- crds/README.md --
text
-- charts/on/Chart.yaml --
apiVersion: v2
name: on
version: 1.0.0
-- charts/on/crds/d.json --
{"apiVersion": "v1", "kind": "List", "items": [{"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1", "metadata": {"name": "d"}}]}
-- charts/off/Chart.yaml --
apiVersion: v2
name: off
version: 1.0.0
-- charts/off/crds/e.yaml --
`+named("e")))
	in.Values = map[string]any{"off": map[string]any{"enabled": false}}
	in.PostRender = PostRender{OwnerName: "web", OwnerNamespace: "tenant"}
	var got []string
	for c, err := range CRDs(in) {
		if err != nil {
			t.Fatal(err)
		}
		metadata := c.Object["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		if c.Foreign != (labels == nil) || labels != nil && labels[api.LabelHelmReleaseName] != "web" {
			t.Errorf("%s has the labels %v", metadata["name"], labels)
		}
		got = append(got, c.File+" "+metadata["name"].(string))
	}
	if diff := cmp.Diff([]string{"web/crds/b.yaml b1", "web/crds/b.yaml b2", "web/crds/c.YML c", "web/charts/alias/crds/d.json d"}, got); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
	for range CRDs(in) {
		break // nobody has to want all of them
	}
	in.Chart = chartOf(t, "-- crds/a.yaml --\n[")
	for _, err := range CRDs(in) {
		if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), "web/crds/a.yaml") {
			t.Errorf("got %v", err)
		}
	}
}

// However many definitions a chart has, there is one of them in memory at a time.
func TestCRDsOneAtATime(t *testing.T) {
	c, err := load(t.Context(), fstest.MapFS{"big.tgz": {Data: bigChart(t, 1, 40)}}, helm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	before, most, n := heap(), int64(0), 0
	for _, err := range CRDs(input(c)) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%20 == 0 {
			most = max(most, heap()-before)
		}
	}
	if n != 40 || c.cost < 2<<20 {
		t.Fatalf("%d definitions in %d bytes", n, c.cost)
	}
	if most > 1<<20 {
		t.Errorf("%d bytes more are in use than before", most)
	}
}
