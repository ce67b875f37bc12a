package apply

import (
	"errors"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestEntryID(t *testing.T) {
	tests := map[string]struct {
		entry Entry
		id    string
	}{
		"namespaced":        {Entry{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "default", Name: "web"}, "default_web_apps_Deployment"},
		"core group":        {Entry{Version: "v1", Kind: "ConfigMap", Namespace: "default", Name: "a.b"}, "default_a.b__ConfigMap"},
		"cluster-scoped":    {Entry{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole", Name: "view"}, "_view_rbac.authorization.k8s.io_ClusterRole"},
		"colons in RBAC":    {Entry{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role", Namespace: "n", Name: "system:x:y"}, "n_system__x__y_rbac.authorization.k8s.io_Role"},
		"core, cluster":     {Entry{Version: "v1", Kind: "Namespace", Name: "apps"}, "_apps__Namespace"},
		"custom resource":   {Entry{Group: "example.org", Version: "v1beta1", Kind: "Widget", Namespace: "n", Name: "w"}, "n_w_example.org_Widget"},
		"colons, no helper": {Entry{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding", Name: "a:b"}, "_a__b_rbac.authorization.k8s.io_ClusterRoleBinding"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			equal(t, test.id, test.entry.ID())
			back, err := ParseEntry(test.id, test.entry.Version)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, test.entry, back)
		})
	}
}

func TestParseEntryRefuses(t *testing.T) {
	for _, id := range []string{"", "a", "a_b", "a_b_c", "ns_name_group_"} {
		if _, err := ParseEntry(id, "v1"); !errors.Is(err, ErrBadID) {
			t.Errorf("%q: got %v", id, err)
		}
	}
}

func TestEntryString(t *testing.T) {
	equal(t, "ConfigMap/default/a", Entry{Kind: "ConfigMap", Namespace: "default", Name: "a"}.String())
	equal(t, "Namespace/a", Entry{Kind: "Namespace", Name: "a"}.String())
	equal(t, "ConfigMap/default/a created", Change{Entry{Kind: "ConfigMap", Namespace: "default", Name: "a"}, Created}.String())
}

func TestInventory(t *testing.T) {
	a1 := Entry{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "n", Name: "a"}
	a2 := a1
	a2.Version = "v2"
	b := Entry{Version: "v1", Kind: "ConfigMap", Namespace: "n", Name: "b"}
	c := Entry{Version: "v1", Kind: "ConfigMap", Namespace: "n", Name: "c"}

	equal(t, Inventory(nil), Inventory{a1}.Without(Inventory{a2}))
	equal(t, Inventory{b}, Inventory{a1, b}.Without(Inventory{a2, c}))
	equal(t, Inventory{a1, b, c}, Inventory{a1, b}.Union(Inventory{a2, c}))
	equal(t, []api.ResourceRef{}, Inventory(nil).Refs())
	equal(t, []api.ResourceRef{{ID: "n_b__ConfigMap", Version: "v1"}}, Inventory{b}.Refs())

	read, err := ReadInventory([]api.ResourceRef{{ID: "nonsense", Version: "v1"}, {ID: "n_b__ConfigMap", Version: "v1"}})
	equal(t, Inventory{b}, read)
	if !errors.Is(err, ErrBadID) {
		t.Errorf("got %v", err)
	}
}

func TestUnionDoesNotShareItsArray(t *testing.T) {
	base := make(Inventory, 1, 4)
	x := base.Union(Inventory{{Kind: "X", Name: "x"}})
	y := base.Union(Inventory{{Kind: "Y", Name: "y"}})
	equal(t, "X", x[1].Kind)
	equal(t, "Y", y[1].Kind)
}

func TestEntryOf(t *testing.T) {
	obj := object("apps/v1", "Deployment", "n", "a", nil)
	equal(t, Entry{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "n", Name: "a"}, EntryOf(obj))
	equal(t, Entry{}, EntryOf(&unstructured.Unstructured{Object: map[string]any{}}))
}
