package scheme

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
)

func TestEveryKindIsKnown(t *testing.T) {
	s := New()
	for _, r := range api.Resources() {
		t.Run(r.Kind.Kind, func(t *testing.T) {
			t.Parallel()
			if _, err := s.New(r.Kind.GroupVersion().WithKind(r.Kind.Kind + "List")); err != nil {
				t.Errorf("list: %v", err)
			}
			o, err := s.New(r.Kind)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := o.(api.Object); ok == (r.Kind.Kind == api.ExternalArtifactKind) {
				t.Errorf("drivable by the engine: %t", ok)
			}
			if _, ok := o.(api.Source); ok == (r.Kind.Group != api.SourceGroup) {
				t.Errorf("has an artifact: %t", ok)
			}
			if r.Kind.GroupVersion() != r.Name.GroupVersion() {
				t.Errorf("kind and resource differ: %v, %v", r.Kind, r.Name)
			}
		})
	}
}

func TestObjectsRememberWhatTheEngineSets(t *testing.T) {
	s := New()
	for _, r := range api.Resources() {
		o, _ := s.New(r.Kind)
		obj, ok := o.(api.Object)
		if !ok {
			continue
		}
		t.Run(r.Kind.Kind, func(t *testing.T) {
			t.Parallel()
			conditions := []metav1.Condition{{Type: "Ready"}}
			obj.SetConditions(conditions)
			obj.SetObservedGeneration(7)
			obj.SetLastHandledReconcileAt("now")
			if diff := cmp.Diff(conditions, obj.GetConditions()); diff != "" {
				t.Errorf("conditions: %s", diff)
			}
			if obj.GetObservedGeneration() != 7 || obj.GetLastHandledReconcileAt() != "now" {
				t.Errorf("generation %d, request %q", obj.GetObservedGeneration(), obj.GetLastHandledReconcileAt())
			}
			if obj.IsSuspended() {
				t.Error("suspended by default")
			}
			want := time.Duration(0)
			if r.Kind.Kind == api.HelmRepositoryKind {
				want = time.Minute
			}
			if got := obj.GetRequeueAfter(); got != want {
				t.Errorf("requeue after %s", got)
			}
			if got := obj.GetRetryInterval(); got != 0 {
				t.Errorf("retry after %s", got)
			}
			copied := obj.DeepCopyObject().(api.Object)
			copied.GetConditions()[0].Type = "Other"
			if obj.GetConditions()[0].Type != "Ready" {
				t.Error("a copy shares its conditions")
			}
		})
	}
}

// Clients and informers need these besides the kinds themselves.
func TestMetaTypesAreKnown(t *testing.T) {
	s := New()
	cases := map[string]runtime.Object{
		"a refusal":              &metav1.Status{},
		"metadata of one object": &metav1.PartialObjectMetadata{},
		"metadata of many":       &metav1.PartialObjectMetadataList{},
		"a table":                &metav1.Table{},
	}
	for name, obj := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := s.ObjectKinds(obj); err != nil {
				t.Error(err)
			}
		})
	}
	for _, gv := range []schema.GroupVersion{api.SourceV1, api.KustomizeV1, api.HelmV2} {
		if _, err := s.New(gv.WithKind("ListOptions")); err != nil {
			t.Error(err)
		}
	}
}
