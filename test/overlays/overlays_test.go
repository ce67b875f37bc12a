package overlays

import (
	"context"
	"runtime"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// The installation as it is: one process that applies, repairs, prunes, and tells.
func TestInstallation(t *testing.T) {
	p := newPlace(t, ".", "{}")
	p.apply("one", "one")
	d := p.launch("fluxd", "cache")
	p.Wait(harness.Kustomized, "one", harness.Ready)
	p.edit("one", "1")
	p.happened(true)
	p.Delete(harness.Kustomized, "one")
	p.Wait(harness.ConfigMaps, "one", harness.Gone)
	p.finish(d)
}

// happened fails the test unless there are Kubernetes events in the namespace, or none.
func (p *place) happened(want bool) {
	p.T.Helper()
	list, err := cluster.Dynamic.Resource(harness.Events).Namespace(p.Namespace).List(p.T.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=Kustomization"})
	if err != nil {
		p.T.Fatal(err)
	}
	if got := len(list.Items) > 0; got != want {
		p.T.Errorf("there are %d events", len(list.Items))
	}
}

// With tenants, who names no account may do nothing, and who names that of the
// administrators in their namespace may do everything. test/tenants attacks it.
func TestLockdown(t *testing.T) {
	p := newPlace(t, "overlays/lockdown", "{}")
	p.apply("one", "one")
	p.launch("fluxd", "cache")
	p.Wait(harness.Kustomized, "one", func(obj *unstructured.Unstructured) bool {
		_, _, message := harness.Condition(obj, "Ready")
		return harness.Failed("ReconciliationFailed")(obj) && message != ""
	})
	home := &world.World{T: t, Cluster: cluster, Namespace: "flux-system", Labels: "{}"}
	home.Create(home.Manifest("source.toolkit.fluxcd.io/v1", "GitRepository", "fleet", "url: "+p.server.RepoURL(p.repo), "ref: {branch: main}"))
	home.Create(home.Manifest("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "fleet",
		"prune: true", "path: ./two", "serviceAccountName: kustomize-controller", "sourceRef: {kind: GitRepository, name: fleet}"))
	home.Wait(harness.Kustomized, "fleet", harness.Ready)
	p.Wait(harness.ConfigMaps, "two", says("1"))
	if p.Get(harness.ConfigMaps, "one") != nil {
		t.Error("it was applied without the right to")
	}
}

// A small node loses its power and its network: what it had is repaired from the disk, no
// event is written, and the memory suffices.
func TestEdge(t *testing.T) {
	p := newPlace(t, "overlays/edge", "{}")
	p.apply("one", "one")
	p.apply("two", "two")
	d := p.launch("fluxd", "disk", quick()...)
	p.Wait(harness.Kustomized, "one", harness.Ready)
	p.Wait(harness.Kustomized, "two", harness.Ready)
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.server.Close(); err != nil {
		t.Fatal(err)
	}
	p.Patch(harness.ConfigMaps, "one", map[string]any{"data": map[string]any{"key": "edited while it was away"}})
	p.Delete(harness.ConfigMaps, "two")
	d = p.launch("fluxd", "disk", quick()...)
	p.WaitFor(patience, harness.ConfigMaps, "one", says("1"))
	p.WaitFor(patience, harness.ConfigMaps, "two", says("1"))
	p.happened(false)
	if runtime.GOOS == "linux" {
		const limit = 64 << 20 // of the container
		if u, err := d.Usage(); err != nil || u.Peak > limit {
			t.Errorf("it has taken %d bytes, %d of its own now, error %v", u.Peak, u.Anonymous, err)
		}
	}
	p.finish(d)
}

// Of two replicas one acts. When it dies without a word the other takes over, and
// nothing is lost or done twice.
func TestHighAvailability(t *testing.T) {
	p := newPlace(t, "overlays/high-availability", "{}")
	deployment, err := cluster.Get(t.Context(), harness.Deployments, "flux-system", "fluxd")
	if err != nil {
		t.Fatal(err)
	}
	if replicas, _, _ := unstructured.NestedInt64(deployment.Object, "spec", "replicas"); replicas != 2 {
		t.Errorf("there are %d replicas", replicas)
	}
	p.apply("one", "one")
	first := p.launch("fluxd", "first", quick()...)
	p.Wait(harness.Kustomized, "one", harness.Ready)
	second := p.launch("fluxd", "second", quick()...)
	uid := p.Get(harness.ConfigMaps, "one").GetUID()
	if n := p.runs(second, "Kustomization", "one"); n > 0 {
		t.Errorf("the second ran %g times beside the first", n)
	}
	holder := p.holder("")
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	commit := p.commit("2")
	p.Request(harness.Sources, "repo")
	p.Wait(harness.Kustomized, "one", applied(commit))
	p.holder(holder)
	p.edit("one", "2")
	if got := p.Get(harness.ConfigMaps, "one").GetUID(); got != uid {
		t.Error("the object was made anew")
	}
	third := p.launch("fluxd", "third", quick()...)
	p.finish(second) // in good order: the Lease is given back
	p.edit("one", "2")
	p.finish(third)
}

// holder waits until the Lease has a holder other than one, and returns it.
func (p *place) holder(than string) string {
	p.T.Helper()
	ctx, cancel := context.WithTimeout(p.T.Context(), patience)
	defer cancel()
	leases := schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	obj, err := cluster.Wait(ctx, leases, "flux-system", "fluxd-leader-election", func(obj *unstructured.Unstructured) bool {
		now := world.Field(obj, "spec", "holderIdentity")
		return now != "" && now != than
	})
	if err != nil {
		p.T.Fatal(err)
	}
	return world.Field(obj, "spec", "holderIdentity")
}

// Two processes share a cluster by a label: both act at the same time, and neither on
// what is the other's.
func TestShard(t *testing.T) {
	p := newPlace(t, "overlays/shard", "{}")
	p.apply("one", "one")
	p.Labels = "{sharding.fluxcd.io/key: shard1}"
	p.source("other")
	p.apply("two", "two", "sourceRef: {kind: GitRepository, name: other}")
	main, shard := p.launch("fluxd", "main"), p.launch("fluxd-shard1", "shard")
	p.Wait(harness.Kustomized, "one", harness.Ready)
	p.Wait(harness.Kustomized, "two", harness.Ready)
	p.edit("one", "1")
	p.edit("two", "1")
	for name, n := range map[string]float64{
		"one by the shard":     p.runs(shard, "Kustomization", "one") + p.runs(shard, "GitRepository", "repo"),
		"two by the main one":  p.runs(main, "Kustomization", "two") + p.runs(main, "GitRepository", "other"),
		"one by nobody at all": negative(p.runs(main, "Kustomization", "one")), "two by nobody at all": negative(p.runs(shard, "Kustomization", "two")),
	} {
		if n > 0 {
			t.Errorf("%s: %g runs", name, n)
		}
	}
	// An object that gets another label changes hands.
	uid := p.Get(harness.ConfigMaps, "two").GetUID()
	unlabel := map[string]any{"metadata": map[string]any{"labels": map[string]any{"sharding.fluxcd.io/key": nil}}}
	p.World.Patch(harness.Sources, "other", unlabel)
	p.World.Patch(harness.Kustomized, "two", unlabel)
	commit := p.commit("2")
	p.Request(harness.Sources, "other")
	p.Wait(harness.Kustomized, "two", applied(commit))
	p.edit("two", "2")
	if p.Get(harness.ConfigMaps, "two").GetUID() != uid || p.runs(main, "Kustomization", "two") == 0 {
		t.Error("it was made anew, or not by the other process")
	}
	p.finish(main)
	p.finish(shard)
}

// negative is one where there is nothing.
func negative(n float64) float64 {
	if n == 0 {
		return 1
	}
	return 0
}
