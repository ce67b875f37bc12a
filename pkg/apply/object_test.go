package apply

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
)

func TestPlace(t *testing.T) {
	w := newWorld(t)
	objects := []*unstructured.Unstructured{
		object("v1", "ConfigMap", "", "none", nil), object("v1", "ConfigMap", "own", "own", nil),
		object("v1", "Namespace", "wrong", "cluster", nil), object("example.com/v1", "Widget", "", "unknown", nil),
		object("example.com/v1", "World", "wrong", "declared", nil),
		object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "worlds.example.com", map[string]any{"spec": map[string]any{
			"group": "example.com", "scope": "Cluster", "names": map[string]any{"kind": "World"},
		}}),
	}
	if err := w.Place(objects, "apps"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, obj := range objects {
		got = append(got, obj.GetName()+" "+obj.GetNamespace())
	}
	equal(t, []string{"none apps", "own own", "cluster ", "unknown apps", "declared ", "worlds.example.com "}, got)
}

// Remove deletes what it is told to, whoever has applied it, unless it is to be spared.
func TestRemove(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1"), configMap("c", "1")}})
	w.api.refuse = func(verb string, e Entry, _ *unstructured.Unstructured) error {
		if verb == "delete" && e.Name == "c" {
			return apierrors.NewForbidden(schema.GroupResource{}, "c", nil)
		}
		return nil
	}
	spare := func(live *unstructured.Unstructured) bool { return live.GetName() == "b" }
	entries := Inventory{}
	for _, name := range []string{"a", "b", "c", "gone"} {
		entries = append(entries, EntryOf(configMap(name, "")))
	}
	entries = append(entries, Entry{Group: "example.com", Version: "v1", Kind: "Widget", Namespace: "default", Name: "unserved"})
	changes, left, err := w.Remove(t.Context(), Owner{"some", "body"}, entries, Removal{Spare: spare})
	equal(t, []string{
		"ConfigMap/default/a deleted", "ConfigMap/default/b skipped", "ConfigMap/default/gone deleted", "Widget/default/unserved deleted",
	}, lines(changes))
	equal(t, Inventory{EntryOf(configMap("c", ""))}, left)
	if err == nil || !strings.Contains(err.Error(), "ConfigMap/default/c delete failed") {
		t.Errorf("error %v", err)
	}
	w.awaitWake() // it has lost an object
}

// What nobody has touched since it was applied is intact, without a request.
func TestIntact(t *testing.T) {
	k := key{"default", "a"}
	for name, c := range map[string]struct {
		edit func(*world)
		want bool
	}{
		"as it was left":           {func(*world) {}, true},
		"with a field of others":   {func(w *world) { w.api.edit(configMaps(), k, "other", "2", "data", "other") }, true},
		"with an edit":             {func(w *world) { w.api.edit(configMaps(), k, "other", "2", "data", "key") }, false},
		"deleted":                  {func(w *world) { w.api.remove(configMaps(), k) }, false},
		"with the mark, and edits": {func(w *world) { w.api.edit(configMaps(), k, "other", "disabled", "metadata", "annotations", "x/drift") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(cfg *Config) { cfg.DriftKey = "x/drift" })
			if w.Intact(owner(), Inventory{EntryOf(configMap("a", ""))}) {
				t.Error("intact before it was applied")
			}
			_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
			w.settled()
			c.edit(w)
			w.settled()
			w.api.requests()
			equal(t, c.want, w.Intact(owner(), Inventory{EntryOf(configMap("a", ""))}))
			equal(t, []string(nil), w.api.requests())
			if w.Intact(Owner{"some", "body"}, Inventory{EntryOf(configMap("a", ""))}) {
				t.Error("intact for somebody else")
			}
		})
	}
}

// Judge asks by rules of its own, and wakes when their answer changes.
func TestJudge(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
	w.settled()
	inv := Inventory{EntryOf(configMap("a", ""))}
	rules := NewRules(map[schema.GroupKind]Rule{{Kind: "ConfigMap"}: func(obj map[string]any) (status.Status, string, error) {
		if data, _ := obj["data"].(map[string]any); data["done"] == "yes" {
			return status.CurrentStatus, "", nil
		}
		return status.InProgressStatus, "not yet", nil
	}})
	report, err := w.Health(t.Context(), owner(), inv)
	if err != nil || !report.Healthy() {
		t.Errorf("by the general rules: %v (%v)", report.Findings, err)
	}
	report, err = w.Judge(t.Context(), owner(), inv, rules)
	if err != nil || len(report.Findings) != 1 || report.Findings[0].Message != "not yet" {
		t.Errorf("by others: %v (%v)", report.Findings, err)
	}
	w.drain()
	w.api.edit(configMaps(), key{"default", "a"}, "other", "yes", "data", "done")
	w.awaitWake()
	if report, _ = w.Judge(t.Context(), owner(), inv, rules); !report.Healthy() {
		t.Errorf("afterwards: %v", report.Findings)
	}
}

// TakeOnly leaves alone what kubectl has put on an object.
func TestTakeOnly(t *testing.T) {
	entry := func(manager, operation string) any {
		return map[string]any{"manager": manager, "operation": operation, "fieldsV1": map[string]any{"f:data": map[string]any{"f:x": map[string]any{}}}}
	}
	for name, c := range map[string]struct {
		managers []any
		only     bool
		want     bool
	}{
		"kubectl":                      {[]any{entry("kubectl-edit", "Update")}, false, true},
		"kubectl, and only ours":       {[]any{entry("kubectl-edit", "Update")}, true, false},
		"our updates":                  {[]any{entry("helm-controller", "Update")}, true, true},
		"a manager that is overridden": {[]any{entry("legacy", "Update")}, true, true},
		"our applies":                  {[]any{entry("helm-controller", "Apply")}, true, false},
		"our writes of a subresource":  {[]any{withSubresource(entry("helm-controller", "Update"))}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			take := newTakeover("helm-controller", []string{"legacy"}, false)
			if c.only {
				take = take.only([]string{"legacy"})
			}
			obj := configMap("a", "1")
			setPath(obj.Object, []string{"metadata", "managedFields"}, c.managers)
			equal(t, c.want, take.needed(obj))
		})
	}
}

func withSubresource(entry any) any {
	entry.(map[string]any)["subresource"] = "status"
	return entry
}

// A strict applier leaves out no field that the API server does not know, and says how
// it wants them treated.
func TestStrict(t *testing.T) {
	w := newWorld(t, func(cfg *Config) { cfg.Strict = true })
	equal(t, metav1.FieldValidationStrict, w.validation())
	w.api.refuse = func(verb string, e Entry, _ *unstructured.Unstructured) error {
		if verb == "dry" && e.Name == "a" {
			return apierrors.NewBadRequest("failed to create typed patch object: .data.nope: field not declared in schema")
		}
		return nil
	}
	obj := configMap("a", "1")
	setPath(obj.Object, []string{"data", "nope"}, "x")
	_, err := w.pass(Request{Objects: []*unstructured.Unstructured{obj}})
	if err == nil || !strings.Contains(err.Error(), "field not declared in schema") {
		t.Errorf("error %v", err)
	}
}

// Compare tells how objects differ, and writes nothing.
func TestCompare(t *testing.T) {
	w := newWorld(t)
	objects := func() []*unstructured.Unstructured {
		return []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1"), configMap("c", "1"), configMap("d", "1")}
	}
	_, _ = w.pass(Request{Objects: objects()})
	w.settled()
	w.api.edit(configMaps(), key{"default", "a"}, "other", "2", "data", "key")
	w.api.edit(configMaps(), key{"default", "b"}, "other", nil, "data", "key")
	w.api.remove(configMaps(), key{"default", "c"})
	w.settled()
	w.api.requests()
	plan, err := w.Plan(t.Context(), Request{Owner: owner(), Objects: objects(), Inventory: w.inv, Repair: true})
	if err != nil {
		t.Fatal(err)
	}
	found, err := w.Compare(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range found {
		got = append(got, d.String())
	}
	equal(t, []string{
		"ConfigMap/default/a changed (0 additions, 1 changes, 0 removals)",
		"ConfigMap/default/b changed (1 additions, 0 changes, 0 removals)", "ConfigMap/default/c removed",
	}, got)
	for _, r := range w.api.requests() {
		if !strings.HasPrefix(r, "dry ") && !strings.HasPrefix(r, "get ") {
			t.Errorf("it wrote: %s", r)
		}
	}
}
