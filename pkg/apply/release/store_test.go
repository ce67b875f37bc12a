package release

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Helm keeps the newest revisions, and never gives up the one that is deployed.
func TestPrune(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x"))))
	for i := range 4 {
		w.refuse = func(verb, path string) error { return refused(verb, path, "configmaps/b") }
		s, err := w.upgrade(rendered(configMap("b", "x")), func(up *Upgrade) { up.Attempt, up.MaxHistory = "u"+string(rune('0'+i)), 3 })
		w.fails(s, err, "forbidden")
	}
	w.refuse = nil
	var got []string
	for _, line := range w.history() {
		got = append(got, line[:10])
	}
	w.equal("history", []string{"1 deployed", "4 failed: ", "5 failed: "}, got)
	w.done(w.upgrade(rendered(configMap("a", "x")), func(up *Upgrade) { up.MaxHistory = 0 }))
	w.equal("history", 4, len(w.history()))
}

// What people have put on a Secret stays, and goes over to the next revision.
func TestLabelsOfTheUser(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x"))))
	w.edit(stored+"1", func(obj *unstructured.Unstructured) *unstructured.Unstructured {
		labels := obj.GetLabels()
		labels["team"] = "edge"
		obj.SetLabels(labels)
		obj.SetFinalizers([]string{"x/y"})
		return obj
	})
	w.done(w.upgrade(rendered(configMap("a", "y"))))
	for _, v := range []string{"1", "2"} {
		w.equal("label", "edge", w.get(stored + v).GetLabels()["team"])
	}
	w.equal("finalizers", []string{"x/y"}, w.get(stored+"1").GetFinalizers())
}

// Who may update Secrets but not patch them gets along.
func TestWhoMayNotPatchSecrets(t *testing.T) {
	w := newWorld(t)
	w.refuse = func(verb, path string) error {
		if verb == "PATCH" && strings.Contains(path, "/secrets/") {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "x", nil)
		}
		return nil
	}
	w.done(w.install(rendered(configMap("a", "x"))))
	w.done(w.upgrade(rendered(configMap("a", "y"))))
	w.equal("history", []string{"1 superseded: Install complete", "2 deployed: Upgrade complete"}, w.history())
}

// Somebody who writes the release in the middle of an action ends it.
func TestTwoWriters(t *testing.T) {
	w := newWorld(t)
	w.waits(w.install(rendered(doc("Deployment", "d", "spec:", "  replicas: 1"))))("Deployment/apps/d")
	rev, err := w.target.read(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	rev.mark = nil // as Helm writes it
	if err := w.target.update(t.Context(), rev, w.now); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Continue(t.Context(), w.target); !errors.Is(err, ErrNothingUnderway) {
		t.Errorf("continued: %v", err)
	}
	if _, err := w.upgrade(rendered("")); !errors.Is(err, ErrPending) {
		t.Errorf("upgraded: %v", err)
	}
	w.done(w.Unlock(t.Context(), w.target, options("3")))
	w.equal("history", []string{"1 failed: Release unlocked from stale 'pending-install' state"}, w.history())
}

// What one identity has read is not told another, nor another owner.
func TestMemoryIsOfWhoHasRead(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x"))))
	w.requests()
	_, _ = w.Last(t.Context(), w.target, Tag{})
	w.equal("requests of the owner", 1, w.requests())
	other := w.target
	other.Owner.Name = "other"
	_, _ = w.Last(t.Context(), other, Tag{})
	w.equal("requests of another", 2, w.requests())
	same, memory := w.target, w.Releaser
	w.restart()
	same.Secrets = w.target.Secrets
	_, _ = memory.Last(t.Context(), same, Tag{})
	w.equal("requests as another identity", 2, w.requests())
	memory.Forget(same.Owner)
	_, _ = memory.Last(t.Context(), same, Tag{})
	w.equal("requests once forgotten", 2, w.requests())
}

// A corrupt revision is an error that names it, and hinders nobody who does not need it.
func TestCorruptRevisions(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x"))))
	w.done(w.upgrade(rendered(configMap("a", "y"))))
	w.edit(stored+"1", func(obj *unstructured.Unstructured) *unstructured.Unstructured {
		obj.Object["data"] = map[string]any{"release": "AAAA"}
		return obj
	})
	w.restart()
	if _, err := w.Revision(t.Context(), w.target, 1, Tag{}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "sh.helm.release.v1.web.v1") {
		t.Errorf("a corrupt one: %v", err)
	}
	if o, err := w.Last(t.Context(), w.target, Tag{}); err != nil || o.Version != 2 {
		t.Errorf("the one after it: %v (%v)", o, err)
	}
	if _, err := w.Rollback(t.Context(), w.target, Rollback{Options: options("3"), Version: 1}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("back to it: %v", err)
	}
	w.done(w.Uninstall(t.Context(), w.target, Uninstall{Options: options("4")}))
	w.equal("objects", []string(nil), w.paths())
}

func TestWhatCannotBegin(t *testing.T) {
	for name, c := range map[string]struct {
		call func(*world) error
		want error
	}{
		"a name that is none": {func(w *world) error {
			w.target.Name = strings.Repeat("x", 54)
			_, err := w.install(rendered(""))
			return err
		}, ErrName},
		"no chart":                 {func(w *world) error { _, err := w.install(Rendered{}); return err }, ErrNoChart},
		"a chart without metadata": {func(w *world) error { _, err := w.upgrade(Rendered{Chart: &Chart{}}); return err }, ErrNoChart},
		"an upgrade of nothing":    {func(w *world) error { _, err := w.upgrade(rendered("")); return err }, ErrNoDeployed},
		"an uninstall of nothing":  {func(w *world) error { _, err := w.Uninstall(w.t.Context(), w.target, Uninstall{}); return err }, ErrNoRelease},
		"a rollback of nothing":    {func(w *world) error { _, err := w.Rollback(w.t.Context(), w.target, Rollback{Version: 1}); return err }, ErrNoRelease},
		"a test of nothing":        {func(w *world) error { _, err := w.Test(w.t.Context(), w.target, Test{}); return err }, ErrNoRelease},
		"nothing to continue":      {func(w *world) error { _, err := w.Continue(w.t.Context(), w.target); return err }, ErrNothingUnderway},
		"a rollback to what is not": {func(w *world) error {
			w.done(w.install(rendered("")))
			_, err := w.Rollback(w.t.Context(), w.target, Rollback{Version: 1})
			return err
		}, ErrNoRelease},
		"an upgrade that was rendered for another revision": {func(w *world) error {
			w.done(w.install(rendered("")))
			_, err := w.upgrade(rendered(""), func(up *Upgrade) { up.Revision = 5 })
			return err
		}, ErrMoved},
		"uninstalled and kept": {func(w *world) error {
			w.done(w.install(rendered("")))
			w.done(w.Uninstall(w.t.Context(), w.target, Uninstall{Options: options("2"), KeepHistory: true}))
			_, err := w.Uninstall(w.t.Context(), w.target, Uninstall{Options: options("3"), KeepHistory: true})
			return err
		}, ErrAlreadyUninstalled},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.call(newWorld(t)); !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Manifests that cannot be built leave nothing behind.
func TestBrokenManifests(t *testing.T) {
	for name, m := range map[string]string{
		"no YAML": "---\n\t:", "no kind": "---\nmetadata:\n  name: a\n", "no name": doc("ConfigMap", "x")[:60] + "\n", "a text": "---\nhello\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if _, err := w.install(rendered(m)); err == nil || !strings.HasPrefix(err.Error(), "unable to continue with install") {
				t.Errorf("got %v", err)
			}
			w.equal("writes", []string(nil), w.writes())
		})
	}
}

// A release stays in its namespace, wherever the caller believes that it is.
func TestNamespaceIsThatOfTheRelease(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x"))))
	w.target.Namespace = "elsewhere"
	w.done(w.upgrade(rendered(configMap("a", "y"))))
	w.equal("annotation", "apps", w.get(coreV1 + "configmaps/a").GetAnnotations()["meta.helm.sh/release-namespace"])
	w.done(w.Uninstall(t.Context(), w.target, Uninstall{Options: options("3")}))
	w.equal("objects", []string(nil), w.paths())
}
