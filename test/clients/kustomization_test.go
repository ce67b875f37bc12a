package clients

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// The life of a Kustomization as somebody leads it who has no other tool.
func TestKustomization(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "1")})
	revision := w.commit(files{"app/web.yaml": deployment("web")})

	says(t, w.flux("create", "source", "git", "repo", "--url="+gits.RepoURL(w.repo), "--branch=main", "--interval=10m"),
		"✚ generating GitRepository source", "✔ GitRepository source created", "◎ waiting for GitRepository source reconciliation",
		"✔ GitRepository source reconciliation completed", "✔ fetched revision: "+revision)
	says(t, w.flux("create", "kustomization", "app", "--source=GitRepository/repo", "--path=./app", "--prune=true", "--interval=10m",
		"--health-check=Deployment/web."+w.Namespace, "--health-check-timeout=1m"),
		"✔ Kustomization created", "✔ Kustomization app is ready", "✔ applied revision "+revision)
	w.Wait(harness.ConfigMaps, "config", data("1"))

	table := w.flux("get", "kustomizations")
	world.Equal(t, "header", "NAME", table[:4])
	world.Equal(t, "row", []string{"app", short(revision), "False", "True", "Applied revision: " + short(revision)}, row(t, table, "app"))

	exported := w.flux("export", "kustomization", "app")
	says(t, exported, "kind: Kustomization", "name: app", "namespace: "+w.Namespace, "spec:", "healthChecks:", "interval: 10m0s", "path: ./app", "prune: true", "sourceRef:")
	lacks(t, exported, "status:", "managedFields", "finalizers")
	world.Equal(t, "export of all", exported, w.flux("export", "ks", "--all"))

	says(t, w.flux("suspend", "kustomization", "app"), "✔ kustomization suspended")
	suspended := w.Get(kustomizations, "app")
	says(t, w.refused("reconcile", "kustomization", "app"), "✗ resource is suspended")
	next := w.commit(files{"app/config.yaml": configMap("config", "2")})
	says(t, w.flux("reconcile", "source", "git", "repo"), "✔ GitRepository annotated", "✔ fetched revision "+next)
	world.Equal(t, "status while suspended", statusOf(suspended), statusOf(w.Get(kustomizations, "app")))
	world.Equal(t, "row", []string{"app", short(revision), "True", "True", "Applied revision: " + short(revision)}, row(t, w.flux("get", "ks", "app"), "app"))

	says(t, w.flux("resume", "kustomization", "app"), "✔ kustomization resumed", "✔ Kustomization app reconciliation completed", "✔ applied revision "+next)
	w.Wait(harness.ConfigMaps, "config", data("2"))

	last := w.commit(files{"app/config.yaml": configMap("config", "3")})
	began := time.Now()
	says(t, w.flux("reconcile", "kustomization", "app", "--with-source"),
		"► annotating GitRepository repo in "+w.Namespace+" namespace", "✔ fetched revision "+last,
		"► annotating Kustomization app in "+w.Namespace+" namespace", "✔ applied revision "+last)
	t.Logf("flux reconcile kustomization --with-source: %s", time.Since(began))
	w.Wait(harness.ConfigMaps, "config", data("3"))

	says(t, w.flux("delete", "kustomization", "app", "--silent"), "✔ kustomization deleted")
	w.Wait(kustomizations, "app", harness.Gone)
	w.Wait(harness.ConfigMaps, "config", harness.Gone)
	says(t, w.flux("delete", "source", "git", "repo", "--silent"), "✔ source git deleted")
	w.Wait(harness.Sources, "repo", harness.Gone)
	says(t, w.refused("get", "kustomizations"), "✗ no Kustomization objects found in \""+w.Namespace+"\" namespace")
}

// Several objects at once, and all of a namespace.
func TestSuspendAll(t *testing.T) {
	w := newFluxWorld(t, files{"a/config.yaml": configMap("a", "1"), "b/config.yaml": configMap("b", "1")})
	w.git("repo")
	w.kustomization("a", "repo", "./a")
	w.kustomization("b", "repo", "./b")
	w.Wait(kustomizations, "a", ready)
	w.Wait(kustomizations, "b", ready)
	suspended := func(name string) bool {
		is, _, _ := unstructured.NestedBool(w.Get(kustomizations, name).Object, "spec", "suspend")
		return is
	}
	says(t, w.flux("suspend", "kustomization", "a", "none"), "✔ kustomization suspended", "✗ Kustomization none not found in "+w.Namespace+" namespace")
	world.Equal(t, "suspended", []bool{true, false}, []bool{suspended("a"), suspended("b")})
	w.flux("suspend", "kustomization", "--all")
	world.Equal(t, "suspended", []bool{true, true}, []bool{suspended("a"), suspended("b")})
	says(t, w.flux("suspend", "source", "git", "--all"), "✔ source git suspended")

	// Suspended sources keep what they have, and it is applied.
	out := w.flux("resume", "kustomization", "--all", "--wait")
	says(t, out, "✔ Kustomization a reconciliation completed", "✔ applied revision main@sha1:", "✔ Kustomization b reconciliation completed")
	world.Equal(t, "suspended", []bool{false, false}, []bool{suspended("a"), suspended("b")})
	says(t, w.flux("resume", "source", "git", "--all", "--wait"), "✔ GitRepository repo reconciliation completed", "✔ fetched revision main@sha1:")
}

// A failure is told as it is, and at once.
func TestReconcileFails(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.git("repo")
	w.kustomization("app", "repo", "./none")
	says(t, w.refused("create", "kustomization", "nameless", "--source=GitRepository/repo", "--path=./app", "--interval=10m",
		"--decryption-provider=none"), "✗")
	w.Wait(kustomizations, "app", saysReady("path not found"))
	says(t, w.flux("get", "kustomizations", "--status-selector", "ready=false"), "app", "False", "kustomization path not found")
	lacks(t, w.flux("get", "kustomizations", "--status-selector", "ready=true"), "app")
}

// A suspended Kustomization is deleted and leaves what it applied.
func TestDeleteSuspended(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.git("repo")
	w.kustomization("app", "repo", "./app")
	w.Wait(kustomizations, "app", ready)
	w.flux("suspend", "ks", "app")
	w.flux("delete", "ks", "app", "--silent")
	w.Wait(kustomizations, "app", harness.Gone)
	if w.Get(harness.ConfigMaps, "config") == nil {
		t.Error("what was applied went")
	}
}

func deployment(name string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name + ", namespace: NS}\nspec:\n  selector: {matchLabels: {app: " + name + "}}\n" +
		"  template:\n    metadata: {labels: {app: " + name + "}}\n    spec: {containers: [{name: main, image: example.com/" + name + ":1}]}\n"
}
