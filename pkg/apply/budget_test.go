package apply

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestBudget(t *testing.T) {
	tests := map[string]struct {
		text     string
		n, total int
		want     bool
	}{
		"no limit":              {"", 100, 100, true},
		"a count that suffices": {"10", 10, 10, true},
		"a count that does not": {"10", 11, 1000, false},
		"a share that suffices": {" 20% ", 20, 100, true},
		"a share that does not": {"20%", 21, 100, false},
		"a share of few":        {"50%", 1, 1, false},
		"everything":            {"100%", 7, 7, true},
		"none":                  {"0", 1, 100, false},
		"none of nothing":       {"0%", 0, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := ParseBudget(test.text)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, test.want, b.Allows(test.n, test.total))
			again, err := ParseBudget(b.String())
			if err != nil || again != b {
				t.Errorf("%q is read as %+v, %v", b, again, err)
			}
		})
	}
	for _, bad := range []string{"-1", "101%", "ten", "%", "1.5", "99999999999", "10 %"} {
		if _, err := ParseBudget(bad); !errors.Is(err, ErrBadBudget) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestDoomed(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{
		configMap("goes", "1"), configMap("gone", "1"), configMap("taken", "1"), marked(configMap("kept", "1"), "prune", "disabled"),
	}})
	w.settled()
	w.api.remove(configMaps(), key{"default", "gone"})
	w.api.edit(configMaps(), key{"default", "taken"}, "other", "b", "metadata", "labels", "kustomize.toolkit.fluxcd.io/name")
	w.settled()
	w.api.requests()
	stale := append(w.inv, Entry{Group: "example.org", Kind: "Widget", Namespace: "default", Name: "of a kind that is gone"})
	doomed, err := w.Doomed(t.Context(), owner(), stale)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, Inventory{{Kind: "ConfigMap", Namespace: "default", Name: "goes", Version: "v1"}}, doomed)
	equal(t, []string{"get configmaps gone"}, w.api.requests())

	w.api.refuse = func(string, Entry, *unstructured.Unstructured) error { return errors.New("no answer") }
	doomed, _ = w.Doomed(t.Context(), owner(), Inventory{{Kind: "ConfigMap", Namespace: "default", Name: "gone", Version: "v1"}})
	equal(t, 1, len(doomed)) // nobody knows, so it counts
}
