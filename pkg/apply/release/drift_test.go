package release

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
)

func setField(value any, path ...string) func(*unstructured.Unstructured) *unstructured.Unstructured {
	return func(obj *unstructured.Unstructured) *unstructured.Unstructured {
		if err := unstructured.SetNestedField(obj.Object, value, path...); err != nil {
			panic(err)
		}
		return obj
	}
}

func lines(drifts []Drift) []string {
	var all []string
	for _, d := range drifts {
		all = append(all, strings.TrimSpace(d.String()))
	}
	return all
}

func TestDrift(t *testing.T) {
	const disabled = "helm.toolkit.fluxcd.io/driftDetection"
	for name, c := range map[string]struct {
		edit    func(*world)
		watch   Watch
		drift   []string
		correct []string
	}{
		"none": {edit: func(*world) {}},
		"a value of ours": {
			edit:  func(w *world) { w.edit(coreV1+"configmaps/a", setField("2", "data", "key")) },
			drift: []string{"ConfigMap/apps/a changed (0 additions, 1 changes, 0 removals)"}, correct: []string{"ConfigMap/apps/a configured"},
		},
		"a label of ours": {
			edit: func(w *world) {
				w.edit(coreV1+"configmaps/a", setField("Me", "metadata", "labels", "app.kubernetes.io/managed-by"))
			},
			drift: []string{"ConfigMap/apps/a changed (0 additions, 1 changes, 0 removals)"}, correct: []string{"ConfigMap/apps/a configured"},
		},
		"a field of somebody else": {edit: func(w *world) { w.edit(coreV1+"configmaps/a", setField("2", "data", "other")) }},
		"an object that is gone": {
			edit:  func(w *world) { w.edit(coreV1+"configmaps/b", gone) },
			drift: []string{"ConfigMap/apps/b removed"}, correct: []string{"ConfigMap/apps/b created"},
		},
		"an ignored field": {
			edit:  func(w *world) { w.edit(coreV1+"configmaps/a", setField("2", "data", "key")) },
			watch: Watch{Ignore: []api.IgnoreRule{{Paths: []string{"/data/key"}}}},
		},
		"an object that is left out": {
			edit: func(w *world) {
				w.edit(coreV1+"configmaps/a", setField("2", "data", "key"))
				w.edit(coreV1+"configmaps/a", setField("disabled", "metadata", "annotations", disabled))
			},
			drift: []string{"ConfigMap/apps/a excluded"},
		},
		"an object that its chart leaves out": {
			edit:  func(w *world) { w.edit(coreV1+"configmaps/c", setField("2", "data", "key")) },
			drift: nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			left := "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  labels:\n    " + disabled + ": disabled\ndata:\n  key: \"1\"\n"
			w.done(w.install(rendered(configMap("a", "\"1\"") + configMap("b", "\"1\"") + left)))
			c.edit(w)
			w.restart()
			c.watch.Version = 1
			drifts, err := w.Drift(t.Context(), w.target, c.watch)
			if err != nil {
				t.Fatal(err)
			}
			want := append([]string{}, c.drift...)
			if !strings.Contains(strings.Join(want, " "), "configmaps/c") {
				want = append(want, "ConfigMap/apps/c excluded")
			}
			w.equal("drift", want, lines(drifts))
			changes, err := w.Correct(t.Context(), w.target, c.watch)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, one := range changes {
				got = append(got, one.String())
			}
			w.equal("corrections", c.correct, got)
			drifts, err = w.Drift(t.Context(), w.target, c.watch)
			if len(lines(drifts)) > 2 || err != nil {
				t.Errorf("drift afterwards: %v (%v)", lines(drifts), err)
			}
			w.equal("history", []string{"1 deployed: Install complete"}, w.history())
		})
	}
}

// One object that cannot be set back does not keep the others from it.
func TestCorrectGoesOnBehindErrors(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "\"1\"") + configMap("b", "\"1\"") + configMap("c", "\"1\""))))
	for _, name := range []string{"a", "b", "c"} {
		w.edit(coreV1+"configmaps/"+name, setField("2", "data", "key"))
	}
	w.refuse = func(verb, path string) error { return refused(verb, path, "configmaps/b") }
	changes, err := w.Correct(t.Context(), w.target, Watch{Version: 1})
	if err == nil || !strings.Contains(err.Error(), "ConfigMap/apps/b dry-run failed (Forbidden)") || len(changes) != 2 {
		t.Errorf("changes %v, error %v", changes, err)
	}
}

// Where everything is watched and intact there is nothing to ask; see test/apply. What
// cannot be watched is compared.
func TestDriftComparesWhatIsNotWatched(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "\"1\""))))
	for range 2 {
		if _, err := w.Drift(t.Context(), w.target, Watch{Version: 1}); err != nil {
			t.Fatal(err)
		}
		if w.requests() == 0 {
			t.Error("nothing was asked")
		}
	}
}
