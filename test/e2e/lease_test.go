package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/test/harness"
)

// Of two daemons one acts. When it is killed the other takes over.
func TestLeaderElection(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1")}, "--enable-leader-election",
		"--leader-election-lease-duration=3s", "--leader-election-renew-deadline=2s", "--leader-election-retry-period=200ms")
	w.install()
	w.start()
	w.ready("app")
	first := w.take()
	holder := w.holderOtherThan("")
	w.start() // the second
	second := w.daemon
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := second.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	commit := w.commit(files{"app/config.yaml": configMap("config", "2")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	if runs := w.runs("Kustomization", "app"); runs > 0 {
		t.Errorf("the daemon without the Lease made %g runs", runs)
	}

	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	w.patch(harness.ConfigMaps, "config", map[string]any{"data": map[string]any{"key": "edited"}})
	w.wait(harness.ConfigMaps, "config", data("key", "2"))
	w.holderOtherThan(holder)
	w.start() // a third: that of the second is given back when it ends
	third := w.take()
	w.finish(second)
	commit = w.commit(files{"app/config.yaml": configMap("config", "3")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	w.finish(third)
}

// While a Flux controller runs, the daemon waits, and says for whom. Later it holds
// the Leases of those that it replaces and gives them back in the end.
func TestFluxControllersRun(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1")}, "--enable-leader-election", "--leader-election-retry-period=200ms")
	w.install()
	stock := w.leaseName("kustomize-controller")
	w.create("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: " + stock + ", namespace: flux-system}\n" +
		"spec: {holderIdentity: kustomize-controller-5f_1, leaseDurationSeconds: 300}")
	w.start()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := w.daemon.Logged(ctx, "waiting for a Flux controller", "kustomize-controller-5f_1"); err != nil {
		t.Fatal(err)
	}
	equal(t, "runs while the controller holds its Lease", 0.0, w.runs("GitRepository", "repo"))

	if _, err := w.Patch(ctx, leases, "flux-system", stock, map[string]any{"spec": map[string]any{"holderIdentity": ""}}); err != nil {
		t.Fatal(err)
	}
	w.ready("app")
	for _, component := range []string{"kustomize-controller", "source-controller"} {
		if holder := w.holder(w.leaseName(component), func(now string) bool { return now != "" }); !strings.HasPrefix(holder, "fluxd_") {
			t.Errorf("%s is held by %q", component, holder)
		}
	}
	w.stop()
	w.holder(stock, func(now string) bool { return now == "" })
}

var leases = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

// leaseName returns the name of the Lease of a component in this world's shard.
func (w *ownWorld) leaseName(component string) string {
	sum := sha256.Sum256([]byte(w.selector()))
	return component + "-leader-election-" + hex.EncodeToString(sum[:4])
}

// holderOtherThan waits until the Lease of this world's daemons has a holder other
// than the one given, and returns it.
func (w *ownWorld) holderOtherThan(holder string) string {
	w.t.Helper()
	return w.holder(w.leaseName("fluxd"), func(now string) bool { return now != "" && now != holder })
}

// holder waits until the holder of a Lease is one that is wanted, and returns it.
func (w *ownWorld) holder(lease string, wanted func(string) bool) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	obj, err := w.Wait(ctx, leases, "flux-system", lease, func(obj *unstructured.Unstructured) bool {
		return obj != nil && wanted(field(obj, "spec", "holderIdentity"))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return field(obj, "spec", "holderIdentity")
}

// A daemon may be told to look after its own namespace alone.
func TestOneNamespace(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1")})
	far := w.namespace + "-far"
	w.create("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + far + "}")
	w.create(strings.ReplaceAll(w.manifest("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "app",
		"interval: 10m\nprune: true\npath: ./app\nsourceRef: {kind: GitRepository, name: repo, namespace: NS}"), "namespace: NS, labels", "namespace: "+far+", labels"))
	w.install()
	d, err := harness.StartWith([]string{"RUNTIME_NAMESPACE=" + w.namespace}, binary, w.gate.kubeconfig,
		append(flags(), "--watch-label-selector="+w.selector(), "--watch-all-namespaces=false")...)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.daemon = d
	w.mu.Unlock()
	w.ready("app")
	obj, err := w.Get(t.Context(), harness.Kustomized, far, "app")
	if err != nil || len(obj.GetFinalizers()) > 0 || harness.Observed(obj) {
		t.Errorf("it was looked after: %v, error %v", obj, err)
	}
}

// Daemons share a cluster by the labels of the objects to reconcile. An object that
// gets another label changes hands, and nothing of it is pruned.
func TestShards(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1"), "other/config.yaml": configMap("other", "1")})
	w.install()
	w.labels = "{}" // what the shared daemon looks after
	w.source("theirs")
	w.kustomization("other", "./other", "sourceRef: {kind: GitRepository, name: theirs}")
	w.ready("other")
	if app := w.get(harness.Kustomized, "app"); len(app.GetFinalizers()) > 0 || harness.Observed(app) {
		t.Errorf("the shard that nobody looks after was touched: %v", app.Object)
	}
	w.start()
	w.ready("app")
	other := version(w.get(harness.Kustomized, "other"))
	equal(t, "runs of the other shard", 0.0, w.runs("Kustomization", "other"))

	uid := w.get(harness.ConfigMaps, "config").GetUID()
	label := map[string]any{"metadata": map[string]any{"labels": map[string]any{ownLabel: nil}}}
	w.patch(harness.Sources, "repo", label)
	w.patch(harness.Kustomized, "app", label)
	commit := w.commit(files{"app/config.yaml": configMap("config", "2")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	w.patch(harness.ConfigMaps, "config", map[string]any{"data": map[string]any{"key": "edited"}})
	config := w.wait(harness.ConfigMaps, "config", data("key", "2"))
	equal(t, "UID", uid, config.GetUID())
	equal(t, "version of the other one", other, version(w.get(harness.Kustomized, "other")))
}
