package apply

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

func TestPrune(t *testing.T) {
	tests := map[string]struct {
		before func(*world, key)
		action Action
		gone   bool
		sent   []string
	}{
		"ours": {nil, Deleted, true, []string{"delete configmaps a"}},
		"gone already": {
			func(w *world, k key) { w.api.remove(configMaps(), k) },
			Deleted, true, []string{"get configmaps a"},
		},
		"of another owner": {
			func(w *world, k key) {
				w.api.edit(configMaps(), k, "other", "b", "metadata", "labels", "kustomize.toolkit.fluxcd.io/name")
			},
			Skipped, false, nil,
		},
		"of nobody": {
			func(w *world, k key) {
				w.api.edit(configMaps(), k, "other", nil, "metadata", "labels", "kustomize.toolkit.fluxcd.io/name")
			},
			Skipped, false, []string{"get configmaps a"},
		},
		"protected": {
			func(w *world, k key) {
				w.api.edit(configMaps(), k, "other", "Disabled", "metadata", "annotations", "kustomize.toolkit.fluxcd.io/prune")
			},
			Skipped, false, nil,
		},
		"disabled": {
			func(w *world, k key) {
				w.api.edit(configMaps(), k, "other", "disabled", "metadata", "labels", "kustomize.toolkit.fluxcd.io/reconcile")
			},
			Skipped, false, nil,
		},
		"ignored": {
			func(w *world, k key) {
				w.api.edit(configMaps(), k, "other", "Ignore", "metadata", "annotations", "kustomize.toolkit.fluxcd.io/ssa")
			},
			Skipped, false, nil,
		},
		"if not present": {
			func(w *world, k key) {
				w.api.edit(configMaps(), k, "other", "IfNotPresent", "metadata", "annotations", "kustomize.toolkit.fluxcd.io/ssa")
			},
			Deleted, true, []string{"delete configmaps a"},
		},
		"held by a finalizer": {
			func(w *world, k key) { w.api.hold[k] = true },
			Deleted, false, []string{"delete configmaps a"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			k := key{"default", "a"}
			_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
			w.settled()
			if test.before != nil {
				test.before(w, k)
			}
			w.settled()
			w.drain()
			w.api.requests()
			changes, remaining, err := w.Prune(t.Context(), owner(), w.inv)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, []string{"ConfigMap/default/a " + string(test.action)}, lines(changes))
			equal(t, Inventory(nil), remaining)
			equal(t, test.sent, w.api.requests())
			equal(t, test.gone, w.api.object(configMaps(), k) == nil)
			w.settled()
			equal(t, 0, w.drain())
		})
	}
}

func TestPruneOfAReplacedObjectChecksItAgain(t *testing.T) {
	w := newWorld(t)
	k := key{"default", "a"}
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
	w.settled()
	w.api.requests()
	w.api.refuse = func(verb string, _ Entry, _ *unstructured.Unstructured) error {
		if verb == "delete" && w.api.refuse != nil {
			w.api.refuse = nil // somebody replaces it by one of their own in between
			obj := w.api.objects[configMaps()][k].DeepCopy()
			obj.SetUID(types.UID("11111111-1111-4111-8111-111111111111"))
			obj.SetLabels(nil)
			w.api.put(configMaps(), obj)
		}
		return nil
	}
	changes, _, err := w.Prune(t.Context(), owner(), w.inv)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a skipped"}, lines(changes))
	equal(t, []string{"delete configmaps a", "get configmaps a"}, w.api.requests())
}

func TestPruneKeepsWhatItCouldNotDecide(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1"), configMap("c", "1")}})
	w.settled()
	w.api.refuse = func(verb string, e Entry, _ *unstructured.Unstructured) error {
		if verb == "delete" && e.Name != "b" {
			return apierrors.NewBadRequest("no")
		}
		return nil
	}
	changes, remaining, err := w.Prune(t.Context(), owner(), w.inv)
	equal(t, []string{"ConfigMap/default/b deleted"}, lines(changes))
	equal(t, "delete failed, errors: ConfigMap/default/c delete failed: no;ConfigMap/default/a delete failed: no;", err.Error())
	equal(t, 2, len(remaining))
	if _, ok := errors.AsType[*PruneError](err); !ok {
		t.Errorf("got %T", err)
	}
}

func TestPruneOfAKindThatIsGone(t *testing.T) {
	w := newWorld(t)
	changes, _, err := w.Prune(t.Context(), owner(), Inventory{{Group: "example.org", Version: "v1", Kind: "Widget", Name: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"Widget/a deleted"}, lines(changes))
}

func TestPruneAtAVersionThatIsGone(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
	changes, _, err := w.Prune(t.Context(), owner(), Inventory{{Version: "v1beta1", Kind: "ConfigMap", Namespace: "default", Name: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a deleted"}, lines(changes))
}

func TestPruneOrder(t *testing.T) {
	w := newWorld(t)
	inv := Inventory{
		{Kind: "Namespace", Name: "a"}, {Kind: "ConfigMap", Namespace: "n", Name: "a"}, {Kind: "ConfigMap", Namespace: "n", Name: "b"},
		{Group: "apps", Kind: "Deployment", Namespace: "n", Name: "a"},
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Name: "w"},
	}
	changes, _, _ := w.Prune(t.Context(), owner(), inv)
	equal(t, []string{
		"Deployment/n/a deleted", "ConfigMap/n/b deleted", "ConfigMap/n/a deleted", "Namespace/a deleted",
		"CustomResourceDefinition/w deleted",
	}, lines(changes))
}

func TestRemainingWakesWhenGone(t *testing.T) {
	w := newWorld(t)
	k := key{"default", "a"}
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
	w.settled()
	w.api.hold[k] = true
	inv := w.inv
	if _, _, err := w.Prune(t.Context(), owner(), inv); err != nil {
		t.Fatal(err)
	}
	w.settled()
	remaining, err := w.Remaining(t.Context(), owner(), inv)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, inv, remaining)
	equal(t, 0, w.drain())
	w.api.remove(configMaps(), k)
	w.awaitWake()
	remaining, err = w.Remaining(t.Context(), owner(), inv)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, Inventory(nil), remaining)
}
