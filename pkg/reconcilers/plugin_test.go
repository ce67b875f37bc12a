package reconcilers_test

import (
	"context"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// typed is a reconciler of one type; what it is called with is its own type.
type typed struct{ calls []string }

func (r *typed) References(obj *sourcev1.GitRepository) []reconcilers.Ref {
	r.calls = append(r.calls, "references "+obj.Name)
	return []reconcilers.Ref{reconcilers.NewRef(schema.GroupKind{Kind: "Secret"}, obj.Namespace, "token")}
}

func (r *typed) Reconcile(_ context.Context, obj *sourcev1.GitRepository) (reconcilers.Result, error) {
	r.calls = append(r.calls, "reconcile "+obj.Name)
	obj.Status.ObservedGeneration = 7
	return reconcilers.Result{Revision: obj.Spec.URL}, nil
}

func (r *typed) Finalize(_ context.Context, obj *sourcev1.GitRepository) error {
	r.calls = append(r.calls, "finalize "+obj.Name)
	return context.Canceled
}

func TestPlugin(t *testing.T) {
	r := &typed{}
	p := reconcilers.For(api.GitRepositoryGVK, r, reconcilers.Options{Controller: "source-controller", Finalizer: true})
	obj := &sourcev1.GitRepository{}
	obj.Namespace, obj.Name, obj.Spec.URL = "edge", "it", "https://example.com"
	if refs := p.References(obj); len(refs) != 1 || refs[0].String() != "Secret/edge/token" {
		t.Errorf("references %v", refs)
	}
	if result, err := p.Reconcile(t.Context(), obj); err != nil || result.Revision != obj.Spec.URL || obj.Status.ObservedGeneration != 7 {
		t.Errorf("result %+v (%v), status %+v", result, err, obj.Status)
	}
	if err := p.Finalize(t.Context(), obj); err != context.Canceled {
		t.Errorf("error %v", err)
	}
	if len(r.calls) != 3 || r.calls[0] != "references it" || r.calls[1] != "reconcile it" || r.calls[2] != "finalize it" {
		t.Errorf("calls %v", r.calls)
	}
	if o := p.Options(); o.Workers != 4 || o.Controller != "source-controller" || !o.Finalizer {
		t.Errorf("options %+v", o)
	}
	if p.Kind() != api.GitRepositoryGVK {
		t.Errorf("kind %s", p.Kind())
	}
}

func TestRegistry(t *testing.T) {
	of := func(kinds ...schema.GroupVersionKind) []reconcilers.Plugin {
		var all []reconcilers.Plugin
		for _, kind := range kinds {
			all = append(all, reconcilers.For(kind, &typed{}, reconcilers.Options{}))
		}
		return all
	}
	beta := api.GitRepositoryGVK
	beta.Version = "v1beta2"
	tests := map[string]struct {
		plugins []reconcilers.Plugin
		bad     bool
	}{
		"none":                         {},
		"two kinds":                    {of(api.GitRepositoryGVK, api.BucketGVK), false},
		"a kind twice":                 {of(api.GitRepositoryGVK, api.BucketGVK, api.GitRepositoryGVK), true},
		"a kind in two versions":       {of(api.GitRepositoryGVK, beta), true},
		"without a kind":               {of(schema.GroupVersionKind{}), true},
		"a plugin that nobody has set": {[]reconcilers.Plugin{{}}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := reconcilers.NewRegistry(test.plugins...)
			if (err != nil) != test.bad {
				t.Fatalf("error %v", err)
			}
			if test.bad {
				return
			}
			if n := len(r.Plugins()); n != len(test.plugins) {
				t.Errorf("%d plugins", n)
			}
			for i, p := range test.plugins {
				if got, ok := r.Plugin(p.Kind().GroupKind()); !ok || got.Kind() != p.Kind() || r.Plugins()[i].Kind() != p.Kind() {
					t.Errorf("%s is not found, or not in its place", p.Kind())
				}
			}
			if _, ok := r.Plugin(schema.GroupKind{Kind: "Other"}); ok {
				t.Error("there is a plugin for everything")
			}
		})
	}
}
