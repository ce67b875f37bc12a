package kustomization

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/fault"
)

func annotate(w *world, key, value string) {
	if w.ks.Annotations == nil {
		w.ks.Annotations = map[string]string{}
	}
	w.ks.Annotations[key] = value
}

func TestPruneBudget(t *testing.T) {
	cases := map[string]struct {
		flag, annotation string
		held             bool
	}{
		"none":                       {"", "", false},
		"that suffices":              {"", "1", false},
		"that does not suffice":      {"", "0", true},
		"a share that suffices":      {"", "34%", false},
		"a share that does not":      {"", "33%", true},
		"for all":                    {"0", "", true},
		"for all, and another one":   {"0", "1", false},
		"for all, and one for none":  {"5", "0", true},
		"for all, and none for this": {"0", "100%", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.r.options.PruneBudget, _ = apply.ParseBudget(c.flag)
				if c.annotation != "" {
					annotate(w, api.AnnotationPruneBudget, c.annotation)
				}
				w.must()
				w.writes()
				// One goes, one comes: three objects in all.
				w.push("r2", map[string]string{"app/b.json": object("ConfigMap", "b", "2"), "app/c.json": object("ConfigMap", "c", "1")})
				_, err := w.run()
				w.want("held", err != nil, c.held)
				w.want("deleted", slices.Contains(w.writes(), "ConfigMap/apps/a deleted"), !c.held)
			})
		})
	}
}

func TestPruneBudgetHoldsUntilApproved(t *testing.T) {
	bubble(t, func(w *world) {
		annotate(w, api.AnnotationPruneBudget, "0")
		w.must()
		w.writes()
		w.push("r2", map[string]string{"app/b.json": object("ConfigMap", "b", "2")})
		_, err := w.run()
		if _, ok := errors.AsType[*fault.FailedError](err); !ok {
			t.Fatalf("got %v", err)
		}
		w.want("applied, not pruned", w.writes(), []string{"ConfigMap/apps/b configured"})
		w.want("ready", w.condition(api.ConditionReady), "False/PruneBudgetExceeded: revision r2 deletes 1 of 2 objects, "+
			"which is more than the budget of 0: ConfigMap/apps/a; to let it, set the annotation fluxd.io/approve-prune: r2")
		w.want("inventory", w.inventory(), []string{idB, idA})
		w.want("applied revision", w.ks.Status.LastAppliedRevision, "r1")

		saved := w.saved
		_, _ = w.run()
		w.want("writes of status", w.saved, saved)

		annotate(w, api.AnnotationApprovePrune, "r1")
		_, err = w.run()
		w.want("another revision is approved", err != nil, true)

		w.push("r3", map[string]string{"app/b.json": object("ConfigMap", "b", "3")})
		_, err = w.run()
		w.want("the next revision", err.Error()[:35], "revision r3 deletes 1 of 2 objects,")
		w.want("inventory", w.inventory(), []string{idB, idA})
		w.writes()

		annotate(w, api.AnnotationApprovePrune, "r3")
		w.must()
		w.want("pruned", w.writes(), []string{"ConfigMap/apps/a deleted"})
		w.want("inventory", w.inventory(), []string{idB})
		w.want("ready", w.condition(api.ConditionReady), "True/ReconciliationSucceeded: Applied revision: r3")
	})
}

func TestPruneBudgetCountsWhatIsDeleted(t *testing.T) {
	bubble(t, func(w *world) {
		annotate(w, api.AnnotationPruneBudget, "0")
		w.must()
		w.cluster.protected["ConfigMap/apps/a"] = true
		w.push("r2", map[string]string{"app/b.json": object("ConfigMap", "b", "2")})
		w.must()
		w.want("inventory", w.inventory(), []string{idB})
	})
}

func TestPruneBudgetNamesAFew(t *testing.T) {
	bubble(t, func(w *world) {
		annotate(w, api.AnnotationPruneBudget, "10%")
		files := map[string]string{}
		for i := range 200 {
			files[fmt.Sprintf("app/%03d.json", i)] = object("ConfigMap", fmt.Sprintf("c%03d", i), "1")
		}
		w.push("r2", files)
		_, err := w.run()
		w.want("two of 202 go", err, error(nil))
		w.push("r3", map[string]string{"app/a.json": object("ConfigMap", "a", "1")})
		_, err = w.run()
		if err == nil || !strings.Contains(err.Error(), "ConfigMap/apps/c009 and 190 more;") || len(err.Error()) > 500 {
			t.Errorf("got %v", err)
		}
	})
}

func TestPruneBudgetThatIsNone(t *testing.T) {
	bubble(t, func(w *world) {
		annotate(w, api.AnnotationPruneBudget, "many")
		_, err := w.run()
		if _, ok := errors.AsType[*fault.StalledError](err); !ok {
			t.Fatalf("got %v", err)
		}
		w.want("ready", w.condition(api.ConditionReady), "False/InvalidPruneBudget: metadata.annotations[fluxd.io/prune-budget]: "+
			"a budget is a count such as 10, or a share such as 20%")
		w.want("writes", w.writes(), []string(nil))
	})
}

func TestSelf(t *testing.T) {
	entry := func(group, kind, namespace, name string) apply.Entry {
		return apply.Entry{Group: group, Kind: kind, Namespace: namespace, Name: name, Version: "v1"}
	}
	const rbac = "rbac.authorization.k8s.io"
	cases := map[string]struct {
		entry apply.Entry
		in    string
		is    bool
	}{
		"its Deployment":             {entry("apps", "Deployment", "flux-system", "fluxd"), "flux-system", true},
		"its ServiceAccount":         {entry("", "ServiceAccount", "flux-system", "fluxd"), "flux-system", true},
		"its ClusterRole":            {entry(rbac, "ClusterRole", "", "fluxd-flux-system"), "flux-system", true},
		"its binding":                {entry(rbac, "ClusterRoleBinding", "", "fluxd-reconciler-flux-system"), "flux-system", true},
		"its Role":                   {entry(rbac, "Role", "flux-system", "fluxd-leader-election"), "flux-system", true},
		"its Namespace":              {entry("", "Namespace", "", "flux-system"), "flux-system", true},
		"one of its definitions":     {entry("apiextensions.k8s.io", "CustomResourceDefinition", "", "gitrepositories.source.toolkit.fluxcd.io"), "", true},
		"another definition":         {entry("apiextensions.k8s.io", "CustomResourceDefinition", "", "alerts.notification.toolkit.fluxcd.io"), "flux-system", false},
		"another Namespace":          {entry("", "Namespace", "", "fluxd"), "flux-system", false},
		"a Deployment elsewhere":     {entry("apps", "Deployment", "apps", "fluxd"), "flux-system", false},
		"another Deployment":         {entry("apps", "Deployment", "flux-system", "source-controller"), "flux-system", false},
		"one with a similar name":    {entry("apps", "Deployment", "flux-system", "fluxdash"), "flux-system", false},
		"a ConfigMap of its name":    {entry("", "ConfigMap", "flux-system", "fluxd"), "flux-system", false},
		"a process in no cluster":    {entry("apps", "Deployment", "flux-system", "fluxd"), "", false},
		"a Namespace, in no cluster": {entry("", "Namespace", "", ""), "", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := (self{c.in}).has(c.entry); got != c.is {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestSelfIsNotPruned(t *testing.T) {
	const account = `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"fluxd","namespace":"flux-system"}}`
	const id = "flux-system_fluxd__ServiceAccount"
	bubble(t, func(w *world) {
		w.r.options.Namespace = "flux-system"
		w.push("r1", map[string]string{"app/a.json": object("ConfigMap", "a", "1"), "app/b.json": object("ConfigMap", "b", "1"), "app/self.json": account})
		w.must()
		w.writes()
		w.push("r2", map[string]string{"app/b.json": object("ConfigMap", "b", "1")})
		_, err := w.run()
		w.want("held", err != nil, true)
		w.want("the rest is pruned", w.writes(), []string{"ConfigMap/apps/a deleted"})
		w.want("inventory", w.inventory(), []string{idB, id})
		w.want("ready", w.condition(api.ConditionReady), "False/PruneSelfRefused: ServiceAccount/flux-system/fluxd is part of fluxd "+
			"or keeps its objects, and is not deleted unless the annotation fluxd.io/prune-self is \"enabled\"")

		annotate(w, api.AnnotationPruneSelf, "enabled")
		w.must()
		w.want("writes", w.writes(), []string{"ServiceAccount/flux-system/fluxd deleted"})
	})
	bubble(t, func(w *world) {
		w.r.options.Namespace = "flux-system"
		w.push("r1", map[string]string{"app/a.json": object("ConfigMap", "a", "1"), "app/self.json": account})
		w.must()
		w.writes()
		w.told()
		if err := w.r.Finalize(t.Context(), w.ks); err != nil {
			t.Fatal(err)
		}
		w.want("finalized", w.writes(), []string{"ConfigMap/apps/a deleted"})
		w.want("told", w.told()[0], "error PruneSelfRefused: ServiceAccount/flux-system/fluxd is part of fluxd or keeps its objects, and is left behind")
	})
}
