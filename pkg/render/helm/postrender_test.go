package helm

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// Lists are taken apart, names are generated, and what is written in odd ways is read by
// the newer rules of YAML.
func TestPostRendered(t *testing.T) {
	in := input(chartOf(t, `-- templates/a.yaml --
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: a, labels: }
  base: &d {yes: yes, date: 2020-01-01, octal: 0777, big: 12345678901, float: 1.50, "on": 'on', 1: one}
  data: {<<: *d, octal: 1}
- apiVersion: v1
  kind: Pod
  metadata: {generateName: b-, annotations: {keep: this}}
-- templates/b.yaml --
# Nothing but a comment.
`))
	in.PostRender = PostRender{OwnerName: "web", OwnerNamespace: "tenant", Common: &api.CommonMetadata{Annotations: map[string]string{"c": "1"}}}
	out, err := renderer.Render(t.Context(), in)
	const want = `---
# Source: web/templates/a.yaml
apiVersion: v1
base:
  "1": one
  big: 12345678901
  date: "2020-01-01"
  float: 1.5
  octal: 511
  "on": "on"
  "yes": "yes"
data:
  "1": one
  big: 12345678901
  date: "2020-01-01"
  float: 1.5
  octal: 1
  "on": "on"
  "yes": "yes"
kind: ConfigMap
metadata:
  annotations:
    c: "1"
  labels:
    helm.toolkit.fluxcd.io/name: web
    helm.toolkit.fluxcd.io/namespace: tenant
  name: a
---
# Source: web/templates/a.yaml
apiVersion: v1
kind: Pod
metadata:
  annotations:
    c: "1"
    keep: this
  generateName: b-
  labels:
    helm.toolkit.fluxcd.io/name: web
    helm.toolkit.fluxcd.io/namespace: tenant

`
	if diff := cmp.Diff(want, out.Manifest); err != nil || diff != "" {
		t.Errorf("%v, -want +got: %s", err, diff)
	}
}

func TestPostRenderersRefuse(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	cases := map[string]struct {
		template, err string
		patch         string
		is            error
	}{
		"no kind":              {"apiVersion: v1\nmetadata: {name: a}", "web/templates/a.yaml: kind is missing in an object", "", ErrManifest},
		"no version":           {"kind: Pod\nmetadata: {name: a}", "web/templates/a.yaml: apiVersion is missing in an object", "", ErrManifest},
		"no name":              {"apiVersion: v1\nkind: Pod\nmetadata: {}", "web/templates/a.yaml: metadata.name is missing in a Pod", "", ErrManifest},
		"an object twice":      {pod + "---\n" + pod, "web/templates/a.yaml: Pod a is in web/templates/a.yaml already", "", ErrManifest},
		"a key twice":          {pod + "spec: {a: 1, a: 2}", `mapping key "a" already defined`, "", ErrManifest},
		"an unknown alias":     {pod + "spec: {<<: *x}", "unknown anchor 'x' referenced", "", ErrManifest},
		"labels of no kind":    {"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: [x]}", "web/templates/a.yaml: metadata.labels is not a map", "", ErrManifest},
		"aliases":              {pod + "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c]", "it has too many parts", "", ErrLimit},
		"an alias of itself":   {pod + "a: &a [*a]", "it is nested more than 500 deep", "", ErrLimit},
		"a patch for nothing":  {pod, "post-renderer 1: kustomize build failed: no resource matches strategic merge patch", "apiVersion: v1\nkind: Pod\nmetadata: {name: other}", ErrPostRender},
		"a patch that is none": {pod, "post-renderer 1: kustomize build failed", "[", ErrPostRender},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(chartOf(t, "-- templates/a.yaml --\n"+c.template))
			in.PostRender = PostRender{OwnerName: "web", OwnerNamespace: "tenant"}
			in.Limits.Nodes = 1000
			if c.patch != "" {
				in.PostRender.Renderers = []v2.PostRenderer{{}, {Kustomize: &v2.Kustomize{Patches: []api.Patch{{Patch: c.patch}}}}}
			}
			_, err := renderer.Render(t.Context(), in)
			if err == nil || !strings.Contains(err.Error(), c.err) || !errors.Is(err, c.is) {
				t.Errorf("got %v", err)
			}
		})
	}
	in := input(chartOf(t, "-- templates/a.yaml --\n"+pod))
	in.PostRender = PostRender{OwnerName: "web", Strategy: "sometimes"}
	if _, err := renderer.Render(t.Context(), in); !errors.Is(err, ErrPostRender) {
		t.Errorf("an unknown strategy: got %v", err)
	}
}
