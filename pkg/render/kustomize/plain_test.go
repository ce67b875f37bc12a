package kustomize

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/render"
)

// A folder of plain manifests is built as one whose kustomization file lists them.
func TestPlainIsWhatKustomizeBuilds(t *testing.T) {
	annotated := func(annotations string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: noted, annotations: {" + annotations + "}}\n"
	}
	for name, files := range map[string]map[string]string{
		"manifests":                         {"b.yaml": configMap("b"), "a.yaml": configMap("a") + "---\n" + deployment, "c/d.yml": configMap("d")},
		"a list":                            {"a.yaml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n- {apiVersion: v1, kind: Secret, metadata: {name: x}}\n"},
		"a list of another kind":            {"a.yaml": "apiVersion: v1\nkind: ConfigMapList\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}]\n"},
		"local configuration":               {"a.yaml": configMap("a"), "b.yaml": annotated("config.kubernetes.io/local-config: 'true'")},
		"not local after all":               {"b.yaml": annotated("config.kubernetes.io/local-config: 'false'")},
		"notes of kustomize":                {"a.yaml": annotated("internal.config.kubernetes.io/index: '1', config.kubernetes.io/origin: x, alpha.config.kubernetes.io/transformations: y, config.kubernetes.io/index: '0', keep: me")},
		"nothing but notes":                 {"a.yaml": annotated("config.kubernetes.io/origin: x")},
		"comments and blanks":               {"a.yaml": "# x\n---\n" + configMap("a") + "---\n---\n# y\n", "b.yaml": ""},
		"anchors and styles":                {"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: &l {x: 'y'}, annotations: *l}\ndata:\n  t: |\n    a\n    b\n  n: \"1\"\n  f: >-\n    x\n    y\n"},
		"numbers":                           {"a.yaml": "apiVersion: e.org/v1\nkind: T\nmetadata: {name: a}\nspec: {a: 1, b: 1.0, c: 1e3, d: 0o17, e: 9007199254740993, f: ~, g: [], h: {}, i: yes}\n"},
		"JSON":                              {"a.yaml": `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}`},
		"a kustomization of an application": {"a.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\nspec: {path: x}\n"},
		"one name in two namespaces":        {"a.yaml": strings.Replace(configMap("a"), "name: a", "name: a\n  namespace: x", 1) + "---\n" + configMap("a")},
		"one name of two kinds":             {"a.yaml": configMap("a") + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"},
		"one object twice":                  {"a.yaml": configMap("a"), "b.yaml": configMap("a")},
		"one object twice, once in default": {"a.yaml": configMap("a"), "b.yaml": strings.Replace(configMap("a"), "name: a", "name: a\n  namespace: default", 1)},
		"a cluster's object twice":          {"a.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n"},
		"no kind":                           {"a.yaml": "apiVersion: v1\nmetadata: {name: a}\n"},
		"no name":                           {"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n"},
		"malformed":                         {"a.yaml": configMap("a"), "b.yaml": "a: [\n"},
		"no mapping":                        {"a.yaml": "- a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var listed []string
			for file := range files {
				listed = append(listed, file)
			}
			slices.Sort(listed)
			explicit := maps.Clone(files)
			explicit["kustomization.yaml"] = "resources: [" + strings.Join(listed, ", ") + "]\n"
			got, gotErr := New(Config{}).Build(context.Background(), tree(t, files), &render.Trace{}, Options{})
			want, wantErr := New(Config{}).Build(context.Background(), tree(t, explicit), &render.Trace{}, Options{})
			if (gotErr == nil) != (wantErr == nil) {
				t.Fatalf("got %v, kustomize says %v", gotErr, wantErr)
			}
			if diff := cmp.Diff(fmt.Sprintf("%s", want), fmt.Sprintf("%s", got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// BenchmarkPlain tells what objects of a plain folder cost each.
func BenchmarkPlain(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text strings.Builder
			for i := range n {
				text.WriteString(configMap(fmt.Sprint("a-", i)) + "---\n")
			}
			files := tree(b, map[string]string{"a.yaml": text.String()})
			for b.Loop() {
				if _, err := New(Config{}).Build(context.Background(), files, &render.Trace{}, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/object")
		})
	}
}
