package apply

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestStageOf(t *testing.T) {
	custom := []schema.GroupKind{{Kind: "Secret"}, {Group: "example.org", Kind: "GadgetClass"}}
	tests := map[schema.GroupKind]int{
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: stageDefinitions,
		{Kind: "Namespace"}: stageDefinitions,
		{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}: stageDefinitions,
		{Group: "rbac.authorization.k8s.io", Kind: "Role"}:        stageRest,
		{Group: "example.org", Kind: "Namespace"}:                 stageRest,
		{Group: "storage.k8s.io", Kind: "StorageClass"}:           stageClasses,
		{Group: "example.org", Kind: "GadgetClass"}:               stageClasses,
		{Kind: "Secret"}:    stageCustom,
		{Kind: "ConfigMap"}: stageRest,
		{Group: "networking.k8s.io", Kind: "IngressClassParameter"}: stageRest,
	}
	for gk, want := range tests {
		if got := stageOf(gk, custom); got != want {
			t.Errorf("%s: stage %d, want %d", gk, got, want)
		}
	}
}

func TestSortOrder(t *testing.T) {
	want := []Entry{
		{Kind: "Namespace", Name: "a"},
		{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding", Name: "a"},
		{Kind: "ResourceQuota", Name: "a"},
		{Kind: "ServiceAccount", Name: "a"},
		{Group: "rbac.authorization.k8s.io", Kind: "Role", Name: "a"},
		{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding", Name: "a"},
		{Kind: "ConfigMap", Namespace: "a", Name: "z"},
		{Kind: "ConfigMap", Namespace: "b", Name: "a"},
		{Kind: "ConfigMap", Namespace: "b", Name: "b"},
		{Kind: "Secret", Name: "a"},
		{Kind: "Service", Name: "a"},
		{Kind: "LimitRange", Name: "a"},
		{Group: "apps", Kind: "Deployment", Name: "a"},
		{Group: "apps", Kind: "StatefulSet", Name: "a"},
		{Group: "batch", Kind: "CronJob", Name: "a"},
		{Group: "policy", Kind: "PodDisruptionBudget", Name: "a"},
		{Kind: "Pod", Name: "a"},
		{Group: "a.example.org", Kind: "Widget", Name: "b"},
		{Group: "b.example.org", Kind: "Gadget", Name: "a"},
		{Group: "b.example.org", Kind: "Widget", Name: "a"},
		{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration", Name: "a"},
		{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration", Name: "a"},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Entry.compare)
	equal(t, want, got)
}

func TestClasses(t *testing.T) {
	kinds := []string{"Namespace", "ConfigMap", "ConfigMap", "Secret", "Widget", "Gadget"}
	got := classes(len(kinds), func(i int) Entry { return Entry{Kind: kinds[i]} })
	equal(t, [][2]int{{0, 1}, {1, 3}, {3, 4}, {4, 6}}, got)
	equal(t, [][2]int(nil), classes(0, nil))
}
