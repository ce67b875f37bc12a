package apply

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestIgnoreRules(t *testing.T) {
	obj := parse(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: ns, labels: {app: web}, annotations: {a: b}}}`)
	tests := map[string]struct {
		rules []api.IgnoreRule
		want  [][]string
	}{
		"none":               {nil, nil},
		"without target":     {[]api.IgnoreRule{{Paths: []string{"/spec/replicas"}}}, [][]string{{"spec", "replicas"}}},
		"two without target": {[]api.IgnoreRule{{Paths: []string{"/b"}}, {Paths: []string{"/a"}}}, [][]string{{"a"}, {"b"}}},
		"escapes":            {[]api.IgnoreRule{{Paths: []string{"/metadata/annotations/a~1b~0c"}}}, [][]string{{"metadata", "annotations", "a/b~c"}}},
		"no pointer":         {[]api.IgnoreRule{{Paths: []string{"spec"}}}, nil},
		"by kind":            {[]api.IgnoreRule{{Paths: []string{"/a"}, Target: &api.Selector{Kind: "Deploy.*"}}}, [][]string{{"a"}}},
		"anchored":           {[]api.IgnoreRule{{Paths: []string{"/a"}, Target: &api.Selector{Kind: "Deploy"}}}, nil},
		"by all":             {[]api.IgnoreRule{{Paths: []string{"/a"}, Target: &api.Selector{Group: "apps", Version: "v1", Kind: "Deployment", Name: "w.b", Namespace: "ns|m"}}}, [][]string{{"a"}}},
		"by label":           {[]api.IgnoreRule{{Paths: []string{"/a"}, Target: &api.Selector{LabelSelector: "app in (web)"}}}, [][]string{{"a"}}},
		"by another label":   {[]api.IgnoreRule{{Paths: []string{"/a"}, Target: &api.Selector{LabelSelector: "app!=web"}}}, nil},
		"by annotation":      {[]api.IgnoreRule{{Paths: []string{"/a"}, Target: &api.Selector{AnnotationSelector: "a=b"}}}, [][]string{{"a"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rules, err := compileIgnore(test.rules, newHasher())
			if err != nil {
				t.Fatal(err)
			}
			var got [][]string
			if p := rules.pointers(obj); p != nil {
				got = p.paths()
			}
			equal(t, test.want, got)
		})
	}
}

func TestIgnoreRulesThatDoNotCompile(t *testing.T) {
	for _, s := range []api.Selector{{Kind: "("}, {LabelSelector: "!!"}, {AnnotationSelector: "a in"}} {
		if _, err := compileIgnore([]api.IgnoreRule{{Target: &s}}, newHasher()); err == nil {
			t.Errorf("%+v compiles", s)
		}
	}
}

func TestIgnoreRulesAreToldApart(t *testing.T) {
	h := newHasher()
	sum := func(rules ...api.IgnoreRule) uint64 {
		c, err := compileIgnore(rules, h)
		if err != nil {
			t.Fatal(err)
		}
		return c.sum()
	}
	a := api.IgnoreRule{Paths: []string{"/a"}}
	targeted := api.IgnoreRule{Paths: []string{"/a"}, Target: &api.Selector{Kind: "X"}}
	equal(t, sum(a), sum(a))
	equal(t, uint64(0), sum())
	if sum(a) == sum(targeted) || sum(a) == sum(a, a) || sum(targeted) == sum(api.IgnoreRule{Paths: []string{"/a"}, Target: &api.Selector{Kind: "Y"}}) {
		t.Error("different rules have one digest")
	}
}

func TestIgnoredDriftIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	k := key{"default", "a"}
	rules := []api.IgnoreRule{{Paths: []string{"/data/key"}}}
	objects := []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1")}
	_, _ = w.pass(Request{Objects: objects, Ignore: rules})
	w.settled()
	w.api.edit(configMaps(), k, "somebody", "2", "data", "key")
	w.settled()
	equal(t, 0, w.drain())
	w.api.requests()
	_, _ = w.pass(Request{Objects: objects, Ignore: rules})
	equal(t, []string(nil), w.api.requests())

	// Applied for another reason, what is ignored is adopted.
	changed := configMap("a", "1")
	setPath(changed.Object, []string{"data", "more"}, "x")
	out, err := w.pass(Request{Objects: []*unstructured.Unstructured{changed, configMap("b", "1")}, Ignore: rules})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a configured", "ConfigMap/default/b unchanged"}, lines(out.Changes))
	equal(t, map[string]any{"key": "2", "more": "x"}, w.api.object(configMaps(), k).Object["data"].(map[string]any))

	// Without the rules it is drift again.
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{changed, configMap("b", "1")}})
	equal(t, "1", text(w.api.object(configMaps(), k), "data", "key"))
}

func TestIgnoredFieldThatAnotherManagerApplied(t *testing.T) {
	w := newWorld(t)
	k := key{"default", "a"}
	rules := []api.IgnoreRule{{Paths: []string{"/data/key"}}}
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}, Ignore: rules})
	w.api.mu.Lock()
	w.api.put(configMaps(), w.api.apply(w.api.objects[configMaps()][k], configMap("a", "2"), "scaler", "default"))
	w.api.mu.Unlock()
	w.settled()
	changed := configMap("a", "1")
	setPath(changed.Object, []string{"data", "more"}, "x")
	if _, err := w.pass(Request{Objects: []*unstructured.Unstructured{changed}, Ignore: rules}); err != nil {
		t.Fatal(err)
	}
	live := w.api.object(configMaps(), k)
	equal(t, map[string]any{"key": "2", "more": "x"}, live.Object["data"].(map[string]any))
	for _, e := range live.GetManagedFields() {
		if e.Manager == "kustomize-controller" && owns(fieldSetOf(t, e.FieldsV1.GetRawBytes()), live.Object, []string{"data", "key"}) {
			t.Error("we own the field still")
		}
	}
}

func fieldSetOf(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	return parse(t, string(raw)).Object
}

func TestOwns(t *testing.T) {
	o := parse(t, deployment)
	set := owned(o, 0)
	for path, want := range map[string]bool{
		"/spec/replicas":                            true,
		"/spec":                                     true,
		"/spec/selector/matchLabels/app":            true, // owned as a whole
		"/spec/paused":                              false,
		"/spec/template/spec/containers/1/image":    true,
		"/spec/template/spec/containers/0/image":    false,
		"/spec/template/spec/containers/1/ports/0":  true,
		"/spec/template/spec/containers/1/ports/1":  false,
		"/metadata/labels/app":                      true,
		"/metadata/labels/team":                     false,
		"/spec/template/spec/containers/1/command":  false,
		"/spec/template/spec/containers/7/whatever": false,
	} {
		p := &pointers{}
		p.add(path)
		if got := owns(set, o.Object, p.paths()[0]); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestChanges(t *testing.T) {
	e := Entry{Kind: "ConfigMap", Namespace: "n", Name: "a"}
	c := Changes{{e, Created}, {e, Unchanged}, {e, Skipped}}
	equal(t, "ConfigMap/n/a created\nConfigMap/n/a skipped", c.Lines(Created, Skipped))
	equal(t, "", c.Lines())
	equal(t, true, c.Wrote())
	equal(t, false, c[1:].Wrote())
}
