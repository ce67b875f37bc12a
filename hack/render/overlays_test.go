package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Every overlay is the installation and what it says of itself, on a Deployment
// that still works.
func TestOverlays(t *testing.T) {
	base := names(installed(t))
	for name, want := range map[string]struct {
		objects, flags []string
	}{
		"lockdown": {
			flags: []string{"--no-cross-namespace-refs=true", "--no-remote-bases=true", "--default-service-account=default"},
		},
		"aliases": {
			objects: []string{"Deployment helm-controller", "Deployment kustomize-controller", "Deployment notification-controller", "Deployment source-controller"},
		},
		"edge": {
			flags: []string{"--record-events=false", "--artifact-budget=8Mi", "--build-budget=4Mi"},
		},
		"high-availability": {
			objects: []string{"PodDisruptionBudget fluxd"},
		},
		"shard": {
			objects: []string{"Deployment fluxd-shard1"},
			flags:   []string{"--watch-label-selector=!sharding.fluxcd.io/key"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := objects(t, deploy+"/overlays/"+name)
			added := slices.DeleteFunc(names(all), func(o string) bool { return slices.Contains(base, o) })
			if diff := cmp.Diff(want.objects, added, cmpopts.EquateEmpty()); diff != "" {
				t.Error("objects beyond the installation:", diff)
			}
			if missing := len(base) + len(added) - len(all); missing > 0 {
				t.Errorf("%d objects of the installation are missing", missing)
			}
			if diff := cmp.Diff(want.flags, flagsBeyond(t, find(t, all, "Deployment fluxd")), cmpopts.EquateEmpty()); diff != "" {
				t.Error("flags beyond those of the installation:", diff)
			}
		})
	}
}

// On a small node, with the disk of that node.
func TestEdge(t *testing.T) {
	d := find(t, objects(t, deploy+"/overlays/edge"), "Deployment fluxd").Object
	pod := []any{"spec", "template", "spec"}
	if got := at(t, d, append(pod, "containers", 0, "resources", "limits", "memory")...); got != "64Mi" {
		t.Errorf("the memory limit is %v", got)
	}
	want := map[string]any{"name": "data", "hostPath": map[string]any{"path": "/var/lib/fluxd", "type": "DirectoryOrCreate"}}
	if diff := cmp.Diff(want, at(t, d, append(pod, "volumes", 1)...)); diff != "" {
		t.Error(diff)
	}
}

// A shard is a Deployment of its own: it selects its own Pods and its own objects.
func TestShard(t *testing.T) {
	d := find(t, objects(t, deploy+"/overlays/shard"), "Deployment fluxd-shard1").Object
	for _, path := range [][]any{{"spec", "selector", "matchLabels"}, {"spec", "template", "metadata", "labels"}} {
		if got := at(t, d, append(path, "app.kubernetes.io/name")...); got != "fluxd-shard1" {
			t.Errorf("%v: the name is %v", path, got)
		}
	}
	want := []string{"--watch-label-selector=sharding.fluxcd.io/key=shard1"}
	if diff := cmp.Diff(want, flagsBeyond(t, &unstructured.Unstructured{Object: d})); diff != "" {
		t.Error(diff)
	}
	if got := at(t, d, "spec", "template", "spec", "containers", 0, "image"); got != image {
		t.Errorf("the image is %v", got)
	}
}

// flagsBeyond returns the flags of a Deployment that the installation does not have.
func flagsBeyond(t *testing.T, d *unstructured.Unstructured) []string {
	t.Helper()
	args := []any{"spec", "template", "spec", "containers", 0, "args"}
	base, _ := at(t, deployment(t).Object, args...).([]any)
	all, _ := at(t, d.Object, args...).([]any)
	var beyond []string
	for i, arg := range all {
		if i < len(base) {
			if arg != base[i] {
				t.Errorf("argument %d is %v, not %v: patches by index would miss", i, arg, base[i])
			}
			continue
		}
		beyond = append(beyond, arg.(string))
	}
	return beyond
}

func find(t *testing.T, all []*unstructured.Unstructured, name string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range all {
		if o.GetKind()+" "+o.GetName() == name {
			return o
		}
	}
	t.Fatalf("no %s among %s", name, strings.Join(names(all), ", "))
	return nil
}

// names returns kind and name of each, sorted.
func names(all []*unstructured.Unstructured) []string {
	var got []string
	for _, o := range all {
		got = append(got, o.GetKind()+" "+o.GetName())
	}
	slices.Sort(got)
	return got
}
