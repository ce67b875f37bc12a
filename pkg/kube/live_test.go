package kube

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
)

func TestLive(t *testing.T) {
	s := newServer()
	const kustomizations = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/apps/kustomizations/"
	s.put(kustomizations+"web", `{"metadata":{"namespace":"apps","name":"web"},"spec":{"path":"./web","interval":"1m"}}`)
	s.put(kustomizations+"odd", `{"metadata":{"namespace":"apps","name":"odd"},"spec":{"interval":"soon"}}`)
	s.put("/apis/source.toolkit.fluxcd.io/v1/namespaces/apps/externalartifacts/one", `{"metadata":{"namespace":"apps","name":"one"}}`)
	l, err := NewLive(s.clients(t), api.Resources())
	if err != nil {
		t.Fatal(err)
	}
	kind := api.KustomizationGVK.GroupKind()
	obj, err := l.Get(t.Context(), kind, "apps", "web")
	if web, ok := obj.(*kustomizev1.Kustomization); !ok || err != nil || web.Spec.Path != "./web" {
		t.Errorf("got %v, error %v", obj, err)
	}
	obj, err = l.Get(t.Context(), api.ExternalArtifactGVK.GroupKind(), "apps", "one")
	if _, ok := obj.(*sourcev1.ExternalArtifact); !ok || err != nil {
		t.Errorf("got %v, error %v", obj, err)
	}
	if _, err := l.Get(t.Context(), kind, "apps", "none"); !apierrors.IsNotFound(err) {
		t.Errorf("a missing one: %v", err)
	}
	if _, err := l.Get(t.Context(), kind, "apps", "odd"); err == nil || !strings.Contains(err.Error(), "Kustomization apps/odd does not fit its type: spec.interval") {
		t.Errorf("one that does not fit: %v", err)
	}
	if _, err := l.Get(t.Context(), schema.GroupKind{Kind: "Pod"}, "apps", "web"); err == nil || !strings.Contains(err.Error(), "not one of fluxd") {
		t.Errorf("another kind: %v", err)
	}
	typed, err := l.Typed(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": map[string]any{"name": "x"}, "spec": map[string]any{"path": "./x"},
	}})
	if x, ok := typed.(*kustomizev1.Kustomization); !ok || err != nil || x.Spec.Path != "./x" {
		t.Errorf("got %v, error %v", typed, err)
	}
}
