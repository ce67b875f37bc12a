package bootstrap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/bootstrap"
	"github.com/fluxd/fluxd/test/harness"
)

// A repository without a commit becomes that of a cluster, and the cluster follows it.
func TestBootstrap(t *testing.T) {
	w := newWorld(t, nil)
	k := newKeeper(t)
	pair, err := bootstrap.KeyType{Algorithm: "ed25519"}.Generate()
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, pair.Private, 0o600); err != nil {
		t.Fatal(err)
	}
	out := w.fluxd(w.overHTTP("--version=v1", "--ssh-signing-key-file="+key)...)
	commit, err := w.repo.Git(t.Context(), "cat-file", "commit", "main")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, commit, "gpgsig -----BEGIN SSH SIGNATURE-----")
	contains(t, out, "the repository is empty", "clusters/edge/flux-system/gotk-components.yaml", "pushed main@sha1:"+w.head(),
		"Kustomization/flux-system: main@sha1:"+w.head(), "bootstrap finished")
	tree, err := w.repo.Git(t.Context(), "ls-tree", "-r", "--name-only", "main")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "files", strings.Fields(`clusters/edge/flux-system/fluxd/fluxd.yaml clusters/edge/flux-system/fluxd/kustomization.yaml
		clusters/edge/flux-system/gotk-components.yaml clusters/edge/flux-system/gotk-sync.yaml clusters/edge/flux-system/kustomization.yaml`), strings.Fields(tree))
	equal(t, "bootstrapped", namespace, w.get(definitions, "", "gitrepositories.source.toolkit.fluxcd.io").GetLabels()[api.LabelKustomizationName])
	contains(t, w.fluxd("check"), "bootstrapped from Git, at main@sha1:"+w.head())

	// Nothing is left to do, by whoever asks.
	head, objects := w.head(), w.versions()
	contains(t, w.fluxd(w.overHTTP("--version=v1")...), "up to date", "applies it by itself", "bootstrap finished")
	equal(t, "head", head, w.head())
	equal(t, "objects", objects, w.versions())

	commit = w.commit(files{edge + "/apps/config.yaml": configMap("from-git", "1")})
	w.request()
	w.applied(commit)
	w.wait(harness.ConfigMaps, "default", "from-git", harness.Field("1", "data", "key"))
	equal(t, "processes", 1, k.processes())
}

// versions returns what tells of writes to what fluxd consists of.
func (w *world) versions() map[string]string {
	versions := make(map[string]string)
	for name, obj := range map[string]*unstructured.Unstructured{
		"deployment": w.get(harness.Deployments, namespace, "fluxd"),
		"namespace":  w.get(harness.Namespaces, "", namespace),
		"definition": w.get(definitions, "", "kustomizations.kustomize.toolkit.fluxcd.io"),
	} {
		versions[name] = string(obj.GetUID()) + "@" + obj.GetResourceVersion()
	}
	return versions
}

// A commit changes what fluxd itself is: its flags, then its image. The process that
// applies that is replaced by it, and the next one goes on.
func TestManagesItself(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n", edge + "/app.yaml": configMap("app", "1")})
	k := newKeeper(t)
	w.fluxd(w.overHTTP("--version=v1")...)
	equal(t, "processes", 1, k.processes())
	kustomization := w.file(edge + "/flux-system/kustomization.yaml")
	patched := kustomization + `patches:
  - target: {kind: Deployment, name: fluxd}
    patch: '[{"op": "replace", "path": "/spec/template/spec/containers/0/args/2", "value": "--log-level=debug"}]'
`
	commit := w.commit(files{edge + "/flux-system/kustomization.yaml": patched, edge + "/app.yaml": configMap("app", "2")})
	w.request()
	w.wait(harness.Deployments, namespace, "fluxd", func(obj *unstructured.Unstructured) bool {
		return strings.Contains(strings.Join(arguments(obj), " "), "--log-level=debug")
	})
	w.applied(commit)
	w.wait(harness.ConfigMaps, "default", "app", harness.Field("2", "data", "key"))
	commit = w.commit(files{edge + "/app.yaml": configMap("app", "3")})
	w.request()
	w.applied(commit)
	equal(t, "processes", 2, k.processes())
	if !strings.Contains(strings.Join(k.log(), "\n"), `"level":"debug"`) {
		t.Error("the new process does not log at the level that Git says")
	}

	// The image changes by another run of bootstrap, which keeps what people wrote.
	out := w.fluxd(w.overHTTP("--version=v2")...)
	contains(t, out, "clusters/edge/flux-system/fluxd/fluxd.yaml", "bootstrap finished")
	equal(t, "kustomization.yaml", patched, w.file(edge+"/flux-system/kustomization.yaml"))
	equal(t, "README.md", "mine\n", w.file("README.md"))
	containers, _, _ := unstructured.NestedSlice(w.get(harness.Deployments, namespace, "fluxd").Object, "spec", "template", "spec", "containers")
	equal(t, "image", "fluxd/fluxd:v2", containers[0].(map[string]any)["image"])
	contains(t, strings.Join(arguments(w.get(harness.Deployments, namespace, "fluxd")), " "), "--log-level=debug")
}
