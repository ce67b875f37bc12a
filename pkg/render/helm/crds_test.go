package helm

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
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
