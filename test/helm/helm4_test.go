package helm

import (
	"fmt"
	"testing"

	action4 "helm.sh/helm/v4/pkg/action"
	common4 "helm.sh/helm/v4/pkg/chart/common"
	chart4 "helm.sh/helm/v4/pkg/chart/v2"
	kube4 "helm.sh/helm/v4/pkg/kube"
	release4 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/fluxd/fluxd/pkg/apply/release"
)

// helm4 is Helm 4 in the namespace of w, as the stock controller uses it.
func (w *world) helm4() *action4.Configuration {
	w.t.Helper()
	kube4.ManagedFieldsManager = "helm-controller"
	cfg := action4.NewConfiguration()
	if err := cfg.Init(w.flags(), w.namespace, "secret"); err != nil {
		w.t.Fatal(err)
	}
	return cfg
}

func (w *world) stored4(version int) *release4.Release {
	w.t.Helper()
	r, err := w.helm4().Releases.Get("web", version)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.(*release4.Release)
}

func (w *world) history4() []string {
	w.t.Helper()
	list, err := action4.NewHistory(w.helm4()).Run("web")
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, one := range list {
		r := one.(*release4.Release)
		all = append(all, fmt.Sprintf("%d %s %s %s", r.Version, r.Info.Status, r.ApplyMethod, r.Info.Description))
	}
	return all
}

// observation is what the stock controller digests of a release.
type observation struct {
	Name      string          `json:"name"`
	Version   int             `json:"version"`
	Info      release4.Info   `json:"info"`
	Chart     chart4.Metadata `json:"chartMetadata"`
	Config    map[string]any  `json:"config"`
	Manifest  string          `json:"manifest"`
	Hooks     []release4.Hook `json:"hooks"`
	Namespace string          `json:"namespace"`
	OCIDigest string          `json:"ociDigest,omitempty"`
}

func (w *world) observe4(version int, oci string) observation {
	r := w.stored4(version)
	o := observation{
		Name: r.Name, Version: r.Version, Info: *r.Info, Chart: *r.Chart.Metadata, Config: r.Config,
		Manifest: r.Manifest, Namespace: r.Namespace, OCIDigest: oci,
	}
	for _, h := range r.Hooks {
		o.Hooks = append(o.Hooks, *h)
	}
	return o
}

// Digests are those that Helm 4 encodes, of what we have stored and of what it has.
func TestDigestsAreThoseOfHelm4(t *testing.T) {
	w := newWorld(t)
	const oci = "sha256:0123"
	step := w.install("1", func(in *release.Install) { in.OCIDigest = oci })
	equal(t, "ours", digest(t, w.observe4(1, oci)), step.Observed[0].Digest)
	w.helm4Upgrade("2")
	equal(t, "theirs", digest(t, w.observe4(2, "")), w.last().Digest)
	back, err := w.Revision(t.Context(), w.target, 1, release.Tag{OCIDigest: oci})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "ours, superseded by Helm 4", digest(t, w.observe4(1, oci)), back.Digest)
	if step := w.upgrade("3"); step.Observed[len(step.Observed)-1].Digest != digest(t, w.observe4(3, "")) {
		t.Errorf("ours again: %+v", step.Observed)
	}
}

func (w *world) chart4(value string) *chart4.Chart {
	return &chart4.Chart{
		Metadata:  &chart4.Metadata{Name: "c", Version: "1.0." + value, APIVersion: "v2"},
		Templates: []*common4.File{{Name: "templates/a.yaml", Data: []byte(template)}},
	}
}

func (w *world) helm4Upgrade(value string) {
	w.t.Helper()
	up := action4.NewUpgrade(w.helm4())
	up.Namespace, up.ServerSideApply, up.ForceConflicts, up.WaitStrategy = w.namespace, "auto", true, kube4.HookOnlyStrategy
	if _, err := up.Run("web", w.chart4(value), map[string]any{"value": value}); err != nil {
		w.t.Fatal(err)
	}
}

// Helm 4 goes on with what we store, as it was written: server-side stays so.
func TestHelm4Continues(t *testing.T) {
	w := newWorld(t)
	w.install("1")
	w.upgrade("2")
	equal(t, "history", []string{"1 superseded ssa Install complete", "2 deployed ssa Upgrade complete"}, w.history4())
	w.helm4Upgrade("3")
	equal(t, "value", "3", w.jsonpath("{.data.key}", "configmap", "a"))
	back := action4.NewRollback(w.helm4())
	back.Version, back.ServerSideApply, back.WaitStrategy, back.ForceConflicts = 1, "auto", kube4.HookOnlyStrategy, true
	if err := back.Run("web"); err != nil {
		t.Fatal(err)
	}
	equal(t, "value", "1", w.jsonpath("{.data.key}", "configmap", "a"))
	equal(t, "method", release.ServerSide, w.last().Method)
	w.upgrade("5")
	w.succeed(func() (release.Step, error) {
		return w.Rollback(t.Context(), w.target, release.Rollback{Options: options("back"), Version: 3, MaxHistory: 10})
	})
	equal(t, "value", "3", w.jsonpath("{.data.key}", "configmap", "a"))
	equal(t, "history", []string{
		"1 superseded ssa Install complete", "2 superseded ssa Upgrade complete", "3 superseded ssa Upgrade complete",
		"4 superseded ssa Rollback to 1", "5 superseded ssa Upgrade complete", "6 deployed ssa Rollback to 3",
	}, w.history4())
	un := action4.NewUninstall(w.helm4())
	un.WaitStrategy = kube4.HookOnlyStrategy
	if _, err := un.Run("web"); err != nil {
		t.Fatal(err)
	}
	equal(t, "object", "", w.jsonpath("{.metadata.name}", "configmap", "a"))
}

// We go on with what Helm 4 has installed.
func TestHelm4IsContinued(t *testing.T) {
	w := newWorld(t)
	in := action4.NewInstall(w.helm4())
	in.ReleaseName, in.Namespace, in.WaitStrategy = "web", w.namespace, kube4.HookOnlyStrategy
	if _, err := in.Run(w.chart4("1"), map[string]any{"value": "1"}); err != nil {
		t.Fatal(err)
	}
	equal(t, "method", release.ServerSide, w.last().Method)
	equal(t, "digest", digest(t, w.observe4(1, "")), w.last().Digest)
	w.upgrade("2")
	equal(t, "history", []string{"1 superseded ssa Install complete", "2 deployed ssa Upgrade complete"}, w.history4())
	chart, values, err := w.Current(t.Context(), w.target)
	if err != nil || string(chart.Templates[0].Data) != template || values["value"] != "2" {
		t.Errorf("current: %v, %v (%v)", chart, values, err)
	}
}
