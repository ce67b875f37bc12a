package helm

import (
	"fmt"
	"testing"

	action3 "helm.sh/helm/v3/pkg/action"
	chart3 "helm.sh/helm/v3/pkg/chart"
	kube3 "helm.sh/helm/v3/pkg/kube"
	release3 "helm.sh/helm/v3/pkg/release"

	"github.com/fluxd/fluxd/pkg/apply/release"
)

type (
	hookEvent    = release3.HookEvent
	deletePolicy = release3.HookDeletePolicy
)

// helm3 is Helm 3 in the namespace of w, as the stock controller used it.
func (w *world) helm3() *action3.Configuration {
	w.t.Helper()
	kube3.ManagedFieldsManager = "helm-controller"
	cfg := &action3.Configuration{}
	if err := cfg.Init(w.flags(), w.namespace, "secret", func(string, ...any) {}); err != nil {
		w.t.Fatal(err)
	}
	return cfg
}

// history3 is what helm history of Helm 3 shows.
func (w *world) history3() []string {
	w.t.Helper()
	list, err := action3.NewHistory(w.helm3()).Run("web")
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, r := range list {
		all = append(all, fmt.Sprintf("%d %s %s-%s %s", r.Version, r.Info.Status, r.Chart.Metadata.Name, r.Chart.Metadata.Version, r.Info.Description))
	}
	return all
}

// Helm 3 reads what we store, rolls it back, and we go on from there.
func TestHelm3Continues(t *testing.T) {
	w := newWorld(t)
	w.install("1")
	w.upgrade("2")
	equal(t, "history", []string{"1 superseded c-1.0.1 Install complete", "2 deployed c-1.0.2 Upgrade complete"}, w.history3())
	got, err := action3.NewGet(w.helm3()).Run("web")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "manifest", manifest("2"), got.Manifest)
	equal(t, "values", map[string]any{"value": "2"}, got.Config)
	equal(t, "notes", "hello 2", got.Info.Notes)
	equal(t, "hook", release3.HookPhaseSucceeded, got.Hooks[0].LastRun.Phase)
	equal(t, "template", template, string(got.Chart.Templates[0].Data))
	list := action3.NewList(w.helm3())
	all, err := list.Run()
	if err != nil || len(all) != 1 || all[0].Version != 2 {
		t.Errorf("helm list: %v (%v)", all, err)
	}
	rollback := action3.NewRollback(w.helm3())
	rollback.Version, rollback.Wait = 1, true
	if err := rollback.Run("web"); err != nil {
		t.Fatal(err)
	}
	equal(t, "value", "1", w.jsonpath("{.data.key}", "configmap", "a"))
	last := w.last()
	equal(t, "what we see of it", []any{3, release3.StatusDeployed, "Rollback to 1", "", release.Method("")},
		[]any{last.Version, last.Status, last.Description, last.Attempt, last.Method})
	w.upgrade("4")
	equal(t, "value", "4", w.jsonpath("{.data.key}", "configmap", "a"))
	equal(t, "history", []string{
		"1 superseded c-1.0.1 Install complete", "2 superseded c-1.0.2 Upgrade complete",
		"3 superseded c-1.0.1 Rollback to 1", "4 deployed c-1.0.4 Upgrade complete",
	}, w.history3())
	if _, err := action3.NewUninstall(w.helm3()).Run("web"); err != nil {
		t.Fatal(err)
	}
	if o, err := w.Last(t.Context(), w.target, release.Tag{}); o != nil || err != nil {
		t.Errorf("after helm uninstall: %v (%v)", o, err)
	}
}

// We go on with what Helm 3 has installed, on the client side as it did, and uninstall
// it.
func TestHelm3IsContinued(t *testing.T) {
	w := newWorld(t)
	install := action3.NewInstall(w.helm3())
	install.ReleaseName, install.Namespace, install.Labels = "web", w.namespace, map[string]string{"team": "edge"}
	c := &chart3.Chart{
		Metadata:  &chart3.Metadata{Name: "c", Version: "1.0.1", APIVersion: "v2"},
		Templates: []*chart3.File{{Name: "templates/a.yaml", Data: []byte(template)}},
	}
	if _, err := install.Run(c, map[string]any{"value": "1"}); err != nil {
		t.Fatal(err)
	}
	last := w.last()
	equal(t, "first", []any{1, release3.StatusDeployed, "c", "1.0.1"}, []any{last.Version, last.Status, last.ChartName, last.ChartVersion})
	w.upgrade("2")
	equal(t, "method", release.ClientSide, w.last().Method)
	equal(t, "value", "2", w.jsonpath("{.data.key}", "configmap", "a"))
	equal(t, "label of the user", "edge", w.jsonpath("{.metadata.labels.team}", "secret", release.SecretName("web", 2)))
	equal(t, "history", []string{"1 superseded c-1.0.1 Install complete", "2 deployed c-1.0.2 Upgrade complete"}, w.history3())
	w.upgrade("3", func(up *release.Upgrade) { up.Method = release.ServerSide })
	equal(t, "managers", "helm-controller Apply ", w.jsonpath(`{range .metadata.managedFields[*]}{.manager} {.operation} {end}`, "configmap", "a")+" ")
	w.succeed(func() (release.Step, error) {
		return w.Uninstall(t.Context(), w.target, release.Uninstall{Options: options("uninstall")})
	})
	equal(t, "object", "", w.jsonpath("{.metadata.name}", "configmap", "a"))
	equal(t, "Secrets", "", w.jsonpath("{.items[*].metadata.name}", "secrets", "-l", "owner=helm"))
}

// What somebody left pending who has died is unlocked.
func TestHelm3LeftPending(t *testing.T) {
	w := newWorld(t)
	w.install("1")
	cfg := w.helm3()
	last, err := cfg.Releases.Last("web")
	if err != nil {
		t.Fatal(err)
	}
	last.Info.Status = release3.StatusPendingUpgrade
	if err := cfg.Releases.Update(last); err != nil {
		t.Fatal(err)
	}
	if o := w.last(); o.Underway || o.Attempt != "" || o.Method != "" {
		t.Errorf("it is ours: %+v", o)
	}
	w.succeed(func() (release.Step, error) { return w.Unlock(t.Context(), w.target, options("unlock")) })
	equal(t, "history", []string{"1 failed c-1.0.1 Release unlocked from stale 'pending-upgrade' state"}, w.history3())
}
