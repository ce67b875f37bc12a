package tenants

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// onStatus write into the status of the tenant's own objects that what is somebody
// else's were theirs.
func onStatus() map[string]attack {
	entries := func(ids ...string) map[string]any {
		var all []any
		for _, id := range ids {
			all = append(all, map[string]any{"id": id, "v": "v1"})
		}
		return map[string]any{"status": map[string]any{"inventory": map[string]any{"entries": all}}}
	}
	// Theirs is the artifact of the victim's source.
	theirs := func(w *world.World, kind, name string) map[string]any {
		obj := admin(w.T, victim).Get(resourceOf(kind), name)
		artifact, _, _ := unstructured.NestedMap(obj.Object, "status", "artifact")
		return artifactStatus(artifact)
	}
	return map[string]attack{
		"k-inventory": {
			fields: []string{"Kustomization status.inventory.entries[].id"}, kind: kustomization, files: files{"a.yaml": mine("k-inventory")},
			act: func(w *world.World, name string) {
				w.Wait(harness.Kustomized, name, harness.Ready)
				patchStatus(w, "kustomization", name, entries("victim_crown__ConfigMap", "_victim__Namespace", "mallory_k-inventory__ConfigMap"))
				w.Request(harness.Kustomized, name)
			},
			ready: "False/PruneFailed", says: []string{"ConfigMap/victim/crown", "Namespace/victim", "forbidden"},
		},
		"k-inventory-delete": {
			fields: []string{"Kustomization status.inventory.entries[].id"}, kind: kustomization, files: files{"a.yaml": mine("k-inventory-delete")},
			act: func(w *world.World, name string) {
				w.Wait(harness.Kustomized, name, harness.Ready)
				patchStatus(w, "kustomization", name, entries("victim_crown__ConfigMap"))
				w.Delete(harness.Kustomized, name)
			},
			then: func(w *world.World, name string) {
				w.Wait(harness.Kustomized, name, func(obj *unstructured.Unstructured) bool {
					_, message := world.Condition(obj, api.ConditionReady)
					return strings.Contains(message, "ConfigMap/victim/crown") && strings.Contains(message, "forbidden")
				})
			},
		},
		// Artifacts belong to the source that fetched them, whatever a digest says.
		"g-artifact": {
			fields: []string{"GitRepository status.artifact.digest", "GitRepository status.artifact.url"}, kind: gitRepository, spec: "url: $OWN\nsuspend: true",
			act: func(w *world.World, name string) {
				patchStatus(w, "gitrepository", name, theirs(w, gitRepository, "private"))
				w.Create(attack{kind: kustomization, spec: "path: ./app\nsourceRef: {kind: GitRepository, name: " + name + "}"}.manifest(name))
			},
			then: func(w *world.World, name string) {
				w.Wait(harness.Kustomized, name, func(obj *unstructured.Unstructured) bool {
					short, message := world.Condition(obj, api.ConditionReady)
					return !strings.HasPrefix(short, "True/") && strings.Contains(message, "artifact not found")
				})
			},
		},
		"c-artifact": {
			fields: []string{"HelmChart status.artifact.digest", "HelmChart status.artifact.url"}, kind: helmChart,
			spec: "chart: ./nothing\nsuspend: true\nsourceRef: {kind: GitRepository, name: repo}",
			act: func(w *world.World, name string) {
				patchStatus(w, "helmchart", name, theirs(w, helmChart, "victim-web"))
				w.Create(attack{kind: helmRelease, spec: "chartRef: {kind: HelmChart, name: " + name + "}"}.manifest(name))
			},
			then: func(w *world.World, name string) {
				w.Wait(api.HelmReleaseGVR, name, func(obj *unstructured.Unstructured) bool {
					short, _ := world.Condition(obj, api.ConditionReady)
					return strings.HasPrefix(short, "False/")
				})
			},
		},
		"o-artifact": {
			fields: []string{"OCIRepository status.artifact.digest", "OCIRepository status.artifact.url"}, kind: ociRepository, spec: "url: oci://$TRAP/r\nsuspend: true",
			act: func(w *world.World, name string) {
				consumeForged(w, "ocirepository", ociRepository, name, theirs(w, gitRepository, "private"))
			},
		},
		"b-artifact": {
			fields: []string{"Bucket status.artifact.digest", "Bucket status.artifact.url"}, kind: bucketKind, spec: "endpoint: $TRAP\nbucketName: apps\nsuspend: true",
			act: func(w *world.World, name string) {
				consumeForged(w, "bucket", bucketKind, name, theirs(w, gitRepository, "private"))
			},
		},
	}
}

// consumeForged has a Kustomization use a source with a forged artifact, and get none.
func consumeForged(w *world.World, resource, kind, name string, status map[string]any) {
	w.T.Helper()
	patchStatus(w, resource, name, status)
	w.Create(attack{kind: kustomization, spec: "path: ./app\nsourceRef: {kind: " + kind + ", name: " + name + "}"}.manifest(name))
	w.Wait(harness.Kustomized, name, func(obj *unstructured.Unstructured) bool {
		short, message := world.Condition(obj, api.ConditionReady)
		return !strings.HasPrefix(short, "True/") && strings.Contains(message, "artifact not found")
	})
}
