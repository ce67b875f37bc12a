package forecast

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	if text == "" {
		return nil
	}
	obj := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = obj.UnmarshalJSON(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestCompare(t *testing.T) {
	const head, secret = "apiVersion: v1\nkind: ConfigMap\n", "apiVersion: v1\nkind: Secret\n"
	for name, c := range map[string]struct {
		before, after string
		ignored       [][]string
		want          []Field
	}{
		"nothing to compare": {"", head + "data: {a: 1}", nil, nil},
		"the same":           {head + "data: {a: x, n: 1}", head + "data: {n: 1.0, a: x}", nil, nil},
		"what is empty":      {head + "data: {}\nlist: []", head + "other: null", nil, nil},
		"metadata and status": {
			head + "metadata: {resourceVersion: '1', labels: {a: b}}\nstatus: {x: 1}",
			head + "metadata: {resourceVersion: '2', labels: {a: c}}\nstatus: {x: 2}", nil,
			[]Field{{Path: "metadata.labels.a", Old: "b", New: "c"}},
		},
		"a map that is new": {
			head + "metadata: {name: x}", head + "metadata: {name: x, annotations: {example.com/a: b}}\ndata: {k: v}", nil,
			[]Field{{Path: "data.k", New: "v"}, {Path: `metadata.annotations["example.com/a"]`, New: "b"}},
		},
		"items by name": {
			head + "spec: {containers: [{name: a, image: x}, {name: b, image: u}]}",
			head + "spec: {containers: [{name: c, image: z}, {name: a, image: w}]}", nil,
			[]Field{
				{Path: "spec.containers[name=a].image", Old: "x", New: "w"},
				{Path: "spec.containers[name=b]", Old: map[string]any{"name": "b", "image": "u"}},
				{Path: "spec.containers[name=c]", New: map[string]any{"name": "c", "image": "z"}},
			},
		},
		"items by place": {
			head + "args: [a, b]", head + "args: [a, c, d]", nil,
			[]Field{{Path: "args[1]", Old: "b", New: "c"}, {Path: "args[2]", New: "d"}},
		},
		"another type": {head + "a: {b: 1}", head + "a: [1]", nil, []Field{{Path: "a", Old: map[string]any{"b": int64(1)}, New: []any{int64(1)}}}},
		"ignored":      {head + "spec: {a: 1, b: 1}", head + "spec: {a: 2, b: 2}", [][]string{{"spec", "a"}}, []Field{{Path: "spec.b", Old: int64(1), New: int64(2)}}},
		"values of a Secret": {
			secret + "data: {a: aHVudGVyMg==, gone: eA==}\ntype: Opaque", secret + "data: {a: eA==, new: eA==}\ntype: other", nil,
			[]Field{{Path: "data.a", Masked: true}, {Path: "data.gone", Masked: true}, {Path: "data.new", Masked: true}, {Path: "type", Old: "Opaque", New: "other"}},
		},
		"annotations of a Secret": {
			secret + "metadata: {annotations: {a: b}}", secret + "metadata: {annotations: {a: c, kubectl.kubernetes.io/last-applied-configuration: hunter2}}", nil,
			[]Field{{Path: "metadata.annotations.a", Old: "b", New: "c"}, {Path: `metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]`, Masked: true}},
		},
		"a Secret of another shape": {secret + "data: hunter2", secret + "data: [hunter2]", nil, []Field{{Path: "data", Masked: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Compare(parse(t, c.before), parse(t, c.after), c.ignored)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Of an object with very many differences as many are told as anybody reads.
func TestCompareIsBounded(t *testing.T) {
	var before, after strings.Builder
	for _, b := range []*strings.Builder{&before, &after} {
		b.WriteString("apiVersion: v1\nkind: ConfigMap\ndata:\n")
	}
	for i := range 300 {
		name := strings.Repeat("k", i+1)
		before.WriteString("  " + name + ": a\n")
		after.WriteString("  " + name + ": b\n")
	}
	got := Compare(parse(t, before.String()), parse(t, after.String()), nil)
	if len(got) != mostFields+1 || got[mostFields].Path != "(100 more fields)" {
		t.Errorf("%d fields, the last %v", len(got), got[len(got)-1])
	}
}

func TestExpected(t *testing.T) {
	crd := parse(t, "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {group: g.test, names: {kind: Widget}}")
	var e Expected
	e.Add([]Object{
		{Kind: "Namespace", Name: "new", Action: Created}, {Kind: "Namespace", Name: "old", Action: Configured},
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Action: Created, Result: crd},
	})
	copied := e.Clone()
	copied.AddNamespace("more")
	widget := Object{Group: "g.test", Kind: "Widget"}.GroupKind()
	var none *Expected
	got := []bool{e.Namespace("new"), e.Namespace("old"), e.Namespace("more"), copied.Namespace("more"), e.Kind(widget), copied.Kind(widget), none.Namespace("new"), none.Kind(widget)}
	if diff := cmp.Diff([]bool{true, false, false, true, true, true, false, false}, got); diff != "" {
		t.Error(diff)
	}
}
