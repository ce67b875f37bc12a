package kustomization

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

func TestSource(t *testing.T) {
	repo := reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), "flux-system", "repo")
	cases := map[string]struct {
		edit    func(*world)
		stalled bool
		after   time.Duration
		ready   string
	}{
		"missing": {
			func(w *world) {
				delete(w.objects, repo)
				w.ks.Spec.RetryInterval = &metav1.Duration{Duration: time.Minute}
			},
			false, time.Minute, "False/ArtifactFailed: GitRepository 'flux-system/repo' not found",
		},
		"without an artifact": {
			func(w *world) { w.objects[repo] = &sourcev1.GitRepository{} },
			false, 30 * time.Second, "False/ArtifactFailed: Source artifact not found, retrying in 30s",
		},
		"of another namespace, where that is forbidden": {
			func(w *world) { w.ks.Spec.SourceRef.Namespace = "other"; w.r.options.NoCrossNamespaceRefs = true },
			true, 0, "False/AccessDenied: can't access 'GitRepository/other/repo', cross-namespace references have been blocked",
		},
		"an external artifact": {
			func(w *world) { w.ks.Spec.SourceRef.Kind = "ExternalArtifact" },
			true, 0, "False/AccessDenied: can't access 'ExternalArtifact/flux-system/repo', ExternalArtifact feature gate is disabled",
		},
		"of a kind that is none": {
			func(w *world) {
				w.ks.Spec.SourceRef.Kind = "Kustomization"
				w.objects[reconcilers.NewRef(api.SourceV1.WithKind("Kustomization").GroupKind(), "flux-system", "repo")] = &v1.Kustomization{}
			},
			true, 0, "False/ArtifactFailed: source `repo` kind 'Kustomization' not supported",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				c.edit(w)
				_, err := w.run()
				waiting, isWaiting := errors.AsType[*fault.WaitingError](err)
				if _, stalled := errors.AsType[*fault.StalledError](err); stalled != c.stalled || !stalled && !isWaiting {
					t.Fatalf("got %v", err)
				}
				if isWaiting && (waiting.After != c.after || !waiting.Quiet) {
					t.Errorf("got %+v", waiting)
				}
				w.want("ready", w.condition(api.ConditionReady), c.ready)
				w.want("writes", w.writes(), []string(nil))
			})
		})
	}
}

func TestDependencies(t *testing.T) {
	ready := func(edit func(*v1.Kustomization)) *v1.Kustomization {
		d := &v1.Kustomization{}
		d.Namespace, d.Name, d.Generation = "flux-system", "infra", 2
		d.Spec.SourceRef = v1.CrossNamespaceSourceReference{Kind: api.GitRepositoryKind, Name: "repo"}
		d.Status.ObservedGeneration, d.Status.LastAppliedRevision = 2, "r1"
		d.Status.Conditions = []metav1.Condition{{Type: api.ConditionReady, Status: metav1.ConditionTrue}}
		edit(d)
		return d
	}
	cases := map[string]struct {
		dependency *v1.Kustomization
		ready      string
	}{
		"ready":     {ready(func(*v1.Kustomization) {}), "True/ReconciliationSucceeded: Applied revision: r1"},
		"missing":   {nil, "False/DependencyNotReady: dependency 'flux-system/infra' not found"},
		"not ready": {ready(func(d *v1.Kustomization) { d.Status.Conditions[0].Status = metav1.ConditionFalse }), "False/DependencyNotReady: dependency 'flux-system/infra' is not ready"},
		"without conditions": {ready(func(d *v1.Kustomization) { d.Status.Conditions = nil }),
			"False/DependencyNotReady: dependency 'flux-system/infra' is not ready"},
		"edited meanwhile": {ready(func(d *v1.Kustomization) { d.Generation = 3 }), "False/DependencyNotReady: dependency 'flux-system/infra' is not ready"},
		"behind the same source": {ready(func(d *v1.Kustomization) { d.Status.LastAppliedRevision = "r0" }),
			"False/DependencyNotReady: dependency 'flux-system/infra' revision is not up to date"},
		"behind another source": {ready(func(d *v1.Kustomization) { d.Spec.SourceRef.Name, d.Status.LastAppliedRevision = "x", "r0" }),
			"True/ReconciliationSucceeded: Applied revision: r1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.ks.Spec.DependsOn = []api.DependencyReference{{Name: "infra"}}
				if c.dependency != nil {
					w.objects[reconcilers.NewRef(api.KustomizationGVK.GroupKind(), "flux-system", "infra")] = c.dependency
				}
				_, err := w.run()
				w.want("ready", w.condition(api.ConditionReady), c.ready)
				if waiting, ok := errors.AsType[*fault.WaitingError](err); err != nil && (!ok || waiting.After != 30*time.Second || waiting.Quiet) {
					t.Errorf("got %#v", err)
				}
				if err != nil {
					w.want("builds", w.folder.builds, 0)
				}
			})
		})
	}
}
