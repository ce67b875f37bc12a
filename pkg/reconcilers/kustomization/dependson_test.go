package kustomization

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/fault"
)

func TestParseNeeded(t *testing.T) {
	cases := map[string]struct {
		text string
		want apply.Entry
	}{
		"with a namespace":           {"Deployment.apps/backend/api", apply.Entry{Group: "apps", Kind: "Deployment", Namespace: "backend", Name: "api"}},
		"in the same namespace":      {"HelmRelease.helm.toolkit.fluxcd.io/db", apply.Entry{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease", Namespace: "own", Name: "db"}},
		"of the core group":          {"Secret/backend/token", apply.Entry{Kind: "Secret", Namespace: "backend", Name: "token"}},
		"of a kind without any":      {"CustomResourceDefinition.apiextensions.k8s.io/a.b.c", apply.Entry{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Namespace: "own", Name: "a.b.c"}},
		"a kind alone":               {"Deployment.apps", apply.Entry{}},
		"a part too many":            {"apps/v1/Deployment/x/y", apply.Entry{}},
		"no name":                    {"Deployment.apps/backend/", apply.Entry{}},
		"no namespace":               {"Deployment.apps//api", apply.Entry{}},
		"no kind":                    {".apps/backend/api", apply.Entry{}},
		"a group that is none":       {"Deployment./backend/api", apply.Entry{}},
		"far too long":               {"Deployment.apps/backend/" + strings.Repeat("a", 700), apply.Entry{}},
		"a name with colons in it":   {"ClusterRole.rbac.authorization.k8s.io/system:node", apply.Entry{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Namespace: "own", Name: "system:node"}},
		"the spelling of the groups": {"Deployment/apps/api", apply.Entry{Kind: "Deployment", Namespace: "apps", Name: "api"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseNeeded(c.text, "own")
			if (err != nil) != (c.want == apply.Entry{}) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(c.want, got.entry); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDependsOnObjects(t *testing.T) {
	const deployment = "Deployment/backend/api"
	cases := map[string]struct {
		annotation string
		before     func(*world)
		ready      string
	}{
		"ready":     {"Deployment.apps/backend/api", func(*world) {}, "True/ReconciliationSucceeded: Applied revision: r1"},
		"not there": {"Deployment.apps/backend/api", func(w *world) { w.cluster.health[deployment] = status.NotFoundStatus }, "False/DependencyNotReady: dependency 'Deployment.apps/backend/api' not found"},
		"the second": {"Secret/backend/token,\n  Deployment.apps/backend/api", func(w *world) { w.cluster.health[deployment] = status.InProgressStatus },
			"False/DependencyNotReady: dependency 'Deployment.apps/backend/api' is not ready: InProgress"},
		"nonsense": {"Deployment", func(*world) {}, `False/InvalidDependency: metadata.annotations[fluxd.io/depends-on]: "Deployment": ` +
			"it is not Kind.group/namespace/name, or Kind.group/name in the same namespace or in none"},
		"itself": {"Kustomization.kustomize.toolkit.fluxcd.io/app", func(*world) {}, `False/InvalidDependency: metadata.annotations[fluxd.io/depends-on]: ` +
			`"Kustomization.kustomize.toolkit.fluxcd.io/app": it is the object itself`},
		"too many": {strings.Repeat("Secret/a/b ", 17), func(*world) {}, "False/InvalidDependency: metadata.annotations[fluxd.io/depends-on]: 17 objects are more than 16"},
		"elsewhere, where that is forbidden": {"Secret/backend/token", func(w *world) { w.r.options.NoCrossNamespaceRefs = true },
			"False/AccessDenied: can't access 'Secret/backend/token', cross-namespace references have been blocked"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				annotate(w, api.AnnotationDependsOn, c.annotation)
				c.before(w)
				_, err := w.run()
				w.want("ready", w.condition(api.ConditionReady), c.ready)
				if waiting, ok := errors.AsType[*fault.WaitingError](err); ok && waiting.After != 30*time.Second {
					t.Errorf("it looks again after %s", waiting.After)
				}
				if err != nil {
					w.want("builds", w.folder.builds, 0)
				}
			})
		})
	}
}

func TestDependenciesAreLetGo(t *testing.T) {
	bubble(t, func(w *world) {
		annotate(w, api.AnnotationDependsOn, "Secret/token")
		w.must()
		w.want("asked about", w.cluster.needed, apply.Inventory{{Kind: "Secret", Namespace: "flux-system", Name: "token"}})
		delete(w.ks.Annotations, api.AnnotationDependsOn)
		w.must()
		w.want("asked about", w.cluster.needed, apply.Inventory{})
	})
}
