package kustomization

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/render"
)

func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newWorld(t)) })
}

const idA, idB, idC = "apps_a__ConfigMap", "apps_b__ConfigMap", "apps_c__ConfigMap"

func TestFirstApply(t *testing.T) {
	bubble(t, func(w *world) {
		result, err := w.once()
		if err != nil || !result.Again {
			t.Fatalf("the inventory is not written ahead: %+v, %v", result, err)
		}
		w.want("written ahead", w.inventory(), []string{idA, idB})
		w.want("nothing is applied before", w.writes(), []string(nil))
		w.want("progress", w.condition(api.ConditionReconciling), "True/Progressing: Detecting drift for revision r1 with a timeout of 9m30s")
		if result, err = w.once(); err != nil || result.Again {
			t.Fatalf("got %+v, %v", result, err)
		}
		w.want("applied", w.writes(), []string{"ConfigMap/apps/a created", "ConfigMap/apps/b created"})
		w.want("told", w.told(), []string{"info Progressing: ConfigMap/apps/a created\nConfigMap/apps/b created"})
		w.want("ready", w.condition(api.ConditionReady), "True/ReconciliationSucceeded: Applied revision: r1")
		w.want("healthy", w.condition(api.ConditionHealthy), "none")
		w.want("revisions", []string{w.ks.Status.LastAppliedRevision, w.ks.Status.LastAttemptedRevision}, []string{"r1", "r1"})
		w.want("builds", w.folder.builds, 1)
		w.want("writes of status", w.saved, 2)
		w.want("fact", result.Fact, &reconcilers.Fact{
			Reason: "ReconciliationSucceeded", Message: "Reconciliation finished in 0s, next run in 10m0s", Routine: true,
			Annotations: map[string]string{
				"kustomize.toolkit.fluxcd.io/revision": "r1", "kustomize.toolkit.fluxcd.io/commit_status": "update",
			},
		})
		w.want("history", len(w.ks.Status.History), 1)
	})
}

func TestSecondRunChangesNothing(t *testing.T) {
	for name, edit := range map[string]func(*world){
		"plain": func(*world) {}, "wait": func(w *world) { w.ks.Spec.Wait = true },
		"no prune": func(w *world) { w.ks.Spec.Prune = false },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				edit(w)
				w.must()
				w.writes()
				w.told()
				before := w.ks.DeepCopy()
				saved := w.saved
				w.pass(10 * time.Minute)
				w.must()
				w.want("status", w.ks.Status, before.Status)
				w.want("writes of status", w.saved, saved)
				w.want("writes", w.writes(), []string(nil))
				w.want("told", w.told(), []string(nil))
				w.want("builds", w.folder.builds, 1)
			})
		})
	}
}

func TestNewRevisions(t *testing.T) {
	bubble(t, func(w *world) {
		w.must()
		w.writes()
		w.told()

		w.push("r2", map[string]string{"app/a.json": object("ConfigMap", "a", "1"), "app/b.json": object("ConfigMap", "b", "1"), "x": "2"})
		w.must()
		w.want("a revision that changes nothing: builds", w.folder.builds, 1)
		w.want("a revision that changes nothing: writes", w.writes(), []string(nil))
		w.want("a revision that changes nothing: told", w.told(), []string(nil))
		w.want("a revision that changes nothing: history", []any{len(w.ks.Status.History), w.ks.Status.History[0].TotalReconciliations}, []any{1, int64(2)})
		w.want("a revision that changes nothing: writes of status", w.saved, 3)

		w.push("r3", map[string]string{"app/a.json": object("ConfigMap", "a", "2"), "app/c.json": object("ConfigMap", "c", "1")})
		w.must()
		w.want("writes", w.writes(), []string{"ConfigMap/apps/a configured", "ConfigMap/apps/c created", "ConfigMap/apps/b deleted"})
		w.want("told", w.told(), []string{
			"info Progressing: ConfigMap/apps/a configured\nConfigMap/apps/c created", "info Progressing: ConfigMap/apps/b deleted",
		})
		w.want("inventory", w.inventory(), []string{idA, idC})
		w.want("writes of status", w.saved, 5)
		w.want("revision", w.ks.Status.LastAppliedRevision, "r3")
		w.want("history", len(w.ks.Status.History), 2)
	})
}

func TestPrune(t *testing.T) {
	const applied = "True/ReconciliationSucceeded: Applied revision: r2"
	cases := map[string]struct {
		edit      func(*world)
		inventory []string
		writes    []string
		ready     string
	}{
		"on":                                 {func(*world) {}, []string{idA}, []string{"ConfigMap/apps/b deleted"}, applied},
		"off":                                {func(w *world) { w.ks.Spec.Prune = false }, []string{idA}, nil, applied},
		"an object that is protected":        {func(w *world) { w.cluster.protected["ConfigMap/apps/b"] = true }, []string{idA}, nil, applied},
		"an object that cannot be deleted":   {func(w *world) { w.cluster.keep["ConfigMap/apps/b"] = errors.New("denied") }, []string{idA, idB}, nil, "False/PruneFailed: denied"},
		"an empty folder deletes everything": {func(w *world) { w.ks.Spec.Path = "none" }, nil, []string{"ConfigMap/apps/a deleted", "ConfigMap/apps/b deleted"}, applied},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.must()
				w.writes()
				c.edit(w)
				w.push("r2", map[string]string{"app/a.json": object("ConfigMap", "a", "1"), "none/readme": "x"})
				_, _ = w.run()
				w.want("inventory", w.inventory(), c.inventory)
				w.want("writes", w.writes(), c.writes)
				w.want("ready", w.condition(api.ConditionReady), c.ready)
			})
		})
	}
}

func TestCorrectsDrift(t *testing.T) {
	bubble(t, func(w *world) {
		w.must()
		w.writes()
		for e := range w.cluster.objects {
			if e.Name == "b" {
				w.cluster.objects[e] = "edited"
			}
		}
		w.must()
		w.want("writes", w.writes(), []string{"ConfigMap/apps/b configured"})
		w.want("builds", w.folder.builds, 1)
		w.want("history", w.ks.Status.History[0].TotalReconciliations, int64(2))
	})
}

func TestFailures(t *testing.T) {
	cases := map[string]struct {
		edit    func(*world)
		ready   string
		history []string
	}{
		"an apply that fails": {
			func(w *world) {
				w.cluster.refuse["ConfigMap/apps/b"] = errors.New("ConfigMap/apps/b dry-run failed: no")
			},
			"False/ReconciliationFailed: ConfigMap/apps/b dry-run failed: no", []string{"ReconciliationFailed"},
		},
		"a build that fails": {
			func(w *world) { w.push("r1", map[string]string{"app/a.json": "broken"}) },
			"False/BuildFailed: kustomize build failed: broken", nil,
		},
		"a path that does not exist": {
			func(w *world) { w.ks.Spec.Path = "../nope" },
			"False/ArtifactFailed: kustomization path not found: stat ../nope: no such file or directory", nil,
		},
		"a path that is a file": {
			func(w *world) { w.ks.Spec.Path = "app/a.json" },
			"False/ArtifactFailed: kustomization path not found: app/a.json is not a directory", nil,
		},
		"an inventory that cannot be read": {
			func(w *world) {
				w.ks.Status.Inventory = &api.ResourceInventory{Entries: []api.ResourceRef{{ID: "nonsense"}}}
			},
			`False/ReconciliationFailed: parse "nonsense": inventory id is not <namespace>_<name>_<group>_<kind>`, []string{"ReconciliationFailed"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				c.edit(w)
				_, err := w.run()
				if failed, ok := errors.AsType[*fault.FailedError](err); !ok || failed.Backoff {
					t.Errorf("got %v", err)
				}
				w.want("ready", w.condition(api.ConditionReady), c.ready)
				var reasons []string
				for _, s := range w.ks.Status.History {
					reasons = append(reasons, s.LastReconciledStatus)
				}
				w.want("history", reasons, c.history)
				saved := w.saved
				w.pass(time.Minute)
				if _, again := w.run(); again == nil || again.Error() != err.Error() {
					t.Errorf("the second error is %v", again)
				}
				w.want("status writes of the same failure", w.saved, saved)
			})
		})
	}
}

func TestFailedApplyKeepsTheInventory(t *testing.T) {
	bubble(t, func(w *world) {
		w.must()
		w.push("r2", map[string]string{"app/a.json": object("ConfigMap", "a", "2"), "app/c.json": object("ConfigMap", "c", "1")})
		w.cluster.refuse["ConfigMap/apps/c"] = errors.New("no")
		if _, err := w.run(); err == nil {
			t.Fatal("no error")
		}
		w.want("inventory", w.inventory(), []string{idA, idB, idC})
		w.want("revisions", []string{w.ks.Status.LastAppliedRevision, w.ks.Status.LastAttemptedRevision}, []string{"r1", "r2"})
		delete(w.cluster.refuse, "ConfigMap/apps/c")
		w.must()
		w.want("inventory", w.inventory(), []string{idA, idC})
	})
}

func TestRequests(t *testing.T) {
	bubble(t, func(w *world) {
		w.ks.Spec.CommonMetadata = &api.CommonMetadata{Labels: map[string]string{"l": "v"}, Annotations: map[string]string{"a": "v"}}
		w.ks.Spec.Force = true
		w.must()
		r := w.cluster.requests[0]
		w.want("common metadata", []any{r.CommonLabels, r.CommonAnnotations}, []any{map[string]string{"l": "v"}, map[string]string{"a": "v"}})
		w.want("force and resync", []bool{r.Force, r.Resync}, []bool{true, false})
		w.ks.Annotations = map[string]string{api.AnnotationReconcileRequest: "now"}
		w.must()
		w.want("a request trusts what is remembered", w.cluster.requests[len(w.cluster.requests)-1].Resync, false)
		w.want("history", w.ks.Status.History[0].TotalReconciliations, int64(2))
		w.pass(2 * time.Hour)
		w.must()
		w.want("resync once in a while", w.cluster.requests[len(w.cluster.requests)-1].Resync, true)
	})
}

func TestColdStore(t *testing.T) {
	bubble(t, func(w *world) {
		w.must()
		w.writes()
		owner := artifacts.Owner{Kind: api.GitRepositoryKind, Namespace: "flux-system", Name: "repo"}
		w.store.Forget(owner)
		before := w.ks.DeepCopy()
		_, err := w.run()
		waiting, ok := errors.AsType[*fault.WaitingError](err)
		if !ok || !waiting.KeepReady || !waiting.Quiet || waiting.After == 0 {
			t.Fatalf("got %v", err)
		}
		w.want("status", w.ks.Status, before.Status)
		w.want("writes", w.writes(), []string(nil))
	})
}

func TestCancellation(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.r.Reconcile(ctx, w.ks.DeepCopy()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	w.want("writes", w.writes(), []string(nil))
}

func TestReferences(t *testing.T) {
	w := newWorld(t)
	w.ks.Spec.SourceRef.Namespace = "other"
	w.ks.Spec.DependsOn = []api.DependencyReference{{Name: "infra"}, {Name: "db", Namespace: "data"}}
	ks := api.KustomizationGVK.GroupKind()
	w.want("references", w.r.References(w.ks), []reconcilers.Ref{
		reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), "other", "repo"),
		reconcilers.NewRef(ks, "flux-system", "infra"), reconcilers.NewRef(ks, "data", "db"),
	})
}

func TestPlugin(t *testing.T) {
	w := newWorld(t)
	p := Plugin(w.store, w.folder, render.NewCache(0, nil), nil, w, w.configs, w, Options{Workers: 3})
	w.want("kind", p.Kind(), api.KustomizationGVK)
	w.want("options", p.Options(), reconcilers.Options{
		Workers: 3, Finalizer: true, Controller: "kustomize-controller", Manager: "gotk-kustomize-controller",
		FailureReason: "ReconciliationFailed", AsksServerOnly: true,
	})
}

// A name that no label can hold is refused before anything is done.
func TestLongName(t *testing.T) {
	w := newWorld(t)
	w.ks.Name = strings.Repeat("n", 64)
	_, err := w.run()
	if _, ok := errors.AsType[*fault.StalledError](err); !ok || !strings.HasPrefix(err.Error(), "metadata.name: its 64 characters") {
		t.Errorf("got %v", err)
	}
	w.want("writes", w.writes(), []string(nil))
}

// Where the source of an artifact has another revision, that is told along with it.
func TestOriginRevision(t *testing.T) {
	w := newWorld(t)
	const origin = "main@sha1:0123"
	repo := w.objects[reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), "flux-system", "repo")].(*sourcev1.GitRepository)
	repo.Status.Artifact.Metadata = map[string]string{"org.opencontainers.image.revision": origin}
	result, err := w.run()
	if err != nil {
		t.Fatal(err)
	}
	w.want("status", w.ks.Status.LastAppliedOriginRevision, origin)
	w.want("history", w.ks.Status.History[0].Metadata, map[string]string{"revision": "r1", "originRevision": origin})
	w.want("event", result.Fact.Annotations["kustomize.toolkit.fluxcd.io/originRevision"], origin)
	w.push("r2", map[string]string{"app/a.json": object("ConfigMap", "a", "2")})
	w.must()
	w.want("status without one", w.ks.Status.LastAppliedOriginRevision, "")
}

func TestSpecless(t *testing.T) {
	w := newWorld(t)
	if _, err := w.r.Reconcile(context.Background(), &v1.Kustomization{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "b"}}); err == nil {
		t.Error("no error")
	}
}
