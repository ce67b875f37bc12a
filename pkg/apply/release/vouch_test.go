package release

import (
	"errors"
	"slices"
	"strings"
	"testing"

	helm "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Where others may write the records, an action that is under way goes on if this process
// has left it so, or if somebody vouches for the record, and not otherwise. The hooks of a
// record that nobody vouches for are not run when it is uninstalled.
func TestRecordsThatNobodyVouchesFor(t *testing.T) {
	nobody, everybody := func(Observation) bool { return false }, func(Observation) bool { return true }
	bye := hookOf("bye", 0, "", helm.HookPreDelete)
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "1"), bye)))
	second := rendered(configMap("a", "2"), hookOf("first", 0, "", helm.HookPreUpgrade), bye)
	w.target.Vouch = nobody
	w.waits(w.upgrade(second))("Job/apps/first")
	w.waits(w.Continue(t.Context(), w.target))("Job/apps/first")

	w.restart()
	w.target.Vouch = everybody
	w.waits(w.Continue(t.Context(), w.target))("Job/apps/first")

	w.restart()
	w.target.Vouch = nobody
	if _, err := w.Continue(t.Context(), w.target); !errors.Is(err, ErrNothingUnderway) {
		t.Errorf("to go on: %v", err)
	}
	if _, err := w.upgrade(second); !errors.Is(err, ErrPending) {
		t.Errorf("the same upgrade: %v", err)
	}
	w.done(w.Unlock(t.Context(), w.target, options("3")))

	w.restart()
	w.target.Vouch = nobody
	step := w.done(w.Uninstall(t.Context(), w.target, Uninstall{Options: options("4")}))
	if slices.Contains(w.paths(), "jobs/bye") {
		t.Error("a hook was run that nobody vouches for")
	}
	if len(step.Warnings) != 1 || !strings.Contains(step.Warnings[0], "secret/flux/sh.helm.release.v1.web.v2") {
		t.Errorf("warnings %q", step.Warnings)
	}
}

// Whatever such records name, only what carries the labels of the owner is deleted.
func TestRecordsThatNameMoreThanTheirOwn(t *testing.T) {
	for name, end := range map[string]func(*world) (Step, error){
		"an upgrade": func(w *world) (Step, error) { return w.upgrade(rendered(configMap("c", "1"))) },
		"an uninstall": func(w *world) (Step, error) {
			return w.Uninstall(t.Context(), w.target, Uninstall{Options: options("2")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.done(w.install(rendered(configMap("a", "1") + configMap("theirs", "1"))))
			w.edit(coreV1+"configmaps/theirs", func(obj *unstructured.Unstructured) *unstructured.Unstructured {
				obj.SetLabels(nil) // so that nothing but the record says whose it is
				return obj
			})
			w.target.Vouch = func(Observation) bool { return true }
			w.done(end(w))
			if left := w.paths(); !slices.Contains(left, "configmaps/theirs") || slices.Contains(left, "configmaps/a") {
				t.Errorf("there are %q", left)
			}
		})
	}
}
