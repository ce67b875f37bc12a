package bootstrap

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/test/harness"
)

// many returns files of ConfigMaps with a value each.
func many(n int, value string) files {
	all := files{}
	for i := range n {
		all[fmt.Sprintf("%s/apps/object-%02d.yaml", edge, i)] = configMap(fmt.Sprintf("object-%02d", i), value)
	}
	return all
}

// left returns how many of those there are.
func (w *world) left() int {
	w.t.Helper()
	list, err := cluster.Dynamic.Resource(harness.ConfigMaps).Namespace("default").List(w.t.Context(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for i := range list.Items {
		if strings.HasPrefix(list.Items[i].GetName(), "object-") {
			n++
		}
	}
	return n
}

// A process that nobody ended is in the middle of its work when fluxd is taken off the
// cluster. What it applied stays.
func TestUninstallDuringReconcile(t *testing.T) {
	const n = 60
	w := newWorld(t, many(n, "1"))
	k := newKeeper(t)
	w.fluxd(w.overHTTP("--version=v1")...)
	k.keepOn() // a kubelet that hears nothing any more
	w.commit(many(n, "2"))
	w.request()
	w.wait(harness.ConfigMaps, "default", "object-00", harness.Field("2", "data", "key"))
	out := w.fluxd("uninstall", "--silent")
	contains(t, out, "Kustomization/flux-system/flux-system finalizers removed", "uninstall finished")
	equal(t, "objects", n, w.left())
	if w.get(harness.Namespaces, "", namespace) != nil || w.get(definitions, "", "kustomizations.kustomize.toolkit.fluxcd.io") != nil {
		t.Error("something of fluxd is left")
	}
	k.end()
	equal(t, "objects once the process has ended", n, w.left())
	w.fluxd("uninstall", "--silent")
	w.dropAll()
}

// With the workloads, everything goes.
func TestUninstallWithWorkloads(t *testing.T) {
	const n = 10
	w := newWorld(t, many(n, "1"))
	newKeeper(t)
	w.fluxd(w.overHTTP("--version=v1")...)
	equal(t, "objects", n, w.left())
	w.refused([]string{"uninstall", "--delete-workloads"}, "AND EVERYTHING", "--silent")
	contains(t, w.fluxd("uninstall", "--delete-workloads", "--silent"), "Kustomization/flux-system/flux-system deleted", "uninstall finished")
	equal(t, "objects", 0, w.left())
	if w.get(harness.Namespaces, "", namespace) != nil {
		t.Error("the namespace stayed")
	}
}

// A namespace in which something else runs stays.
func TestUninstallSharedNamespace(t *testing.T) {
	w := newWorld(t, nil)
	w.fluxd("install", "--version=v1")
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: mine, namespace: flux-system}\nspec: {containers: [{name: main, image: example.com/mine:1}]}\n"
	if _, err := cluster.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	contains(t, w.fluxd("uninstall", "--silent"), "the namespace flux-system stays: the Pods mine run there", "uninstall finished")
	if w.get(harness.Namespaces, "", namespace) == nil {
		t.Error("the namespace went")
	}
	if _, err := cluster.Kubectl(t.Context(), "-n", namespace, "delete", "pod", "mine", "--force"); err != nil {
		t.Fatal(err)
	}
	w.fluxd("uninstall", "--silent")
}

// dropAll deletes what a test left in the namespace default.
func (w *world) dropAll() {
	w.t.Helper()
	list, err := cluster.Dynamic.Resource(harness.ConfigMaps).Namespace("default").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range list.Items {
		if strings.HasPrefix(list.Items[i].GetName(), "object-") {
			_ = cluster.Delete(context.Background(), harness.ConfigMaps, "default", list.Items[i].GetName()) // the last test fails if it matters
		}
	}
}

// Exported objects are those of Git, and can be applied again.
func TestExport(t *testing.T) {
	w := newWorld(t, files{edge + "/app.yaml": configMap("app", "1")})
	w.env = []string{"GIT_PASSWORD=a-token"}
	newKeeper(t)
	w.fluxd(w.overHTTP("--version=v1")...)
	out := w.fluxd("export", "ks", "flux-system", "--with-sources", "--with-secrets")
	contains(t, out, "kind: Secret", "password: YS10b2tlbg==", "kind: Kustomization", "path: ./clusters/edge", "kind: GitRepository", "url: "+gits.RepoURL(w.repo))
	for _, part := range []string{"status:", "managedFields", "uid:", "resourceVersion", "finalizers", "requestedAt"} {
		if strings.Contains(out, part) {
			t.Errorf("%q is exported:\n%s", part, out)
		}
	}
	if printed, err := cluster.KubectlInput(t.Context(), out, "apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"); err != nil {
		t.Error(err, printed)
	}
	all := w.fluxd("export", "-A")
	equal(t, "kinds", 2, strings.Count(all, "\nkind: "))
	w.refused([]string{"export", "kustomization", "none"}, "no object found")
	w.refused([]string{"export", "nothing"}, "is no kind; there are: gitrepository")
}

// The definitions are deleted while fluxd runs, by flux uninstall or by hand. What it
// applied stays, and its objects do not hold up their end.
func TestDefinitionsDeleted(t *testing.T) {
	const n = 10
	w := newWorld(t, many(n, "1"))
	newKeeper(t)
	w.fluxd(w.overHTTP("--version=v1")...)
	if _, err := cluster.Kubectl(t.Context(), "delete", "crd", "-l", "app.kubernetes.io/part-of=flux", "--timeout=60s"); err != nil {
		t.Fatal(err)
	}
	equal(t, "objects", n, w.left())
	w.dropAll()
}
