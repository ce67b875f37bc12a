package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
)

// What one source has made is served, and is read as the ExternalArtifact that a
// third party makes of it.
func TestArtifactsAreServed(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, "{"+ownLabel+": "+namespaceOf(t)+"}", files{"app/config.yaml": configMap("web", "1")})
	address := w.serveArtifacts()
	w.source("repo")
	artifact := w.artifact("repo", func(string) bool { return true })
	served := w.download(artifact)
	if !strings.HasPrefix(served, "http://"+address+"/gitrepository/") {
		t.Errorf("the URL is %s, which does not begin with http://%s/gitrepository/", served, address)
	}

	w.create("apiVersion: source.toolkit.fluxcd.io/v1\nkind: ExternalArtifact\nmetadata: {name: copy, namespace: NS, labels: " + w.labels + "}\nspec: {}\n")
	w.offer("copy", artifact)
	w.kustomization("app", "./app", "sourceRef: {kind: ExternalArtifact, name: copy}")
	w.ready("app")
	w.wait(harness.ConfigMaps, "web", data("key", "1"))

	old, _, _ := unstructured.NestedString(artifact, "revision")
	w.commit(files{"app/config.yaml": configMap("web", "2")})
	w.request(api.GitRepositoryGVR, "repo")
	artifact = w.artifact("repo", func(revision string) bool { return revision != old })
	w.download(artifact)
	w.offer("copy", artifact)
	w.wait(harness.ConfigMaps, "web", data("key", "2"))
}

// serveArtifacts starts a daemon that serves artifacts and returns where.
func (w *world) serveArtifacts() string {
	w.t.Helper()
	address, err := program.FreeAddress()
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := harness.Start(binary, credentials, append(flags(), "--watch-label-selector="+ownLabel+"="+w.namespace,
		"--artifact-addr="+address, "--storage-adv-addr="+address, "--feature-gates=ExternalArtifact=true")...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			w.t.Error(err)
		}
	})
	if err := d.Ready(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return address
}

// artifact returns that of a GitRepository once its revision is as wanted.
func (w *world) artifact(name string, revision func(string) bool) map[string]any {
	w.t.Helper()
	obj := w.wait(api.GitRepositoryGVR, name, func(obj *unstructured.Unstructured) bool {
		if obj == nil {
			return false
		}
		got, ok, _ := unstructured.NestedString(obj.Object, "status", "artifact", "revision")
		return ok && revision(got)
	})
	artifact, _, err := unstructured.NestedMap(obj.Object, "status", "artifact")
	if err != nil {
		w.t.Fatal(err)
	}
	return artifact
}

// download checks that an artifact is what its digest says, and returns its URL.
func (w *world) download(artifact map[string]any) string {
	w.t.Helper()
	url, _, _ := unstructured.NestedString(artifact, "url")
	digest, _, _ := unstructured.NestedString(artifact, "digest")
	res, err := http.Get(url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	if got := "sha256:" + hex.EncodeToString(sum[:]); res.StatusCode != http.StatusOK || got != digest {
		w.t.Fatalf("%s: got %s with %s, want %s", url, res.Status, got, digest)
	}
	return url
}

// offer makes an artifact that of an ExternalArtifact, as its provider does.
func (w *world) offer(name string, artifact map[string]any) {
	w.t.Helper()
	status, err := json.Marshal(map[string]any{"status": map[string]any{"artifact": artifact}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.kubectl("patch", "externalartifact", name, "--subresource=status", "--type=merge", "-p", string(status))
}
