package apply

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ruleOf returns rules by which a Deployment is current once a field of its status
// is set.
func ruleOf(field string) *Rules {
	return NewRules(map[schema.GroupKind]Rule{{Group: "apps", Kind: "Deployment"}: func(obj map[string]any) (status.Status, string, error) {
		if m, _ := obj["status"].(map[string]any); m[field] != nil {
			return status.CurrentStatus, "", nil
		}
		return status.InProgressStatus, "", nil
	}})
}

func TestRulesOfTwoOwnersDoNotMeet(t *testing.T) {
	w := newWorld(t)
	other := Owner{"tenants", "other"}
	e := Entry{Group: "apps", Kind: "Deployment", Namespace: "default", Name: "web"}
	k := key{"default", "web"}
	health := func(o Owner) Report {
		r, err := w.Health(t.Context(), o, Inventory{e})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	_, _ = w.pass(Request{Rules: ruleOf("a"), Objects: []*unstructured.Unstructured{object("apps/v1", "Deployment", "default", "web", nil)}})
	if _, err := w.Plan(t.Context(), Request{Owner: other, Rules: ruleOf("b")}); err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"Deployment/default/web status: 'InProgress'"}, findings(health(owner())))
	equal(t, []string{"Deployment/default/web status: 'InProgress'"}, findings(health(other)))
	w.settled()
	w.drain()

	w.api.status(deployments(), k, map[string]any{"b": true})
	equal(t, other, <-w.woken)
	w.settled()
	equal(t, true, health(other).Healthy())
	equal(t, false, health(owner()).Healthy())
	w.settled()
	equal(t, 0, w.drain())

	w.api.status(deployments(), k, map[string]any{"a": true})
	equal(t, owner(), <-w.woken)
	w.settled()
	equal(t, true, health(owner()).Healthy())
	equal(t, false, health(other).Healthy())

	// Without rules of its own, the other one takes the owner's word.
	if _, err := w.Plan(t.Context(), Request{Owner: other}); err != nil {
		t.Fatal(err)
	}
	equal(t, true, health(other).Healthy())
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for tg := range w.store.sources {
		if tg.rules != nil {
			t.Error("the object is still watched under rules that nobody has")
		}
	}
}

// A rule of a group is for its kinds that have none of their own, and for no others.
func TestRulesOfAGroup(t *testing.T) {
	says := func(text string) Rule {
		return func(map[string]any) (status.Status, string, error) { return status.CurrentStatus, text, nil }
	}
	rules := NewRules(map[schema.GroupKind]Rule{{Group: "example.org"}: says("group"), {Group: "example.org", Kind: "Gadget"}: says("kind")})
	for gk, want := range map[schema.GroupKind]string{
		{Group: "example.org", Kind: "Widget"}: "group", {Group: "example.org", Kind: "Gadget"}: "kind",
		{Group: "example.com", Kind: "Gadget"}: "none", {Kind: "ConfigMap"}: "none",
	} {
		got := "none"
		if rule := rules.find(gk); rule != nil {
			_, got, _ = rule(nil)
		}
		equal(t, want, got)
	}
}
