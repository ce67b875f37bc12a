package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/suite"
)

// Etcd is restored to an earlier state while the daemon runs. The versions that it knows
// are those of a history that was undone: it sees that, and brings the cluster to what
// Git says now.
func TestEtcdRestored(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	w := restorable(t, ctx)
	content := chartWithHooks("1.0.0", "first")
	content["app/stays.yaml"], content["app/goes.yaml"] = configMap("stays", "1"), configMap("goes", "1")
	w.commit(content)
	w.source("repo")
	w.kustomization("app", "./app", "wait: true")
	w.create(w.manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web",
		"chart: {spec: {chart: chart, sourceRef: {kind: GitRepository, name: repo}}}\ninterval: 10m\ndriftDetection: {mode: enabled}"))
	w.ready("app")
	w.wait(api.HelmReleaseGVR, "web", releasedAt("1.0.0"))
	saved, err := w.SaveEtcd(ctx)
	if err != nil {
		t.Fatal(err)
	}

	content = chartWithHooks("2.0.0", "second")
	content["app/stays.yaml"], content["app/goes.yaml"], content["app/comes.yaml"] = configMap("stays", "2"), "", configMap("comes", "2")
	commit := w.commit(content)
	w.request(harness.Sources, "repo")
	w.waitFor(2*patience, harness.ConfigMaps, "comes", data("key", "2"))
	w.applied("app", commit)
	w.waitFor(2*patience, api.HelmReleaseGVR, "web", releasedAt("2.0.0"))
	for i := range 500 { // more than what the restored cluster writes while the daemon looks
		w.patch(harness.ConfigMaps, "kube-root-ca.crt", annotation("round", fmt.Sprint(i)))
	}
	if err := w.RestoreEtcd(ctx, saved); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	w.waitFor(2*patience, harness.ConfigMaps, "stays", data("key", "2"))
	w.waitFor(2*patience, harness.ConfigMaps, "comes", data("key", "2"))
	w.wait(harness.ConfigMaps, "goes", harness.Gone)
	app := w.applied("app", commit)
	equal(t, "inventory", []string{"NS_comes__ConfigMap", "NS_stays__ConfigMap"}, w.inventory(app))
	obj := w.waitFor(2*patience, api.HelmReleaseGVR, "web", releasedAt("2.0.0"))
	t.Logf("all was well %s after the API server was back", time.Since(began).Round(time.Millisecond))
	// The old chart, which is restored as well, may be released once more in between.
	records := w.records()
	for i, record := range records {
		want := fmt.Sprintf("sh.helm.release.v1.web.v%d superseded", i+1)
		if i == len(records)-1 {
			want = fmt.Sprintf("sh.helm.release.v1.web.v%d deployed", i+1)
		}
		equal(t, "record", want, record)
	}
	if n := len(records); n < 2 || n > 3 || w.history(obj)[0] != fmt.Sprint(n, " deployed") {
		t.Errorf("there are %d revisions, and the history is %v", n, w.history(obj))
	}
	equal(t, "words", []string{"second", "second"}, w.words())
	for name, wanted := range map[string]is{"stays": data("key", "2"), "web-one": data("word", "second")} {
		w.patch(harness.ConfigMaps, name, map[string]any{"data": map[string]any{"key": "edited", "word": "edited"}})
		w.wait(harness.ConfigMaps, name, wanted)
	}
}

// restorable returns a world on a control plane of its own, with a daemon.
func restorable(t *testing.T, ctx context.Context) *world {
	t.Helper()
	plane, err := controlplane.Start(ctx, controlplane.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := harness.Use(ctx, plane)
	if err == nil {
		_, err = c.Kubectl(ctx, "create", "namespace", "flux-system")
	}
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := plane.KubeconfigFor(controlplane.FluxdUser)
	if err != nil {
		t.Fatal(err)
	}
	d, err := harness.Start(binary, kubeconfig, flags()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := suite.End(d); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log of the daemon:\n%s", strings.Join(d.Logs(), "\n"))
		}
	})
	return makeWorldIn(t, c, "{}", nil)
}
