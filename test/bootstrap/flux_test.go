package bootstrap

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// flux returns the flux command line, or skips the test where there is none.
func flux(t *testing.T) string {
	t.Helper()
	binary, err := harness.FluxCLI(t.Context(), os.Stderr)
	if errors.Is(err, harness.ErrNoFluxCLI) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// flux runs the flux command line, which must succeed.
func (w *world) flux(binary string, args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig(), "HOME="+w.t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("flux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w *world) fluxBootstrap() []string {
	return []string{"bootstrap", "git", "--url=" + gits.RepoURL(w.repo), "--allow-insecure-http", "--token-auth",
		"--username=git", "--password=a-token", "--path=" + edge, "--timeout=2m", "--silent"}
}

// The command line of Flux bootstraps fluxd from a repository that was seeded, and finds
// nothing to do the second time, as does that of fluxd.
func TestFluxBootstrapsFluxd(t *testing.T) {
	cli := flux(t)
	dir := t.TempDir()
	w := newWorld(t, nil)
	w.fluxd("install", "--overlay="+dir, "--version=v1")
	seed := files{edge + "/app.yaml": configMap("app", "1")}
	for _, name := range []string{"gotk-components.yaml", "gotk-sync.yaml", "kustomization.yaml", "fluxd/fluxd.yaml", "fluxd/kustomization.yaml"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		seed[edge+"/flux-system/"+name] = string(content)
	}
	for name, content := range seed {
		if content == "" {
			seed[name] = "\n" // an empty content would delete the file
		}
	}
	w.commit(seed)
	k := newKeeper(t)
	out := w.flux(cli, w.fluxBootstrap()...)
	contains(t, out, "source-controller: deployment ready", "kustomize-controller: deployment ready", "all components are healthy")
	w.applied(w.head())
	for _, name := range []string{"source-controller", "kustomize-controller", "helm-controller", "notification-controller"} {
		replicas, _, _ := unstructured.NestedInt64(w.get(harness.Deployments, namespace, name).Object, "spec", "replicas")
		equal(t, "replicas of "+name, int64(0), replicas)
	}
	w.wait(harness.ConfigMaps, "default", "app", harness.Field("1", "data", "key"))
	contains(t, w.flux(cli, "check"), "fluxd: deployment ready", "all checks passed")

	head := w.head()
	w.flux(cli, w.fluxBootstrap()...)
	equal(t, "head after flux", head, w.head())
	w.env = []string{"GIT_PASSWORD=a-token"}
	contains(t, w.fluxd(w.overHTTP("--version=v1")...), "up to date", "bootstrap finished")
	equal(t, "head after fluxd", head, w.head())
	equal(t, "processes", 1, k.processes())
}

// The command line of Flux installs fluxd from its manifests, where Deployments at rest
// have the names that it waits for.
func TestFluxInstallsFluxd(t *testing.T) {
	cli := flux(t)
	w := newWorld(t, nil)
	dir := t.TempDir()
	manifest := w.fluxd("install", "--export", "--profile=aliases", "--version=v1")
	written := files{
		"fluxd.yaml": manifest, "kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [fluxd.yaml]\n",
	}
	for name, content := range written {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := w.flux(cli, "install", "--manifests="+dir, "--timeout=1m")
	contains(t, out, "source-controller: deployment ready", "notification-controller: deployment ready", "install finished")
	contains(t, w.flux(cli, "check"), "fluxd: deployment ready", "kustomize-controller: deployment ready", "all checks passed")
	contains(t, w.flux(cli, "version"), "fluxd: v1")
	contains(t, w.fluxd("check"), "all checks passed")
	contains(t, w.fluxd("install", "--profile=aliases", "--version=v2"), "Deployment/flux-system/fluxd configured", "install finished")
}

// Those of an installation of Flux are not written over.
func TestInstallSparesControllers(t *testing.T) {
	w := newWorld(t, nil)
	manifest := "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n---\n" +
		strings.Replace(strings.ReplaceAll(stockDeployment, "NAME", "helm-controller"), "replicas: 1", "replicas: 0", 1)
	if _, err := cluster.Create(t.Context(), manifest); err != nil {
		t.Fatal(err)
	}
	w.wait(harness.Deployments, namespace, "helm-controller", harness.Observed)
	w.refused([]string{"install", "--profile=aliases"}, "flux-system/helm-controller of Flux is there")
	contains(t, w.fluxd("install"), "install finished")
}

// What fluxd has bootstrapped, flux may bootstrap again: it brings its own manifests,
// whose controllers stay at rest, and fluxd leaves them.
func TestFluxAfterFluxd(t *testing.T) {
	cli := flux(t)
	w := newWorld(t, files{edge + "/app.yaml": configMap("app", "1")})
	w.env = []string{"GIT_PASSWORD=a-token"}
	newKeeper(t)
	w.fluxd(w.overHTTP("--version=v1")...)
	w.flux(cli, w.fluxBootstrap()...)
	contains(t, w.file(edge+"/flux-system/gotk-components.yaml"), "kind: Deployment", "name: source-controller")
	w.applied(w.head())
	head := w.head()
	contains(t, w.fluxd(w.overHTTP("--version=v1")...), "up to date")
	equal(t, "head", head, w.head())
	replicas, _, _ := unstructured.NestedInt64(w.get(harness.Deployments, namespace, "kustomize-controller").Object, "spec", "replicas")
	equal(t, "replicas", int64(0), replicas)
	contains(t, w.fluxd("check"), "all checks passed")

	// The command line of Flux takes fluxd off again, and leaves what it applied.
	w.flux(cli, "uninstall", "--silent")
	w.wait(harness.Namespaces, "", namespace, harness.Gone)
	if w.get(harness.ConfigMaps, "default", "app") == nil {
		t.Error("what was applied went")
	}
}
