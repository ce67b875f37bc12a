package kube

import (
	"encoding/json"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const gitPath = "/apis/source.toolkit.fluxcd.io/v1/namespaces/edge/gitrepositories/it"

func TestStatusWriter(t *testing.T) {
	target := Target{Kind: api.GitRepositoryGVK.GroupKind(), Namespace: "edge", Name: "it", UID: "u-it", ResourceVersion: "1"}
	with := func(change func(*Target)) Target {
		changed := target
		change(&changed)
		return changed
	}
	tests := map[string]struct {
		target    Target
		finalizer bool
		wantBody  string
		wantPath  string
		conflict  bool
		notFound  bool
		fails     bool
	}{
		"status": {
			target: target, wantPath: gitPath + "/status",
			wantBody: `{"metadata":{"resourceVersion":"1","uid":"u-it"},"status":{"observedGeneration":3}}`,
		},
		"status of any version": {
			target: with(func(t *Target) { t.ResourceVersion = "" }), wantPath: gitPath + "/status",
			wantBody: `{"metadata":{"uid":"u-it"},"status":{"observedGeneration":3}}`,
		},
		"finalizers": {
			target: target, finalizer: true, wantPath: gitPath,
			wantBody: `{"metadata":{"finalizers":["finalizers.fluxcd.io"],"resourceVersion":"1","uid":"u-it"}}`,
		},
		"a version that is past": {target: with(func(t *Target) { t.ResourceVersion = "0" }), conflict: true},
		"another of that name":   {target: with(func(t *Target) { t.UID = "u-other" }), conflict: true},
		"gone":                   {target: with(func(t *Target) { t.Name = "other" }), notFound: true},
		"not ours":               {target: with(func(t *Target) { t.Kind = schema.GroupKind{Kind: "Secret"} }), fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.put(gitPath, stored("it", good))
			w, err := NewStatusWriter(s.clients(t), api.Resources())
			if err != nil {
				t.Fatal(err)
			}
			var obj api.Object
			if test.finalizer {
				obj, err = w.PatchFinalizers(t.Context(), "source-controller", test.target, []string{api.Finalizer})
			} else {
				obj, err = w.PatchStatus(t.Context(), "source-controller", test.target, json.RawMessage(`{"observedGeneration":3}`))
			}
			if apierrors.IsConflict(err) != test.conflict || apierrors.IsNotFound(err) != test.notFound ||
				(err != nil) != (test.conflict || test.notFound || test.fails) {
				t.Fatalf("error %v", err)
			}
			if test.wantBody == "" {
				return
			}
			r := s.sent()[0]
			if r.path != test.wantPath || r.verb != "PATCH" || r.contentType != "application/merge-patch+json" ||
				r.query.Get("fieldManager") != "source-controller" {
				t.Errorf("%s %s as %s by %q", r.verb, r.path, r.contentType, r.query.Get("fieldManager"))
			}
			if diff := cmp.Diff(test.wantBody, r.body); diff != "" {
				t.Errorf("body (-want +got): %s", diff)
			}
			if obj.GetResourceVersion() != "2" || obj.GetManagedFields() != nil {
				t.Errorf("the answer is version %s with managed fields %v", obj.GetResourceVersion(), obj.GetManagedFields())
			}
		})
	}
}

func TestStatusWriterReads(t *testing.T) {
	s := newServer()
	s.put(gitPath, stored("it", good))
	s.put("/apis/source.toolkit.fluxcd.io/v1/namespaces/edge/gitrepositories/bad", stored("bad", bad))
	w, err := NewStatusWriter(s.clients(t), api.Resources())
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Kind: api.GitRepositoryGVK.GroupKind(), Namespace: "edge", Name: "it"}
	obj, err := w.Get(t.Context(), target)
	if r, ok := obj.(*sourcev1.GitRepository); err != nil || !ok || r.Spec.URL != "https://example.com" {
		t.Errorf("read %v (%v)", obj, err)
	}
	target.Name = "bad"
	if obj, err := w.Get(t.Context(), target); obj != nil || err != nil {
		t.Errorf("one that does not decode: %v (%v)", obj, err)
	}
}
