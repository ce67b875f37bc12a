package kustomize

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestMain(m *testing.M) {
	http.DefaultTransport = NoNetwork{}
	os.Exit(m.Run())
}

// tree returns a tree of the given files.
func tree(t testing.TB, files map[string]string) *artifacts.Tree {
	t.Helper()
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := store.NewBuilder(artifacts.Limits{})
	for name, content := range files {
		if err := b.AddFile(name, 0o644, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	made, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// build builds and returns the objects by kind/namespace/name, and in that form.
func build(t testing.TB, b *Builder, files map[string]string, o Options) (map[string]*unstructured.Unstructured, []string, error) {
	t.Helper()
	documents, err := b.Build(context.Background(), tree(t, files), &render.Trace{}, o)
	objects := make(map[string]*unstructured.Unstructured)
	var order []string
	for _, document := range documents {
		obj := &unstructured.Unstructured{}
		if err := obj.UnmarshalJSON(document); err != nil {
			t.Fatal(err)
		}
		id := obj.GetKind() + "/" + obj.GetNamespace() + "/" + obj.GetName()
		objects[id], order = obj, append(order, id)
	}
	return objects, order, err
}

func configMap(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\ndata:\n  key: value\n"
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - name: web
        image: example/web:1
      - name: side
        image: example/side:1
`

func TestBuildOrder(t *testing.T) {
	cases := map[string]struct {
		files map[string]string
		o     Options
		want  []string
	}{
		"a folder of plain manifests, in lexical order": {
			files: map[string]string{
				"b.yaml": configMap("b"), "a/z.yml": configMap("az"), "a.yaml": configMap("a"),
				"readme.md": "# no manifest", "a/.hidden/x.yaml": configMap("hidden"),
			},
			want: []string{"ConfigMap//hidden", "ConfigMap//az", "ConfigMap//a", "ConfigMap//b"},
		},
		"a nested kustomization is not entered": {
			files: map[string]string{
				"a/kustomization.yml": "resources: [in.yaml]\nnamePrefix: p-\n", "a/in.yaml": configMap("in"),
				"a/out.yaml": "not: [kubernetes", "b.yaml": configMap("b"),
			},
			want: []string{"ConfigMap//p-in", "ConfigMap//b"},
		},
		"the order of the file": {
			files: map[string]string{"Kustomization": "resources: [b.yaml, a.yaml]\n", "a.yaml": configMap("a"), "b.yaml": configMap("b")},
			want:  []string{"ConfigMap//b", "ConfigMap//a"},
		},
		"the order that the file asks for": {
			files: map[string]string{
				"kustomization.yaml": "resources: [a.yaml]\nsortOptions: {order: legacy}\n",
				"a.yaml":             configMap("a") + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n",
			},
			want: []string{"Namespace//n", "ConfigMap//a"},
		},
		"files above the folder": {
			files: map[string]string{"deep/down/kustomization.yaml": "resources: [../../a.yaml]\n", "a.yaml": configMap("a")},
			o:     Options{Path: "./deep/down"},
			want:  []string{"ConfigMap//a"},
		},
		"a path that tries to leave": {
			files: map[string]string{"apps/a.yaml": configMap("a")},
			o:     Options{Path: "../../apps/../../apps"},
			want:  []string{"ConfigMap//a"},
		},
		"an absolute path": {
			files: map[string]string{"apps/a.yaml": configMap("a"), "b.yaml": configMap("b")},
			o:     Options{Path: "/apps"},
			want:  []string{"ConfigMap//a"},
		},
		"a list": {
			files: map[string]string{"l.yaml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"},
			want:  []string{"ConfigMap//a", "ConfigMap//b"},
		},
		"local configuration is left out": {
			files: map[string]string{"a.yaml": configMap("a"), "l.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: l\n  annotations: {config.kubernetes.io/local-config: \"true\"}\n"},
			want:  []string{"ConfigMap//a"},
		},
		"nothing": {files: map[string]string{"readme.md": "x"}, want: nil},
		"a kustomization.yaml that wants nothing": {files: map[string]string{"kustomization.yaml": "resources: []\n"}, want: nil},
		"an empty kustomization.yaml and a component of the spec": {
			files: map[string]string{
				"kustomization.yaml": "", "a/a.yaml": configMap("a"),
				"a/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [a.yaml]\n",
			},
			o:    Options{Components: []string{"a"}},
			want: []string{"ConfigMap//a"},
		},
		"unknown fields vanish": {
			files: map[string]string{"kustomization.yaml": "nonsense: 1\nresources: [a.yaml]\n", "a.yaml": configMap("a")},
			want:  []string{"ConfigMap//a"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, order, err := build(t, New(Config{}), c.files, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, order); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// field returns a value deep in an object as JSON.
func field(t *testing.T, obj *unstructured.Unstructured, path ...string) string {
	t.Helper()
	if obj == nil {
		return "no such object"
	}
	value, _, err := unstructured.NestedFieldNoCopy(obj.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
