package apply

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func parse(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	var m map[string]any
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: integers(m).(map[string]any)}
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: default
  uid: 6b9f1b1e-8a3f-4c6e-9a53-8f4e2f7b8c11
  resourceVersion: "42"
  labels: {app: web, team: a}
  managedFields:
  - manager: kustomize-controller
    operation: Apply
    apiVersion: apps/v1
    fieldsV1:
      f:metadata: {f:labels: {f:app: {}}}
      f:spec:
        f:replicas: {}
        f:selector: {}
        f:template:
          f:spec:
            f:containers:
              k:{"name":"web"}:
                .: {}
                f:image: {}
                f:name: {}
                f:ports:
                  k:{"containerPort":80,"protocol":"TCP"}: {.: {}, f:containerPort: {}}
  - manager: kube-controller-manager
    operation: Update
    apiVersion: apps/v1
    subresource: status
    fieldsV1: {f:status: {f:replicas: {}}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    spec:
      containers:
      - {name: sidecar, image: proxy}
      - name: web
        image: web:1
        ports: [{containerPort: 80, protocol: TCP}, {containerPort: 81, protocol: TCP}]
status: {replicas: 2}
`

func TestOwnedDigest(t *testing.T) {
	h := newHasher()
	const manager = "kustomize-controller"
	base := h.owned(parse(t, deployment), manager, false, nil)
	containers := func(o *unstructured.Unstructured) []any {
		return field(o, "spec", "template", "spec", "containers").([]any)
	}
	tests := map[string]struct {
		change func(*unstructured.Unstructured)
		same   bool
	}{
		"nothing":                  {func(*unstructured.Unstructured) {}, true},
		"status":                   {func(o *unstructured.Unstructured) { o.Object["status"] = nil }, true},
		"resource version":         {func(o *unstructured.Unstructured) { o.SetResourceVersion("43") }, true},
		"a label of somebody else": {func(o *unstructured.Unstructured) { setPath(o.Object, []string{"metadata", "labels", "team"}, "b") }, true},
		"a label of ours":          {func(o *unstructured.Unstructured) { setPath(o.Object, []string{"metadata", "labels", "app"}, "b") }, false},
		"a number":                 {func(o *unstructured.Unstructured) { setPath(o.Object, []string{"spec", "replicas"}, int64(3)) }, false},
		"a number in another form": {func(o *unstructured.Unstructured) { setPath(o.Object, []string{"spec", "replicas"}, float64(2)) }, true},
		"below a set that is whole": {func(o *unstructured.Unstructured) {
			setPath(o.Object, []string{"spec", "selector", "matchLabels", "x"}, "y")
		}, false},
		"an item of ours":          {func(o *unstructured.Unstructured) { containers(o)[1].(map[string]any)["image"] = "web:2" }, false},
		"an item of somebody else": {func(o *unstructured.Unstructured) { containers(o)[0].(map[string]any)["image"] = "proxy:2" }, true},
		"the order of items":       {func(o *unstructured.Unstructured) { c := containers(o); c[0], c[1] = c[1], c[0] }, true},
		"an item gone": {func(o *unstructured.Unstructured) {
			setPath(o.Object, []string{"spec", "template", "spec", "containers"}, containers(o)[:1])
		}, false},
		"a port that is not ours": {func(o *unstructured.Unstructured) {
			containers(o)[1].(map[string]any)["ports"].([]any)[1].(map[string]any)["name"] = "x"
		}, true},
		"what another manager owns":    {func(o *unstructured.Unstructured) { owned(o, 1)["f:status"] = map[string]any{"f:x": map[string]any{}} }, true},
		"ownership of a field is lost": {func(o *unstructured.Unstructured) { delete(owned(o, 0)["f:spec"].(map[string]any), "f:replicas") }, false},
		"ownership of all is lost":     {func(o *unstructured.Unstructured) { o.SetManagedFields(nil) }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := parse(t, deployment)
			test.change(o)
			if got := h.owned(o, manager, false, nil) == base; got != test.same {
				t.Errorf("same digest: %v, want %v", got, test.same)
			}
		})
	}
	equal(t, uint64(0), h.owned(parse(t, deployment), "nobody", false, nil))
}

func owned(o *unstructured.Unstructured, entry int) map[string]any {
	return field(o, "metadata", "managedFields").([]any)[entry].(map[string]any)["fieldsV1"].(map[string]any)
}

func TestContentDigest(t *testing.T) {
	h := newHasher()
	base := h.content(parse(t, deployment), nil)
	tests := map[string]struct {
		change func(*unstructured.Unstructured)
		same   bool
	}{
		"status":     {func(o *unstructured.Unstructured) { delete(o.Object, "status") }, true},
		"version":    {func(o *unstructured.Unstructured) { o.SetResourceVersion("1"); o.SetGeneration(9) }, true},
		"ownership":  {func(o *unstructured.Unstructured) { o.SetManagedFields(nil) }, true},
		"finalizers": {func(o *unstructured.Unstructured) { o.SetFinalizers([]string{"x"}) }, true},
		"an empty map": {func(o *unstructured.Unstructured) {
			setPath(o.Object, []string{"metadata", "annotations"}, map[string]any{})
		}, true},
		"a label":           {func(o *unstructured.Unstructured) { setPath(o.Object, []string{"metadata", "labels", "team"}, "b") }, false},
		"an annotation":     {func(o *unstructured.Unstructured) { o.SetAnnotations(map[string]string{"a": "b"}) }, false},
		"a field":           {func(o *unstructured.Unstructured) { setPath(o.Object, []string{"spec", "paused"}, true) }, false},
		"a field, false":    {func(o *unstructured.Unstructured) { setPath(o.Object, []string{"spec", "paused"}, false) }, false},
		"a field, removed":  {func(o *unstructured.Unstructured) { delete(o.Object["spec"].(map[string]any), "replicas") }, false},
		"a top-level field": {func(o *unstructured.Unstructured) { o.Object["data"] = map[string]any{"a": "b"} }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := parse(t, deployment)
			test.change(o)
			if got := h.content(o, nil) == base; got != test.same {
				t.Errorf("same digest: %v, want %v", got, test.same)
			}
		})
	}
}

func TestIgnoredFieldsAreInNoDigest(t *testing.T) {
	h := newHasher()
	const manager = "kustomize-controller"
	for pointer, change := range map[string]func(*unstructured.Unstructured){
		"/spec/replicas": func(o *unstructured.Unstructured) { setPath(o.Object, []string{"spec", "replicas"}, int64(9)) },
		"/spec/template/spec/containers/1/image": func(o *unstructured.Unstructured) {
			field(o, "spec", "template", "spec", "containers").([]any)[1].(map[string]any)["image"] = "x"
		},
		"/metadata/labels/app": func(o *unstructured.Unstructured) { setPath(o.Object, []string{"metadata", "labels", "app"}, "x") },
		"":                     func(o *unstructured.Unstructured) { setPath(o.Object, []string{"spec"}, map[string]any{}) },
	} {
		t.Run(pointer, func(t *testing.T) {
			p := &pointers{}
			p.add(pointer)
			before, after := parse(t, deployment), parse(t, deployment)
			change(after)
			equal(t, h.content(before, p), h.content(after, p))
			equal(t, h.owned(before, manager, false, p), h.owned(after, manager, false, p))
			if h.content(before, nil) == h.content(after, nil) {
				t.Error("without the rule the digests are the same too")
			}
		})
	}
	t.Run("ownership that moved away", func(t *testing.T) {
		p := &pointers{}
		p.add("/spec/replicas")
		o := parse(t, deployment)
		delete(owned(o, 0)["f:spec"].(map[string]any), "f:replicas")
		equal(t, h.owned(parse(t, deployment), manager, false, p), h.owned(o, manager, false, p))
	})
}

func TestDigestsOfTwoProcessesDiffer(t *testing.T) {
	o := parse(t, deployment)
	first, second := newHasher(), newHasher()
	if first.content(o, nil) == second.content(o, nil) {
		t.Error("digests can be predicted")
	}
}

func TestValueDigest(t *testing.T) {
	h := newHasher()
	for name, pair := range map[string][2]any{
		"types":         {"1", int64(1)},
		"big integers":  {int64(1) << 60, int64(1)<<60 + 1},
		"order":         {[]any{"a", "b"}, []any{"b", "a"}},
		"nesting":       {[]any{[]any{"a"}, "b"}, []any{"a", []any{"b"}}},
		"keys, values":  {map[string]any{"a": "b"}, map[string]any{"b": "a"}},
		"swapped":       {map[string]any{"a": "x", "b": "y"}, map[string]any{"a": "y", "b": "x"}},
		"true or false": {true, false},
		"null or false": {nil, false},
	} {
		if h.value(pair[0], nil) == h.value(pair[1], nil) {
			t.Errorf("%s: the digests are the same", name)
		}
	}
	equal(t, h.value(int(1), nil), h.value(float64(1), nil))
	equal(t, h.value(nil, nil), h.value(map[string]any{}, nil))
}

func BenchmarkOwnedDigest(b *testing.B) {
	h, o := newHasher(), parse(b, deployment)
	b.ReportAllocs()
	for b.Loop() {
		h.owned(o, "kustomize-controller", false, nil)
	}
}

func BenchmarkReduce(b *testing.B) {
	w := newWorld(b)
	o := parse(b, deployment)
	b.ReportAllocs()
	for b.Loop() {
		w.store.reduce(nil, o)
	}
}
