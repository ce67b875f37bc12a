package apply

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/forecast"
)

// seer returns an applier over the same cluster that remembers nothing, as that of a
// preview.
func (w *world) seer() *Applier {
	cfg := w.cfg
	cfg.NoWatch = true
	a := New(cfg)
	w.t.Cleanup(a.Close)
	return a
}

func clones(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, len(objects))
	for i, obj := range objects {
		out[i] = obj.DeepCopy()
	}
	return out
}

// foresee returns what is foretold for next, where now is what is applied.
func (w *world) foresee(r Request, next, now []*unstructured.Unstructured, expected *forecast.Expected) []forecast.Object {
	w.t.Helper()
	a := w.seer()
	plan := func(objects []*unstructured.Unstructured) *Plan {
		r := r
		r.Owner, r.Objects, r.Inventory = owner(), clones(objects), w.inv
		p, err := a.Plan(w.t.Context(), r)
		if err != nil {
			w.t.Fatal(err)
		}
		return p
	}
	var current *Plan
	if now != nil {
		current = plan(now)
	}
	p := plan(next)
	objects, err := a.Forecast(w.t.Context(), Foresight{Plan: p, Current: current, Expected: expected})
	if err != nil {
		w.t.Fatal(err)
	}
	gone, err := a.ForecastPrune(w.t.Context(), owner(), p.Stale)
	if err != nil {
		w.t.Fatal(err)
	}
	return append(objects, gone...)
}

// told returns forecasts as lines.
func told(objects []forecast.Object) []string {
	var lines []string
	for _, o := range objects {
		line := o.String() + " " + string(o.Action)
		for _, f := range o.Change {
			line += fmt.Sprintf(" change %s %v>%v", f.Path, f.Old, f.New)
		}
		for _, f := range o.Drift {
			line += fmt.Sprintf(" drift %s %v>%v", f.Path, f.Old, f.New)
		}
		if o.Message != "" {
			line += ": " + o.Message
		}
		lines = append(lines, line)
	}
	return lines
}

func (w *world) edit(name, value string) {
	w.api.mu.Lock()
	defer w.api.mu.Unlock()
	k := key{"default", name}
	obj := w.api.objects[configMaps()][k]
	if value == "" {
		w.api.drop(configMaps(), k)
		return
	}
	obj = obj.DeepCopy()
	setPath(obj.Object, []string{"data", "key"}, value)
	w.api.put(configMaps(), obj)
}

func TestForecastTellsDriftFromChange(t *testing.T) {
	w := newWorld(t)
	now := []*unstructured.Unstructured{configMap("both", "1"), configMap("changed", "1"), configMap("drifted", "1"), configMap("lost", "1"), configMap("old", "1"), configMap("same", "1")}
	if _, err := w.pass(Request{Objects: slices.Clone(now)}); err != nil {
		t.Fatal(err)
	}
	w.edit("both", "edited")
	w.edit("drifted", "edited")
	w.edit("lost", "")
	next := []*unstructured.Unstructured{configMap("both", "2"), configMap("changed", "2"), configMap("drifted", "1"), configMap("lost", "1"), configMap("new", "1"), configMap("same", "1")}
	w.api.requests()
	got := w.foresee(Request{}, next, now, nil)
	equal(t, []string{
		"ConfigMap/default/both configured change data.key 1>2 drift data.key edited>1",
		"ConfigMap/default/changed configured change data.key 1>2",
		"ConfigMap/default/drifted configured drift data.key edited>1",
		"ConfigMap/default/lost created",
		"ConfigMap/default/new created",
		"ConfigMap/default/same unchanged",
		"ConfigMap/default/old deleted",
	}, told(got))
	equal(t, []bool{true, false}, []bool{got[3].Restored, got[4].Restored})
	for _, request := range w.api.requests() {
		if !strings.HasPrefix(request, "dry") && !strings.HasPrefix(request, "get") {
			t.Errorf("a forecast sends %s", request)
		}
	}
	without := told(w.foresee(Request{}, next, nil, nil))
	equal(t, "ConfigMap/default/both configured change data.key edited>2", without[0])
}

// What is ignored is neither drift nor change.
func TestForecastIgnores(t *testing.T) {
	w := newWorld(t)
	r := Request{Ignore: []api.IgnoreRule{{Paths: []string{"/data/key"}}}}
	r.Objects = []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1")}
	if _, err := w.pass(r); err != nil {
		t.Fatal(err)
	}
	w.edit("a", "edited")
	w.edit("b", "edited")
	b := configMap("b", "2")
	setPath(b.Object, []string{"data", "other"}, "x")
	got := w.foresee(r, []*unstructured.Unstructured{configMap("a", "1"), b}, nil, nil)
	equal(t, []string{"ConfigMap/default/a unchanged", "ConfigMap/default/b configured change data.other <nil>>x"}, told(got))
}

// Each refusal is told of its object, and the others are looked at all the same.
func TestForecastOfRefusals(t *testing.T) {
	w := newWorld(t)
	w.api.refuse = func(verb string, e Entry, obj *unstructured.Unstructured) error {
		gr := schema.GroupResource{Resource: e.Kind}
		switch {
		case verb == "dry" && e.Name == "bad":
			return apierrors.NewForbidden(gr, e.Name, errors.New("policy"))
		case verb == "dry" && e.Kind == "secrets":
			return apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, e.Name, nil)
		case verb == "dry" && e.Namespace == "fresh":
			return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "fresh")
		case verb == "dry" && e.Name == "fixed" && text(obj, "data", "key") == "2":
			return &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Code: 422, Message: "field is immutable"}}
		}
		return nil
	}
	if _, err := w.pass(Request{Objects: []*unstructured.Unstructured{configMap("fixed", "1")}}); err != nil {
		t.Fatal(err)
	}
	fresh := configMap("there", "1")
	fresh.SetNamespace("fresh")
	next := []*unstructured.Unstructured{
		object("v1", "Namespace", "", "fresh", nil), configMap("bad", "1"), configMap("good", "1"), configMap("fixed", "2"),
		fresh, object("v1", "ConfigMap", "", "nowhere", nil),
		object("v1", "Secret", "default", "token", map[string]any{"data": map[string]any{"a": "aHVudGVyMg=="}}),
		object("g.test/v1", "Widget", "default", "unknown", nil),
		object("h.test/v1", "Gadget", "default", "promised", nil),
	}
	crd := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "gadgets.h.test", map[string]any{
		"spec": map[string]any{"group": "h.test", "scope": "Namespaced", "names": map[string]any{"kind": "Gadget"}, "versions": []any{map[string]any{"name": "v1", "served": true}}},
	})
	next = append(next, crd)
	want := []string{
		"CustomResourceDefinition/gadgets.h.test created",
		"Namespace/fresh created",
		"ConfigMap/nowhere failed: ConfigMap/nowhere namespace not specified: the server could not find the requested resource",
		"ConfigMap/default/bad failed: ConfigMap/default/bad dry-run failed (Forbidden): configmaps \"bad\" is forbidden: policy",
		"ConfigMap/default/fixed failed: ConfigMap/default/fixed dry-run failed (Invalid): field is immutable",
		"ConfigMap/default/good created",
		"ConfigMap/fresh/there created: its namespace is only created",
		"Secret/default/token failed: Secret/default/token dry-run failed (Invalid): Secret \"token\" is invalid: ",
		"Widget/default/unknown failed: Widget/default/unknown dry-run failed: no matches for kind \"Widget\" in version \"g.test/v1\"",
		"Gadget/default/promised created: its kind is not served before its definition is there",
	}
	got := told(w.foresee(Request{}, next, nil, nil))
	slices.Sort(got)
	slices.Sort(want)
	equal(t, want, got)

	forced := w.foresee(Request{Force: true}, []*unstructured.Unstructured{configMap("fixed", "2")}, nil, nil)
	equal(t, []string{"ConfigMap/default/fixed recreated change data.key 1>2: the API server allows this change for new objects only: field is immutable"}, told(forced))

	var expected forecast.Expected
	expected.AddNamespace("fresh")
	equal(t, []string{"ConfigMap/fresh/there created: its namespace is only created", "ConfigMap/default/fixed deleted"}, told(w.foresee(Request{}, []*unstructured.Unstructured{fresh}, nil, &expected)))
}

// Whatever the cluster and the marks look like, what is foretold is what is done.
func TestForecastIsWhatIsDone(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 0))
		w := newWorld(t)
		now, next := scramble(random), scramble(random)
		if _, err := w.pass(Request{Objects: slices.Clone(now)}); err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			name := fmt.Sprint("n", i)
			if w.api.objects[configMaps()][key{"default", name}] != nil && random.IntN(3) == 0 {
				w.edit(name, []string{"", "edited"}[random.IntN(2)])
			}
		}
		w.settled()
		foretold := map[string]string{}
		for _, o := range w.foresee(Request{}, next, now, nil) {
			foretold[o.String()] = string(o.Action)
		}
		out, err := w.pass(Request{Objects: slices.Clone(next)})
		if err != nil {
			t.Fatal(err)
		}
		pruned, _, err := w.Prune(t.Context(), owner(), w.inventoryBefore(now, next))
		if err != nil {
			t.Fatal(err)
		}
		done := map[string]string{}
		for _, c := range append(out.Changes, pruned...) {
			done[c.Entry.String()] = string(c.Action)
		}
		equal(t, done, foretold)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		w.Close()
	}
}

// inventoryBefore returns what is in now and not in next.
func (w *world) inventoryBefore(now, next []*unstructured.Unstructured) Inventory {
	entries := func(objects []*unstructured.Unstructured) (inv Inventory) {
		for _, obj := range objects {
			inv = append(inv, EntryOf(obj))
		}
		return inv
	}
	return entries(now).Without(entries(next))
}

// scramble returns some ConfigMaps with some values and marks.
func scramble(random *rand.Rand) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for i := range 8 {
		if random.IntN(4) == 0 {
			continue
		}
		obj := configMap(fmt.Sprint("n", i), []string{"1", "2"}[random.IntN(2)])
		switch random.IntN(8) {
		case 0:
			marked(obj, "ssa", []string{"Ignore", "IfNotPresent", "Merge"}[random.IntN(3)])
		case 1:
			marked(obj, "prune", "disabled")
		case 2:
			marked(obj, "reconcile", "disabled")
		}
		objects = append(objects, obj)
	}
	return objects
}
