package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// busy is the namespace of what uninstalls are in the middle of.
const busy = "busy"

var (
	secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// busyApps are how many Kustomizations there are, each with as many objects.
const busyApps = 5

// busyFiles are those of the Kustomizations and of a chart. The chart of the second
// version has a hook that does not end, so that its upgrade never does either.
func busyFiles(version int) files {
	all := files{
		"chart/Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: app\nversion: %d.0.0\n", version),
		"chart/templates/config.yaml": fmt.Sprintf(
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {key: \"%d\"}\n", version),
	}
	if version > 1 {
		all["chart/templates/hook.yaml"] = harness.EndlessHook
	}
	for i := range busyApps {
		for j := range 12 {
			name := fmt.Sprintf("app-%d-%02d", i, j)
			all[fmt.Sprintf("app-%d/%s.yaml", i, name)] = strings.Replace(configMap(name, fmt.Sprint(version)), "namespace: default", "namespace: "+busy, 1)
		}
	}
	return all
}

func kustomizationManifest(i int) string {
	return fmt.Sprintf("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: app-%d, namespace: %s}\n"+
		"spec: {path: ./app-%d, prune: true, interval: 10m, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}\n", i, busy, i)
}

// workloads returns the names and UIDs of what was applied and released.
func workloads(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, gvr := range []schema.GroupVersionResource{harness.ConfigMaps, secrets} {
		list, err := cluster.Dynamic.Resource(gvr).Namespace(busy).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			if list.Items[i].GetDeletionTimestamp() != nil {
				t.Errorf("%s is being deleted", list.Items[i].GetName())
			}
			all = append(all, fmt.Sprint(list.Items[i].GetName(), " ", list.Items[i].GetUID()))
		}
	}
	slices.Sort(all)
	return all
}

// fluxd is taken off a cluster while it applies a commit and a release waits for its hook,
// and right after objects were made that it has yet to see. What it applied stays, nothing
// gets its finalizer again, and nothing is left that does not go. The process hears of it
// at once, or not at all; another one may put a finalizer on again by a write that was on
// its way.
func TestUninstallWhileBusy(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(map[bool]string{false: "told", true: "deaf"}[deaf], func(t *testing.T) {
			w := newWorld(t, busyFiles(1))
			k := newKeeper(t)
			w.fluxd(w.overHTTP("--version=v1")...)
			w.busy()
			before := workloads(t)
			if deaf {
				k.keepOn()
			}
			w.commit(busyFiles(2))
			w.request()
			w.wait(harness.Jobs, busy, "endless", func(obj *unstructured.Unstructured) bool { return obj != nil })
			for i := range 2 {
				w.make(strings.Replace(kustomizationManifest(i), fmt.Sprintf("name: app-%d,", i), fmt.Sprintf("name: late-%d,", i), 1))
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			again := make(<-chan bool)
			if deaf {
				again = w.finalizeAgain(ctx)
			}
			out := w.fluxd("uninstall", "--silent")
			contains(t, out, "HelmRelease/busy/web finalizers removed", "Kustomization/busy/app-0 finalizers removed", "uninstall finished")
			k.end()
			if deaf && <-again && strings.Count(out, "Kustomization/busy/again finalizers removed") < 2 && !k.said("finalized", `"name":"again"`) {
				t.Error("nobody says to have taken the finalizer off the one that had it again")
			}
			if w.get(harness.Namespaces, "", namespace) != nil || w.get(definitions, "", "helmreleases.helm.toolkit.fluxcd.io") != nil {
				t.Error("something of fluxd is left")
			}
			after := slices.DeleteFunc(workloads(t), func(name string) bool { return strings.HasPrefix(name, "sh.helm.release.v1.web.v2 ") })
			equal(t, "workloads", before, after)
			if _, err := cluster.Kubectl(ctx, "delete", "namespace", busy, "--timeout=60s"); err != nil {
				t.Errorf("the namespace of a user does not go: %v", err)
			}
		})
	}
}

// busy makes the Kustomizations and a HelmRelease, and waits until they are ready.
func (w *world) busy() {
	w.t.Helper()
	w.make("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + busy + "}")
	w.make(fmt.Sprintf("apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: %s}\n"+
		"spec: {interval: 10m, chart: {spec: {chart: chart, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}}}\n", busy))
	for i := range busyApps {
		w.make(kustomizationManifest(i))
	}
	for i := range busyApps {
		w.wait(harness.Kustomized, busy, fmt.Sprintf("app-%d", i), harness.Ready)
	}
	w.wait(api.HelmReleaseGVR, busy, "web", harness.Ready)
	// One that nobody looks after, for whoever is late.
	w.make(strings.Replace(strings.Replace(kustomizationManifest(0), "name: app-0,", "name: again, finalizers: [finalizers.fluxcd.io],", 1), "prune: true", "suspend: true, prune: true", 1))
}

// finalizeAgain puts the finalizer on the Kustomization "again" once more when it is taken
// off, as a process does that had the write on its way, and tells whether it was in time.
func (w *world) finalizeAgain(ctx context.Context) <-chan bool {
	done := make(chan bool, 1)
	go func() {
		_, err := cluster.Wait(ctx, harness.Kustomized, busy, "again", func(obj *unstructured.Unstructured) bool {
			return obj == nil || len(obj.GetFinalizers()) == 0
		})
		if err == nil {
			_, err = cluster.Patch(ctx, harness.Kustomized, busy, "again", map[string]any{"metadata": map[string]any{"finalizers": []string{api.Finalizer}}})
		}
		done <- err == nil
	}()
	return done
}

// said says whether a line of a process that has ended has all of the words.
func (k *keeper) said(words ...string) bool {
	return slices.ContainsFunc(k.log(), func(line string) bool {
		return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
	})
}

func (w *world) make(manifest string) {
	w.t.Helper()
	if _, err := cluster.Create(w.t.Context(), manifest); err != nil {
		w.t.Fatal(err)
	}
}
